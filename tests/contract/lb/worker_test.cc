// Workers as the daemon has them: threads with their own engines and inboxes, on one set of SO_REUSEPORT sockets.
#include <algorithm>
#include <array>
#include <condition_variable>
#include <future>
#include <mutex>
#include <poll.h>

#include <gtest/gtest.h>

#include "base/sockaddr.h"
#include "lb/listener_socket.h"
#include "lb/worker.h"
#include "tests/contract/lb/relay_contract.h"
#include "tests/support/few_descriptors.h"

namespace fairlead::lb {
namespace {

using namespace support;

constexpr ListenerId kListener = 0;
constexpr BindId kBind = 5;

/// What a worker's thread answers, waited for here.
template <class T>
class Answer {
 public:
  void give(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    given_.notify_all();
  }
  [[nodiscard]] T wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(given_.wait_for(lock, std::chrono::seconds(20), [this] { return value_.has_value(); })) << "no answer";
    return value_.value_or(T{});
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_;
  std::optional<T> value_;
};

struct LongLink {
  Fd client;
  Fd server;
  std::size_t at = 0;
};

class WorkerContract : public testing::TestWithParam<EngineCase> {
 protected:
  void SetUp() override {
    if (!engine_runs(GetParam())) return;
    fds_before_ = open_fds();
    pool_.name = "masters";
    pool_.connect_timeout = std::chrono::seconds(5);
    pool_.retries = 3;
    pool_.counters = std::make_shared<PoolCounters>();
    listener_.name = "kube-api";
    listener_.counters = std::make_shared<ListenerCounters>();
  }
  void TearDown() override {
    if (IsSkipped() || fds_before_ == 0) return;
    workers_.clear();
    servers_.clear();
    EXPECT_EQ(process_.current(), 0U);
    EXPECT_EQ(sources_.used(), 0U);
    EXPECT_EQ(listener_.counters->current.load(), 0U);
    for (const RouteServer& server : pool_.servers) EXPECT_EQ(server.counters->current.load(), 0U) << server.name;
    EXPECT_EQ(open_fds(), fds_before_) << "descriptors lost";
  }

  void start(std::uint32_t workers, std::size_t servers, bool open = true) {
    for (std::size_t i = 0; i < servers; ++i) {
      servers_.push_back(make_listener(GetParam().family));
      pool_.servers.push_back({.id = static_cast<ServerId>(i + 1),
                               .name = "mast-" + std::to_string(i + 1),
                               .endpoint = local_of(servers_.back().get()),
                               .weight = 100,
                               .usable = true,
                               .counters = std::make_shared<ServerCounters>(/*workers=*/8)});
      pool_.rotation.push_back(static_cast<std::uint16_t>(i));
    }
    for (std::uint32_t i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(WorkerOptions{.index = i,
                                                                .uring = GetParam().kind == EngineKind::kUring,
                                                                .pool_bytes = 1024 * 1024,
                                                                .connections_max = 256,
                                                                .pipes_max = 16},
                                                  WorkerShared{sources_, process_, [](WorkerReport) {}}));
      const Status status = workers_.back()->start();
      ASSERT_TRUE(status.has_value()) << status.error().message();
    }
    publish();
    if (open) open_door();
  }
  void publish() {
    auto table = std::make_shared<RouteTable>();
    table->listeners = {listener_};
    table->binds = {{kBind, listener_.id}};
    table->pools = {std::make_shared<const RoutePool>(pool_)};
    for (const auto& worker : workers_) ASSERT_TRUE(worker->post(SetRoutes{table}));
  }
  void open_door() { open_door(loopback(GetParam().family)); }
  void open_door(Endpoint at) {
    for (const auto& worker : workers_) {
      auto socket = open_listener(at, leg_options_);
      ASSERT_TRUE(socket.has_value()) << socket.error().message();
      at = local_of(socket->get());
      ASSERT_TRUE(worker->post(OpenListener{kListener, kBind, std::move(*socket), !leg_options_.congestion_control.empty()}));
    }
    front_ = at;
    for (const auto& worker : workers_) ping(*worker);
  }
  /// Everything posted before has been done.
  void ping(Worker& worker) {
    ASSERT_TRUE(worker.post(Ping{++pings_}));
    wait_until([&] { return worker.stats().pong.load() >= pings_; });
  }
  static void wait_until(const std::function<bool()>& done) {
    const Instant end = monotonic_now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(monotonic_now(), end) << "nothing more happens";
      std::this_thread::yield();
    }
  }
  /// A connection through the relay; its server's end is whichever server got it.
  LongLink connect() {
    LongLink link{.client = start_connect(front_), .server = {}};
    std::vector<pollfd> wanted;
    for (const Fd& server : servers_) wanted.push_back({.fd = server.get(), .events = POLLIN, .revents = 0});
    EXPECT_GT(::poll(wanted.data(), wanted.size(), 20'000), 0);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if ((wanted[i].revents & POLLIN) == 0) continue;
      if (auto fd = accept_one(servers_[i].get())) {
        link.server = std::move(*fd);
        link.at = i;
      }
    }
    EXPECT_TRUE(link.server.valid());
    return link;
  }
  static void expect_passes(const Fd& from, const Fd& to, std::string_view text) {
    ASSERT_EQ(::send(from.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    ASSERT_TRUE(wait_for(to.get(), POLLIN));
    std::array<char, 64> got{};
    ASSERT_EQ(::recv(to.get(), got.data(), got.size(), 0), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(std::string_view(got.data(), text.size()), text);
  }
  static void expect_relays(const LongLink& link) {
    expect_passes(link.client, link.server, "a request");
    expect_passes(link.server, link.client, "its answer");
  }
  static void expect_reset(const Fd& fd) {
    ASSERT_TRUE(wait_for(fd.get(), POLLIN));
    char byte = 0;
    EXPECT_EQ(::recv(fd.get(), &byte, 1, 0), -1) << "not a reset";
    EXPECT_EQ(errno, ECONNRESET);
  }
  [[nodiscard]] std::vector<ConnectionView> list() {
    std::vector<ConnectionView> all;
    for (const auto& worker : workers_) {
      auto answer = std::make_shared<Answer<std::vector<ConnectionView>>>();
      EXPECT_TRUE(worker->post(ListMatching{{}, 100, [answer](std::vector<ConnectionView> views) { answer->give(std::move(views)); }}));
      for (ConnectionView& view : answer->wait()) all.push_back(std::move(view));
    }
    return all;
  }
  [[nodiscard]] std::size_t kill(const ConnectionQuery& query) {
    std::size_t killed = 0;
    for (const auto& worker : workers_) {
      auto answer = std::make_shared<Answer<std::size_t>>();
      EXPECT_TRUE(worker->post(KillMatching{query, EndCause::kKilled, [answer](std::size_t n) { answer->give(n); }}));
      killed += answer->wait();
    }
    return killed;
  }
  [[nodiscard]] std::size_t release(const IpAddress& address) {
    std::vector<std::shared_ptr<Answer<std::size_t>>> answers;
    for (const auto& worker : workers_) {
      answers.push_back(std::make_shared<Answer<std::size_t>>());
      EXPECT_TRUE(worker->post(ReleaseAddress{address, [answer = answers.back()](std::size_t n) { answer->give(n); }}));
    }
    std::size_t closed = 0;
    for (const auto& answer : answers) closed += answer->wait();
    return closed;
  }
  void say_gone(const IpAddress& address) {
    for (const auto& worker : workers_) ASSERT_TRUE(worker->post(AddressGone{address}));
    for (const auto& worker : workers_) ping(*worker);
  }
  [[nodiscard]] std::uint64_t counted(EndCause cause) const {
    std::uint64_t all = 0;
    for (const auto& worker : workers_) all += worker->stats().listeners[kListener].ended[static_cast<std::size_t>(cause)].get();
    return all;
  }
  [[nodiscard]] std::uint64_t turned_away() const {
    std::uint64_t all = 0;
    for (const auto& worker : workers_)
      all += worker->stats().listeners[kListener].shed[static_cast<std::size_t>(Refusal::kVipReleased)].get();
    return all;
  }
  static bool is_answered(const Fd& client, Duration within) {
    pollfd wanted{.fd = client.get(), .events = POLLOUT, .revents = 0};
    return ::poll(&wanted, 1, static_cast<int>(to_ms(within))) > 0;
  }
  [[nodiscard]] std::uint64_t connections() const {
    std::uint64_t all = 0;
    for (const auto& worker : workers_) all += worker->stats().connections.load();
    return all;
  }

  RoutePool pool_;
  RouteListener listener_;
  SourceCounts sources_{64, 3};
  ProcessPlaces process_{1000};
  std::vector<Fd> servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Endpoint front_;
  LegOptions leg_options_;
  std::uint64_t pings_ = 0;
  std::size_t fds_before_ = 0;
};

// Shares are exact: the places are counted once for all workers, whichever of them the kernel gave the client to.
TEST_P(WorkerContract, FourWorkersShareTwelveLongConnectionsOverThreeServers) {
  start(4, 3);
  std::vector<LongLink> links;
  std::array<int, 3> share{};
  for (int i = 0; i < 12; ++i) {
    links.push_back(connect());
    ++share[links.back().at];
  }
  EXPECT_EQ(share, (std::array<int, 3>{4, 4, 4}));
  for (const LongLink& link : links) expect_relays(link);
  EXPECT_EQ(list().size(), 12U);
  EXPECT_EQ(connections(), 12U);
}

TEST_P(WorkerContract, ManyAtOnceDifferByOneAtMost) {
  start(4, 3);
  std::vector<Fd> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(start_connect(front_));
  wait_until([&] { return connections() == 50; });
  wait_until([&] {
    std::uint32_t placed = 0;
    for (const RouteServer& server : pool_.servers) placed += server.counters->current.load();
    return placed == 50;
  });
  for (const RouteServer& server : pool_.servers) {
    EXPECT_GE(server.counters->current.load(), 16U);
    EXPECT_LE(server.counters->current.load(), 17U);
  }
  EXPECT_EQ(process_.current(), 50U);
}

TEST_P(WorkerContract, ListsAndKillsOverAllWorkers) {
  start(2, 2);
  std::vector<LongLink> links;
  for (int i = 0; i < 6; ++i) links.push_back(connect());
  const auto views = list();
  ASSERT_EQ(views.size(), 6U);

  EXPECT_EQ(kill(with_id(views[0].id)), 1U);
  EXPECT_EQ(kill(with(&ConnectionQuery::server, "mast-1")) + kill(with(&ConnectionQuery::server, "mast-2")), 5U);

  for (const LongLink& link : links) {
    expect_reset(link.client);
    expect_reset(link.server);
  }
  wait_until([&] { return connections() == 0; });
  EXPECT_EQ(list().size(), 0U);
}

TEST_P(WorkerContract, AClosedListenerRefusesAndItsConnectionsGoOn) {
  start(2, 1);
  const LongLink link = connect();
  for (const auto& worker : workers_) ASSERT_TRUE(worker->post(CloseListener{kBind}));
  for (const auto& worker : workers_) ping(*worker);
  wait_until([&] {
    const Fd probe = start_connect(front_);
    EXPECT_TRUE(wait_for(probe.get(), POLLOUT));
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(probe.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == ECONNREFUSED;
  });
  expect_relays(link);

  open_door();

  expect_relays(connect());
  expect_relays(link);
}

// R18: those that are open are reset, and nobody is let into a connection that nobody will serve. Once the address is back its clients are
// served again, those too whose first SYN was dropped.
TEST_P(WorkerContract, AnAddressThatIsReleasedResetsItsConnectionsAndAnswersNobody) {
  start(2, 1);
  std::vector<LongLink> links;
  for (int i = 0; i < 6; ++i) links.push_back(connect());

  EXPECT_EQ(release(front_.address), 6U);

  for (const LongLink& link : links) {
    pollfd seen{.fd = link.client.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&seen, 1, 0), 1) << "told before it was reset";
    expect_reset(link.client);
    expect_reset(link.server);
  }
  wait_until([&] { return counted(EndCause::kVipReleased) == 6; });
  std::vector<Fd> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(start_connect(front_));
  for (const Fd& client : waiting) EXPECT_FALSE(is_answered(client, std::chrono::milliseconds(50)));
  say_gone(front_.address);
  for (const Fd& client : waiting) EXPECT_TRUE(is_answered(client, std::chrono::seconds(5)));
  wait_until([&] { return connections() == 4; });
  for (std::size_t i = 0; i < waiting.size(); ++i) EXPECT_TRUE(accept_one(servers_[0].get()));
  expect_relays(connect());
}

// Their handshakes are over and their clients believe in them: a silence would be the end of it.
TEST_P(WorkerContract, WhoWaitsInTheQueueOfAReleasedAddressIsReset) {
  start(1, 1);
  Answer<bool> busy;
  std::promise<void> go_on;
  ASSERT_TRUE(workers_[0]->post(KillMatching{with_id(1), EndCause::kKilled, [&](std::size_t) {
                                               busy.give(true);
                                               go_on.get_future().wait();
                                             }}));
  (void)busy.wait();
  std::vector<Fd> queued;
  for (int i = 0; i < 20; ++i) queued.push_back(start_connect(front_));
  for (const Fd& client : queued) ASSERT_TRUE(is_answered(client, std::chrono::seconds(5)));
  auto closed = std::make_shared<Answer<std::size_t>>();
  ASSERT_TRUE(workers_[0]->post(ReleaseAddress{front_.address, [closed](std::size_t n) { closed->give(n); }}));
  go_on.set_value();

  EXPECT_EQ(closed->wait() + turned_away(), 20U);

  for (const Fd& client : queued) expect_reset(client);
  wait_until([&] { return connections() == 0; });
}

/// IPv6 has one loopback address.
class WorkerContractV4 : public WorkerContract {};

TEST_P(WorkerContractV4, OtherAddressesOfAWildcardListenerGoOn) {
  start(2, 1, /*open=*/false);
  open_door({IpAddress::any(IpAddress::Family::kV4), 0});
  const std::uint16_t port = front_.port;
  const Endpoint vip{IpAddress::v4({127, 0, 0, 2}), port};
  front_ = vip;
  const LongLink leaves = connect();
  front_ = {IpAddress::v4({127, 0, 0, 1}), port};
  const LongLink stays = connect();

  EXPECT_EQ(release(vip.address), 1U);

  expect_reset(leaves.client);
  expect_relays(stays);
  expect_relays(connect());
  const Fd waiting = start_connect(vip);
  EXPECT_FALSE(is_answered(waiting, std::chrono::milliseconds(50)));
  say_gone(vip.address);
  EXPECT_TRUE(is_answered(waiting, std::chrono::seconds(5)));
  expect_relays(stays);
}

// A forced release: the address went, and nothing is left half-open until some timeout.
TEST_P(WorkerContract, AnAddressThatIsGoneTakesItsConnectionsAlong) {
  start(2, 1);
  std::vector<LongLink> links;
  for (int i = 0; i < 6; ++i) links.push_back(connect());

  say_gone(front_.address);

  wait_until([&] { return connections() == 0; });
  wait_until([&] { return counted(EndCause::kVipLost) == 6; });
  for (const LongLink& link : links) expect_reset(link.server);
  expect_relays(connect());
}

// A reload renames a listener: the address stays open, its clients are the new one's, and who waits in the queue is not lost.
TEST_P(WorkerContract, AnAddressPassesToAnotherListener) {
  start(2, 1);
  const auto before = listener_.counters;
  const LongLink old = connect();
  listener_.id = 7;
  listener_.name = "renamed";
  listener_.counters = std::make_shared<ListenerCounters>();
  publish();
  for (const auto& worker : workers_) ping(*worker);

  const LongLink fresh = connect();

  expect_relays(old);
  expect_relays(fresh);
  EXPECT_EQ(before->total.load(), 1U);
  EXPECT_EQ(listener_.counters->total.load(), 1U);
  EXPECT_EQ(list().size(), 2U);
}

TEST_P(WorkerContract, TheClientsLegHasTheOptionsOfItsListener) {
  leg_options_ = {.keepalive = {.idle = std::chrono::seconds(31), .interval = std::chrono::seconds(11), .count = 4},
                  .tcp_user_timeout = std::chrono::seconds(33)};
  start(1, 1);
  const LongLink link = connect();
  expect_leg_options(find_socket(front_, local_of(link.client.get())), leg_options_);
}

TEST_P(WorkerContract, TheClientsLegHasTheCongestionControlOfItsListenerAlsoAfterAReload) {
  const std::string other = other_congestion_control();
  if (other.empty()) GTEST_SKIP() << "this kernel allows one congestion control only";
  const Fd fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  leg_options_.congestion_control = other;
  start(1, 1);
  const LongLink before = connect();
  EXPECT_EQ(congestion_control_of(find_socket(front_, local_of(before.client.get()))), other);

  ASSERT_TRUE(workers_.front()->post(SetLegOptions{kBind, {}}));
  ping(*workers_.front());
  const LongLink after = connect();
  EXPECT_EQ(congestion_control_of(find_socket(front_, local_of(after.client.get()))), congestion_control_of(fresh.get()));
  EXPECT_EQ(congestion_control_of(find_socket(front_, local_of(before.client.get()))), other) << "who is open keeps his";
}

// Accepting fails; the spare descriptor lets the waiting clients in one by one, to be reset and counted. Later accepting goes on.
TEST_P(WorkerContract, WithoutDescriptorsClientsAreResetAndCounted) {
  start(1, 1, /*open=*/false);
  std::vector<Fd> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(make_socket(GetParam().family));
  {
    const test::FewDescriptors limit(1);  // For the listener. Opened now, because io_uring keeps the limit an accept began with.
    open_door();
    const SocketAddress to = to_sockaddr(front_);
    for (const Fd& client : clients) (void)::connect(client.get(), to.get(), to.size);
    for (const Fd& client : clients) expect_reset(client);
    wait_until([&] { return listener_.counters->shed.load() == clients.size(); });
  }
  EXPECT_EQ(listener_.counters->total.load(), clients.size());
  EXPECT_EQ(workers_[0]->stats().listeners[kListener].shed[static_cast<std::size_t>(Refusal::kProcessFull)].get(), clients.size());
  EXPECT_GE(workers_[0]->stats().accept_failures.get(), 1U);
  expect_relays(connect());
}

TEST_P(WorkerContract, AServerThatIsDownLosesItsConnectionsOnAllWorkers) {
  start(2, 2);
  std::vector<LongLink> links;
  for (int i = 0; i < 8; ++i) {
    links.push_back(connect());
    expect_relays(links.back());  // Open: while connecting it would only change the server.
  }
  for (const auto& worker : workers_) ASSERT_TRUE(worker->post(CloseServerConnections{1, EndCause::kServerDown}));
  for (const LongLink& link : links) {
    if (link.at == 0)
      expect_reset(link.client);
    else
      expect_relays(link);
  }
}

// A worker that is busy for a moment loses no message it took, and says so when it can take no more.
TEST_P(WorkerContract, AFullInboxRefusesAndLaterTakesMessagesAgain) {
  start(1, 1);
  const LongLink link = connect();
  Worker& worker = *workers_[0];
  Answer<bool> entered;
  Answer<bool> go_on;
  ASSERT_TRUE(worker.post(ListMatching{{}, 0, [&](std::vector<ConnectionView>) {
                                         entered.give(true);
                                         (void)go_on.wait();
                                       }}));
  (void)entered.wait();
  std::uint64_t posted = 0;
  while (worker.post(Ping{pings_ + 1})) {
    ++pings_;
    ASSERT_LT(++posted, 100'000U);
  }
  WorkerMessage refused = Ping{pings_ + 1};
  EXPECT_FALSE(worker.try_post(refused));
  go_on.give(true);

  wait_until([&] { return worker.stats().pong.load() == pings_; });
  ping(worker);
  expect_relays(link);
}

TEST_P(WorkerContract, StoppedWithAFullInboxItEnds) {
  start(1, 1);
  Worker& worker = *workers_[0];
  Answer<bool> entered;
  auto go_on = std::make_shared<Answer<bool>>();
  ASSERT_TRUE(worker.post(ListMatching{{}, 0, [&entered, go_on](std::vector<ConnectionView>) {
                                         entered.give(true);
                                         (void)go_on->wait();
                                       }}));
  (void)entered.wait();
  while (worker.post(Ping{1})) {}
  std::thread releaser([go_on] { go_on->give(true); });
  workers_.clear();
  releaser.join();
}

// Idle, half-closed and back-pressured ones: all are reset, for a FIN would make a cut stream look complete, and nothing stays behind
// (TearDown counts).
TEST_P(WorkerContract, DestroyedWithOpenConnectionsItLeavesNothing) {
  listener_.per_source_connections = 100;
  start(2, 2);
  std::vector<LongLink> links;
  for (int i = 0; i < 10; ++i) links.push_back(connect());
  ::shutdown(links[0].client.get(), SHUT_WR);
  std::vector<char> much(1 << 20);
  for (int i = 1; i < 6; ++i) (void)::send(links[static_cast<std::size_t>(i)].client.get(), much.data(), much.size(), MSG_NOSIGNAL);
  expect_relays(links[9]);

  workers_.clear();

  for (const LongLink& link : links) expect_reset(link.client);
  expect_reset(links[9].server);
}

TEST_P(WorkerContract, StopMessageEndsTheThreadAndDestructionFindsItGone) {
  start(1, 1);
  const LongLink link = connect();
  ASSERT_TRUE(workers_[0]->post(StopWorker{}));
  expect_reset(link.client);
  workers_.clear();
}

// The thread hangs in a callback that never returns: the process ends with a line that names the worker instead of waiting for ever.
TEST(WorkerDeathTest, AHungThreadEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SourceCounts sources(64, 3);
        ProcessPlaces process(10);
        Worker worker({.index = 3, .pool_bytes = 1024 * 1024, .connections_max = 10, .stop_patience = std::chrono::milliseconds(50)},
                      {sources, process, [](WorkerReport) {}});
        if (!worker.start()) return;
        Answer<bool> entered;
        (void)worker.post(ListMatching{{}, 0, [&](std::vector<ConnectionView>) {
                                         entered.give(true);
                                         for (;;) ::pause();
                                       }});
        (void)entered.wait();
      },
      "worker 3 does not end");
}

std::vector<EngineCase> plain_engines() {
  std::vector<EngineCase> cases = every_engine();
  std::erase_if(cases, [](const EngineCase& c) { return c.faulty; });
  return cases;
}

std::vector<EngineCase> v4_engines() {
  std::vector<EngineCase> out = plain_engines();
  std::erase_if(out, [](const EngineCase& c) { return c.family != IpAddress::Family::kV4; });
  return out;
}

INSTANTIATE_TEST_SUITE_P(Engines, WorkerContract, testing::ValuesIn(plain_engines()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Engines, WorkerContractV4, testing::ValuesIn(v4_engines()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
