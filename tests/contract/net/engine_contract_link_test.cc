// Contract: how connections begin. Accepting, connecting, descriptors of the process running out, watched descriptors.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <set>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/event_fd.h"
#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

TEST_P(EngineContract, AcceptsABurst) {
  constexpr std::size_t kBurst = 200;
  Life& listener = driver().listen(make_listener(family()));
  const Endpoint address = local_of(engine().fd_of(listener.id));

  std::vector<Fd> clients;
  for (std::size_t i = 0; i < kBurst; ++i) clients.push_back(start_connect(address));
  ASSERT_TRUE(driver().run_until([&] { return listener.accepted.size() >= kBurst; }));
  driver().settle();

  ASSERT_EQ(listener.accepted.size(), kBurst);
  std::set<Endpoint> peers;
  for (const Fd& fd : listener.accepted) {
    EXPECT_NE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    peers.insert(peer_of(fd.get()));
  }
  EXPECT_EQ(peers.size(), kBurst);
  EXPECT_TRUE(listener.accept_errors.empty());
  EXPECT_EQ(engine().counters().accepts, kBurst);
}

TEST_P(EngineContract, AcceptsWhatComesBetweenTwoTurns) {
  Life& listener = driver().listen(make_listener(family()));
  const Endpoint address = local_of(engine().fd_of(listener.id));
  std::vector<Fd> clients;

  for (std::size_t i = 1; i <= 20; ++i) {
    clients.push_back(start_connect(address));
    ASSERT_TRUE(driver().run_until([&] { return listener.accepted.size() == i; }));
  }
}

TEST_P(EngineContract, AClosedListenerAcceptsNoMoreAndRefuses) {
  Life& listener = driver().listen(make_listener(family()));
  const Endpoint address = local_of(engine().fd_of(listener.id));
  driver().settle();

  driver().close(listener);
  ASSERT_TRUE(driver().run_until([&] { return listener.closed; }));

  const Fd late = start_connect(address);
  ASSERT_TRUE(wait_for(late.get(), POLLOUT));
  int error = 0;
  socklen_t size = sizeof error;
  ASSERT_EQ(::getsockopt(late.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, ECONNREFUSED);
}

// What the kernel had accepted when the listener was closed is either reported or closed, never lost (the fixture counts descriptors).
TEST_P(EngineContract, ClosingAListenerInABurstLosesNoDescriptor) {
  Life& listener = driver().listen(make_listener(family()));
  const Endpoint address = local_of(engine().fd_of(listener.id));
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(start_connect(address));
  listener.then = [&](Life& life, const Event& event) {
    if (event.kind == EventKind::kAccepted && life.accepted.size() == 10) driver().close(life);
  };

  ASSERT_TRUE(driver().run_until([&] { return listener.closed; }));

  EXPECT_EQ(listener.accepted.size(), 10U);
}

void expect_reset(const Fd& client) {
  ASSERT_TRUE(wait_for(client.get(), POLLIN));
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), -1) << "an end of file";
  EXPECT_EQ(errno, ECONNRESET);
}

// It has shaken hands, and the kernel may even have accepted it, when the listener is closed.
TEST_P(EngineContract, AClientThatWaitsAtAClosingListenerIsReset) {
  Life& listener = driver().listen(make_listener(family()));
  driver().settle();
  const Fd client = start_connect(local_of(engine().fd_of(listener.id)));
  ASSERT_TRUE(wait_for(client.get(), POLLOUT));

  driver().close(listener);
  ASSERT_TRUE(driver().run_until([&] { return listener.closed; }));

  EXPECT_TRUE(listener.accepted.empty());
  expect_reset(client);
}

TEST_P(EngineContract, AClientThatWaitsWhenTheEngineEndsIsReset) {
  Life& listener = driver().listen(make_listener(family()));
  driver().settle();
  const Fd client = start_connect(local_of(engine().fd_of(listener.id)));
  ASSERT_TRUE(wait_for(client.get(), POLLOUT));
  driver().finish();
  expect_reset(client);
}

TEST_P(EngineContract, WhatItHasNoRoomForIsReset) {
  remake({.faults = fault_plan(), .engine = {.sockets_max = 1}});
  Life& listener = driver().listen(make_listener(family()));
  (void)listener;
  auto [ours, theirs] = make_tcp_pair(family());
  EXPECT_FALSE(engine().adopt(std::move(ours), 100));
  expect_reset(theirs);
  const EventFd event;
  EXPECT_FALSE(engine().watch(event.get(), 101));
  EXPECT_NE(::fcntl(event.get(), F_GETFD), -1) << "it is borrowed";
}

TEST_P(EngineContract, ReportsAConnectOnce) {
  const Fd listener = make_listener(family());
  const Endpoint address = local_of(listener.get());

  Life& life = driver().connect(make_socket(family()), address);
  ASSERT_TRUE(driver().run_until([&] { return life.connected.has_value(); }));
  driver().settle();

  EXPECT_EQ(life.connected, 0);
  EXPECT_EQ(peer_of(engine().fd_of(life.id)), address);
  EXPECT_FALSE(life.error.has_value());
}

TEST_P(EngineContract, ConnectsManyAtOnce) {
  constexpr int kMany = 300;  // More than the engine's submission queue would like to hold addresses for.
  const Fd listener = make_listener(family());
  std::vector<Life*> lives;
  for (int i = 0; i < kMany; ++i) lives.push_back(&driver().connect(make_socket(family()), local_of(listener.get())));

  const auto answered = [](const Life* l) { return l->connected.has_value(); };
  ASSERT_TRUE(driver().run_until([&] { return std::all_of(lives.begin(), lives.end(), answered); }));

  for (const Life* life : lives) EXPECT_EQ(life->connected, 0);
}

TEST_P(EngineContract, ReportsARefusedConnect) {
  const Fd bound = make_bound_socket(family());  // Keeps the port from others, but does not listen.

  Life& life = driver().connect(make_socket(family()), local_of(bound.get()));
  ASSERT_TRUE(driver().run_until([&] { return life.connected.has_value(); }));
  driver().settle();

  EXPECT_EQ(life.connected, ECONNREFUSED);
  driver().close(life);
  EXPECT_TRUE(driver().run_until([&] { return life.closed; }));
}

// TCP to a multicast address fails inside connect(2), without a packet.
TEST_P(EngineContract, ReportsAnUnreachableConnect) {
  const IpAddress all_hosts = IpAddress::v4({224, 0, 0, 1});
  const IpAddress all_nodes = IpAddress::v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  const Endpoint nowhere{family() == IpAddress::Family::kV4 ? all_hosts : all_nodes, 9};

  Life& life = driver().connect(make_socket(family()), nowhere);
  ASSERT_TRUE(driver().run_until([&] { return life.connected.has_value(); }));
  driver().settle();

  EXPECT_EQ(life.connected, ENETUNREACH);
  driver().close(life);
  EXPECT_TRUE(driver().run_until([&] { return life.closed; }));
}

/// A listener whose queue is full: it neither accepts nor refuses.
struct SilentListener {
  explicit SilentListener(IpAddress::Family family) : listener(make_listener(family, 0)) {
    for (int i = 0; i < 4; ++i) waiting.push_back(start_connect(local_of(listener.get())));
  }
  Fd listener;
  std::vector<Fd> waiting;
};

TEST_P(EngineContract, GivesUpAConnectThatGetsNoAnswer) {
  const SilentListener silent(family());
  Life& life = driver().connect(make_socket(family()), local_of(silent.listener.get()));
  driver().settle();
  ASSERT_FALSE(life.connected.has_value());

  driver().close(life);

  EXPECT_TRUE(driver().run_until([&] { return life.closed; }));
  EXPECT_FALSE(life.connected.has_value());
}

TEST_P(EngineContract, ClosesAConnectBeforeTheFirstTurn) {
  const Fd listener = make_listener(family());
  Life& life = driver().connect(make_socket(family()), local_of(listener.get()));

  driver().close(life, /*reset=*/true);

  EXPECT_TRUE(driver().run_until([&] { return life.closed; }));
  EXPECT_FALSE(life.connected.has_value());
}

TEST_P(EngineContract, ReportsAConnectionThatWasResetBeforeItWasSeen) {
  const Fd listener = make_listener(family());
  Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
  const auto accept_and_reset = [&] {
    auto accepted = accept_one(listener.get());
    ASSERT_TRUE(accepted.has_value());
    Peer(std::move(*accepted), 0, 0).reset();
  };
  driver().turn();  // io_uring starts the connect here.
  accept_and_reset();

  // Either the connect itself failed, or it succeeded and the error came after it.
  ASSERT_TRUE(driver().run_until([&] { return life.error.has_value() || life.connected.value_or(0) != 0; }));
  EXPECT_EQ(life.error.value_or(*life.connected), ECONNRESET);
}

TEST_P(EngineContract, DataThatCameWithTheConnectIsRead) {
  const Fd listener = make_listener(family());
  Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
  driver().turn();
  auto accepted = accept_one(listener.get());
  ASSERT_TRUE(accepted.has_value());
  Peer& peer = driver().add_peer(std::move(*accepted), life);
  peer.send_more(1000);
  peer.fin_after_send = true;
  ASSERT_TRUE(driver().run_until([&] { return life.connected == 0 && peer.unsent() == 0; }));

  driver().want_read(life, true);

  ASSERT_TRUE(driver().run_until([&] { return life.eof; }));
  EXPECT_EQ(life.received, 1000U);
}

/// Lowers the process's descriptor limit to what is open now plus `spare`, until its end.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t spare) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const Fd probe(::dup(0));  // The lowest free number: everything below it is taken.
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(probe.get()) + spare;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  }
  ~FewDescriptors() { end(); }
  void end() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

TEST_P(EngineContract, PausesAcceptingWithoutDescriptorsAndResumes) {
  Fd listening = make_listener(family());
  std::vector<Fd> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(start_connect(local_of(listening.get())));
  FewDescriptors limit(3);

  Life& listener = driver().listen(std::move(listening));
  ASSERT_TRUE(driver().run_until([&] { return !listener.accept_errors.empty(); }));
  driver().settle();
  EXPECT_EQ(listener.accept_errors, std::vector<int>{EMFILE});  // Once: it does not spin.
  EXPECT_EQ(listener.accepted.size(), 3U);

  engine().resume_accept(listener.id);  // Still none: it says so again, once for however many calls.
  engine().resume_accept(listener.id);
  ASSERT_TRUE(driver().run_until([&] { return listener.accept_errors.size() == 2; }));
  driver().settle();

  limit.end();
  engine().resume_accept(listener.id);
  EXPECT_TRUE(driver().run_until([&] { return listener.accepted.size() == 8; }));
  EXPECT_EQ(listener.accept_errors.size(), 2U);
  engine().resume_accept(listener.id);  // Not paused: harmless.
  driver().settle();
  EXPECT_EQ(listener.accept_errors.size(), 2U);
}

TEST_P(EngineContract, ReportsAWatchedEventFdEachTime) {
  const EventFd event;
  Life& watch = driver().watch(event.get());
  watch.then = [&](Life&, const Event&) { event.clear(); };
  driver().settle();
  EXPECT_EQ(watch.readable, 0U);

  for (std::uint64_t i = 1; i <= 5; ++i) {
    const std::uint64_t before = watch.readable;
    event.signal();
    ASSERT_TRUE(driver().run_until([&] { return watch.readable > before; })) << "signal " << i;
    driver().settle();
  }
  driver().close(watch);
  ASSERT_TRUE(driver().run_until([&] { return watch.closed; }));
  event.signal();  // The descriptor was borrowed: it still works, and nobody listens.
  driver().settle();
}

TEST_P(EngineContract, SeesAnEventFdThatWasSignalledBeforeItWasWatched) {
  const EventFd event;
  event.signal();

  Life& watch = driver().watch(event.get());
  watch.then = [&](Life&, const Event&) { event.clear(); };

  EXPECT_TRUE(driver().run_until([&] { return watch.readable > 0; }));
}

// A signal may end one wait early, so a few turns are allowed, but never a busy one.
TEST_P(EngineContract, PollWaitsForItsDeadlineAndEndsThere) {
  Life& quiet = driver().make_pair(family()).life;
  driver().want_read(quiet, true);
  driver().settle();
  const std::uint64_t turns = driver().turns();
  const Instant deadline = monotonic_now() + std::chrono::milliseconds(60);

  while (monotonic_now() < deadline) driver().turn(deadline - monotonic_now());

  EXPECT_LE(driver().turns() - turns, 8U);
  EXPECT_LT(monotonic_now() - deadline, std::chrono::milliseconds(500));
}

TEST_P(EngineContract, PollWithAPastDeadlineDoesNotWait) {
  struct Nothing final : EventSink {
    void on_turn() override { ++turns; }
    void on_event(const Event&) override {}
    int turns = 0;
  } sink;
  const Instant before = monotonic_now();

  engine().poll(Instant::min(), sink);
  engine().poll(Instant{}, sink);
  engine().poll(before, sink);

  EXPECT_LT(monotonic_now() - before, std::chrono::milliseconds(500));
  EXPECT_EQ(sink.turns, 3);
}

TEST_P(EngineContract, PollWithoutADeadlineEndsWithAnEvent) {
  const Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  const itimerspec in_30_ms{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 30'000'000}};
  ASSERT_EQ(::timerfd_settime(timer.get(), 0, &in_30_ms, nullptr), 0);
  struct Counting final : EventSink {
    void on_turn() override {}
    void on_event(const Event& event) override { seen = seen || event.kind == EventKind::kReadable; }
    bool seen = false;
  } sink;
  auto watch = engine().watch(timer.get(), 0);
  ASSERT_TRUE(watch.has_value());

  while (!sink.seen) engine().poll(Instant::max(), sink);

  std::uint64_t expirations = 0;
  EXPECT_EQ(::read(timer.get(), &expirations, sizeof expirations), static_cast<ssize_t>(sizeof expirations));
}

}  // namespace
}  // namespace fairlead::net
