#include "membership/outgoing_queue.h"

#include <gtest/gtest.h>

namespace fairlead::membership {
namespace {

using Bytes = std::vector<std::byte>;

Bytes one(int value) { return {static_cast<std::byte>(value)}; }
Bytes next_of(const OutgoingQueue& queue) { return {queue.next().begin(), queue.next().end()}; }

std::vector<Bytes> drain(OutgoingQueue& queue) {
  std::vector<Bytes> out;
  while (!queue.next().empty()) {
    out.push_back(next_of(queue));
    queue.sent();
    queue.returned();
  }
  return out;
}

TEST(OutgoingQueue, GivesMessagesOutInTheirOrder) {
  OutgoingQueue queue;
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(queue.push(one(i), std::nullopt));

  EXPECT_EQ(drain(queue), (std::vector{one(1), one(2), one(3)}));
}

TEST(OutgoingQueue, ANewerBeatTakesTheOlderOneOut) {
  OutgoingQueue queue;
  ASSERT_TRUE(queue.push(one(1), 7));
  ASSERT_TRUE(queue.push(one(2), std::nullopt));
  ASSERT_TRUE(queue.push(one(3), 7));
  ASSERT_TRUE(queue.push(one(4), 8));

  EXPECT_EQ(drain(queue), (std::vector{one(2), one(3), one(4)}));
}

TEST(OutgoingQueue, OnlyBeatsDigestsAndAcknowledgementsOfOneHolderReplaceEachOther) {
  EXPECT_EQ(replace_key(Beat{}), replace_key(Beat{{}, 1, 2, {{"api", 3}}}));
  EXPECT_NE(replace_key(BeatAck{{}, NodeId{1}, 0, 0}), replace_key(BeatAck{{}, NodeId{2}, 0, 0}));
  EXPECT_NE(replace_key(BeatAck{{}, NodeId{1}, 0, 0}), replace_key(Beat{}));
  NodeDigest newer;
  newer.uptime_ms = 1000;
  EXPECT_EQ(replace_key(NodeDigest{}), replace_key(newer));
  EXPECT_NE(replace_key(NodeDigest{}), replace_key(Beat{}));
  EXPECT_NE(replace_key(NodeDigest{}), replace_key(BeatAck{{}, NodeId{~0U}, 0, 0}));
  for (const ClusterMessage& m :
       std::vector<ClusterMessage>{NodeState{}, GuardHello{}, Assign{}, Released{}, Exclude{}, SetOverride{}, MoveVip{}}) {
    EXPECT_FALSE(replace_key(m));
  }
}

TEST(OutgoingQueue, ADigestLetsEverythingElseGoFirst) {
  OutgoingQueue queue;
  ASSERT_TRUE(queue.push(one(1), kDigestKey));
  ASSERT_TRUE(queue.push(one(2), 7));
  ASSERT_TRUE(queue.push(one(3), std::nullopt));
  ASSERT_TRUE(queue.push(one(4), kDigestKey));  // The newer one.
  ASSERT_TRUE(queue.push(one(5), 7));           // Likewise.
  EXPECT_EQ(queue.waiting(), 3U);

  EXPECT_EQ(drain(queue), (std::vector{one(3), one(5), one(4)}));
}

TEST(OutgoingQueue, ADigestWaitsForWhatIsOnItsWay) {
  OutgoingQueue queue;
  ASSERT_TRUE(queue.push(one(1), 7));
  ASSERT_TRUE(queue.push(one(2), kDigestKey));
  queue.sent();
  EXPECT_TRUE(queue.next().empty()) << "the beat is not through yet; the next one would stand behind the digest";
  ASSERT_TRUE(queue.push(one(3), 7));
  EXPECT_EQ(next_of(queue), one(3));
  queue.sent();
  queue.returned();
  EXPECT_TRUE(queue.next().empty());
  queue.returned();
  EXPECT_EQ(next_of(queue), one(2));
}

TEST(OutgoingQueue, ADigestIsNoReasonToGiveUpCorosync) {
  OutgoingQueue queue;
  for (std::size_t i = 0; i < kQueuedMessagesMax; ++i) ASSERT_TRUE(queue.push(one(1), std::nullopt));
  EXPECT_TRUE(queue.push(one(2), kDigestKey));
}

TEST(OutgoingQueue, HoldsBackWhatWouldBeTooMuchOnItsWay) {
  OutgoingQueue queue;
  for (std::size_t i = 0; i < kInFlightMax + 2; ++i) ASSERT_TRUE(queue.push(one(1), std::nullopt));
  std::size_t sent = 0;
  for (; !queue.next().empty(); ++sent) queue.sent();

  EXPECT_EQ(sent, kInFlightMax);
  queue.returned();
  EXPECT_FALSE(queue.next().empty());
}

TEST(OutgoingQueue, SaysWhenItIsFullAndDropsNothing) {
  OutgoingQueue queue;
  for (std::size_t i = 0; i < kQueuedMessagesMax; ++i) ASSERT_TRUE(queue.push(one(1), std::nullopt));

  EXPECT_FALSE(queue.push(one(2), std::nullopt));
  EXPECT_EQ(queue.waiting(), kQueuedMessagesMax);
}

TEST(OutgoingQueue, IsBoundedInBytes) {
  OutgoingQueue queue;
  const Bytes large(kQueuedBytesMax / 4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(queue.push(large, std::nullopt));
  EXPECT_FALSE(queue.push(one(1), std::nullopt));

  queue.sent();

  EXPECT_TRUE(queue.push(one(1), std::nullopt));
}

TEST(OutgoingQueue, AFullQueueStillTakesANewerBeat) {
  OutgoingQueue queue;
  ASSERT_TRUE(queue.push(one(1), 7));
  for (std::size_t i = 1; i < kQueuedMessagesMax; ++i) ASSERT_TRUE(queue.push(one(1), std::nullopt));

  EXPECT_TRUE(queue.push(one(2), 7));
}

TEST(OutgoingQueue, StartsAnewAfterALoss) {
  OutgoingQueue queue;
  ASSERT_TRUE(queue.push(one(1), std::nullopt));
  queue.sent();
  ASSERT_TRUE(queue.push(one(2), std::nullopt));
  ASSERT_TRUE(queue.push(one(3), kDigestKey));

  queue.clear();
  queue.returned();  // A late one.

  EXPECT_EQ(queue.waiting(), 0U);
  EXPECT_EQ(queue.in_flight(), 0U);
}

}  // namespace
}  // namespace fairlead::membership
