#include "daemon/takeover_settings.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

config::Snapshot two_nodes() {
  config::Snapshot s;
  s.node = "gate-2";
  s.cluster.emplace();
  s.cluster->name = "kube";
  s.cluster->nodes = {{.name = "gate-2", .id = 2, .links = {}, .interfaces = {{"lan", "eth0"}}},
                      {.name = "gate-1", .id = 1, .links = {}, .interfaces = {{"lan", "ens192"}}}};
  s.cluster->tie_break =
      config::TieBreak{.targets = {*parse_ip_address("10.0.0.254"), *parse_ip_address("10.0.0.253")}, .need = config::TieBreakNeed::kAll};
  config::Vip api;
  api.name = "api";
  api.address = *parse_ip_prefix("10.0.0.20/24");
  api.interface = "lan";
  api.prefer = {"gate-2", "gate-1"};
  s.vips = {api};
  return s;
}

TEST(TakeoverSettings, NodesComeByIdAndThisOneIsFoundByName) {
  const auto settings = takeover_settings(two_nodes(), "0.1.0");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->self, NodeId{2});
  ASSERT_EQ(settings->nodes.size(), 2U);
  EXPECT_EQ(settings->nodes[0].name, "gate-1");
  EXPECT_TRUE(settings->is_two_node());
  EXPECT_TRUE(settings->tie_needs_all);
  EXPECT_EQ(settings->tie_targets.size(), 2U);
  EXPECT_EQ(settings->vips[0].prefer, (std::vector<NodeId>{NodeId{2}, NodeId{1}}));
}

TEST(TakeoverSettings, AQuorumDeviceIsAVoteAndEndsTheTwoNodeRule) {
  auto snapshot = two_nodes();
  snapshot.cluster->qdevice = config::Qdevice{};
  const auto settings = takeover_settings(snapshot, "0.1.0");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->expected_votes(), 3U);
  EXPECT_FALSE(settings->is_two_node());
}

TEST(TakeoverSettings, ANodeThatIsNotListedIsAnError) {
  auto snapshot = two_nodes();
  snapshot.node = "gate-3";
  const auto settings = takeover_settings(snapshot, "0.1.0");
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().code, Errc::kInvalidConfig);
}

TEST(TakeoverSettings, WithoutAClusterThisNodeIsAloneAndDoesNotWait) {
  auto snapshot = two_nodes();
  snapshot.cluster.reset();
  const auto settings = takeover_settings(snapshot, "0.1.0");
  ASSERT_TRUE(settings);
  EXPECT_TRUE(settings->is_standalone());
  EXPECT_EQ(settings->start_wait, Duration::zero());
}

TEST(TakeoverSettings, AVipWithoutAGroupIsAlone) {
  auto snapshot = two_nodes();
  snapshot.vips.push_back(snapshot.vips[0]);
  snapshot.vips[1].name = "web";
  const auto settings = takeover_settings(snapshot, "0.1.0");
  ASSERT_TRUE(settings);
  EXPECT_NE(settings->vips[0].group, settings->vips[1].group);
}

// R15: what is compared between nodes is the same on all of them, and differs when the VIP does.
TEST(TakeoverSettings, TheHashOfAVipDependsOnWhatR15NamesAndNothingElse) {
  const auto before = takeover_settings(two_nodes(), "0.1.0")->vips[0].config_hash;
  auto other_node = two_nodes();
  other_node.node = "gate-1";
  other_node.vips[0].interface = "auto";
  other_node.vips[0].lease = 5s;
  EXPECT_EQ(takeover_settings(other_node, "0.2.0")->vips[0].config_hash, before);
  auto other_vip = two_nodes();
  other_vip.vips[0].preempt = true;
  EXPECT_NE(takeover_settings(other_vip, "0.1.0")->vips[0].config_hash, before);
}

TEST(TakeoverSettings, AnInterfaceNamedByTheClusterIsLookedUpForThisNode) {
  const auto snapshot = two_nodes();
  EXPECT_EQ(device_of(snapshot, snapshot.vips[0]), "eth0");
  config::Vip plain = snapshot.vips[0];
  plain.interface = "auto";
  EXPECT_EQ(device_of(snapshot, plain), "auto");
}

TEST(TakeoverSettings, TheSlowestCheckDelaysASuccessor) {
  auto snapshot = two_nodes();
  config::Pool pool;
  pool.health.type = config::HealthType::kHttps;
  pool.health.interval = 1s;
  pool.health.timeout = 1s;
  pool.health.fast_interval = 200ms;
  pool.health.fall = 2;
  snapshot.pools = {pool};
  EXPECT_EQ(fall_time(pool), 3200ms);
  EXPECT_EQ(takeover_settings(snapshot, "0.1.0")->serve_stable, 6200ms);
}

}  // namespace
}  // namespace fairlead::daemon
