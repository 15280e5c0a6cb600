// LeaseSteps: one network from away to open and back.
#include "dnsdhcp/lease_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dnsdhcp/lease_book_fixture.h"

namespace fairlead::dnsdhcp {
namespace {

using Step = LeaseStep;

class LeaseStepsTest : public LeaseBookTest {
 protected:
  void SetUp() override {
    LeaseBookTest::SetUp();
    book.view_changed({n1}, now, out);
    out.clear();
    facts.here = facts.ready = facts.sweeps = facts.queue_empty = facts.gate_closed = true;
  }
  StepWish turn() {
    facts.now = now;
    return steps.turn(facts, book, out);
  }
  /// dnsmasq tells the fence it was asked for, and everybody hears what is said.
  void hear() {
    for (const FeedFence& asked : all<FeedFence>()) book.local_event(fence(asked.number), now, out);
    for (const SendUpdate& said : all<SendUpdate>()) book.delivered(n1, said.update, now, out);
    out.clear();
  }
  template <class T>
  [[nodiscard]] std::vector<T> all() const {
    std::vector<T> found;
    for (const BookAction& action : out)
      if (const auto* a = std::get_if<T>(&action)) found.push_back(*a);
    return found;
  }
  void set_gate(bool open) {
    facts.gate_open = open;
    facts.gate_closed = !open;
  }
  void open() {
    steps.begin(7, now, book, out);
    hear();
    ASSERT_EQ(turn(), StepWish::kSweep);
    steps.sweep_begun();
    steps.sweep_done(book, out);
    hear();
    ASSERT_TRUE(steps.wants_gate(book));
    ASSERT_EQ(turn(), StepWish::kNothing) << "nobody said that the gate is open";
    set_gate(true);
    ASSERT_EQ(turn(), StepWish::kOpened);
    ASSERT_EQ(steps.step(), Step::kOpen);
  }
  /// From kClosingGate on.
  StepWish close_in_order() {
    EXPECT_FALSE(steps.wants_gate(book));
    set_gate(false);
    EXPECT_EQ(turn(), StepWish::kNothing);
    hear();  // The fence.
    hear();  // The word.
    return turn();
  }
  void learn_something() { book.delivered(n2, LeaseUpdate{{record(105, 5, {9, 1})}, {}, false}, now, out); }

  LeaseSteps steps{kMast};
  StepFacts facts;
};

TEST_F(LeaseStepsTest, APlannedMoveIsClosedInOrder) {
  open();
  EXPECT_TRUE(steps.close(now));
  EXPECT_EQ(close_in_order(), StepWish::kStopped);
  EXPECT_TRUE(steps.told());
  EXPECT_FALSE(steps.close(now)) << "it may go at once";
  steps.gone(now, book);
  EXPECT_EQ(steps.step(), Step::kAway);
  EXPECT_FALSE(book.holds(kMast));
}

TEST_F(LeaseStepsTest, S1AFirstOpeningSweepsAndOneThatWasHandedOverDoesNot) {
  open();
  EXPECT_TRUE(steps.swept());
  ASSERT_TRUE(steps.close(now));
  ASSERT_EQ(close_in_order(), StepWish::kStopped);
  steps.gone(now, book);
  steps.begin(8, now, book, out);  // The last word heard is that the gate is closed and all is told.
  hear();
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kOpening);
  EXPECT_FALSE(steps.swept());
}

TEST_F(LeaseStepsTest, S1WithoutAPoolThereIsNothingToSweep) {
  facts.sweeps = false;
  steps.begin(7, now, book, out);
  hear();
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kOpening);
}

TEST_F(LeaseStepsTest, AnOpeningWaitsForTheOtherBooksButNotForEver) {
  book.view_changed({n1, n2}, now, out);
  steps.begin(7, now, book, out);
  hear();
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.next_due(facts), now + kBooksMax);
  now += kBooksMax;
  EXPECT_EQ(turn(), StepWish::kSweep);
}

TEST_F(LeaseStepsTest, ASweepThatFailedIsAskedForAgainLater) {
  steps.begin(7, now, book, out);
  hear();
  ASSERT_EQ(turn(), StepWish::kSweep);
  steps.sweep_failed(now + 1s);
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.next_due(facts), now + 1s);
  now += 1s;
  EXPECT_EQ(turn(), StepWish::kSweep);
}

TEST_F(LeaseStepsTest, S2AMoveDoesNotWaitForAGateThatNobodyKnowsToBeClosed) {
  open();
  ASSERT_TRUE(steps.close(now));
  facts.gate_open = facts.gate_closed = false;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.next_due(facts), now + kBarrierMax);
  now += kBarrierMax;
  EXPECT_EQ(turn(), StepWish::kStopped);
  EXPECT_FALSE(steps.told());
  now += kClosedMax;
  EXPECT_EQ(turn(), StepWish::kBegin) << "it stayed";
  steps.begin(7, now, book, out);
  hear();
  EXPECT_EQ(turn(), StepWish::kSweep);
}

TEST_F(LeaseStepsTest, S2AMoveDoesNotWaitForARequestThatIsNeverAnswered) {
  open();
  ASSERT_TRUE(steps.close(now));
  set_gate(false);
  facts.queue_empty = false;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.next_due(facts), now + kQueueLook);
  now += kBarrierMax;
  EXPECT_EQ(turn(), StepWish::kStopped);
  EXPECT_FALSE(steps.told());
}

TEST_F(LeaseStepsTest, S2AFenceThatDoesNotComeInTimeLeavesALeaseUntold) {
  open();
  ASSERT_TRUE(steps.close(now));
  set_gate(false);
  ASSERT_EQ(turn(), StepWish::kNothing);
  ASSERT_EQ(steps.step(), Step::kClosing);
  now += kBarrierMax;
  EXPECT_EQ(turn(), StepWish::kStopped);
  EXPECT_FALSE(steps.told());
}

TEST_F(LeaseStepsTest, NewsHaveAPauseAndItEndsByItself) {
  open();
  learn_something();
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_TRUE(steps.pausing());
  out.clear();
  EXPECT_EQ(close_in_order(), StepWish::kStopped);
  out.clear();
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kOpening);
  EXPECT_THAT(all<FeedAdd>(), SizeIs(1)) << "what it was closed for";
}

TEST_F(LeaseStepsTest, S3APauseDoesNotOpenWhatAVipIsAboutToLeave) {
  open();
  learn_something();
  ASSERT_EQ(turn(), StepWish::kNothing);
  ASSERT_TRUE(steps.pausing());
  EXPECT_TRUE(steps.close(now));
  out.clear();
  EXPECT_EQ(close_in_order(), StepWish::kStopped);
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kClosed);
}

TEST_F(LeaseStepsTest, S3AMoveCutsThePatienceOfAPauseShort) {
  open();
  learn_something();
  ASSERT_EQ(turn(), StepWish::kNothing);
  facts.gate_open = facts.gate_closed = false;
  EXPECT_EQ(steps.next_due(facts), now + kFenceMax);
  EXPECT_TRUE(steps.close(now));
  EXPECT_EQ(steps.next_due(facts), now + kBarrierMax);
}

TEST_F(LeaseStepsTest, AfterARestartInOrderThePoolIsNotAskedAgain) {
  open();
  facts.restart_due = true;
  steps.restart(now);
  EXPECT_FALSE(steps.may_restart());
  ASSERT_EQ(close_in_order(), StepWish::kStopped);
  EXPECT_TRUE(steps.may_restart());
  facts.restart_due = false;
  EXPECT_EQ(steps.dnsmasq_ready(book, out), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kOpening);
}

// The pause would end, and open the pool, to the dnsmasq that is about to go.
TEST_F(LeaseStepsTest, S3APauseThatMeetsARestartStaysClosedUntilTheNextOneIsThere) {
  open();
  learn_something();
  ASSERT_EQ(turn(), StepWish::kNothing);
  ASSERT_TRUE(steps.pausing());
  facts.restart_due = true;
  steps.restart(now);
  out.clear();
  ASSERT_EQ(close_in_order(), StepWish::kStopped);
  EXPECT_EQ(steps.next_due(facts), Instant::max()) << "nothing to look for";
  facts.restart_due = false;  // It was told to end.
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kClosed);
  EXPECT_EQ(steps.dnsmasq_ready(book, out), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kOpening);
}

TEST_F(LeaseStepsTest, APauseDoesNotEndWhileDnsmasqIsAway) {
  open();
  learn_something();
  ASSERT_EQ(turn(), StepWish::kNothing);
  out.clear();
  ASSERT_EQ(close_in_order(), StepWish::kStopped);
  facts.ready = false;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_EQ(steps.step(), Step::kClosed);
}

TEST_F(LeaseStepsTest, S1APoolThatWasClosedBeforeItsSweepIsNotOpenedByARestart) {
  steps.begin(7, now, book, out);
  hear();
  ASSERT_EQ(turn(), StepWish::kSweep);
  ASSERT_TRUE(steps.close(now)) << "a move that is taken back later";
  ASSERT_EQ(turn(), StepWish::kNothing);
  ASSERT_EQ(turn(), StepWish::kStopped);
  EXPECT_FALSE(steps.told());
  EXPECT_EQ(steps.dnsmasq_ready(book, out), StepWish::kBegin);
}

TEST_F(LeaseStepsTest, ASweepIsGivenUpForARestart) {
  steps.begin(7, now, book, out);
  hear();
  ASSERT_EQ(turn(), StepWish::kSweep);
  steps.sweep_begun();
  EXPECT_FALSE(steps.may_restart());
  steps.restart(now);
  EXPECT_TRUE(steps.may_restart());
  facts.restart_due = true;
  EXPECT_EQ(turn(), StepWish::kNothing);
  facts.restart_due = false;
  EXPECT_EQ(turn(), StepWish::kSweep);
}

TEST_F(LeaseStepsTest, ADnsmasqThatEndsWhileAVipIsAboutToLeaveKeepsItsGateClosed) {
  open();
  ASSERT_TRUE(steps.close(now));
  book.dnsmasq_ended();
  steps.dnsmasq_ended(/*leaving=*/true, now);
  EXPECT_EQ(steps.step(), Step::kClosed);
  EXPECT_FALSE(steps.told());
}

TEST_F(LeaseStepsTest, ALeaseThatDnsmasqRefusedIsPutToItInAPause) {
  open();
  facts.refused = true;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_TRUE(steps.pausing());
}

TEST_F(LeaseStepsTest, S2APauseThatWasNotClosedInOrderSweeps) {
  open();
  learn_something();
  ASSERT_EQ(turn(), StepWish::kNothing);
  now += kFenceMax;
  ASSERT_EQ(turn(), StepWish::kStopped);
  EXPECT_EQ(turn(), StepWish::kBegin);
}

TEST_F(LeaseStepsTest, AfterARestartInAHurryItIs) {
  open();
  facts.restart_due = true;
  steps.restart(now);
  now += kBarrierMax;
  ASSERT_EQ(turn(), StepWish::kStopped);
  EXPECT_EQ(steps.dnsmasq_ready(book, out), StepWish::kBegin);
}

TEST_F(LeaseStepsTest, ADnsmasqThatEndedIsFencedAndItsPoolIsAsked) {
  open();
  book.dnsmasq_ended();
  steps.dnsmasq_ended(/*leaving=*/false, now);
  EXPECT_EQ(steps.step(), Step::kFencing);
  facts.ready = false;
  EXPECT_EQ(turn(), StepWish::kNothing);
  facts.ready = true;
  book.dnsmasq_started(out);
  hear();
  EXPECT_EQ(turn(), StepWish::kSweep);
}

TEST_F(LeaseStepsTest, ALostFenceIsAskedForAgainAndNothingIsForgottenWithIt) {
  steps.begin(7, now, book, out);
  ASSERT_THAT(all<FeedFence>(), SizeIs(1));
  out.clear();  // It gets lost.
  now += kFenceMax - 1ms;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_THAT(all<FeedFence>(), IsEmpty());
  now += 1ms;
  EXPECT_EQ(turn(), StepWish::kNothing);
  EXPECT_THAT(all<FeedFence>(), SizeIs(1));
  hear();
  EXPECT_EQ(turn(), StepWish::kSweep);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
