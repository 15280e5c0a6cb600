#include "vip/vip_holder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using Kind = HolderActionKind;

class VipHolderTest : public testing::Test {
 protected:
  VipHolderTest() {
    VipSettings s;
    s.name = "api";
    holder = VipHolder(s);
    good.covered = true;
    good.cleared = true;
    good.proved_sent = good.alive_at = now;
  }
  std::vector<Kind> kinds(const VipHolder::Step& of) const {
    std::vector<Kind> out;
    for (const HolderAction& a : of.actions) out.push_back(a.kind);
    return out;
  }
  std::vector<HolderEvent> events(const VipHolder::Step& of) const {
    std::vector<HolderEvent> out;
    for (const HolderNote& n : of.notes) out.push_back(n.event);
    return out;
  }
  std::vector<Kind> tick(Duration later = 0ms) {
    now += later;
    step = {};
    holder.tick(good, now, step);
    return kinds(step);
  }
  std::vector<Kind> kernel(Kind what, bool ok = true, bool unsure = false) {
    step = {};
    holder.kernel_done(what, {.ok = ok, .error = ok ? "" : "EPERM", .unsure = unsure}, now, step);
    return kinds(step);
  }
  void hold(Epoch epoch = 4) {
    holder.assign(epoch, now);
    ASSERT_THAT(tick(), ElementsAre(Kind::kAdd));
    (void)kernel(Kind::kAdd);
    (void)tick();  // It announces.
    ASSERT_TRUE(holder.is_held());
  }

  VipHolder holder{VipSettings{}};
  HolderFacts good;
  VipHolder::Step step;
  Instant now{1h};
};

TEST_F(VipHolderTest, I1AddsNothingBeforeTheLeaseCoversIt) {
  holder.assign(1, now);
  good.covered = good.cleared = false;
  (void)tick();
  EXPECT_FALSE(holder.is_ready());
  good.cleared = true;
  EXPECT_THAT(tick(), ElementsAre(Kind::kBeatNow));
  EXPECT_TRUE(holder.is_ready()) << "only the lease is missing";
  EXPECT_THAT(tick(), IsEmpty());
  good.covered = true;
  EXPECT_THAT(tick(), ElementsAre(Kind::kAdd));
}

TEST_F(VipHolderTest, AnnouncesInTheTickThatFollowsTheKernelsWord) {
  holder.assign(1, now);
  (void)tick();
  (void)kernel(Kind::kAdd);
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kAcquired));
  EXPECT_THAT(tick(), ElementsAre(Kind::kAnnounce, Kind::kAnnounce, Kind::kAnnounce)) << "announce.count";
}

TEST_F(VipHolderTest, R7WhatIsAddedWhenTheMachineSleepsIsAnnouncedWithTheNextProof) {
  holder.assign(1, now);
  (void)tick();
  good.fresh = false;
  EXPECT_THAT(kernel(Kind::kAdd), IsEmpty());
  EXPECT_THAT(tick(), IsEmpty());
  good.fresh = true;
  EXPECT_THAT(tick(), Contains(Kind::kAnnounce));
}

TEST_F(VipHolderTest, R5WithoutReleasedProbesThreeTimesOver60MillisecondsAndWaitsThePromiseOut) {
  good.cleared = false;
  good.free_at = now + 200ms;
  holder.assign(1, now);
  EXPECT_THAT(tick(), IsEmpty()) << "too early: silence of now means nothing then";
  EXPECT_THAT(tick(130ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(9ms), IsEmpty());
  good.covered = false;
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kBeatNow)) << "the first beat that names it: only now nobody is bound";
  good.covered = true;
  EXPECT_THAT(tick(2ms), ElementsAre(Kind::kAdd));
}

TEST_F(VipHolderTest, R5WaitsForSilenceAndReportsAForeignClaimAfterTheKernelLeaseAnd500Milliseconds) {
  good.cleared = false;
  holder.assign(1, now);
  bool reported = false;
  for (int i = 0; i < 60; ++i) {
    for (const Kind kind : tick(50ms)) {
      EXPECT_EQ(kind, Kind::kProbe);
      step = {};
      holder.answered("02:00:00:00:00:02", false, now, step);
      if (!step.notes.empty() && !reported) {
        reported = true;
        EXPECT_GE(i, 50);
      }
    }
  }
  EXPECT_TRUE(reported);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(tick(1s), ElementsAre(Kind::kProbe)) << "it goes on asking each second";
  EXPECT_THAT(tick(50ms), ElementsAre(Kind::kAdd)) << "and takes once it is silent";
}

TEST_F(VipHolderTest, R5SilenceMeansNothingWhileThisNodeCouldNotTakeIt) {
  good.cleared = false;
  holder.assign(1, now);
  for (int i = 0; i < 3; ++i) (void)tick(30ms);
  good.may_take = false;  // No carrier: nobody could answer.
  EXPECT_THAT(tick(10ms), IsEmpty());
  good.may_take = true;
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kProbe)) << "asked anew";
}

TEST_F(VipHolderTest, R5AProbeThatWasNotSentIsNoSilence) {
  good.cleared = false;
  holder.assign(1, now);
  for (int i = 0; i < 100; ++i) {
    for (const Kind kind : tick(10ms)) {
      ASSERT_EQ(kind, Kind::kProbe) << "whoever has it was not asked";
      holder.probe_failed();
    }
  }
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(10ms), ElementsAre(Kind::kAdd)) << "all three were sent";
}

TEST_F(VipHolderTest, R8ProxyArpIsNoClaimOnceItIsHeld) {
  hold();
  step = {};
  holder.answered("02:ff", /*gateway=*/true, now, step);
  EXPECT_THAT(events(step), IsEmpty());
  EXPECT_THAT(tick(200ms), Not(Contains(Kind::kRemove)));
  step = {};
  holder.answered("02:02", /*gateway=*/false, now, step);
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kForeignClaim)) << "any other's is one";
}

TEST_F(VipHolderTest, R5TheGatewaysOwnMacIsProxyArp) {
  good.cleared = false;
  holder.assign(1, now);
  (void)tick();
  step = {};
  holder.answered("02:ff", /*gateway=*/true, now, step);
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kProxyArp));
}

TEST_F(VipHolderTest, R5TakeoverProbeOffTakesAtTheEndOfThePromise) {
  VipSettings s;
  s.takeover_probe = false;
  holder = VipHolder(s);
  good.cleared = false;
  good.free_at = now + 100ms;
  holder.assign(1, now);
  EXPECT_THAT(tick(99ms), IsEmpty());
  good.proved_sent = now + 1ms;
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kAdd));
  (void)kernel(Kind::kAdd);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(tick(100ms), Not(Contains(Kind::kProbe))) << "nor does it ask afterwards (R8)";
}

TEST_F(VipHolderTest, R6RefreshesEachQuarterOfTheKernelLease) {
  hold();
  EXPECT_THAT(tick(499ms), Not(Contains(Kind::kRefresh)));
  EXPECT_THAT(tick(1ms), Contains(Kind::kRefresh));
}

TEST_F(VipHolderTest, R10ANewEpochIsToldAtOnce) {
  hold(4);
  holder.assign(5, now);
  EXPECT_THAT(tick(), Contains(Kind::kRefresh));
  EXPECT_EQ(step.actions.front().epoch, 5U);
}

TEST_F(VipHolderTest, I2RemovesInTheStepThatFindsTheLeaseOver) {
  hold();
  good.covered = false;
  EXPECT_THAT(tick(), ElementsAre(Kind::kRemove));
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kLeaseLost));
  EXPECT_THAT(tick(5s), IsEmpty()) << "nothing is announced or refreshed after it";
}

TEST_F(VipHolderTest, R7NothingIsRefreshedOrAnnouncedUntilTheLeaseIsProvedAnew) {
  hold();
  good.fresh = false;
  EXPECT_THAT(tick(2s), IsEmpty());
  good.fresh = true;
  EXPECT_THAT(tick(), Contains(Kind::kRefresh));
}

TEST_F(VipHolderTest, R8AClaimIsDisprovedByABeatSentAfterIt) {
  hold();
  step = {};
  holder.claimed("02:02", now, step);
  EXPECT_THAT(kinds(step), ElementsAre(Kind::kBeatNow));
  good.proved_sent = now;
  EXPECT_THAT(tick(3ms), Contains(Kind::kAnnounce));
  EXPECT_TRUE(holder.is_held());
}

TEST_F(VipHolderTest, R8AClaimThatGoesOnIsSaidOnceInTenSeconds) {
  hold();
  int said = 0;
  for (int i = 0; i < 300; ++i) {  // Each 100 ms for 30 s.
    now += 100ms;
    step = {};
    holder.claimed("02:02", now, step);
    said += static_cast<int>(step.notes.size());
    good.proved_sent = now;
    (void)tick();
    ASSERT_TRUE(holder.is_held());
  }
  EXPECT_EQ(said, 3);
  holder.claimed("02:03", now, step);
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kForeignClaim)) << "another machine";
}

TEST_F(VipHolderTest, R20AnAddressThatWasDeletedIsNotHere) {
  hold();
  EXPECT_TRUE(holder.is_here());
  holder.kernel_gone(now, step);
  EXPECT_FALSE(holder.is_here());
  EXPECT_TRUE(holder.is_held()) << "it is being repaired";
}

TEST_F(VipHolderTest, R8AClaimThatIsNotDisprovedIn100MillisecondsCostsTheAddress) {
  hold();
  now += 1ms;
  holder.claimed("02:02", now, step);
  (void)tick(100ms);
  EXPECT_TRUE(holder.is_held());
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kRemove));
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kClaimLost));
}

TEST_F(VipHolderTest, R8OfTwoThatAreAloneTheOneThatTookItStays) {
  good.cleared = false;
  good.alone_since = now;
  holder.assign(1, now);
  for (int i = 0; i < 3; ++i) (void)tick(30ms);
  ASSERT_THAT(tick(10ms), ElementsAre(Kind::kAdd));
  (void)kernel(Kind::kAdd);
  now += 1s;
  holder.claimed("02:02", now, step);
  good.alive_at = now;
  (void)tick(200ms);
  EXPECT_TRUE(holder.is_held());
}

TEST_F(VipHolderTest, R8OfTwoThatBothTookItAloneTheOneOfTheHigherRankGivesUp) {
  good.cleared = false;
  good.alone_since = now;
  good.backoff = 300ms;
  holder.assign(1, now);
  for (int i = 0; i < 3; ++i) (void)tick(30ms);
  (void)tick(10ms);
  (void)kernel(Kind::kAdd);
  now += 1s;
  for (int i = 0; i < 6; ++i) {
    holder.claimed("02:02", now, step);
    good.alive_at = now;
    (void)tick(50ms);
    EXPECT_TRUE(holder.is_held()) << i;
  }
  for (int i = 0; i < 3; ++i) {
    holder.claimed("02:02", now, step);
    good.alive_at = now;
    (void)tick(51ms);
  }
  EXPECT_FALSE(holder.is_held());
  EXPECT_GT(holder.yield_until(), now) << "and lets the other one go first";
}

TEST_F(VipHolderTest, R8WhoTookByPromiseAsksEach100MillisecondsForAMinute) {
  good.cleared = false;
  holder.assign(1, now);
  for (int i = 0; i < 3; ++i) (void)tick(30ms);
  (void)tick(10ms);
  (void)kernel(Kind::kAdd);
  EXPECT_THAT(tick(100ms), Contains(Kind::kProbe));
  EXPECT_THAT(tick(60s), Not(Contains(Kind::kProbe)));
}

TEST_F(VipHolderTest, I3ReleasedIsSaidOnceAndAfterTheKernelsAnswer) {
  hold();
  step = {};
  holder.unassign(/*planned=*/false, now, step);
  EXPECT_THAT(kinds(step), ElementsAre(Kind::kRemove));
  EXPECT_THAT(kernel(Kind::kRemove), ElementsAre(Kind::kSayReleased));
  EXPECT_EQ(step.actions.front().epoch, 4U);
  EXPECT_THAT(kernel(Kind::kRemove), IsEmpty());
}

TEST_F(VipHolderTest, I3AnAssignmentOfTheEpochThatIsBeingReleasedIsNotTakenUpAgain) {
  hold(4);
  holder.unassign(false, now, step);
  holder.assign(4, now);
  (void)kernel(Kind::kRemove);
  EXPECT_EQ(holder.state(), HolderState::kIdle);
}

TEST_F(VipHolderTest, ANewerAssignmentIsTakenUpWhenTheRemovalIsDone) {
  hold(4);
  holder.unassign(false, now, step);
  holder.assign(5, now);
  EXPECT_THAT(kernel(Kind::kRemove), ElementsAre(Kind::kSayReleased));
  EXPECT_EQ(step.actions.front().epoch, 4U);
  EXPECT_EQ(holder.state(), HolderState::kWaiting);
  EXPECT_EQ(holder.epoch(), 5U);
}

TEST_F(VipHolderTest, WhoOnlyWaitedSaysThatNothingWasThere) {
  good.covered = false;
  holder.assign(1, now);
  (void)tick();
  step = {};
  holder.unassign(true, now, step);
  ASSERT_THAT(kinds(step), ElementsAre(Kind::kSayReleased));
  EXPECT_FALSE(step.actions.front().was_present);
}

TEST_F(VipHolderTest, AFailedRemovalIsTriedAgainAndReleasedWaits) {
  hold();
  holder.unassign(false, now, step);
  EXPECT_THAT(kernel(Kind::kRemove, /*ok=*/false), IsEmpty());
  EXPECT_THAT(tick(49ms), IsEmpty());
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kRemove));
  EXPECT_THAT(kernel(Kind::kRemove), ElementsAre(Kind::kSayReleased));
}

TEST_F(VipHolderTest, R18APlannedReleaseResetsTheConnectionsFirst) {
  hold();
  step = {};
  holder.unassign(/*planned=*/true, now, step);
  EXPECT_THAT(kinds(step), ElementsAre(Kind::kReset));
  step = {};
  holder.reset_done(3, step);
  EXPECT_THAT(kinds(step), IsEmpty()) << "of another stay";
  holder.reset_done(4, step);
  EXPECT_THAT(kinds(step), ElementsAre(Kind::kRemove));
}

TEST_F(VipHolderTest, R18AResetThatTakesTooLongDoesNotKeepTheAddress) {
  hold();
  holder.unassign(true, now, step);
  EXPECT_THAT(tick(199ms), IsEmpty());
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kRemove));
}

TEST_F(VipHolderTest, R18AResetDoesNotOutliveTheLease) {
  hold();
  holder.unassign(true, now, step);
  good.covered = false;
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kRemove));
}

TEST_F(VipHolderTest, R19AnnouncesByTheSchedule) {
  hold();
  const Instant begin = now;
  std::vector<std::int64_t> at;
  while (now < begin + 6s) {
    for (const Kind kind : tick(10ms)) {
      if (kind == Kind::kAnnounce) at.push_back(to_ms(now - begin));
    }
  }
  EXPECT_THAT(at, ElementsAre(50, 200, 1100, 2000, 5000));
}

TEST_F(VipHolderTest, R20RepairsOnlyWithAProofOfAfterTheDeletion) {
  hold();
  now += 10ms;
  holder.kernel_gone(now, step);
  EXPECT_THAT(tick(5ms), IsEmpty());
  good.proved_sent = good.alive_at = now;
  EXPECT_THAT(tick(), ElementsAre(Kind::kAdd));
  EXPECT_THAT(kernel(Kind::kAdd), IsEmpty());
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kRepaired));
  EXPECT_THAT(tick(), Contains(Kind::kAnnounce));
}

// A merge: the other one has taken it, is to give it up, and has not yet.
TEST_F(VipHolderTest, R20DoesNotRepairWhileAnotherMemberHasIt) {
  hold();
  holder.kernel_gone(now, step);
  good.claimed = true;
  good.proved_sent = good.alive_at = now += 10ms;
  EXPECT_THAT(tick(), Not(Contains(Kind::kAdd)));
  good.claimed = false;
  EXPECT_THAT(tick(), Contains(Kind::kAdd));
}

TEST_F(VipHolderTest, R20YieldsAfterFiveRepairsInAMinute) {
  hold();
  for (int i = 0; i < 5; ++i) {
    now += 1s;
    holder.kernel_gone(now, step);
    good.proved_sent = good.alive_at = now;
    EXPECT_THAT(tick(), Contains(Kind::kAdd));
    (void)kernel(Kind::kAdd);
  }
  now += 1s;
  holder.kernel_gone(now, step);
  good.proved_sent = good.alive_at = now;
  EXPECT_THAT(tick(), ElementsAre(Kind::kRemove));
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kYielded));
  EXPECT_GT(holder.yield_until(), now);
}

TEST_F(VipHolderTest, AKernelThatRefusesLetsOthersTryFirst) {
  holder.assign(1, now);
  (void)tick();
  EXPECT_THAT(kernel(Kind::kAdd, /*ok=*/false), ElementsAre(Kind::kSayReleased)) << "nothing of ours is there";
  EXPECT_EQ(holder.yield_until(), now + 5s);
}

TEST_F(VipHolderTest, R13WaitsOnceForAnotherNodeThatAsksToo) {
  good.cleared = false;
  good.free_at = now;
  holder.assign(1, now);
  EXPECT_THAT(tick(), ElementsAre(Kind::kProbe));
  holder.probed(300ms, now);
  EXPECT_THAT(tick(150ms), IsEmpty());
  holder.probed(300ms, now);
  EXPECT_THAT(tick(149ms), IsEmpty());
  EXPECT_THAT(tick(1ms), ElementsAre(Kind::kProbe)) << "from the beginning";
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
  EXPECT_THAT(tick(10ms), ElementsAre(Kind::kAdd));
}

TEST_F(VipHolderTest, R13WhoHasNoBackoffGoesOn) {
  good.cleared = false;
  good.free_at = now;
  holder.assign(1, now);
  EXPECT_THAT(tick(), ElementsAre(Kind::kProbe));
  holder.probed(0ms, now);
  EXPECT_THAT(tick(30ms), ElementsAre(Kind::kProbe));
}

TEST_F(VipHolderTest, R13AnAddressOfSomebodyElseOnThisHostIsNotRemoved) {
  hold();
  holder.kernel_gone(now, step);
  now += 10ms;
  good.proved_sent = good.alive_at = now;
  ASSERT_THAT(tick(), ElementsAre(Kind::kAdd));
  step = {};
  holder.kernel_done(Kind::kAdd, {.ok = false, .error = "it is there already", .unsure = false, .foreign = true}, now, step);
  ASSERT_THAT(kinds(step), ElementsAre(Kind::kSayReleased));
  EXPECT_TRUE(step.actions.front().foreign) << "nobody may take it without asking";
  EXPECT_EQ(holder.state(), HolderState::kIdle);
}

TEST_F(VipHolderTest, AKernelThatDoesNotAnswerMayHaveItAllTheSame) {
  holder.assign(1, now);
  (void)tick();
  EXPECT_THAT(kernel(Kind::kAdd, /*ok=*/false, /*unsure=*/true), ElementsAre(Kind::kRemove));
  EXPECT_THAT(kernel(Kind::kRemove, /*ok=*/false), IsEmpty());
  EXPECT_THAT(events(step), ElementsAre(HolderEvent::kRemoveFailed));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(tick(50ms), ElementsAre(Kind::kRemove)) << i;
    EXPECT_THAT(kernel(Kind::kRemove, /*ok=*/false), IsEmpty());
    EXPECT_THAT(events(step), IsEmpty()) << "said once";
  }
  (void)tick(50ms);
  EXPECT_THAT(kernel(Kind::kRemove), ElementsAre(Kind::kSayReleased));
}

TEST_F(VipHolderTest, R19WithoutARefreshTheScheduleIsAll) {
  VipSettings s;
  s.name = "api";
  s.announce.refresh = Duration::zero();
  holder.set_settings(s);
  hold();
  int announced = 0;
  for (int i = 0; i < 700; ++i) {
    good.proved_sent = now;
    for (const Kind kind : tick(10ms)) announced += kind == Kind::kAnnounce ? 1 : 0;
  }
  EXPECT_EQ(announced, 5);
}

}  // namespace
}  // namespace fairlead::vip
