// One core against hand-made views and messages. Whole clusters: tests/sim/cluster.
#include "tests/unit/vip/core_fixture.h"

namespace fairlead::vip {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

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

TEST_F(TakeoverCoreTest, WhatIsShownToOperatorsMovesNothingAndIsNoAnswer) {
  begin(3);
  view({n1, n2, n3});
  core->delivered(daemon_of(n2), state_of(n2), out);
  out.clear();
  core->delivered(daemon_of(n3), NodeDigest{}, out);
  core->delivered(daemon_of(n3), LeaseUpdate{}, out);
  core->delivered(daemon_of(n3), LeaseDigest{}, out);
  EXPECT_THAT(out, IsEmpty());
  for (int i = 0; i < 20; ++i) {
    tick(50ms);
    core->delivered(daemon_of(n2), Beat{current.ring, 1, 1, {}}, out);
    core->delivered(daemon_of(n3), NodeDigest{}, out);
  }
  const auto asked = take<Exclude>();
  ASSERT_THAT(asked, SizeIs(1)) << "a member that only shows itself still owes its state";
  EXPECT_EQ(asked.front().process, daemon_of(n3));
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
  expect_taken_only_after(promised);
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

// On a LAN that drops ARP the probes find nobody. The holder of this round, slow to release, is protected by what was promised to it.
TEST_F(TakeoverCoreTest, R5AMoveWaitsForReleasedOrThePromiseAlsoWhenEverybodyIsHere) {
  begin(3);
  view({n1, n2, n3});
  exchange();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n2, 6}}}, out);
  core->delivered(daemon_of(n2), Beat{current.ring, 1, 9, {{"api", 6}}}, out);
  const Instant promised = now + core->timing().promise();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n1, 7}}}, out);
  echo();
  ASSERT_EQ(core->describe("api").owner, n1);
  expect_taken_only_after(promised);
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

// Of a holder that it had acknowledged before, and whose daemon and guard are dead by now, the kernel keeps the address that long.
TEST_F(TakeoverCoreTest, R5WhoHasStartedSaysSoUntilAnAddressItForgotIsGone) {
  begin(3);
  view({n1, n2});
  exchange();
  const auto said_at = [this](Duration later) {
    while (now < Instant(1h) + later) {
      tick(50ms);
      echo();
    }
    core->local("api", {.able = true, .serves = true, .gateway_ok = true, .reason = std::to_string(to_ms(later))}, out);
    const auto states = take<NodeState>();
    return states.empty() ? std::vector<PromiseLeft>{{n3, 0}} : states.back().vips.front().promises;
  };
  const Duration promise = core->timing().promise();
  EXPECT_EQ(said_at(promise + 1s), (std::vector<PromiseLeft>{{kNoNode, 1}}));
  EXPECT_EQ(said_at(promise + 2100ms), std::vector<PromiseLeft>{});
}

// It lost the VIP, hears in the next ring that another one has it, and later becomes the proposer: nothing moves.
TEST_F(TakeoverCoreTest, R3WhoOnceGaveItUpDoesNotMoveItFromItsHolderWhenItPlans) {
  begin(3, /*tie=*/false, n2);
  view({n1, n2, n3});
  exchange();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n2, 1}}}, out);
  core->delivered(daemon_of(n2), Released{"api", 1, n2, 1, true}, out);
  view({n1, n2, n3});
  NodeState holds = state_of(n3);
  holds.vips.front().epoch = 2;
  holds.vips.front().owner = n3;
  holds.vips.front().holding = true;
  core->delivered(daemon_of(n1), state_of(n1), out);
  core->delivered(daemon_of(n3), holds, out);
  echo();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n3, 2}}}, out);
  out.clear();

  core->delivered(daemon_of(n1), Exclude{current.round(), daemon_of(n1)}, out);
  tick(300ms);

  for (const Assign& plan : take<Assign>()) EXPECT_EQ(plan.table.front().owner, n3);
  echo();
  EXPECT_EQ(core->describe("api").owner, n3);
}

class Preemption : public TakeoverCoreTest {
 protected:
  /// Node 1 holds it, and node 2, which is preferred, could not have it so far.
  void SetUp() override {
    begin(2);
    settings.vips.front().preempt = true;
    settings.vips.front().preempt_delay = 10s;
    settings.vips.front().prefer = {n2};
    core->configure(settings, out);
    view({n1, n2});
    offer(false);
    echo();
    for (int i = 0; i < 4; ++i) {
      tick(35ms);
      echo();
    }
    core->kernel_done("api", Kind::kAdd, {}, out);
    echo();
    ASSERT_TRUE(core->holder("api")->is_held());
  }
  void offer(bool able) {
    NodeState peer = state_of(n2);
    peer.vips.front().able = able;
    core->delivered(daemon_of(n2), peer, out);
  }
  /// Whether it has been given to node 2 by then.
  bool moves_within(Duration time) {
    for (const Instant end = now + time; now < end;) {
      tick(50ms);
      echo();
    }
    return core->describe("api").owner == n2;
  }
};

TEST_F(Preemption, R3ThePreferredNodeGetsItWhenItHasBeenEligibleForTheDelay) {
  offer(true);
  EXPECT_FALSE(moves_within(9900ms));
  EXPECT_TRUE(moves_within(500ms));
}

TEST_F(Preemption, R3TheDelayBeginsAnewWhenThePreferredNodeBlinks) {
  offer(true);
  EXPECT_FALSE(moves_within(9s));
  offer(false);
  EXPECT_FALSE(moves_within(1s));
  offer(true);
  EXPECT_FALSE(moves_within(9900ms));
  EXPECT_TRUE(moves_within(500ms));
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
  EXPECT_EQ(std::count(after.begin(), after.end(), Kind::kAnnounce), 3) << "R19, announce.count";
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

// R8: the router's answer to a probe sent after the claim is what proves that the node that is alone is heard.
TEST_F(TakeoverCoreTest, R11AClaimMakesAHolderThatIsAloneAskTheRoutersAtOnce) {
  begin(2, /*tie=*/true);
  core->tie_answered(0);
  hold();
  view({n1});
  const auto asks = [this] {
    const bool any = std::any_of(out.begin(), out.end(), [](const TakeoverAction& a) { return std::holds_alternative<ProbeTie>(a); });
    out.clear();
    return any;
  };
  while (!asks()) {
    core->tie_answered(0);
    tick(10ms);
  }
  tick(20ms);
  ASSERT_FALSE(asks()) << "each 50 ms";
  core->claimed("api", "02:00:00:00:00:02", out);
  EXPECT_TRUE(asks());
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

TEST_F(TakeoverCoreTest, WhoIsToTakeItAndHasNotIsNoHolderAndSaysWhatItWaitsFor) {
  begin(2, /*tie=*/true, n2);
  view({n1, n2});
  exchange();
  view({n2});
  tick(50ms);
  echo();
  const auto seen = core->describe("api");
  EXPECT_EQ(seen.owner, n2);
  EXPECT_EQ(seen.holder, kNoNode);
  EXPECT_EQ(seen.waits_for, "the tie-break routers were silent already before the other node was lost");
  EXPECT_EQ(core->describe_all().at("api").waits_for, seen.waits_for);
}

TEST_F(TakeoverCoreTest, TheHolderIsWhoSaysThatItHasIt) {
  begin(2);
  hold();
  EXPECT_EQ(core->describe("api").holder, n1);
  EXPECT_EQ(core->describe("api").waits_for, "");

  begin(2, /*tie=*/false, n2);
  view({n1, n2});
  NodeState other = state_of(n1);
  core->delivered(daemon_of(n1), other, out);
  echo();
  EXPECT_EQ(core->describe("api").holder, kNoNode);
  other.vips.front().holding = true;
  core->delivered(daemon_of(n1), other, out);
  EXPECT_EQ(core->describe("api").holder, n1);
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

TEST_F(TakeoverCoreTest, R13OfTwoThatStartedApartTheSecondWaitsForTheFirst) {
  begin(2, /*tie=*/true, n2);
  view({n2});
  const auto until = [&](Kind kind) {
    for (int i = 0; i < 200; ++i) {
      tick(50ms);
      core->tie_answered(0);
      echo();
      if (has(kind)) return true;
    }
    return false;
  };
  ASSERT_TRUE(until(Kind::kProbe));
  core->probed("api");
  for (int i = 0; i < 5; ++i) {
    tick(50ms);
    core->tie_answered(0);
    EXPECT_FALSE(has(Kind::kProbe));
    EXPECT_FALSE(core->holder("api")->may_be_present());
  }
  EXPECT_TRUE(until(Kind::kAdd)) << "nobody answered";
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

TEST_F(TakeoverCoreTest, R4CorosyncsNewTimesAreToldAndCountWhenTheyAreHeard) {
  begin(3);
  hold();
  const Duration before = core->timing().lease();
  core->timing({.token = 5s, .consensus = 6s});
  tick();
  const auto states = take<NodeState>();
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_EQ(states.front().token_ms, 5000U);
  EXPECT_EQ(core->timing().lease(), before) << "the others do not know yet";
  core->delivered(daemon_of(me), states.front(), out);
  EXPECT_GT(core->timing().lease(), 11s);
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
    core->kernel_done("api", Kind::kAdd, {}, out);
    turn(50ms);
    core->kernel_gone("api", out);
  }
  tick(50ms);
  echo();
  core->kernel_done("api", Kind::kRemove, {}, out);
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

TEST_F(TakeoverCoreTest, R18WhileConnectionsAreResetItHasTheAddressStill) {
  begin(3);
  hold();
  core->kernel_done("api", Kind::kAdd, {}, out);
  out.clear();
  core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", n2, epoch() + 1}}}, out);
  ASSERT_TRUE(has(Kind::kReset));
  tick(60ms);
  EXPECT_FALSE(has(Kind::kRemove)) << "the connections are not reset yet";
  const auto beats = take<Beat>();
  ASSERT_FALSE(beats.empty());
  EXPECT_THAT(beats.back().held, SizeIs(1)) << "it has the address still, and says so";
  tick(140ms);
  EXPECT_TRUE(has(Kind::kRemove)) << "it has taken too long";
}

TEST_F(TakeoverCoreTest, R18LeavingResetsThenDeletesAndSaysSo) {
  begin(3);
  hold();
  core->leave(out);
  EXPECT_TRUE(has(Kind::kReset));
  for (int i = 0; i < 15; ++i) {
    tick(10ms);
    EXPECT_FALSE(has(Kind::kRemove)) << "before the reset was done";
    echo();
  }
  core->reset_done("api", core->holder("api")->epoch(), out);
  EXPECT_TRUE(has(Kind::kRemove));
  core->kernel_done("api", Kind::kRemove, {}, out);
  EXPECT_THAT(take<Released>(), SizeIs(1));
  EXPECT_TRUE(core->is_clear());
}

}  // namespace
}  // namespace fairlead::vip
