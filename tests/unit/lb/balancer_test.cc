#include "lb/balancer.h"

#include <algorithm>
#include <array>
#include <latch>
#include <map>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "lb/maglev.h"
#include "lb/rotation.h"

namespace fairlead::lb {
namespace {

using config::Balance;

constexpr IpAddress kClient = IpAddress::v4({10, 0, 0, 1});
constexpr std::array kAllBalances{Balance::kRoundRobin, Balance::kLeastConnections, Balance::kRandomTwo, Balance::kSourceHash};

// What the table builder would make of the servers' weights and states.
void complete(RoutePool& pool) {
  std::vector<std::uint32_t> weights;
  std::vector<MaglevServer> maglev;
  for (std::size_t i = 0; i < pool.servers.size(); ++i) {
    const RouteServer& s = pool.servers[i];
    weights.push_back(s.usable && s.backup == pool.use_backups ? s.weight : 0);
    maglev.push_back({server_key(pool.name, s.name, "a"), weights.back(), static_cast<std::uint16_t>(i)});
  }
  pool.rotation = build_rotation(weights);
  pool.maglev = build_maglev(maglev, 4093);
}

RoutePool make_pool(Balance balance, const std::vector<std::uint32_t>& weights) {
  RoutePool pool;
  pool.name = "pool";
  pool.balance = balance;
  pool.counters = std::make_shared<PoolCounters>();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    RouteServer server;
    server.id = static_cast<ServerId>(i);
    server.name = "s" + std::to_string(i);
    server.weight = weights[i];
    server.usable = true;
    server.counters = std::make_shared<ServerCounters>();
    pool.servers.push_back(server);
  }
  complete(pool);
  return pool;
}

std::vector<std::uint32_t> currents(const RoutePool& pool) {
  std::vector<std::uint32_t> out;
  for (const RouteServer& s : pool.servers) out.push_back(s.counters->current.load());
  return out;
}

IpAddress client(std::uint32_t n) {
  return IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
}

class BalancerTest : public ::testing::Test {
 protected:
  Prng prng{1};
  TriedServers none;
  Pick pick_for(const RoutePool& pool, std::uint32_t n = 1) { return pick(pool, client(n), none, prng); }
};

class EveryBalance : public BalancerTest, public ::testing::WithParamInterface<Balance> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, EveryBalance, ::testing::ValuesIn(kAllBalances));

TEST_P(EveryBalance, TakesAPlaceAndGivesItBack) {
  const RoutePool pool = make_pool(GetParam(), {100, 100});
  const Pick chosen = pick_for(pool);

  ASSERT_TRUE(chosen);
  const RouteServer& server = pool.servers[chosen.server];
  EXPECT_EQ(server.counters->current.load(), 1U);
  EXPECT_EQ(server.counters->total.load(), 1U);
  release(server);
  EXPECT_EQ(server.counters->current.load(), 0U);
  EXPECT_EQ(server.counters->total.load(), 1U);
}

TEST_P(EveryBalance, SaysNoServerWhenNoneIsUsable) {
  RoutePool pool = make_pool(GetParam(), {100, 100});
  for (RouteServer& s : pool.servers) s.usable = false;
  complete(pool);
  EXPECT_EQ(pick_for(pool).failure, PickFailure::kNoServer);

  pool.servers.clear();
  complete(pool);
  EXPECT_EQ(pick_for(pool).failure, PickFailure::kNoServer);
}

TEST_P(EveryBalance, LeavesServersWithoutWeightAlone) {
  RoutePool pool = make_pool(GetParam(), {0, 100, 0});
  for (std::uint32_t n = 0; n < 20; ++n) EXPECT_EQ(pick_for(pool, n).server, 1);

  pool.servers[1].weight = 0;
  complete(pool);
  EXPECT_EQ(pick_for(pool).failure, PickFailure::kNoServer);
}

TEST_P(EveryBalance, GoesToTheNextServerWhenOneIsFullAndFailsWhenAllAre) {
  RoutePool pool = make_pool(GetParam(), {100, 100, 100});
  for (RouteServer& s : pool.servers) s.max_connections = 2;

  for (std::uint32_t n = 0; n < 6; ++n) ASSERT_TRUE(pick_for(pool, n)) << n;
  EXPECT_EQ(currents(pool), (std::vector<std::uint32_t>{2, 2, 2}));
  EXPECT_EQ(pick_for(pool).failure, PickFailure::kFull);

  release(pool.servers[1]);
  EXPECT_EQ(pick_for(pool).server, 1);
}

TEST_P(EveryBalance, NeverChoosesATriedServer) {
  const RoutePool pool = make_pool(GetParam(), {1000, 1, 1});
  for (std::uint32_t n = 0; n < 50; ++n) {
    TriedServers tried;
    std::vector<std::uint16_t> seen;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const Pick chosen = pick(pool, client(n), tried, prng);
      ASSERT_TRUE(chosen);
      EXPECT_EQ(std::count(seen.begin(), seen.end(), chosen.server), 0);
      seen.push_back(chosen.server);
      tried.add(chosen.server);
      release(pool.servers[chosen.server]);
    }
    EXPECT_EQ(pick(pool, client(n), tried, prng).failure, PickFailure::kNoServer);
  }
}

TEST_P(EveryBalance, TellsTriedFromFull) {
  RoutePool pool = make_pool(GetParam(), {100, 100});
  pool.servers[1].max_connections = 1;
  ASSERT_TRUE(acquire(pool.servers[1]));
  TriedServers tried;
  tried.add(0);

  EXPECT_EQ(pick(pool, kClient, tried, prng).failure, PickFailure::kFull);
}

TEST_P(EveryBalance, UsesBackupsOnlyWhenTheTableSaysSo) {
  RoutePool pool = make_pool(GetParam(), {100, 100, 100});
  pool.servers[2].backup = true;
  complete(pool);
  for (std::uint32_t n = 0; n < 30; ++n) EXPECT_NE(pick_for(pool, n).server, 2);

  pool.servers[0].usable = pool.servers[1].usable = false;
  pool.use_backups = true;
  complete(pool);
  for (std::uint32_t n = 0; n < 30; ++n) EXPECT_EQ(pick_for(pool, n).server, 2);
}

TEST_P(EveryBalance, StopsWhenTheListOfTriedServersIsFull) {
  const RoutePool pool = make_pool(GetParam(), std::vector<std::uint32_t>(20, 100));
  TriedServers tried;
  for (std::uint16_t i = 0; i < TriedServers::kMax; ++i) tried.add(i);
  EXPECT_EQ(pick(pool, kClient, tried, prng).failure, PickFailure::kNoServer);
}

TEST_P(EveryBalance, NeverPassesALimitWithFourThreads) {
  constexpr std::uint32_t kLimit = 5;
  constexpr int kThreads = 4;
  RoutePool pool = make_pool(GetParam(), {100, 50, 10});
  for (RouteServer& s : pool.servers) s.max_connections = kLimit;
  std::atomic<std::uint32_t> worst{0};
  std::atomic<std::uint64_t> picked{0};
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Prng own(static_cast<std::uint64_t>(t));
      std::vector<std::uint16_t> held;
      start.arrive_and_wait();
      for (int i = 0; i < 5000; ++i) {
        if (own.below(100) < 55) {
          if (const Pick chosen = pick(pool, client(own.below(1000)), TriedServers{}, own)) {
            held.push_back(chosen.server);
            picked.fetch_add(1);
          }
        } else if (!held.empty()) {
          release(pool.servers[held.back()]);
          held.pop_back();
        }
        for (const RouteServer& s : pool.servers) {
          const std::uint32_t now = s.counters->current.load();
          if (now > worst.load()) worst.store(now);
        }
      }
      for (const std::uint16_t s : held) release(pool.servers[s]);
    });
  }
  for (std::thread& t : threads) t.join();

  EXPECT_LE(worst.load(), kLimit);
  EXPECT_EQ(currents(pool), (std::vector<std::uint32_t>{0, 0, 0}));
  std::uint64_t total = 0;
  for (const RouteServer& s : pool.servers) total += s.counters->total.load();
  EXPECT_EQ(total, picked.load());
}

class ExactBalance : public BalancerTest, public ::testing::WithParamInterface<Balance> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, ExactBalance, ::testing::Values(Balance::kRoundRobin, Balance::kLeastConnections));

TEST_P(ExactBalance, SpreadsTwelveConnectionsOfFourWorkersEvenly) {
  for (int round = 0; round < 200; ++round) {
    const RoutePool pool = make_pool(GetParam(), {100, 100, 100});
    std::latch start(4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        Prng own(1);
        start.arrive_and_wait();
        for (int i = 0; i < 3; ++i) (void)pick(pool, kClient, TriedServers{}, own);
      });
    }
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(currents(pool), (std::vector<std::uint32_t>{4, 4, 4})) << "round " << round;
  }
}

using RoundRobin = BalancerTest;
TEST_F(RoundRobin, FollowsTheRotation) {
  const RoutePool pool = make_pool(Balance::kRoundRobin, {2, 1, 1});
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(pick_for(pool));
  EXPECT_EQ(currents(pool), (std::vector<std::uint32_t>{20, 10, 10}));
}

TEST_F(RoundRobin, SharesTheLoadOfAFullServerAmongAllOthers) {
  RoutePool pool = make_pool(Balance::kRoundRobin, {100, 100, 100});
  pool.servers[0].max_connections = 1;
  for (int i = 0; i < 61; ++i) ASSERT_TRUE(pick_for(pool));
  EXPECT_EQ(currents(pool), (std::vector<std::uint32_t>{1, 30, 30}));
}

TEST_F(RoundRobin, FindsALightServerBesideAHeavyFullOne) {
  RoutePool pool = make_pool(Balance::kRoundRobin, {1000, 1});
  pool.servers[0].max_connections = 1;
  ASSERT_TRUE(acquire(pool.servers[0]));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pick_for(pool).server, 1);
}

using LeastConnections = BalancerTest;
TEST_F(LeastConnections, ChoosesTheLeastLoadedForItsWeight) {
  const RoutePool pool = make_pool(Balance::kLeastConnections, {100, 200, 50});
  pool.servers[0].counters->current = 10;
  pool.servers[1].counters->current = 19;
  pool.servers[2].counters->current = 5;
  EXPECT_EQ(pick_for(pool).server, 1);
}

TEST_F(LeastConnections, AlternatesAmongEqualIdleServers) {
  const RoutePool pool = make_pool(Balance::kLeastConnections, {100, 100, 100});
  std::map<std::uint16_t, int> chosen;
  for (int i = 0; i < 30; ++i) {
    const Pick p = pick_for(pool);
    ++chosen[p.server];
    release(pool.servers[p.server]);
  }
  EXPECT_EQ(chosen, (std::map<std::uint16_t, int>{{0, 10}, {1, 10}, {2, 10}}));
}

TEST_F(LeastConnections, AlternatesByWeightAmongIdleServers) {
  const RoutePool pool = make_pool(Balance::kLeastConnections, {300, 100});
  std::map<std::uint16_t, int> chosen;
  for (int i = 0; i < 40; ++i) {
    const Pick p = pick_for(pool);
    ++chosen[p.server];
    release(pool.servers[p.server]);
  }
  EXPECT_EQ(chosen, (std::map<std::uint16_t, int>{{0, 30}, {1, 10}}));
}

TEST_F(LeastConnections, ComparesTheLargestCountsAndWeightsWithoutOverflow) {
  const RoutePool pool = make_pool(Balance::kLeastConnections, {4'294'967'295U, 4'294'967'294U});
  pool.servers[0].counters->current = 4'294'967'000U;
  pool.servers[1].counters->current = 4'294'967'000U;
  EXPECT_EQ(pick_for(pool).server, 0);
}

RC_GTEST_PROP(LeastConnectionsProperty, EndsProportionalToTheWeights, ()) {
  const auto weights = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(1, 200)));
  const RoutePool pool = make_pool(Balance::kLeastConnections, weights);
  Prng prng(1);
  const auto connections = *rc::gen::inRange(0, 500);
  for (int i = 0; i < connections; ++i) RC_ASSERT(pick(pool, kClient, TriedServers{}, prng));

  // Nobody could hand a connection to another server and leave that one less loaded than itself.
  const auto counts = currents(pool);
  for (std::size_t a = 0; a < weights.size(); ++a) {
    for (std::size_t b = 0; b < weights.size(); ++b) {
      if (counts[a] == 0) continue;
      RC_ASSERT(std::uint64_t{counts[a] - 1} * weights[b] <= std::uint64_t{counts[b]} * weights[a]);
    }
  }
}

using RandomTwo = BalancerTest;
TEST_F(RandomTwo, AvoidsTheBusierOfTwo) {
  const RoutePool pool = make_pool(Balance::kRandomTwo, {100, 100});
  pool.servers[0].counters->current = 1000;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick_for(pool).server, 1);
}

TEST_F(RandomTwo, KeepsTheSpreadNarrow) {
  const RoutePool pool = make_pool(Balance::kRandomTwo, std::vector<std::uint32_t>(10, 100));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pick_for(pool));
  const auto counts = currents(pool);
  EXPECT_LE(*std::max_element(counts.begin(), counts.end()) - *std::min_element(counts.begin(), counts.end()), 8U);
}

TEST_F(RandomTwo, FollowsTheWeights) {
  const RoutePool pool = make_pool(Balance::kRandomTwo, {300, 100, 100});
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(pick_for(pool));
  EXPECT_NEAR(currents(pool)[0], 3000, 100);
}

using SourceHash = BalancerTest;
TEST_F(SourceHash, KeepsAClientOnItsServer) {
  const RoutePool pool = make_pool(Balance::kSourceHash, {100, 100, 100});
  for (std::uint32_t n = 0; n < 100; ++n) {
    const std::uint16_t home = pick_for(pool, n).server;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(pick_for(pool, n).server, home);
  }
}

TEST_F(SourceHash, SpreadsTheClientsOfATriedServerOverAllOthers) {
  const RoutePool pool = make_pool(Balance::kSourceHash, {100, 100, 100});
  TriedServers tried;
  tried.add(0);
  std::map<std::uint16_t, int> chosen;
  for (std::uint32_t n = 0; n < 3000; ++n) {
    if (pick_for(pool, n).server == 0) ++chosen[pick(pool, client(n), tried, prng).server];
  }
  EXPECT_NEAR(chosen[1], chosen[2], 150);
}

RC_GTEST_PROP(BalancerProperty, FindsAPlaceWheneverThereIsOne, ()) {
  const auto balance = *rc::gen::elementOf(std::vector<Balance>(kAllBalances.begin(), kAllBalances.end()));
  const auto count = *rc::gen::inRange<std::size_t>(1, 10);
  RoutePool pool = make_pool(balance, std::vector<std::uint32_t>(count, 1));
  TriedServers tried;
  std::vector<bool> free(count);
  bool candidates = false;
  for (std::uint16_t i = 0; i < count; ++i) {
    RouteServer& s = pool.servers[i];
    s.weight = *rc::gen::elementOf(std::vector<std::uint32_t>{0, 1, 100, 1000});
    s.usable = *rc::gen::inRange(0, 4) != 0;
    s.max_connections = *rc::gen::inRange<std::uint32_t>(0, 3);
    s.counters->current = s.max_connections == 0 ? 7 : *rc::gen::inRange<std::uint32_t>(0, s.max_connections + 1);
    const bool was_tried = *rc::gen::inRange(0, 4) == 0 && !tried.full();
    if (was_tried) tried.add(i);
    const bool candidate = s.usable && s.weight > 0 && !was_tried;
    candidates = candidates || candidate;
    free[i] = candidate && (s.max_connections == 0 || s.counters->current < s.max_connections);
  }
  complete(pool);
  RC_PRE(!tried.full());
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  const auto before = currents(pool);
  const Pick chosen = pick(pool, client(*rc::gen::inRange<std::uint32_t>(0, 1000)), tried, prng);

  const bool any_free = std::find(free.begin(), free.end(), true) != free.end();
  RC_ASSERT(static_cast<bool>(chosen) == any_free);
  if (!chosen) RC_ASSERT(chosen.failure == (candidates ? PickFailure::kFull : PickFailure::kNoServer));
  if (chosen) RC_ASSERT(free[chosen.server]);
  const auto after = currents(pool);
  RC_ASSERT(std::accumulate(after.begin(), after.end(), 0U) == std::accumulate(before.begin(), before.end(), 0U) + (any_free ? 1U : 0U));
}

}  // namespace
}  // namespace fairlead::lb
