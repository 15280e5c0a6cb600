#include "base/event_ring.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace fairlead {
namespace {

LogEvent event(MessageId id = MessageId::POOL_EMPTY) { return {WallTime{}, id, {}}; }

TEST(EventRingTest, NumbersEventsFromOne) {
  EventRing ring(4);
  EXPECT_EQ(ring.last_sequence(), 0U);
  EXPECT_TRUE(ring.after(0, 10).empty());
  ring.append(event(MessageId::POOL_EMPTY));
  ring.append(event(MessageId::POOL_SERVES));

  const auto all = ring.after(0, 10);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].sequence, 1U);
  EXPECT_EQ(all[0].event->id, MessageId::POOL_EMPTY);
  EXPECT_EQ(all[1].sequence, 2U);
  EXPECT_EQ(ring.last_sequence(), 2U);
}

TEST(EventRingTest, ForgetsTheOldestAndLetsAReaderSeeTheGap) {
  EventRing ring(3);
  for (int i = 0; i < 5; ++i) ring.append(event());

  const auto kept = ring.after(1, 10);  // 2 is gone: the first one is 3.
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept.front().sequence, 3U);
  EXPECT_EQ(kept.back().sequence, 5U);
}

TEST(EventRingTest, PagesByLimit) {
  EventRing ring(10);
  for (int i = 0; i < 6; ++i) ring.append(event());
  EXPECT_EQ(ring.after(2, 2).back().sequence, 4U);
  EXPECT_EQ(ring.after(4, 100).size(), 2U);
  EXPECT_TRUE(ring.after(6, 100).empty());
  EXPECT_TRUE(ring.after(99, 100).empty());
  EXPECT_TRUE(ring.after(0, 0).empty());
}

// A copy of a thousand events takes as long as a slow turn of the control thread, which appends.
TEST(EventRingTest, ReadersShareTheEventsAndCopyNone) {
  EventRing ring(3);
  for (int i = 0; i < 3; ++i) ring.append(event());
  const auto one = ring.after(0, 10);
  const auto other = ring.after(1, 10);
  ASSERT_EQ(one.size(), 3U);
  ASSERT_EQ(other.size(), 2U);
  EXPECT_EQ(one[1].event, other[0].event);

  for (int i = 0; i < 3; ++i) ring.append(event());
  EXPECT_EQ(one[0].event->id, MessageId::POOL_EMPTY) << "what a reader has outlives its place in the ring";
}

TEST(EventRingTest, MoreThanIsHandedOverAtOnceComesInOneAnswer) {
  EventRing ring(5 * EventRing::kHandedOver);
  for (std::size_t i = 0; i < 4 * EventRing::kHandedOver + 1; ++i) ring.append(event());

  const auto all = ring.after(0, 5 * EventRing::kHandedOver);
  ASSERT_EQ(all.size(), 4 * EventRing::kHandedOver + 1);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].sequence, i + 1);
  EXPECT_EQ(ring.after(3, EventRing::kHandedOver + 1).back().sequence, 3 + EventRing::kHandedOver + 1);
}

// The ring is little larger than what is handed over at once, so that it overtakes many a reader between two parts.
TEST(EventRingTest, AnAnswerHasNoGapWhenTheRingOvertakesIt) {
  EventRing ring(EventRing::kHandedOver + 2);
  std::atomic<bool> ended{false};
  std::thread writer([&] {
    while (!ended.load()) ring.append(event());
  });
  for (int round = 0; round < 3000; ++round) {
    const auto got = ring.after(0, 1000);
    for (std::size_t i = 1; i < got.size(); ++i) ASSERT_EQ(got[i].sequence, got[i - 1].sequence + 1);
  }
  ended = true;
  writer.join();
}

TEST(EventRingTest, KeepsOrderWithoutGapsUnderManyThreads) {
  EventRing ring(64);
  std::atomic<bool> ended{false};
  std::thread reader([&] {
    std::uint64_t at = 0;
    while (!ended.load()) {
      for (const auto& entry : ring.after(at, 16)) {
        EXPECT_GT(entry.sequence, at);
        at = entry.sequence;
      }
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t)
    writers.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) ring.append(event());
    });
  for (auto& writer : writers) writer.join();
  ended = true;
  reader.join();

  const auto kept = ring.after(0, 1000);
  ASSERT_EQ(kept.size(), 64U);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].sequence, 4000 - 63 + i);
}

}  // namespace
}  // namespace fairlead
