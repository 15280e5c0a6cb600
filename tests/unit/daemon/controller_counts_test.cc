// What a pool counts over the servers that come and go.
#include <algorithm>
#include <gtest/gtest.h>

#include "tests/unit/daemon/controller_fixture.h"

namespace fairlead::daemon {
namespace {

using namespace test;

class ControllerCounts : public ::testing::Test {
 protected:
  ControllerCounts() {
    shell.node.set_workers(8);
    shell.apply(usual());
  }
  admin::PoolStatus look() {
    shell.node.account();
    admin::NodeReport report;
    shell.node.describe(report, shell.now);
    return report.pools.front();
  }
  lb::ServerCounters& counters(const std::string& name) { return *shell.find("masters", name)->counters; }
  void relay(const std::string& name, std::uint64_t bytes) {
    ++counters(name).total;
    counters(name).shares[3].in.add(bytes);
    counters(name).shares[7].out.add(2 * bytes);
  }

  Shell shell;
};

TEST_F(ControllerCounts, APoolIsTheSumOfItsServers) {
  relay("a", 100);
  relay("b", 10);
  ++counters("b").connect_failures;

  const auto pool = look();

  EXPECT_EQ(pool.connections.total, 2U);
  EXPECT_EQ(pool.bytes.in, 110U);
  EXPECT_EQ(pool.bytes.out, 220U);
  EXPECT_EQ(pool.connect_failures, 1U);
  EXPECT_EQ(pool.servers.front().bytes.out, 200U);
  EXPECT_EQ(look().bytes.in, 110U) << "looking twice counts once";
}

TEST_F(ControllerCounts, HowConnectionsOfAServerEndedIsTheSumOfTheWorkers) {
  counters("a").shares[0].ended[static_cast<std::size_t>(lb::EndCause::kClientAborted)].add(2);
  counters("a").shares[7].ended[static_cast<std::size_t>(lb::EndCause::kClientAborted)].add();
  counters("a").shares[7].ended[static_cast<std::size_t>(lb::EndCause::kKilled)].add();
  counters("a").shares[7].ended[static_cast<std::size_t>(lb::EndCause::kShutdown)].add();
  const auto count = [](const admin::ServerStatus& server, const std::string& code) {
    for (const admin::CauseCount& each : server.ended_by_code) {
      if (each.cause == code) return each.count;
    }
    return std::uint64_t{999};
  };
  const auto pool = look();
  const auto& a = *std::find_if(pool.servers.begin(), pool.servers.end(), [](const auto& s) { return s.name == "a"; });
  const auto& b = *std::find_if(pool.servers.begin(), pool.servers.end(), [](const auto& s) { return s.name == "b"; });
  EXPECT_EQ(count(a, "CD"), 3U);
  EXPECT_EQ(count(a, "KD"), 2U) << "two causes, one code";
  EXPECT_EQ(count(a, "--"), 0U) << "a series from the start";
  EXPECT_EQ(count(b, "CD"), 0U);
}

TEST_F(ControllerCounts, ItNeverShrinksAndCountsNothingTwice) {
  relay("a", 100);
  relay("b", 10);
  ASSERT_TRUE(shell.command(admin::RemoveServer{"masters", "a", true}));
  EXPECT_EQ(look().bytes.in, 110U) << "what it did until it was removed";
  auto without = usual();
  without.pools.front().servers.erase(without.pools.front().servers.begin() + 1);
  shell.apply(without);
  EXPECT_EQ(look().bytes.in, 110U);
  shell.apply(usual());
  shell.apply(usual());
  EXPECT_EQ(look().bytes.in, 110U) << "its counters came back with it";
  relay("b", 5);
  EXPECT_EQ(look().bytes.in, 115U);
}

TEST_F(ControllerCounts, AListenersPeakIsWhatWasSeen) {
  auto& current = shell.routes->listeners.front().counters->current;
  const auto peak = [&] {
    admin::NodeReport report;
    shell.node.account();
    shell.node.describe(report, shell.now);
    return report.listeners.front().peak_connections;
  };
  current = 7;
  EXPECT_EQ(peak(), 7U);
  current = 2;
  EXPECT_EQ(peak(), 7U);
  shell.apply(usual());
  EXPECT_EQ(peak(), 7U) << "a reload forgets nothing";
}

TEST_F(ControllerCounts, PeaksOfServersAndOfTheirPoolAreWhatWasSeenAtOnce) {
  counters("a").current = 7;
  EXPECT_EQ(look().peak_connections, 7U);
  counters("a").current = 2;
  counters("b").current = 4;
  auto pool = look();
  EXPECT_EQ(pool.servers[0].peak_connections, 7U);
  EXPECT_EQ(pool.servers[1].peak_connections, 4U);
  EXPECT_EQ(pool.peak_connections, 7U) << "never 11 at once";
  counters("a").current = 6;
  EXPECT_EQ(look().peak_connections, 10U);
  counters("a").current = counters("b").current = 0;
  shell.apply(usual());
  pool = look();
  EXPECT_EQ(pool.peak_connections, 10U) << "a reload forgets nothing";
  EXPECT_EQ(pool.servers[0].peak_connections, 7U);
}

TEST_F(ControllerCounts, ChecksAndTimeDownAreTold) {
  shell.all_up();
  const auto id = shell.find("masters", "a")->id;
  shell.check_again(id, lb::ProbeOutcome::kRefused);
  shell.check_again(id, lb::ProbeOutcome::kRefused);
  shell.now += 5s;
  const auto server = look().servers.front();
  EXPECT_EQ(server.ups, 1U);
  EXPECT_EQ(server.downs, 1U);
  EXPECT_GE(server.down_s, 5.0) << "the present time down counts";
  const auto refused = std::find_if(server.checks.begin(), server.checks.end(), [](const auto& c) { return c.cause == "refused"; });
  ASSERT_NE(refused, server.checks.end());
  EXPECT_EQ(refused->count, 2U);
}

}  // namespace
}  // namespace fairlead::daemon
