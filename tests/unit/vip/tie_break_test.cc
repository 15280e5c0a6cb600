#include "vip/tie_break.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

constexpr Instant kNow{1h};

TEST(TieBreakTest, WithoutTargetsNothingIsFreshOrDue) {
  TieBreak tie;
  EXPECT_FALSE(tie.is_configured());
  EXPECT_FALSE(tie.is_fresh(kNow));
  EXPECT_FALSE(tie.probe_due(true, kNow));
  EXPECT_EQ(tie.next_probe(true), Instant::max());
}

TEST(TieBreakTest, AnAnswerCountsFor300Milliseconds) {
  TieBreak tie(1, false, kNow);
  EXPECT_FALSE(tie.is_fresh(kNow));
  tie.answered(0, kNow);
  EXPECT_TRUE(tie.is_fresh(kNow + 300ms));
  EXPECT_FALSE(tie.is_fresh(kNow + 301ms));
}

TEST(TieBreakTest, IsArmedForTenSecondsAfterAnAnswer) {
  TieBreak tie(1, false, kNow);
  EXPECT_FALSE(tie.is_armed(kNow));
  tie.answered(0, kNow);
  EXPECT_TRUE(tie.is_armed(kNow + 9999ms));
  EXPECT_FALSE(tie.is_armed(kNow + 10s));
}

TEST(TieBreakTest, NeedAnyTakesTheNewestAnswerNeedAllTheOldest) {
  TieBreak any(2, false, kNow);
  TieBreak all(2, true, kNow);
  for (TieBreak* tie : {&any, &all}) tie->answered(1, kNow);
  EXPECT_TRUE(any.is_fresh(kNow));
  EXPECT_FALSE(all.is_fresh(kNow));
  all.answered(0, kNow);
  EXPECT_TRUE(all.is_fresh(kNow));
  all.answered(7, kNow);  // Nobody's.
}

TEST(TieBreakTest, ProbesEachSecondAndEach50MillisecondsWhenItIsUrgent) {
  TieBreak tie(1, false, kNow);
  EXPECT_TRUE(tie.probe_due(false, kNow));
  EXPECT_FALSE(tie.probe_due(false, kNow + 999ms));
  EXPECT_TRUE(tie.probe_due(true, kNow + 50ms));
  EXPECT_EQ(tie.next_probe(false), kNow + 1050ms);
}

TEST(TieBreakTest, WhoWaitsForAnAnswerAsksSoonAndOnce) {
  TieBreak tie(1, false, kNow);
  EXPECT_TRUE(tie.probe_due(true, kNow));
  tie.probe_soon();
  EXPECT_FALSE(tie.probe_due(true, kNow + 9ms));
  EXPECT_TRUE(tie.probe_due(true, kNow + 10ms));
  EXPECT_FALSE(tie.probe_due(true, kNow + 20ms));
}

TEST(TieBreakTest, OtherTargetsBeginWithWhatTheOldOnesSaid) {
  TieBreak tie(1, false, Instant(1h));
  tie.retarget(2, true, Instant(1h));
  EXPECT_FALSE(tie.is_fresh(Instant(1h))) << "nobody has answered yet";
  tie.answered(0, Instant(1h));
  tie.answered(1, Instant(1h));
  tie.retarget(1, false, Instant(1h + 100ms));
  EXPECT_TRUE(tie.is_fresh(Instant(1h + 100ms)));
  EXPECT_TRUE(tie.probe_due(false, Instant(1h + 100ms))) << "they are asked at once";
  EXPECT_FALSE(tie.is_fresh(Instant(1h + 2s)));
}

}  // namespace
}  // namespace fairlead::vip
