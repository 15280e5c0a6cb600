#include "lb/rebalance.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

class RebalancerTest : public ::testing::Test {
 protected:
  RebalancerTest() { rebalancer.configure({.when = config::RebalanceWhen::kServerUp, .rate = 10}); }

  /// Plays the time until it is quiet: every asked-for connection goes to the least loaded, as the balancer would do. Returns how many
  /// moved.
  int play(std::vector<ServerLoad>& servers) {
    int moved = 0;
    while (rebalancer.next_deadline() != Instant::max() && moved < 10'000) {
      now = rebalancer.next_deadline();
      const auto from = rebalancer.tick(servers, now);
      if (!from) continue;
      --std::find_if(servers.begin(), servers.end(), [&](const ServerLoad& s) { return s.id == *from; })->current;
      const auto least = std::min_element(servers.begin(), servers.end(), [](const ServerLoad& a, const ServerLoad& b) {
        return std::uint64_t{a.current} * b.weight < std::uint64_t{b.current} * a.weight;
      });
      ++least->current;
      ++moved;
    }
    return moved;
  }

  Rebalancer rebalancer;
  Instant now = Instant(1h);
};

TEST_F(RebalancerTest, IsQuietUntilAServerComesBack) {
  EXPECT_EQ(rebalancer.next_deadline(), Instant::max());
  const std::vector<ServerLoad> servers{{1, 900, 100}, {2, 0, 100}};
  EXPECT_EQ(rebalancer.tick(servers, now), std::nullopt);
}

TEST_F(RebalancerTest, SpreadsToEqualSharesAndStops) {
  std::vector<ServerLoad> servers{{1, 450, 100}, {2, 450, 100}, {3, 0, 100}};
  rebalancer.server_up(now);
  EXPECT_EQ(play(servers), 300);
  for (const ServerLoad& s : servers) EXPECT_EQ(s.current, 300U);
}

TEST_F(RebalancerTest, SharesFollowTheWeights) {
  std::vector<ServerLoad> servers{{1, 400, 100}, {2, 0, 300}};
  rebalancer.server_up(now);
  (void)play(servers);
  EXPECT_EQ(servers[0].current, 100U);
  EXPECT_EQ(servers[1].current, 300U);
}

TEST_F(RebalancerTest, AsksForAtMostRateConnectionsASecond) {
  const std::vector<ServerLoad> servers{{1, 1000, 100}, {2, 0, 100}};  // As if nothing were idle.
  rebalancer.server_up(now);
  now = rebalancer.next_deadline();
  int asked = 0;
  for (const Instant end = now + 10s; now < end; now += 1ms) asked += rebalancer.tick(servers, now).has_value() ? 1 : 0;
  EXPECT_EQ(asked, 100);
}

// A client that is slow to come back is no reason to close another one.
TEST_F(RebalancerTest, ClosesNoMoreThanHaveToMoveWhileTheirClientsAreOnTheWay) {
  std::vector<ServerLoad> servers{{1, 6, 100}, {2, 6, 100}, {3, 0, 100}};
  rebalancer.server_up(now);
  int closed = 0;
  while (rebalancer.next_deadline() != Instant::max()) {
    now = rebalancer.next_deadline();
    if (const auto from = rebalancer.tick(servers, now)) --servers[*from - 1].current, ++closed;
  }
  EXPECT_EQ(closed, 4);
}

TEST_F(RebalancerTest, GivesUpOnConnectionsThatAreNeverIdle) {
  const std::vector<ServerLoad> servers{{1, 1000, 100}, {2, 0, 100}};
  rebalancer.server_up(now);
  EXPECT_EQ(rebalancer.tick(servers, now + kSpreadingMax), std::nullopt);
  EXPECT_EQ(rebalancer.next_deadline(), Instant::max());
}

TEST_F(RebalancerTest, LeavesARemainderOfOneAlone) {
  std::vector<ServerLoad> servers{{1, 2, 100}, {2, 1, 100}, {3, 1, 100}};
  rebalancer.server_up(now);
  EXPECT_EQ(play(servers), 0);
}

TEST_F(RebalancerTest, DoesNothingWhenItIsOff) {
  rebalancer.server_up(now);
  rebalancer.configure({});
  EXPECT_EQ(rebalancer.next_deadline(), Instant::max());
  rebalancer.server_up(now);
  EXPECT_EQ(rebalancer.next_deadline(), Instant::max());
}

}  // namespace
}  // namespace fairlead::lb
