// R12, as values; with the whole core below, and against a real corosync-qnetd in tests/netns/test_qdevice.py.
#include "vip/third_vote.h"

#include "tests/unit/vip/core_fixture.h"

namespace fairlead::vip {
namespace {

constexpr Instant kStart{1h};

TEST(ThirdVote, StandsInWhileTheRingStandsStillAndTheVoteIsFresh) {
  ThirdVote vote;
  vote.turned(kStart);
  vote.seen(true, kStart + 100ms);
  EXPECT_FALSE(vote.stands_in(true, kStart + 200ms)) << "the ring turns";
  vote.seen(true, kStart + 400ms);
  EXPECT_TRUE(vote.stands_in(true, kStart + 500ms));
  EXPECT_FALSE(vote.stands_in(true, kStart + 701ms)) << "nobody said so for 300 ms";
  vote.seen(false, kStart + 800ms);
  EXPECT_FALSE(vote.stands_in(true, kStart + 800ms));
}

TEST(ThirdVote, GoesOnUntilTheNewRingHasItsFirstProof) {
  ThirdVote vote;
  vote.turned(kStart);
  vote.seen(true, kStart + 2s);
  vote.begin_round(/*stood_in=*/false, kStart + 2s);
  EXPECT_TRUE(vote.stands_in(true, kStart + 2s + 10ms));
  EXPECT_TRUE(vote.stands_in(false, kStart + 2s + 10ms)) << "quorum's word comes a little later than the ring's";
  EXPECT_FALSE(vote.stands_in(false, kStart + 2s + 50ms));
  vote.turned(kStart + 3s);
  vote.seen(true, kStart + 3s + 100ms);
  EXPECT_FALSE(vote.stands_in(true, kStart + 3s + 100ms)) << "but not for ever";
}

TEST(ThirdVote, ARoundThatFollowsATurningRingGivesNoGrace) {
  ThirdVote vote;
  vote.turned(kStart);
  vote.seen(true, kStart + 100ms);
  vote.begin_round(/*stood_in=*/false, kStart + 100ms);
  EXPECT_FALSE(vote.stands_in(true, kStart + 110ms));
}

TEST(ThirdVote, WhatWasKnownBeforeASleepIsForgotten) {
  ThirdVote vote;
  vote.turned(kStart);
  vote.seen(true, kStart + 1s);
  vote.forget();
  EXPECT_FALSE(vote.stands_in(true, kStart + 1s));
}

class ThirdVoteInTheCore : public TakeoverCoreTest {
 protected:
  /// Of two nodes with a qdevice.
  void SetUp() override {
    settings.qdevice_votes = 1;
    begin(2);
    hold();
  }
  /// Its own beats come back, and nothing of the other; that this one is to be left out (R2) is not delivered either.
  void turn_without_the_other(Duration time, bool counted) {
    for (Duration past{}; past < time; past += 50ms) {
      tick(50ms);
      for (const Beat& beat : take<Beat>()) core->delivered(daemon_of(n1), beat, out);
      if (past % 100ms == 0ms) core->third_vote(counted, now, out);
    }
  }
  /// Nothing is delivered; Corosync is asked each 100 ms.
  void stand_still(Duration time, bool counted) {
    for (Duration past{}; past < time; past += 50ms) {
      tick(50ms);
      if (past % 100ms == 0ms) core->third_vote(counted, now, out);
    }
  }
};

TEST_F(ThirdVoteInTheCore, AHolderStaysWhileTheDeviceIsWaitedForAndItsVoteCounts) {
  stand_still(4s, true);
  EXPECT_FALSE(has(Kind::kRemove));
  view({n1}, true);
  echo();
  EXPECT_FALSE(has(Kind::kRemove));
  EXPECT_TRUE(core->describe("api").held_here);
}

TEST_F(ThirdVoteInTheCore, AHolderStaysWhileTheOtherDaemonHangsInARingThatTurns) {
  turn_without_the_other(2500ms, true);
  EXPECT_FALSE(has(Kind::kRemove));
}

// Its guard ends it: the new round's beats are not proved yet, and the lease ended while the other one hung.
TEST_F(ThirdVoteInTheCore, AHolderStaysWhenTheOtherDaemonThatHungIsEnded) {
  turn_without_the_other(2500ms, true);
  ASSERT_FALSE(has(Kind::kRemove));
  view({n1, n2}, true, /*without_daemon=*/{n2});
  EXPECT_FALSE(has(Kind::kRemove));
  echo();
  tick(50ms);
  echo();
  EXPECT_FALSE(has(Kind::kRemove));
  EXPECT_GT(core->describe("api").lease_left, 0ms);
}

TEST_F(ThirdVoteInTheCore, WithoutTheVoteADaemonThatHangsEndsTheLease) {
  turn_without_the_other(2500ms, false);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(ThirdVoteInTheCore, ItDeletesWhenTheVoteGoesToTheOtherHalf) {
  stand_still(2500ms, true);
  EXPECT_FALSE(has(Kind::kRemove));
  core->third_vote(false, now, out);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(TakeoverCoreTest, R12OfFourNodesTheOthersNeedNoDeviceSoTheLeaseIsAllThereIs) {
  settings.qdevice_votes = 1;
  begin(4);
  hold();
  for (int i = 0; i < 50; ++i) {
    tick(50ms);
    core->third_vote(true, now, out);
  }
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(ThirdVoteInTheCore, WithoutTheVoteTheLeaseIsAllThereIs) {
  stand_still(2500ms, false);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(ThirdVoteInTheCore, ItDeletesInAViewWithoutQuorum) {
  stand_still(2500ms, true);
  view({n1}, false);
  tick(50ms);
  EXPECT_TRUE(has(Kind::kRemove));
}

class AloneWithTheVote : public ThirdVoteInTheCore {
 protected:
  void SetUp() override {
    ThirdVoteInTheCore::SetUp();
    stand_still(2s, true);
    view({n1}, true);
    echo();
    turn_without_the_other(3s, true);
    ASSERT_FALSE(has(Kind::kRemove));
  }
};

TEST_F(AloneWithTheVote, ItDeletesAfterASleepInWhichTheVoteMayHaveGone) {
  turn(450ms);
  EXPECT_FALSE(has(Kind::kRemove));
  turn(550ms);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(AloneWithTheVote, WithoutItAnymoreAShortSleepIsEnough) {
  current.quorate = false;
  core->view(current, daemon_of(n1), out);
  EXPECT_FALSE(has(Kind::kRemove));
  turn(250ms);
  EXPECT_TRUE(has(Kind::kRemove));
}

TEST_F(ThirdVoteInTheCore, AWordFromBeforeItsOwnSleepDoesNotCount) {
  stand_still(2500ms, true);
  ASSERT_FALSE(has(Kind::kRemove));
  const Instant asked = now;
  turn(250ms);  // It slept, and what it was told before is read now.
  core->third_vote(true, asked, out);
  core->tick(out);
  EXPECT_TRUE(has(Kind::kRemove));
}

}  // namespace
}  // namespace fairlead::vip
