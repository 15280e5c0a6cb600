// vip, node and cluster: what they print, what they ask the daemon for, how they fail.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

class HaVerbsTest : public CliTest {
 protected:
  HaVerbsTest() { node.set_report(testing::sample_cluster_report()); }
};

TEST_F(HaVerbsTest, VipListNamesHolderLeaseAndWhatIsSpecial) {
  ASSERT_EQ(run({"vip", "list"}), kExitDone) << err.str();
  for (const char* text : {"api", "192.168.4.20/24", "held", "gate-1", "1850 ms", "ingress", "nowhere", "disabled"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  ASSERT_EQ(run({"vip", "list", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at_pointer("/vips/0/holder"), "gate-1");
}

TEST_F(HaVerbsTest, VipListSaysThatAVipDrains) {
  auto report = testing::sample_cluster_report();
  report.vips.at(0).drains_for_ms = 34'200;
  node.set_report(report);
  ASSERT_EQ(run({"vip", "list"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("drains, moves within 35s")) << out.str();
}

TEST_F(HaVerbsTest, VipExplainSaysWhyEachNodeCouldOrCouldNot) {
  ASSERT_EQ(run({"vip", "explain", "api"}), kExitDone) << err.str();
  for (const char* text :
       {"held by gate-1 (epoch 7)", "gate-1  holds it", "cannot hold it: no carrier (in standby)", "gate-3  is not there"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  ASSERT_EQ(run({"vip", "explain", "ingress"}), kExitDone);
  EXPECT_TRUE(printed("vip enable ingress")) << out.str();
  EXPECT_EQ(run({"vip", "explain", "nope"}), kExitFailed);
  EXPECT_TRUE(complained("no VIP 'nope' (there are: api, ingress)")) << err.str();
}

TEST_F(HaVerbsTest, VipExplainTellsWhereItWas) {
  ASSERT_EQ(run({"vip", "explain", "api"}), kExitDone) << err.str();
  const std::string text = out.str();
  EXPECT_TRUE(printed("last takeover by this node  12.2 ms")) << text;
  EXPECT_TRUE(printed("seen to move once")) << text;
  const auto newest = text.find("2024-01-31T12:00:00.262Z  gate-1");
  const auto between = text.find("2024-01-31T12:00:00.250Z  nobody");
  EXPECT_NE(newest, std::string::npos) << text;
  EXPECT_LT(newest, between) << "the newest first";
  ASSERT_EQ(run({"vip", "list"}), kExitDone);
  EXPECT_TRUE(printed("2024-01-31T12:00:00.262Z")) << "since when: " << out.str();
  ASSERT_EQ(run({"vip", "explain", "ingress"}), kExitDone);
  EXPECT_FALSE(printed("takeover")) << out.str();
}

TEST_F(HaVerbsTest, WhatTheDaemonFoundWhenItStartedIsNoChange) {
  ASSERT_EQ(run({"vip", "explain", "api"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("2024-01-31T11:00:00.000Z  gate-2 (since before that")) << out.str();
  EXPECT_FALSE(printed("gate-1 (since before that")) << "that one it saw happen";
  auto report = testing::sample_cluster_report();
  report.vips.at(0).history = {{"2024-01-31T12:00:00.262Z", "gate-1", true}};
  node.set_report(report);
  ASSERT_EQ(run({"vip", "list"}), kExitDone);
  EXPECT_TRUE(printed("before 2024-01-31T12:00:00.262Z")) << out.str();
}

TEST_F(HaVerbsTest, EachVerbIsOneCommandToTheDaemon) {
  for (const auto& [arguments, command] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"vip", "move", "api"}, "vip api move"},
           {{"vip", "move", "api", "--to", "gate-2"}, "vip api move to gate-2"},
           {{"vip", "move", "api", "--drain", "90s"}, "vip api move drain 90s"},
           {{"vip", "disable", "api"}, "vip api disable"},
           {{"vip", "enable", "api"}, "vip api enable"},
           {{"vip", "announce", "api"}, "vip api announce"},
           {{"vip", "force", "api", "--i-have-fenced", "gate-2", "gate-3"}, "vip api force, fenced: gate-2 gate-3"},
           {{"node", "standby"}, "node gate-1 standby"},
           {{"node", "standby", "gate-2", "--force"}, "node gate-2 standby force"},
           {{"node", "online", "gate-2"}, "node gate-2 online"},
           {{"cluster", "freeze"}, "cluster freeze"},
           {{"cluster", "unfreeze"}, "cluster unfreeze"},
       }) {
    ASSERT_EQ(run(arguments), kExitDone) << command << ": " << err.str();
    EXPECT_EQ(node.commands().back(), command);
    EXPECT_TRUE(printed("done as asked")) << out.str();
  }
}

TEST_F(HaVerbsTest, ForceWantsTheFencedNodesNamed) {
  EXPECT_EQ(run({"vip", "force", "api"}), kExitUsage);
  EXPECT_TRUE(complained("--i-have-fenced")) << err.str();
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(HaVerbsTest, WhatIsRefusedEndsWithFive) {
  node.set_answer(Error{Errc::kRefused, "vip move api: this node is not in a quorate part of the cluster; missing: gate-2, gate-3"});
  EXPECT_EQ(run({"vip", "move", "api"}), kExitRefused);
  EXPECT_TRUE(complained("missing: gate-2, gate-3")) << err.str();
}

TEST_F(HaVerbsTest, MovingAsksOnATerminal) {
  interactive = true;
  typed = "n";
  EXPECT_EQ(run({"vip", "move", "api"}), kExitFailed);
  EXPECT_TRUE(node.commands().empty());
  EXPECT_EQ(run({"vip", "move", "api", "--yes"}), kExitDone);
}

TEST_F(HaVerbsTest, ADrainIsWaitedForAndBoundedAndAsksForItself) {
  ASSERT_EQ(run({"vip", "move", "api"}), kExitDone) << err.str();
  const Duration usual = connected.timeout;
  ASSERT_EQ(run({"vip", "move", "api", "--drain", "30m"}), kExitDone) << err.str();
  EXPECT_EQ(connected.timeout, usual + std::chrono::minutes(30));
  const std::size_t sent = node.commands().size();
  for (const char* wrong : {"0", "0s", "2h", "soon", "-1s", "5"}) {
    EXPECT_EQ(run({"vip", "move", "api", std::string("--drain=") + wrong}), kExitUsage) << wrong;
    EXPECT_TRUE(complained("--drain")) << err.str();
  }
  interactive = true;
  typed = "n";
  EXPECT_EQ(run({"vip", "move", "api", "--drain", "30m"}), kExitFailed);
  EXPECT_TRUE(complained("reset after 30m")) << err.str();
  EXPECT_EQ(node.commands().size(), sent);
}

TEST_F(HaVerbsTest, StandbyWaitsUntilTheNodeHoldsNothing) {
  int looks = 0;
  on_pause = [&] {
    if (++looks < 3) return;
    auto report = testing::sample_cluster_report();
    report.vips[0].holder = "gate-2";
    node.set_report(report);
  };
  ASSERT_EQ(run({"node", "standby", "--wait"}), kExitDone) << err.str();
  EXPECT_EQ(looks, 3);
  EXPECT_TRUE(complained("gate-1 holds no VIP"));
  node.set_report(testing::sample_cluster_report());
  on_pause = nullptr;
  EXPECT_EQ(run({"node", "standby", "--wait", "--timeout", "1s"}), kExitFailed);
  EXPECT_TRUE(complained("still holds 1 VIPs")) << err.str();
}

TEST_F(HaVerbsTest, NodesAndClusterShowWhatMatters) {
  ASSERT_EQ(run({"node", "list"}), kExitDone);
  for (const char* text : {"gate-1", "gate-2", "gate-3", "differs", "api", "0 up, 1 down"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  ASSERT_EQ(run({"cluster", "status"}), kExitDone);
  EXPECT_TRUE(printed("quorate")) << out.str();
  EXPECT_TRUE(printed("a lost node is noticed after 1760 ms")) << out.str();
  node.set_report(testing::sample_report());
  ASSERT_EQ(run({"node", "list"}), kExitDone);
  EXPECT_TRUE(printed("stands alone")) << out.str();
  ASSERT_EQ(run({"cluster", "status"}), kExitDone);
  EXPECT_TRUE(printed("no cluster in the configuration")) << out.str();
}

/// Nothing is drilled here: the question is answered with no, or the prober has no way to the VIP.
class DrillRunTest : public HaVerbsTest {
 protected:
  DrillRunTest() {
    interactive = true;
    typed = "n";
  }
  void hold(const std::vector<std::string>& here, const std::vector<std::string>& elsewhere) {
    auto report = testing::sample_cluster_report();
    const auto of = [](const auto& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    for (auto& vip : report.vips) {
      vip.held_here = of(here, vip.name);
      vip.holder = vip.held_here ? std::optional<std::string>("gate-1") : std::nullopt;
      if (of(elsewhere, vip.name)) vip.holder = "gate-2";
    }
    report.listeners[0].bind = {"192.168.4.20:6443", "192.168.4.21:443"};
    node.set_report(report);
  }
  /// What is asked or said instead of running it.
  std::string told(const std::string& name, const std::string& vip = "") {
    std::vector<std::string> arguments{"drill", "run", name};
    if (!vip.empty()) arguments.insert(arguments.end(), {"--vip", vip});
    EXPECT_EQ(run(arguments), kExitFailed);
    return err.str();
  }
};

TEST_F(DrillRunTest, TheVipIsTheFirstThatTheAskedNodeHolds) {
  hold({"ingress"}, {"api"});
  EXPECT_NE(told("delete-vip").find("Drill delete-vip of VIP ingress: "), std::string::npos) << err.str();
  hold({"api", "ingress"}, {});
  EXPECT_NE(told("kill-process").find("of VIP api: "), std::string::npos) << err.str();
  EXPECT_NE(told("kill-process", "ingress").find("of VIP ingress: "), std::string::npos) << err.str();
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(DrillRunTest, WhatIsDoneToAHolderIsAskedOfAHolder) {
  hold({"ingress"}, {"api"});
  EXPECT_NE(told("kill-process", "api").find("gate-1 does not hold VIP api (api is on gate-2)"), std::string::npos) << err.str();
  hold({}, {"api"});
  EXPECT_NE(told("reload").find("gate-1 does not hold a VIP (api is on gate-2, ingress is held by nobody)"), std::string::npos)
      << err.str();
  hold({}, {});
  EXPECT_NE(told("planned").find("nobody holds a VIP"), std::string::npos) << err.str();
}

}  // namespace
}  // namespace fairlead::cli
