// What operators say (R16) and what files say (R15), to one core.
#include "base/refusal.h"
#include "tests/unit/vip/core_fixture.h"

namespace fairlead::vip {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class TakeoverOperatorsTest : public TakeoverCoreTest {};

TEST_F(TakeoverOperatorsTest, R16ChangesNeedAQuorateView) {
  begin(3);
  EXPECT_FALSE(core->move("api", n2, out).has_value());
  hold();
  EXPECT_TRUE(core->move("api", n2, out).has_value());
  EXPECT_FALSE(core->move("api", NodeId{7}, out).has_value());
  EXPECT_FALSE(core->move("dns", n2, out).has_value());
  EXPECT_FALSE(core->wish(OverrideKind::kNodeStandby, "gate-9", true, false, out).has_value());
}

TEST_F(TakeoverOperatorsTest, R16WhatIsRefusedNamesTheMissingNodes) {
  begin(3);
  EXPECT_EQ(core->wish(OverrideKind::kFrozen, "", true, false, out).error().code, Errc::kRefused) << "no part in the cluster yet";
  view({n1}, /*quorate=*/false);
  for (const Status& refused : {core->move("api", n2, out), core->wish(OverrideKind::kFrozen, "", true, false, out),
                                core->wish(OverrideKind::kVipDisabled, "api", true, false, out)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kRefused);
    EXPECT_NE(refused.error().message().find("missing: gate-2, gate-3"), std::string::npos) << refused.error().message();
  }
}

TEST_F(TakeoverOperatorsTest, R16StandbyOfTheLastNodeWantsForce) {
  begin(2);
  hold();
  EXPECT_TRUE(core->wish(OverrideKind::kNodeStandby, "gate-2", true, false, out));
  echo();
  const Status refused = core->wish(OverrideKind::kNodeStandby, "gate-1", true, false, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
  EXPECT_TRUE(core->wish(OverrideKind::kNodeStandby, "gate-1", true, /*force=*/true, out));
}

TEST_F(TakeoverOperatorsTest, R16ForceWantsEveryMissingNodeFencedAndSilence) {
  begin(3);
  EXPECT_FALSE(core->force("api", {n2, n3}, out)) << "without Corosync nothing is held";
  view({n1, n2, n3});
  EXPECT_FALSE(core->force("api", {n2, n3}, out)) << "the majority is there";
  view({n1}, /*quorate=*/false);
  echo();
  tick(10ms);
  const Status refused = core->force("api", {n2}, out);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("gate-3 cannot be seen"), std::string::npos) << refused.error().message();
  EXPECT_FALSE(core->force("api", {n1, n2, n3}, out)) << "this node is not fenced";
  (void)actions();
  ASSERT_TRUE(core->force("api", {n2, n3}, out));
  EXPECT_FALSE(has(Kind::kAdd)) << "nobody was asked yet";
  core->answered("api", "02:00:00:00:00:02", false, out);
  for (int i = 0; i < 10; ++i) {
    tick(20ms);
    core->answered("api", "02:00:00:00:00:02", false, out);
    EXPECT_FALSE(has(Kind::kAdd)) << "somebody answers";
  }
  bool added = false;
  for (int i = 0; i < 200 && !added; ++i) {
    tick(20ms);
    added = has(Kind::kAdd);
  }
  EXPECT_TRUE(added);
}

TEST_F(TakeoverOperatorsTest, R16ForceEndsWithTheFirstLeaseOfAMajority) {
  begin(3);
  view({n1}, /*quorate=*/false);
  echo();
  ASSERT_TRUE(core->force("api", {n2, n3}, out));
  for (int i = 0; i < 200 && !core->holder("api")->may_be_present(); ++i) tick(20ms);
  core->kernel_done("api", Kind::kAdd, {}, out);
  ASSERT_TRUE(core->holder("api")->is_held());
  view({n1, n2, n3});
  exchange();
  for (int i = 0; i < 3; ++i) {
    tick(50ms);
    echo();
  }
  ASSERT_TRUE(core->holder("api")->is_held()) << "the others are back: it stays where it is";
  view({n1}, /*quorate=*/false);
  out.clear();
  tick(core->timing().lease() + 100ms);
  EXPECT_TRUE(has(Kind::kRemove)) << "cut off later: the operator's word was about that other time";
}

TEST_F(TakeoverOperatorsTest, R16TwoWishesInARowAreToldApart) {
  begin(3);
  hold();
  ASSERT_TRUE(core->wish(OverrideKind::kVipDisabled, "api", true, false, out));
  ASSERT_TRUE(core->wish(OverrideKind::kVipDisabled, "api", false, false, out));
  const auto wishes = take<SetOverride>();
  ASSERT_THAT(wishes, SizeIs(2));
  for (const SetOverride& wish : wishes) core->delivered(daemon_of(me), wish, out);
  EXPECT_FALSE(core->is_on(OverrideKind::kVipDisabled, "api")) << "both were said before the first came back";
}

TEST_F(TakeoverOperatorsTest, R16AMoveThatNoPlanCarriedOutIsForgotten) {
  begin(3, false, n2);
  view({n1, n2, n3});
  exchange();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n2, 1}}}, out);
  core->delivered(daemon_of(n3), MoveVip{"api", n3}, out);
  turn(6s);
  view({n2, n3});  // The one that planned is gone.
  out.clear();
  exchange();
  for (const Assign& assign : take<Assign>()) EXPECT_NE(assign.table.front().owner, n3) << "said long ago";
  EXPECT_EQ(core->describe("api").owner, n2);
}

TEST_F(TakeoverOperatorsTest, R16WishesForWhatNobodyHasFillNothing) {
  begin(3);
  hold();
  for (std::uint64_t i = 0; i < 300; ++i)
    core->delivered(daemon_of(n2), SetOverride{{OverrideKind::kVipDisabled, "gone-" + std::to_string(i), true, {i + 1, n2}}}, out);
  core->delivered(daemon_of(n2), SetOverride{{OverrideKind::kNodeStandby, "gate-9", true, {400, n2}}}, out);
  EXPECT_THAT(core->overrides(), IsEmpty());
}

TEST_F(TakeoverOperatorsTest, R16StandbyOfTheLastNodeThatCouldHoldAVipWantsForce) {
  begin(2);
  view({n1, n2});
  NodeState other = state_of(n2);
  other.vips.front().able = false;
  other.vips.front().reason = "no carrier";
  core->delivered(daemon_of(n2), other, out);
  echo();
  const Status refused = core->wish(OverrideKind::kNodeStandby, "gate-1", true, /*force=*/false, out);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("VIP api"), std::string::npos) << refused.error().message();
  EXPECT_TRUE(yields_to_force(refused.error())) << refused.error().message();
  const Status moved = core->may_move("api", n2);
  ASSERT_FALSE(moved);
  EXPECT_FALSE(yields_to_force(moved.error())) << "a move to a node that cannot take it has no force: " << moved.error().message();
  EXPECT_TRUE(core->wish(OverrideKind::kNodeStandby, "gate-2", true, /*force=*/false, out)) << "it could not hold it anyway";
}

TEST_F(TakeoverOperatorsTest, R16TheLaterWishWinsWhateverTheOrder) {
  begin(3);
  hold();
  core->delivered(daemon_of(n2), SetOverride{{OverrideKind::kFrozen, "", true, {5, n2}}}, out);
  core->delivered(daemon_of(n3), SetOverride{{OverrideKind::kFrozen, "", false, {4, n3}}}, out);
  EXPECT_TRUE(core->is_on(OverrideKind::kFrozen, ""));
}

TEST_F(TakeoverOperatorsTest, R15AnotherAddressIsTakenUpAfterTheOldOneIsDeleted) {
  begin(3);
  hold();
  Settings other = settings;
  other.vips.front().address.length = 9;

  core->configure(other, out);

  EXPECT_TRUE(has(Kind::kReset));
  EXPECT_EQ(core->holder("api")->settings().address.length, 0) << "what is deleted has to be what was added";
  core->reset_done("api", core->holder("api")->epoch(), out);
  core->kernel_done("api", Kind::kRemove, {}, out);
  EXPECT_EQ(core->holder("api")->settings().address.length, 9);
}

TEST_F(TakeoverOperatorsTest, R15AnotherInterfaceIsAnotherAddress) {
  begin(3);
  hold();
  Settings other = settings;
  other.vips.front().placement = "eth1";
  core->configure(other, out);
  EXPECT_TRUE(has(Kind::kReset)) << "it is given up where it is";
  core->reset_done("api", core->holder("api")->epoch(), out);
  core->kernel_done("api", Kind::kRemove, {}, out);
  EXPECT_EQ(core->holder("api")->settings().placement, "eth1");
}

TEST_F(TakeoverOperatorsTest, R15WhatIsTakenOutIsReleasedAndNotTakenAgain) {
  begin(3);
  hold();
  const Epoch held = epoch();
  Settings other = settings;
  other.vips.clear();
  core->configure(other, out);
  EXPECT_TRUE(has(Kind::kReset));
  const auto states = take<NodeState>();
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_THAT(states.front().vips, IsEmpty());
  core->delivered(daemon_of(me), states.front(), out);
  // A plan from before it was heard of.
  core->delivered(daemon_of(me), Assign{current.round(), 1, {{"api", n1, held + 1}}}, out);
  core->reset_done("api", core->holder("api")->epoch(), out);
  core->kernel_done("api", Kind::kRemove, {}, out);
  EXPECT_THAT(take<Released>(), SizeIs(1));
  tick(100ms);
  EXPECT_FALSE(has(Kind::kAdd));
  EXPECT_EQ(core->holder("api")->state(), HolderState::kIdle);
}

TEST_F(TakeoverOperatorsTest, R15TheProposerPlansAVipItDoesNotHave) {
  begin(3);
  settings.vips.clear();
  core->configure(settings, out);
  view({n1, n2, n3});
  (void)take<Assign>();
  exchange();
  ASSERT_NE(core->holder("api"), nullptr) << "the others named it";
  EXPECT_EQ(core->describe("api").owner, n2);
  EXPECT_FALSE(has(Kind::kAdd));
  // The file catches up: nothing moves, and it is eligible.
  begin_again_with_api();
  EXPECT_EQ(core->describe("api").owner, n2);
}

/// Found by the simulator: the new owner's file counted as another one for ever, and nobody could take the VIP by choice any more.
TEST_F(TakeoverCoreTest, R15WhoseConfigurationCountsChangesWithTheOwner) {
  begin(3);
  core->local("api", {.able = false, .serves = true, .gateway_ok = true, .reason = "no carrier"}, out);
  const auto other = [this] {
    NodeState s = state_of(n2);
    s.vips[0].config_hash = 8;
    return s;
  };
  view({n1, n2, n3});
  NodeState holder = state_of(n3);
  holder.vips[0].holding = true;
  holder.vips[0].owner = n3;
  holder.vips[0].epoch = 5;
  core->delivered(daemon_of(n2), other(), out);
  core->delivered(daemon_of(n3), holder, out);
  echo();
  ASSERT_EQ(core->describe("api").owner, n3);

  view({n1, n2});  // The holder is gone, and nobody else has its file: it goes to whom it can.
  core->delivered(daemon_of(n2), other(), out);
  echo();

  ASSERT_EQ(core->describe("api").owner, n2);
  EXPECT_EQ(core->describe("api").ineligible.at(n2), "");
}

}  // namespace
}  // namespace fairlead::vip
