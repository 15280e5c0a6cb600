#include "vip/holder_history.h"

#include <gtest/gtest.h>
#include <numeric>

namespace fairlead::vip {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};

WallTime wall(int second) { return WallTime(std::chrono::seconds(second)); }
Instant at(Duration d) { return Instant(1h + d); }

TEST(HolderHistory, BeginsWithTheFirstHolderThatIsSeen) {
  HolderHistory h;
  h.see(kNoNode, wall(1));
  EXPECT_TRUE(h.entries().empty()) << "nothing is known yet, and nobody is no news";
  h.see(kOne, wall(2));
  ASSERT_EQ(h.entries().size(), 1U);
  EXPECT_EQ(h.entries().front(), (HolderChange{wall(2), kOne, /*first_seen=*/true})) << "since when is not known";
  EXPECT_EQ(h.changes(), 0U) << "it did not move";
  h.see(kTwo, wall(3));
  EXPECT_FALSE(h.entries().back().first_seen) << "this one happened before our eyes";
}

TEST(HolderHistory, CountsMovesAndNotTheTimeBetween) {
  HolderHistory h;
  h.see(kOne, wall(1));
  h.see(kOne, wall(2));
  h.see(kNoNode, wall(3));
  h.see(kTwo, wall(4));
  h.see(kNoNode, wall(5));
  h.see(kTwo, wall(6));
  EXPECT_EQ(h.changes(), 1U) << "it came back to the node it was on";
  ASSERT_EQ(h.entries().size(), 5U);
  EXPECT_EQ(h.entries()[1], (HolderChange{wall(3), kNoNode}));
  EXPECT_EQ(h.holder(), kTwo);
}

TEST(HolderHistory, KeepsTheNewestSixteen) {
  HolderHistory h;
  for (int i = 0; i < 100; ++i) h.see(i % 2 == 0 ? kOne : kTwo, wall(i));
  ASSERT_EQ(h.entries().size(), HolderHistory::kEntriesMax);
  EXPECT_EQ(h.entries().front().at, wall(84));
  EXPECT_FALSE(h.entries().front().first_seen) << "the oldest that is kept is not the first";
  EXPECT_EQ(h.entries().back().at, wall(99));
  EXPECT_EQ(h.changes(), 99U);
}

TEST(HolderHistory, AMoveIsTimedFromTheAssignment) {
  HolderHistory h;
  h.see(kOne, wall(1));
  h.taken(at(100ms), at(108ms));
  EXPECT_EQ(h.takeovers().last, 8ms);
}

TEST(HolderHistory, AfterALossItIsTimedFromTheLoss) {
  HolderHistory h;
  h.see(kOne, wall(1));
  h.holder_lost(at(0ms));
  h.holder_lost(at(300ms));  // The next view has it as little.
  h.taken(at(350ms), at(400ms));
  EXPECT_EQ(h.takeovers().last, 400ms);
  h.see(kTwo, wall(2));
  h.taken(at(10s), at(10s + 3ms));
  EXPECT_EQ(h.takeovers().last, 3ms) << "the loss is over";
}

TEST(HolderHistory, ALossThatAnotherNodeMadeGoodIsForgotten) {
  HolderHistory h;
  h.see(kOne, wall(1));
  h.holder_lost(at(0ms));
  h.see(kTwo, wall(2));
  h.taken(at(5s), at(5s + 2ms));
  EXPECT_EQ(h.takeovers().last, 2ms);
}

TEST(HolderHistory, NobodyCanNotBeLost) {
  HolderHistory h;
  h.holder_lost(at(0ms));
  h.taken(at(5s), at(5s + 2ms));
  EXPECT_EQ(h.takeovers().last, 2ms);
}

TEST(HolderHistory, BucketsTakeTheirBoundIn) {
  HolderHistory h;
  for (const Duration took : {0ms, 5ms, 20ms, 10000ms, 10001ms}) h.taken(at(0ms), at(took));
  const auto& counts = h.takeovers().counts;
  EXPECT_EQ(counts.front(), 2U);
  EXPECT_EQ(counts[2], 1U);
  EXPECT_EQ(counts[counts.size() - 2], 1U);
  EXPECT_EQ(counts.back(), 1U);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0U), 5U);
  EXPECT_EQ(h.takeovers().sum, 20026ms);
}

}  // namespace
}  // namespace fairlead::vip
