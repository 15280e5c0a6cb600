// Contract: many sockets, few blocks. Reuse of slots, an exhausted pool, idle sockets, fairness (C2, C3).
#include <algorithm>
#include <sys/resource.h>
#include <vector>

#include "base/sockaddr.h"
#include "tests/contract/net/engine_contract.h"

namespace fairlead::net {
namespace {

using namespace support;

constexpr std::uint64_t kMiB = 1024 * 1024;

// Slots and descriptor numbers are reused all the time, next to a connection that stays. A stale event would reach the wrong life: the
// driver knows each life's state and bytes.
TEST_P(EngineContract, NoEventOfAnEarlierLifeAfterReuse) {
  constexpr int kConnections = 5000;
  constexpr int kAtATime = 25;
  const Fd listener = make_listener(family());
  auto [idle, idle_peer] = driver().make_pair(family());
  driver().want_read(idle, true);
  Prng prng(5);

  for (int done = 0; done < kConnections; done += kAtATime) {
    std::vector<Life*> lives;
    for (int i = 0; i < kAtATime; ++i) {
      Life& life = driver().connect(make_socket(family()), local_of(listener.get()));
      life.check_in = false;
      life.then = [&](Life& l, const Event& event) {
        if (event.kind == EventKind::kConnected && event.error == 0) {
          driver().want_read(l, true);
          driver().send(l, 100);
        }
      };
      lives.push_back(&life);
    }
    driver().turn();
    std::vector<Fd> peers;
    for (int i = 0; i < kAtATime; ++i) {
      auto accepted = accept_one(listener.get());
      ASSERT_TRUE(accepted.has_value());
      Peer peer(std::move(*accepted), 1, 0);
      peer.send_more(300);
      peer.write_some(300);
      if (prng.below(3) == 0)
        peer.reset();
      else
        peers.emplace_back(::dup(peer.fd()));
    }
    for (std::uint32_t i = prng.below(3); i > 0; --i) driver().turn(Duration::zero());
    for (Life* life : lives) driver().close(*life, prng.below(2) == 0);  // In whatever state it is.
    ASSERT_TRUE(driver().run_until([&] { return std::all_of(lives.begin(), lives.end(), [](const Life* l) { return l->closed; }); }));
  }

  EXPECT_EQ(engine().open_sockets(), 1U);
  EXPECT_EQ(idle.data_events, 0U);
  EXPECT_FALSE(idle.error.has_value());
  idle_peer.send_more(1000);
  EXPECT_TRUE(driver().run_until([&idle = idle] { return idle.received == 1000; }));
}

TEST_P(EngineContract, SendsGoWithTheRingWhenATurnBringsMuch) {
  std::vector<EngineDriver::Pair> pairs;
  for (int i = 0; i < 16; ++i) {
    pairs.push_back(driver().make_pair(family()));
    pairs.back().life.echo = true;
    driver().want_read(pairs.back().life, true);
  }
  driver().settle();
  for (int i = 0; i < 20; ++i) {  // One after the other.
    const std::uint64_t all = pairs[0].peer.received() + 100;
    pairs[0].peer.send_more(100);
    ASSERT_TRUE(driver().run_until([&] { return pairs[0].peer.received() == all; }));
  }
  const std::uint64_t quiet = engine().counters().batched_sends;
  driver().settle();
  for (const auto& pair : pairs) {
    pair.peer.send_more(100);
    pair.peer.write_some(100);
  }
  ASSERT_TRUE(driver().run_until(
      [&] { return std::all_of(pairs.begin() + 1, pairs.end(), [](const auto& pair) { return pair.peer.received() == 100; }); }));

  const EngineKind kind = GetParam().kind;
  EXPECT_EQ(quiet > 0, kind == EngineKind::kUringBatched);
  EXPECT_EQ(engine().counters().batched_sends > quiet, kind != EngineKind::kEpoll);
}

TEST_P(EngineContract, MoreBusySocketsThanBlocksAllMakeProgress) {
  constexpr int kSenders = 32;
  remake({.blocks = 4, .faults = fault_plan()});
  std::vector<std::pair<Life*, Peer*>> flows;
  for (int i = 0; i < kSenders; ++i) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    peer.send_more(kMiB / 4);
    peer.fin_after_send = true;
    flows.push_back({&life, &peer});
  }

  ASSERT_TRUE(driver().run_until([&] { return std::all_of(flows.begin(), flows.end(), [](const auto& f) { return f.first->eof; }); }));

  for (const auto& [life, peer] : flows) EXPECT_EQ(life->received, kMiB / 4);
}

// The sink keeps every block; nothing can be read until it gives some back, between two turns and without telling the engine.
TEST_P(EngineContract, ReadingResumesWhenBlocksComeBack) {
  remake({.blocks = 8, .faults = fault_plan()});
  std::vector<std::pair<Life*, Peer*>> flows;
  for (int i = 0; i < 12; ++i) {
    auto [life, peer] = driver().make_pair(family());
    life.keep = true;
    driver().want_read(life, true);
    peer.send_more(100'000);
    flows.push_back({&life, &peer});
  }
  driver().settle();
  EXPECT_EQ(driver().pool().free(), 0U);
  const std::uint64_t turns = driver().turns();
  driver().turn(std::chrono::milliseconds(30));
  driver().turn(std::chrono::milliseconds(30));
  EXPECT_EQ(driver().turns(), turns + 2);

  ASSERT_TRUE(driver().run_until([&] {
    for (const auto& [life, peer] : flows) driver().drop_kept(*life);
    return std::all_of(flows.begin(), flows.end(), [](const auto& f) { return f.first->received == 100'000; });
  }));
  EXPECT_GT(engine().counters().starved, 0U);
}

// A pool without a free block must not make poll() spin.
TEST_P(EngineContract, AnExhaustedPoolCostsNoCpu) {
  remake({.blocks = 4, .faults = fault_plan()});
  std::vector<Life*> lives;
  for (int i = 0; i < 8; ++i) {
    auto [life, peer] = driver().make_pair(family());
    life.keep = true;
    driver().want_read(life, true);
    peer.send_more(100'000);
    lives.push_back(&life);
  }
  driver().settle();
  const std::uint64_t turns = driver().turns();
  const Duration cpu = process_cpu();
  const Instant end = monotonic_now() + std::chrono::milliseconds(200);

  while (monotonic_now() < end) driver().turn(end - monotonic_now());

  EXPECT_LT(driver().turns() - turns, 50U);
  EXPECT_LT(process_cpu() - cpu, std::chrono::milliseconds(20));
}

TEST_P(EngineContract, AnEchoOnAStarvedPoolStaysByteExact) {
  remake({.blocks = 6, .faults = fault_plan()});
  std::vector<std::pair<Life*, Peer*>> flows;
  for (int i = 0; i < 16; ++i) {
    auto [ours, theirs] = make_tcp_pair(family());
    Life& life = driver().adopt(std::move(ours));
    life.echo = true;
    Peer& peer = driver().add_peer(std::move(theirs), life);
    peer.send_more(150'000);
    peer.fin_after_send = true;
    driver().want_read(life, true);
    flows.push_back({&life, &peer});
  }

  const auto done = [](const auto& f) { return f.second->received() == 150'000; };
  ASSERT_TRUE(driver().run_until([&] { return std::all_of(flows.begin(), flows.end(), done); }));

  for (const auto& [life, peer] : flows) EXPECT_EQ(peer->first_wrong(), std::nullopt);
}

TEST_P(EngineContract, IdleSocketsHoldNoBlock) {
  constexpr int kIdle = 2000;
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 2 * kIdle + 100) GTEST_SKIP() << "the hard limit of open files is " << files.rlim_max;
  std::vector<std::pair<Life*, Peer*>> flows;
  for (int i = 0; i < kIdle; ++i) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    peer.send_more(200);
    life.to_send = 200;
    flows.push_back({&life, &peer});
  }
  const auto done = [](const auto& f) { return f.first->received == 200 && f.second->received() == 200; };
  ASSERT_TRUE(driver().run_until([&] { return std::all_of(flows.begin(), flows.end(), done); }));
  driver().settle();

  EXPECT_EQ(driver().pool().available(), driver().pool().count()) << "all free, or lying ready for whoever receives next";
  driver().close_all();
}

// A flood on some sockets must not keep a small message on another waiting.
TEST_P(EngineContract, ASmallMessageGetsThroughAFlood) {
  remake({.blocks = 32, .faults = fault_plan()});
  std::vector<Peer*> flood;
  for (int i = 0; i < 8; ++i) {
    auto [life, peer] = driver().make_pair(family());
    driver().want_read(life, true);
    peer.send_more(1024 * kMiB);
    peer.chunk_max = 60'000;
    flood.push_back(&peer);
  }
  auto [small, small_peer] = driver().make_pair(family());
  driver().want_read(small, true);
  for (int i = 0; i < 20; ++i) driver().turn();

  for (std::uint64_t i = 1; i <= 20; ++i) {
    const std::uint64_t turns = driver().turns();
    small_peer.send_more(100);
    ASSERT_TRUE(driver().run_until([&, &small = small] { return small.received == 100 * i; }));
    EXPECT_LE(driver().turns() - turns, 40U) << "message " << i;
  }
}

}  // namespace
}  // namespace fairlead::net
