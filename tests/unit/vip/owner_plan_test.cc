#include "vip/owner_plan.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

constexpr NodeId n1{1};
constexpr NodeId n2{2};
constexpr NodeId n3{3};

/// Golden cases are rows of who is what and where it leads.
class OwnerPlanTest : public testing::Test {
 protected:
  OwnerPlanTest() {
    for (std::uint32_t n = 1; n <= 3; ++n) settings.nodes.push_back({NodeId{n}, "gate-" + std::to_string(n)});
    add_vip("api");
    for (const NodeId n : {n1, n2, n3}) add_member(n);
  }
  void add_vip(const std::string& name, const std::string& group = "") {
    VipSettings v;
    v.name = name;
    v.group = group.empty() ? name : group;
    v.config_hash = 7;
    settings.vips.push_back(v);
  }
  VipState good(const std::string& name) const {
    VipState s;
    s.name = name;
    s.config_hash = 7;
    s.able = s.serves = true;
    s.serves_for_ms = 60'000;
    return s;
  }
  void add_member(NodeId node) {
    MemberFacts m{.node = node, .settled = true, .standby = false, .vips = {}};
    for (const VipSettings& v : settings.vips) m.vips.push_back(good(v.name));
    input.members.push_back(m);
  }
  MemberFacts& member(NodeId node) {
    return *std::find_if(input.members.begin(), input.members.end(), [&](const MemberFacts& m) { return m.node == node; });
  }
  VipState& of(NodeId node) { return member(node).vips.front(); }
  void lose(NodeId node) {
    std::erase_if(input.members, [&](const MemberFacts& m) { return m.node == node; });
  }
  NodeId owner() const { return plan_owners(input).at("api"); }
  std::string why(NodeId node) const { return why_ineligible(input, "api", node); }

  Settings settings;
  PlanInput input{.settings = settings,
                  .elsewhere = {},
                  .members = {},
                  .owners = {},
                  .owner_hash = {},
                  .disabled = {},
                  .frozen = false,
                  .flapping = {},
                  .preempt = {},
                  .requests = {},
                  .serve_stable = 3s};
};

TEST_F(OwnerPlanTest, GoldenFirstOwners) {
  struct Row {
    const char* what;
    std::vector<NodeId> prefer;
    std::vector<NodeId> lost;
    NodeId expected;
  };
  for (const Row& row : {Row{"lowest id", {}, {}, n1}, Row{"preferred", {n3, n2}, {}, n3}, Row{"preferred is away", {n3, n2}, {n3}, n2},
                         Row{"only one left", {}, {n1, n2}, n3}, Row{"nobody", {}, {n1, n2, n3}, kNoNode}}) {
    settings.vips.front().prefer = row.prefer;
    input.members.clear();
    for (const NodeId n : {n1, n2, n3}) add_member(n);
    for (const NodeId n : row.lost) lose(n);
    EXPECT_EQ(owner(), row.expected) << row.what;
  }
}

TEST_F(OwnerPlanTest, R3StaysWithAnOwnerThatIsFineWhateverIsPreferred) {
  settings.vips.front().prefer = {n1};
  input.owners["api"] = n2;
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, R3IfAllAreEquallyBadNobodyMoves) {
  input.owners["api"] = n2;
  for (const NodeId n : {n1, n2, n3}) of(n).able = false;
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, ALostOwnerIsReplaced) {
  input.owners["api"] = n2;
  lose(n2);
  EXPECT_EQ(owner(), n1);
}

TEST_F(OwnerPlanTest, AnOwnerThatIsNotAbleYieldsAtOnce) {
  input.owners["api"] = n1;
  of(n1).able = false;
  of(n1).reason = "no carrier";
  EXPECT_EQ(owner(), n2);
  EXPECT_EQ(why(n1), "no carrier");
}

TEST_F(OwnerPlanTest, R17AnOwnerWithoutServersYieldsOnlyToOneThatHasServedForAWhile) {
  input.owners["api"] = n1;
  of(n1).serves = false;
  of(n2).serves_for_ms = 2'900;
  of(n3).serves_for_ms = 2'900;
  EXPECT_EQ(owner(), n1);

  of(n3).serves_for_ms = 3'000;

  EXPECT_EQ(owner(), n3);
}

TEST_F(OwnerPlanTest, ServersCountOnlyWhileSomebodyHasSome) {
  input.owners["api"] = n2;
  for (const NodeId n : {n1, n2, n3}) of(n).serves = false;
  EXPECT_EQ(owner(), n2);
  EXPECT_EQ(why(n1), "");
}

TEST_F(OwnerPlanTest, TheGatewayCountsOnlyWhileSomebodyHearsIt) {
  input.owners["api"] = n1;
  of(n1).gateway_ok = false;
  EXPECT_EQ(owner(), n2);
  of(n2).gateway_ok = of(n3).gateway_ok = false;
  EXPECT_EQ(owner(), n1);
}

TEST_F(OwnerPlanTest, R13AMemberThatHasJustStartedTakesNothingUnlessEverybodyIsThere) {
  input.owners["api"] = n1;
  member(n2).settled = false;
  lose(n1);
  EXPECT_EQ(owner(), n3);
  EXPECT_EQ(why(n2), "started a moment ago");
}

TEST_F(OwnerPlanTest, R15NothingMovesByChoiceToAnotherConfiguration) {
  input.owners["api"] = n1;
  input.owner_hash["api"] = 7;
  of(n2).config_hash = of(n3).config_hash = 8;
  of(n1).able = false;
  EXPECT_EQ(owner(), n1);
}

TEST_F(OwnerPlanTest, R15OnLossOfTheOwnerTheSameConfigurationIsPreferredAndTheSameAddressSuffices) {
  input.owners["api"] = n1;
  input.owner_hash["api"] = 7;
  lose(n1);
  of(n2).config_hash = 8;
  EXPECT_EQ(owner(), n3);
  of(n3).config_hash = 8;
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, R15AVipUnknownOnANodeMakesOnlyThatNodeIneligible) {
  member(n1).vips.clear();
  EXPECT_EQ(owner(), n2);
  EXPECT_EQ(why(n1), "does not know VIP api");
}

TEST_F(OwnerPlanTest, R16ADisabledVipIsNobodysAndLeavesItsGroup) {
  settings.vips.front().group = "g";
  add_vip("dns", "g");
  input.members.clear();
  for (const NodeId n : {n1, n2, n3}) add_member(n);
  input.owners = {{"api", n2}, {"dns", n2}};
  input.disabled = {"api"};
  const auto plan = plan_owners(input);
  EXPECT_EQ(plan.at("api"), kNoNode);
  EXPECT_EQ(plan.at("dns"), n2);
}

TEST_F(OwnerPlanTest, R16ANodeInStandbyGivesUpAndTakesNothing) {
  input.owners["api"] = n1;
  member(n1).standby = true;
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, R16AFrozenClusterMovesOnlyOnLoss) {
  input.owners["api"] = n1;
  input.frozen = true;
  of(n1).able = false;
  EXPECT_EQ(owner(), n1);
  lose(n1);
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, R16ARequestMovesToTheNamedNodeOrToAnyOther) {
  input.owners["api"] = n1;
  input.requests = {{"api", n3}};
  EXPECT_EQ(owner(), n3);
  input.requests = {{"api", kNoNode}};
  EXPECT_EQ(owner(), n2);
  input.requests = {{"api", n3}};
  of(n3).able = false;
  EXPECT_EQ(owner(), n1) << "an ineligible target";
}

TEST_F(OwnerPlanTest, R17AFlappingVipStaysUntilItsHolderIsLost) {
  input.owners["api"] = n1;
  input.flapping = {"api"};
  of(n1).able = false;
  EXPECT_EQ(owner(), n1);
  lose(n1);
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, R3APreferredNodeWhoseTimeHasComeGetsIt) {
  input.owners["api"] = n2;
  input.preempt["api"] = n1;
  EXPECT_EQ(owner(), n1);
  input.frozen = true;
  EXPECT_EQ(owner(), n2);
}

TEST_F(OwnerPlanTest, AGroupStaysTogetherAndGroupsAreSpread) {
  settings.vips.front().group = "g";
  add_vip("dns", "g");
  add_vip("web");
  input.members.clear();
  for (const NodeId n : {n1, n2, n3}) add_member(n);
  const auto plan = plan_owners(input);
  EXPECT_EQ(plan.at("api"), n1);
  EXPECT_EQ(plan.at("dns"), n1);
  EXPECT_EQ(plan.at("web"), n2);
}

TEST_F(OwnerPlanTest, R15AVipOfOtherMembersFilesIsPlannedByTheirs) {
  VipSettings theirs;
  theirs.name = theirs.group = "ingress";
  theirs.prefer = {n3};
  theirs.config_hash = 7;
  input.elsewhere = {theirs};
  EXPECT_EQ(plan_owners(input).at("ingress"), kNoNode) << "nobody says so";
  for (const NodeId n : {n2, n3}) member(n).vips.push_back(good("ingress"));
  EXPECT_EQ(plan_owners(input).at("ingress"), n3);
  lose(n3);
  input.owners["ingress"] = n3;
  EXPECT_EQ(plan_owners(input).at("ingress"), n2);
}

TEST_F(OwnerPlanTest, R15AnOwnerThatNoLongerKnowsTheVipHasLostIt) {
  input.owners["api"] = n2;
  member(n2).vips.clear();
  EXPECT_EQ(owner(), n1);
  for (const NodeId n : {n1, n3}) member(n).vips.clear();
  EXPECT_EQ(owner(), kNoNode);
}

TEST_F(OwnerPlanTest, R15AVipThatComesIntoAGroupMovesNoneOfTheOthers) {
  settings.vips.clear();
  add_vip("api", "front");
  add_vip("extra", "front");
  input.owners["api"] = n2;
  member(n1).vips.push_back(good("extra"));  // The rollout begins at node 1; node 2 has "api".
  EXPECT_EQ(owner(), n2);
  EXPECT_EQ(plan_owners(input).at("extra"), kNoNode) << "it waits for the group's owner";
  member(n2).vips.push_back(good("extra"));
  EXPECT_EQ(owner(), n2);
  EXPECT_EQ(plan_owners(input).at("extra"), n2);
}

TEST_F(OwnerPlanTest, R15AVipThatOnlyTheLostOwnerKnewHoldsNothingUp) {
  settings.vips.clear();
  add_vip("api", "front");
  add_vip("extra", "front");
  input.owners["api"] = input.owners["extra"] = n2;
  lose(n2);
  EXPECT_EQ(owner(), n1);
  EXPECT_EQ(plan_owners(input).at("extra"), kNoNode);
}

TEST_F(OwnerPlanTest, R15WhereTheClusterIsConfiguredDifferentlyNothingMovesByChoice) {
  input.owners["api"] = n2;
  member(n2).cluster_hash = 5;
  EXPECT_EQ(owner(), n2) << "the owner is not the one that differs";
  input.requests = {{"api", n3}};
  EXPECT_EQ(owner(), n2);
  member(n3).cluster_hash = 5;
  EXPECT_EQ(owner(), n3);
  lose(n2);
  lose(n3);
  member(n1).cluster_hash = 7;
  EXPECT_EQ(owner(), n1) << "on the loss of its holder it moves all the same";
}

/// One group of VIPs on three interfaces.
class OwnerPlanGroupTest : public OwnerPlanTest {
 protected:
  OwnerPlanGroupTest() {
    settings.vips.clear();
    for (const char* name : {"api", "mast-router", "node-router"}) add_vip(name, "gateway");
    input.members.clear();
    for (const NodeId n : {n1, n2, n3}) add_member(n);
  }
  void lacks(NodeId node, std::initializer_list<std::size_t> vips) {
    for (const std::size_t i : vips) {
      member(node).vips[i].able = false;
      member(node).vips[i].reason = "no carrier";
    }
  }
  void held_by(NodeId node) {
    for (const VipSettings& v : settings.vips) input.owners[v.name] = node;
  }
  std::map<std::string, NodeId> all(NodeId a, NodeId b, NodeId c) const { return {{"api", a}, {"mast-router", b}, {"node-router", c}}; }
};

TEST_F(OwnerPlanGroupTest, GoesToTheNodeThatLacksTheFewestAndWhatThatLacksWaits) {
  lacks(n1, {0, 1});
  lacks(n2, {2});
  lacks(n3, {1, 2});
  EXPECT_EQ(plan_owners(input), all(n2, n2, kNoNode));
}

TEST_F(OwnerPlanGroupTest, IsNotHomelessBecauseEachNodeLacksOneInterface) {
  held_by(n3);
  lose(n3);
  lacks(n1, {1});
  lacks(n2, {2});
  EXPECT_EQ(plan_owners(input), all(n1, kNoNode, n1));
}

TEST_F(OwnerPlanGroupTest, AWaitingVipComesWhenItsInterfaceDoes) {
  input.owners = all(n2, n2, kNoNode);
  lacks(n1, {0});
  lacks(n3, {0});
  EXPECT_EQ(plan_owners(input), all(n2, n2, n2));
}

TEST_F(OwnerPlanGroupTest, R3StaysAmongEquallyBadOnesAndKeepsWhatItHas) {
  held_by(n3);
  lacks(n1, {0});
  lacks(n2, {1});
  lacks(n3, {2});
  EXPECT_EQ(plan_owners(input), all(n3, n3, n3)) << "what it had before is its own business";
}

TEST_F(OwnerPlanGroupTest, LeavesANodeThatLacksMore) {
  held_by(n1);
  lacks(n1, {1, 2});
  lacks(n2, {2});
  lacks(n3, {1, 2});
  EXPECT_EQ(plan_owners(input), all(n2, n2, kNoNode));
}

TEST_F(OwnerPlanGroupTest, PrefersAWholeNodeWhateverTheOrder) {
  settings.vips.front().prefer = {n1};
  lacks(n1, {2});
  EXPECT_EQ(plan_owners(input), all(n2, n2, n2));
}

TEST_F(OwnerPlanGroupTest, ANodeThatHasNoneOfItGetsNothing) {
  for (const NodeId n : {n1, n2, n3}) lacks(n, {0, 1, 2});
  EXPECT_EQ(plan_owners(input), all(kNoNode, kNoNode, kNoNode));
}

TEST_F(OwnerPlanGroupTest, ServersCountAmongTheNodesThatLackTheFewest) {
  lacks(n1, {1});
  lacks(n2, {1});
  lacks(n3, {1, 2});
  for (VipState& s : member(n1).vips) s.serves = false;
  EXPECT_EQ(plan_owners(input), all(n2, kNoNode, n2));
}

TEST_F(OwnerPlanGroupTest, ExplainsWhatANodeLacksAlsoWhenItMayHaveTheRest) {
  lacks(n1, {1});
  lacks(n2, {1});
  lacks(n3, {1, 2});
  EXPECT_EQ(why_ineligible(input, "api", n1), "");
  EXPECT_EQ(why_ineligible(input, "mast-router", n1), "no carrier");
  EXPECT_EQ(why_ineligible(input, "api", n3), "no carrier");
}

TEST_F(OwnerPlanGroupTest, R1WhileAMemberPlansByVersionOneOnlyAWholeNodeCounts) {
  input.plan_version = 1;
  lacks(n1, {1});
  lacks(n2, {2});
  lacks(n3, {0});
  EXPECT_EQ(plan_owners(input), all(kNoNode, kNoNode, kNoNode));
  member(n3).vips[0].able = true;
  EXPECT_EQ(plan_owners(input), all(n3, n3, n3));
}

}  // namespace
}  // namespace fairlead::vip
