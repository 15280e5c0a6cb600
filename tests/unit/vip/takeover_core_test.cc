// One core against hand-made views and messages. Whole clusters: tests/sim/cluster.
#include "vip/takeover_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using Kind = HolderActionKind;

constexpr NodeId n1{1};
constexpr NodeId n2{2};
constexpr NodeId n3{3};
ClusterProcess daemon_of(NodeId node) { return {node, to_number(node) * 10}; }

class TakeoverCoreTest : public testing::Test {
 protected:
  /// This node is 1 of `count`, alone with hand-made peers.
  void begin(std::uint32_t count, bool tie = false, NodeId self = n1) {
    me = self;
    settings.self = self;
    for (std::uint32_t n = 1; n <= count; ++n) settings.nodes.push_back({NodeId{n}, "gate-" + std::to_string(n)});
    VipSettings v;
    v.name = v.group = "api";
    v.config_hash = 7;
    settings.vips = {v};
    settings.has_tie_break = tie;
    if (tie) settings.tie_targets = {"10.0.0.1"};
    core = std::make_unique<TakeoverCore>(settings, 1, std::vector<Override>{}, now);
    turn();
    core->local("api", {.able = true, .serves = true, .gateway_ok = true, .reason = ""}, out);
  }
  void turn(Duration later = 0ms, Duration boot_more = 0ms) {
    now += later;
    ahead += boot_more;
    core->turn(now, now + ahead, out);
  }
  void tick(Duration later = 0ms) {
    turn(later);
    core->tick(out);
  }
  void view(std::vector<NodeId> nodes, bool quorate = true, std::vector<NodeId> without_daemon = {}) {
    current = {};
    current.ring = {nodes.front(), ++ring};
    current.nodes = nodes;
    for (const NodeId n : nodes) {
      if (std::find(without_daemon.begin(), without_daemon.end(), n) == without_daemon.end()) current.processes.push_back(daemon_of(n));
    }
    current.quorate = quorate;
    core->view(current, daemon_of(me), out);
  }
  NodeState state_of(NodeId) const {
    NodeState s;
    s.round = current.round();
    s.incarnation = 1;
    s.token_ms = 800;
    s.consensus_ms = 960;
    s.settled = true;
    s.up_ms = 60'000;
    VipState v;
    v.name = "api";
    v.config_hash = 7;
    v.able = v.serves = true;
    v.serves_for_ms = 60'000;
    s.vips = {v};
    return s;
  }
  template <class M>
  std::vector<M> take() {
    std::vector<M> found;
    for (auto at = out.begin(); at != out.end();) {
      auto* send = std::get_if<SendMessage>(&*at);
      if (send != nullptr && std::holds_alternative<M>(send->message)) {
        found.push_back(std::get<M>(send->message));
        at = out.erase(at);
      } else {
        ++at;
      }
    }
    return found;
  }
  std::vector<Kind> actions() {
    std::vector<Kind> kinds;
    for (const TakeoverAction& a : out) {
      if (const auto* vip = std::get_if<VipAction>(&a)) kinds.push_back(vip->kind);
    }
    std::erase_if(out, [](const TakeoverAction& a) { return std::holds_alternative<VipAction>(a); });
    return kinds;
  }
  bool has(Kind kind) {
    const auto all = actions();
    return std::find(all.begin(), all.end(), kind) != all.end();
  }
  /// What the core multicasts comes back to it.
  void echo() {
    for (int round = 0; round < 8; ++round) {
      std::vector<ClusterMessage> sent;
      for (auto& a : out) {
        if (auto* send = std::get_if<SendMessage>(&a)) sent.push_back(send->message);
      }
      std::erase_if(out, [](const TakeoverAction& a) { return std::holds_alternative<SendMessage>(a); });
      if (sent.empty()) return;
      for (const ClusterMessage& m : sent) {
        core->delivered(daemon_of(me), m, out);
        if (const auto* beat = std::get_if<Beat>(&m); beat != nullptr && !beat->held.empty() && acknowledging) {
          for (const NodeId n : current.nodes) {
            if (n != me) core->delivered(daemon_of(n), BeatAck{beat->ring, me, beat->incarnation, beat->sequence}, out);
          }
        }
      }
    }
  }
  void exchange() {
    for (const NodeId n : current.nodes) {
      if (n != me && current.has_process(daemon_of(n))) core->delivered(daemon_of(n), state_of(n), out);
    }
    echo();
  }
  /// Node 1 of the cluster holds the VIP.
  void hold() {
    std::vector<NodeId> all;
    for (const NodeName& n : settings.nodes) all.push_back(n.id);
    view(all);
    exchange();
    for (int i = 0; i < 4 && !core->holder("api")->may_be_present(); ++i) {
      tick(35ms);
      echo();
    }
    ASSERT_EQ(core->holder("api")->state(), HolderState::kAdding);
    core->kernel_done("api", Kind::kAdd, true, "", out);
    echo();
    ASSERT_TRUE(core->holder("api")->is_held());
    out.clear();
  }
  Epoch epoch() const { return core->describe("api").epoch; }
  /// The VIP comes into this node's file.
  void begin_again_with_api() {
    VipSettings v;
    v.name = v.group = "api";
    v.config_hash = 7;
    settings.vips = {v};
    core->configure(settings, out);
    core->local("api", {.able = true, .serves = true, .gateway_ok = true, .reason = ""}, out);
    echo();
    tick(300ms);
    echo();
  }

  Settings settings;
  NodeId me = n1;
  std::unique_ptr<TakeoverCore> core;
  TakeoverActions out;
  ClusterView current;
  std::uint64_t ring = 4;
  Instant now{1h};
  Duration ahead{};
  bool acknowledging = true;
};

TEST_F(TakeoverCoreTest, R1OnlyADeliveredPlanOfThisRoundByItsProposerCounts) {
  begin(3, false, n2);
  view({n1, n2, n3});
  exchange();
  Assign assign{.round = current.round(), .plan_version = kPlanVersion, .table = {{"api", n2, 5}}};

  core->delivered(daemon_of(n3), assign, out);
  EXPECT_EQ(core->describe("api").owner, kNoNode) << "not the proposer";
  assign.round.digest += 1;
  core->delivered(daemon_of(n1), assign, out);
  EXPECT_EQ(core->describe("api").owner, kNoNode) << "of another round";
  assign.round = current.round();
  core->delivered(daemon_of(n1), assign, out);
  EXPECT_EQ(core->describe("api").owner, n2);
}

TEST_F(TakeoverCoreTest, R2NoPlanBeforeEveryMembersStateWasDelivered) {
  begin(3);
  view({n1, n2, n3});
  core->delivered(daemon_of(n2), state_of(n2), out);
  echo();
  EXPECT_EQ(core->describe("api").owner, kNoNode);

  core->delivered(daemon_of(n3), state_of(n3), out);
  echo();

  EXPECT_EQ(core->describe("api").owner, n1);
}

TEST_F(TakeoverCoreTest, R2AMemberThatSaysNothingForASecondIsAskedToBeLeftOut) {
  begin(3);
  view({n1, n2, n3});
  core->delivered(daemon_of(n2), state_of(n2), out);
  for (int i = 0; i < 19; ++i) {
    tick(50ms);
    core->delivered(daemon_of(n2), Beat{current.ring, 1, 1, {}}, out);
  }
  EXPECT_THAT(take<Exclude>(), IsEmpty());
  tick(50ms);
  const auto asked = take<Exclude>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked.front().process, daemon_of(n3));
}

TEST_F(TakeoverCoreTest, R4TheAddressGoesWhenTheLastProofIsOlderThanTheLease) {
  begin(3);
  hold();
  acknowledging = false;
  const Duration lease = core->timing().lease();
  for (Duration passed{}; passed < lease - 100ms; passed += 50ms) {
    tick(50ms);
    for (const NodeId n : {n2, n3}) core->delivered(daemon_of(n), Beat{current.ring, 1, 1, {}}, out);  // They live, and do not hear it.
    echo();
  }
  EXPECT_TRUE(core->holder("api")->is_held());
  tick(101ms);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(TakeoverCoreTest, R4ABeatThatAsksIsAcknowledgedAtOnce) {
  begin(3);
  view({n1, n2, n3});
  exchange();
  out.clear();
  core->delivered(daemon_of(n2), Beat{current.ring, 1, 9, {{"api", 3}}}, out);
  const auto acks = take<BeatAck>();
  ASSERT_THAT(acks, SizeIs(1));
  EXPECT_EQ(acks.front().holder, n2);
  EXPECT_EQ(acks.front().sequence, 9U);
}

TEST_F(TakeoverCoreTest, R4AMemberThatPromisedTakesNothingBeforeItsPromiseEnds) {
  begin(3);
  view({n1, n2, n3});
  exchange();
  tick(3s);  // Its own start's promise is over.
  core->delivered(daemon_of(n3), Beat{current.ring, 1, 9, {{"api", 3}}}, out);
  const Instant promised = now + core->timing().promise();
  view({n1, n2});
  exchange();
  while (now + 50ms < promised) {
    tick(50ms);
    echo();
    EXPECT_FALSE(core->holder("api")->may_be_present()) << to_ms(promised - now);
  }
  for (int i = 0; i < 8; ++i) {
    tick(20ms);
    echo();
  }
  EXPECT_TRUE(core->holder("api")->may_be_present());
}

TEST_F(TakeoverCoreTest, R4TheVotesOfAMemberThatWasLeftOutCountAsGiven) {
  begin(2);
  hold();
  core->delivered(daemon_of(n2), Exclude{current.round(), daemon_of(n2)}, out);
  acknowledging = false;
  for (int i = 0; i < 60; ++i) {
    tick(50ms);
    echo();
  }
  EXPECT_TRUE(core->holder("api")->is_held());
}

TEST_F(TakeoverCoreTest, R5WithReleasedTheNewOwnerTakesItAtOnce) {
  begin(3);
  view({n1, n2, n3});
  NodeState held = state_of(n2);
  held.vips.front().epoch = 6;
  held.vips.front().owner = n2;
  held.vips.front().holding = true;
  core->delivered(daemon_of(n2), held, out);
  core->delivered(daemon_of(n3), state_of(n3), out);
  echo();
  ASSERT_EQ(core->describe("api").owner, n2);
  core->delivered(daemon_of(n2), MoveVip{"api", n1}, out);
  echo();
  ASSERT_EQ(core->describe("api").owner, n1);
  EXPECT_FALSE(core->holder("api")->may_be_present());

  core->delivered(daemon_of(n2), Released{"api", 6, n2, 1, true}, out);
  echo();

  EXPECT_TRUE(core->holder("api")->may_be_present());
}

TEST_F(TakeoverCoreTest, R5ReleasedIsNotBelievedWhileANodeMayHaveForgottenALaterHolder) {
  begin(3);
  view({n1, n2, n3});
  NodeState knows = state_of(n2);
  knows.vips.front().epoch = 6;
  knows.vips.front().owner = n3;
  knows.vips.front().released = true;
  view({n1, n3}, true, /*without_daemon=*/{n3});  // It never spoke in this ring, and whoever knew more is not here.
  for (int i = 0; i < 3; ++i) {
    tick(30ms);
    echo();
  }
  EXPECT_FALSE(core->holder("api")->may_be_present());
}

TEST_F(TakeoverCoreTest, R7WhatASuspendedMachineSleptThroughHasPassedForItsLease) {
  begin(3);
  hold();
  turn(10ms, /*boot_more=*/5s);  // CLOCK_MONOTONIC stood still.
  EXPECT_TRUE(has(Kind::kRemove)) << "before any descriptor is read";
}

TEST_F(TakeoverCoreTest, R7AfterAShortPauseNothingIsRefreshedBeforeANewProof) {
  begin(3);
  hold();
  tick(600ms);
  const auto before = actions();
  EXPECT_EQ(std::count(before.begin(), before.end(), Kind::kRefresh), 0);
  EXPECT_EQ(std::count(before.begin(), before.end(), Kind::kAnnounce), 0);
  echo();
  tick(1ms);
  const auto after = actions();
  EXPECT_EQ(std::count(after.begin(), after.end(), Kind::kRefresh), 1);
  EXPECT_EQ(std::count(after.begin(), after.end(), Kind::kAnnounce), 1) << "R19";
}

TEST_F(TakeoverCoreTest, R8AClaimIsAnsweredByABeatAtOnce) {
  begin(3);
  hold();
  turn(7ms);
  core->claimed("api", "02:02", out);
  EXPECT_THAT(take<Beat>(), SizeIs(1));
}

TEST_F(TakeoverCoreTest, R9LosingCorosyncDeletesInTheSameStep) {
  begin(3);
  hold();
  core->lost(out);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(TakeoverCoreTest, R11AHolderThatIsAloneStaysWhileARouterAnswers) {
  begin(2, /*tie=*/true);
  core->tie_answered(0);
  hold();
  view({n1});
  for (int i = 0; i < 100; ++i) {
    tick(50ms);
    core->tie_answered(0);
    echo();
  }
  EXPECT_TRUE(core->holder("api")->is_held());
  tick(299ms);
  EXPECT_TRUE(core->holder("api")->is_held());
  tick(150ms);
  EXPECT_FALSE(core->holder("api")->is_held()) << "no answer for longer than 300 ms";
}

TEST_F(TakeoverCoreTest, R11TheReturnOfThePeerCostsTheHolderNothing) {
  begin(2, /*tie=*/true);
  core->tie_answered(0);
  hold();
  view({n1});
  for (int i = 0; i < 100; ++i) {
    tick(50ms);
    core->tie_answered(0);
    echo();
  }
  view({n1, n2});
  tick(20ms);
  EXPECT_TRUE(core->holder("api")->is_held()) << "its lease was proved 5 s ago";
}

TEST_F(TakeoverCoreTest, R11WithoutARouterTheOtherNeverTakes) {
  begin(2, /*tie=*/true, n2);
  view({n1, n2});
  exchange();
  view({n2});
  for (int i = 0; i < 200; ++i) {
    tick(50ms);
    echo();
  }
  EXPECT_FALSE(core->holder("api")->may_be_present());
}

TEST_F(TakeoverCoreTest, R13ANodeThatStartsAloneWaits) {
  begin(3);
  view({n1, n2});
  NodeState fresh = state_of(n2);
  fresh.settled = false;
  core->delivered(daemon_of(n2), fresh, out);
  for (int i = 0; i < 98; ++i) {
    tick(50ms);
    echo();
    core->delivered(daemon_of(n2), Beat{current.ring, 1, 1, {}}, out);
  }
  EXPECT_FALSE(core->holder("api")->may_be_present());
  for (int i = 0; i < 10; ++i) {
    tick(50ms);
    echo();
  }
  EXPECT_TRUE(core->holder("api")->may_be_present()) << "start_wait is over";
}

TEST_F(TakeoverCoreTest, R14OfTwoHoldersTheOneWithoutInterruptionStays) {
  begin(2);
  hold();
  view({n1});
  tick(10ms);
  view({n1, n2});
  NodeState other = state_of(n2);
  other.vips.front().holding = true;
  other.vips.front().epoch = 9;
  other.vips.front().owner = n2;
  core->delivered(daemon_of(n2), other, out);
  echo();
  EXPECT_EQ(core->describe("api").owner, n1) << "it has held since both were together; the higher epoch comes after that";
  EXPECT_GT(epoch(), 9U);
}

TEST_F(TakeoverCoreTest, R16ChangesNeedAQuorateView) {
  begin(3);
  EXPECT_FALSE(core->move("api", n2, out).has_value());
  hold();
  EXPECT_TRUE(core->move("api", n2, out).has_value());
  EXPECT_FALSE(core->move("api", NodeId{7}, out).has_value());
  EXPECT_FALSE(core->move("dns", n2, out).has_value());
  EXPECT_FALSE(core->wish(OverrideKind::kNodeStandby, "gate-9", true, false, out).has_value());
}

TEST_F(TakeoverCoreTest, R16WhatIsRefusedNamesTheMissingNodes) {
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

TEST_F(TakeoverCoreTest, R16StandbyOfTheLastNodeWantsForce) {
  begin(2);
  hold();
  EXPECT_TRUE(core->wish(OverrideKind::kNodeStandby, "gate-2", true, false, out));
  echo();
  const Status refused = core->wish(OverrideKind::kNodeStandby, "gate-1", true, false, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
  EXPECT_TRUE(core->wish(OverrideKind::kNodeStandby, "gate-1", true, /*force=*/true, out));
}

TEST_F(TakeoverCoreTest, R16ForceWantsEveryMissingNodeFencedAndSilence) {
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

TEST_F(TakeoverCoreTest, R16TheLaterWishWinsWhateverTheOrder) {
  begin(3);
  hold();
  core->delivered(daemon_of(n2), SetOverride{{OverrideKind::kFrozen, "", true, {5, n2}}}, out);
  core->delivered(daemon_of(n3), SetOverride{{OverrideKind::kFrozen, "", false, {4, n3}}}, out);
  EXPECT_TRUE(core->is_on(OverrideKind::kFrozen, ""));
}

TEST_F(TakeoverCoreTest, R15AnotherAddressIsTakenUpAfterTheOldOneIsDeleted) {
  begin(3);
  hold();
  Settings other = settings;
  other.vips.front().address.length = 9;

  core->configure(other, out);

  EXPECT_TRUE(has(Kind::kReset));
  EXPECT_EQ(core->holder("api")->settings().address.length, 0) << "what is deleted has to be what was added";
  core->reset_done("api", out);
  core->kernel_done("api", Kind::kRemove, true, "", out);
  EXPECT_EQ(core->holder("api")->settings().address.length, 9);
}

TEST_F(TakeoverCoreTest, R15AnotherInterfaceIsAnotherAddress) {
  begin(3);
  hold();
  Settings other = settings;
  other.vips.front().placement = "eth1";
  core->configure(other, out);
  EXPECT_TRUE(has(Kind::kReset)) << "it is given up where it is";
  core->reset_done("api", out);
  core->kernel_done("api", Kind::kRemove, true, "", out);
  EXPECT_EQ(core->holder("api")->settings().placement, "eth1");
}

TEST_F(TakeoverCoreTest, R15WhatIsTakenOutIsReleasedAndNotTakenAgain) {
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
  core->reset_done("api", out);
  core->kernel_done("api", Kind::kRemove, true, "", out);
  EXPECT_THAT(take<Released>(), SizeIs(1));
  tick(100ms);
  EXPECT_FALSE(has(Kind::kAdd));
  EXPECT_EQ(core->holder("api")->state(), HolderState::kIdle);
}

TEST_F(TakeoverCoreTest, R15TheProposerPlansAVipItDoesNotHave) {
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

/// Node 1 hears 2 and 3, which do not hear each other: it is in the ring of one, then in that of the other.
TEST_F(TakeoverCoreTest, R4NobodyIsBoundToTwoThatDoNotFollowOnePlan) {
  begin(3);
  view({n1, n2});
  exchange();
  const auto beat = [&](NodeId from, std::uint64_t sequence) {
    core->delivered(daemon_of(from), Beat{current.ring, 1, sequence, {{"api", 5}}}, out);
    const auto acks = take<BeatAck>();
    return acks.size() == 1 && acks.front().holder == from;
  };
  EXPECT_TRUE(beat(n2, 1));
  view({n1, n3});
  exchange();
  out.clear();
  EXPECT_FALSE(beat(n3, 1)) << "it is one that slept, and was woken";
  core->delivered(daemon_of(n3), Released{"api", 5, n3, 1, true}, out);
  turn(1s);
  EXPECT_FALSE(beat(n3, 2)) << "what node 3 has given up is not what node 2 has";
  turn(core->timing().promise());
  EXPECT_TRUE(beat(n3, 3)) << "the promise has run out";
  view({n1, n2, n3});
  for (const NodeId n : {n2, n3}) core->delivered(daemon_of(n), state_of(n), out);
  out.clear();
  EXPECT_TRUE(beat(n2, 2)) << "both are here: a move has an old and a new owner";
}

TEST_F(TakeoverCoreTest, R4AHolderDoesNotProlongAnother) {
  begin(2);
  hold();
  core->delivered(daemon_of(n2), Beat{current.ring, 1, 9, {{"api", 5}}}, out);
  EXPECT_THAT(take<BeatAck>(), IsEmpty()) << "a proof would disprove this node's claim";
}

TEST_F(TakeoverCoreTest, R4WhoWaitsForAnAbsentHoldersPromiseIsNamedWhenItHasEnded) {
  begin(3);
  view({n1, n2, n3});
  exchange();
  tick(3s);
  core->delivered(daemon_of(n3), Beat{current.ring, 1, 9, {{"api", 3}}}, out);
  const Instant promised = now + core->timing().promise();
  view({n1, n2});
  exchange();
  out.clear();
  while (now + 50ms < promised) {
    tick(50ms);
    for (const Beat& beat : take<Beat>()) EXPECT_THAT(beat.held, IsEmpty()) << "others are bound, and would not acknowledge it";
  }
  bool named = false;
  for (int i = 0; i < 8; ++i) {
    tick(20ms);
    for (const Beat& beat : take<Beat>()) named = named || !beat.held.empty();
  }
  EXPECT_TRUE(named);
}

TEST_F(TakeoverCoreTest, R20WhenAYieldIsOverTheNodeOffersItselfAgain) {
  begin(3);
  hold();
  core->kernel_gone("api", out);
  for (int i = 0; i < 5; ++i) {
    tick(50ms);
    echo();
    core->kernel_done("api", Kind::kAdd, true, "", out);
    turn(50ms);
    core->kernel_gone("api", out);
  }
  tick(50ms);
  echo();
  core->kernel_done("api", Kind::kRemove, true, "", out);
  const auto yielding = take<NodeState>();
  ASSERT_FALSE(yielding.empty());
  ASSERT_FALSE(yielding.back().vips.front().able);
  for (int i = 0; i < 60 * 10; ++i) {
    tick(100ms);
    for (const NodeId n : {n2, n3}) core->delivered(daemon_of(n), Beat{current.ring, 1, 1, {}}, out);
  }
  const auto after = take<NodeState>();
  ASSERT_FALSE(after.empty());
  EXPECT_TRUE(after.back().vips.front().able);
}

TEST_F(TakeoverCoreTest, R18LeavingResetsThenDeletesAndSaysSo) {
  begin(3);
  hold();
  core->leave(out);
  EXPECT_TRUE(has(Kind::kReset));
  core->reset_done("api", out);
  EXPECT_TRUE(has(Kind::kRemove));
  core->kernel_done("api", Kind::kRemove, true, "", out);
  EXPECT_THAT(take<Released>(), SizeIs(1));
  EXPECT_TRUE(core->is_clear());
}

}  // namespace
}  // namespace fairlead::vip
