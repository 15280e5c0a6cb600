#include "vip/lease.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

constexpr Instant kNow{1h};
constexpr Duration kLease = 1910ms;
constexpr NodeId kMe{1};
constexpr NodeId kPeer{2};
constexpr NodeId kThird{3};

HolderLease::Quorum three(bool quorate = true) {
  return {.self = kMe, .quorate = quorate, .expected_votes = 3, .extra_votes = 0, .silent = 0};
}

TEST(HolderLeaseTest, RunsFromTheSendTimeOfTheNewestBeatThatAMajorityAcknowledged) {
  HolderLease lease;
  const std::uint64_t first = lease.sent(kNow, kLease);
  const std::uint64_t second = lease.sent(kNow + 50ms, kLease);

  lease.acknowledged(kMe, second);
  lease.acknowledged(kPeer, first);

  EXPECT_TRUE(lease.settle(three(), kLease));
  EXPECT_EQ(lease.until(), kNow + kLease);
  EXPECT_EQ(lease.proved(), first);
}

TEST(HolderLeaseTest, WhereCorosyncsTimesChangeTheShorterLeaseCounts) {
  const auto proved = [](Duration when_sent, Duration now) {
    HolderLease lease;
    const std::uint64_t beat = lease.sent(kNow, when_sent);
    lease.acknowledged(kMe, beat);
    lease.acknowledged(kPeer, beat);
    EXPECT_TRUE(lease.settle(three(), now));
    return lease.until() - kNow;
  };
  EXPECT_EQ(proved(kLease, 2 * kLease), kLease) << "who acknowledged it promised by the old times";
  EXPECT_EQ(proved(2 * kLease, kLease), kLease) << "or by the new ones";
}

TEST(HolderLeaseTest, ItsOwnDeliveryAloneProvesNothingAmongThree) {
  HolderLease lease;
  lease.acknowledged(kMe, lease.sent(kNow, kLease));
  EXPECT_FALSE(lease.settle(three(), kLease));
  EXPECT_EQ(lease.until(), Instant::min());
}

TEST(HolderLeaseTest, TheOthersProveNothingWithoutItsOwnDelivery) {
  HolderLease lease;
  const std::uint64_t beat = lease.sent(kNow, kLease);
  lease.acknowledged(kPeer, beat);
  lease.acknowledged(kThird, beat);
  EXPECT_FALSE(lease.settle(three(), kLease));
}

TEST(HolderLeaseTest, NothingIsProvedOutsideAQuorateView) {
  HolderLease lease;
  const std::uint64_t beat = lease.sent(kNow, kLease);
  for (const NodeId node : {kMe, kPeer, kThird}) lease.acknowledged(node, beat);
  EXPECT_FALSE(lease.settle(three(/*quorate=*/false), kLease));
}

TEST(HolderLeaseTest, TheVoteOfANodeWithoutADaemonCountsAsGiven) {
  HolderLease lease;
  lease.acknowledged(kMe, lease.sent(kNow, kLease));
  HolderLease::Quorum two{.self = kMe, .quorate = true, .expected_votes = 2, .extra_votes = 0, .silent = 0};
  EXPECT_FALSE(lease.settle(two, kLease));

  two.silent = 1;

  EXPECT_TRUE(lease.settle(two, kLease));
}

TEST(HolderLeaseTest, AQuorumDeviceVotes) {
  HolderLease lease;
  lease.acknowledged(kMe, lease.sent(kNow, kLease));
  EXPECT_TRUE(lease.settle({.self = kMe, .quorate = true, .expected_votes = 3, .extra_votes = 1, .silent = 0}, kLease));
}

TEST(HolderLeaseTest, BeatsOfAnEarlierRoundProveNothingNewAndWhatWasProvedStays) {
  HolderLease lease;
  const std::uint64_t old = lease.sent(kNow, kLease);
  lease.acknowledged(kMe, old);
  lease.acknowledged(kPeer, old);
  ASSERT_TRUE(lease.settle(three(), kLease));
  const std::uint64_t late = lease.sent(kNow + 50ms, kLease);

  lease.begin_round();
  lease.acknowledged(kMe, late);
  lease.acknowledged(kPeer, late);

  EXPECT_FALSE(lease.settle(three(), kLease));
  EXPECT_EQ(lease.until(), kNow + kLease);
}

TEST(HolderLeaseTest, AnAcknowledgementOfABeatThatWasNeverSentIsIgnored) {
  HolderLease lease;
  (void)lease.sent(kNow, kLease);
  lease.acknowledged(kMe, 7);
  lease.acknowledged(kPeer, 7);
  EXPECT_FALSE(lease.settle(three(), kLease));
}

TEST(HolderLeaseTest, DroppingVoidsEverything) {
  HolderLease lease;
  const std::uint64_t beat = lease.sent(kNow, kLease);
  lease.acknowledged(kMe, beat);
  lease.acknowledged(kPeer, beat);
  ASSERT_TRUE(lease.settle(three(), kLease));

  lease.drop();

  EXPECT_EQ(lease.until(), Instant::min());
  EXPECT_EQ(lease.proved_sent(), Instant::min());
}

class PromiseBookTest : public testing::Test {
 protected:
  PromiseBook book;
};

TEST_F(PromiseBookTest, BindsTheMemberThatAcknowledgedToTheHolderUntilItsEnd) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow + 2s);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 2s);
  EXPECT_EQ(book.of_view("api", kPeer), Instant::min()) << "the holder itself is not kept waiting";
  EXPECT_EQ(book.of_view("other", kMe), Instant::min());
}

TEST_F(PromiseBookTest, ReportsWhatIsLeftRoundedUp) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow + 2s);
  EXPECT_EQ(book.own("api", kNow + 500us, 0s, false), (std::vector<PromiseLeft>{{kPeer, 2000}}));
  EXPECT_TRUE(book.own("api", kNow + 2s, 0s, false).empty());
}

/// Found by the simulator: of three, 2 held by 3's acknowledgements, daemon and guard died, and 1, which had not been in that ring, heard
/// from 3 after the promise's end that it is bound to nobody, and believed a Released of long ago.
TEST_F(PromiseBookTest, APromiseThatHasEndedIsReportedAsLongAsAKernelMayHaveTheAddress) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow + 1s);
  for (const Duration later : {Duration(1s), Duration(2999ms)}) {
    EXPECT_EQ(book.own("api", kNow + later, 2s, false), (std::vector<PromiseLeft>{{kPeer, 1}}));
  }
  EXPECT_TRUE(book.own("api", kNow + 3s, 2s, false).empty());

  PromiseBook other;
  other.reported(kThird, "api", kPeer, kNow - 1s);
  EXPECT_FALSE(other.is_free("api", kMe, kNow)) << "ended, not released";

  book.released({.vip = "api", .epoch = 3, .holder = kPeer}, /*newest=*/true, kNow);
  EXPECT_TRUE(book.own("api", kNow, 2s, false).empty());
}

TEST_F(PromiseBookTest, AStartPromisesEverythingToNobodyInParticular) {
  book.started(kNow, 2s);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 2s);
  EXPECT_EQ(book.own("api", kNow, 2s, true), (std::vector<PromiseLeft>{{kNoNode, 2001}}));
  EXPECT_EQ(book.own("api", kNow + 3999ms, 2s, true), (std::vector<PromiseLeft>{{kNoNode, 1}}))
      << "the promise is over, what it forgot is not";
  EXPECT_TRUE(book.own("api", kNow + 4s, 2s, true).empty());
  EXPECT_TRUE(book.own("api", kNow + 2s, 2s, false).empty());
}

TEST_F(PromiseBookTest, WaitsForTheLongestThatAMemberReports) {
  book.reported(kThird, "api", kPeer, kNow + 1s);
  book.reported(kThird, "api", kPeer, kNow + 500ms);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 1s);
}

TEST_F(PromiseBookTest, ReleasedEndsThePromisesOfThatEpochAndEarlierOnes) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow + 2s);
  book.reported(kThird, "api", kPeer, kNow + 1s);

  book.released({"api", 2, kPeer, 1, true}, /*newest=*/false, kNow);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 2s);

  book.released({"api", 3, kPeer, 1, true}, /*newest=*/true, kNow);
  EXPECT_EQ(book.of_view("api", kMe), Instant::min());
}

TEST_F(PromiseBookTest, ALateReleasedLeavesWhatMembersReportOfALaterEpoch) {
  book.reported(kThird, "api", kPeer, kNow + 1s);
  book.released({"api", 3, kPeer, 1, true}, /*newest=*/false, kNow);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 1s);
}

TEST_F(PromiseBookTest, APromiseThatHasEndedIsNotFreeBeforeSomebodySaysSo) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow - 1h);
  EXPECT_FALSE(book.is_free("api", kMe, kNow)) << "its holder may be one that nobody can delete the address of";
  EXPECT_TRUE(book.is_free("api", kPeer, kNow));
  book.released({"api", 4, kThird, 1, /*clear=*/false}, true, kNow);
  EXPECT_FALSE(book.is_free("api", kMe, kNow));
  book.released({"api", 4, kThird, 1, /*clear=*/true}, true, kNow);
  EXPECT_TRUE(book.is_free("api", kMe, kNow)) << "who was cleared to take it speaks for everybody before it";
  book.reported(kThird, "api", kNoNode, kNow + 1s);
  EXPECT_FALSE(book.is_free("api", kMe, kNow));
  EXPECT_TRUE(book.is_free("api", kMe, kNow + 1s));
  book.silent_node(kThird, kNow - 1h);
  EXPECT_FALSE(book.is_free("api", kMe, kNow));
}

TEST_F(PromiseBookTest, NobodysReleasedEndsAPromiseToAnotherThatStillRuns) {
  book.acknowledged(kPeer, {{"api", 3}}, kNow + 1s);
  book.reported(kThird, "api", kPeer, kNow + 1s);
  book.released({"api", 4, kThird, 1, /*clear=*/true}, true, kNow);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 1s) << "it woke beside the holder of today, and said what it knew";
  EXPECT_EQ(book.bound_to("api", kMe, kNow), std::vector<NodeId>{kPeer});
  EXPECT_TRUE(book.bound_to("api", kPeer, kNow).empty());
  EXPECT_TRUE(book.bound_to("api", kMe, kNow + 1s).empty());
}

TEST_F(PromiseBookTest, ARoundForgetsReportsButThoseOfNodesThatMayHaveFallenSilent) {
  book.reported(kPeer, "api", kPeer, kNow + 1s);
  book.reported(kThird, "api", kThird, kNow + 2s);
  book.silent_node(NodeId{4}, kNow + 3s);

  book.begin_round({kPeer});

  EXPECT_EQ(book.of_view("api", kMe), kNow + 1s);
}

TEST_F(PromiseBookTest, ANodeThatSpeaksAgainReplacesItsReport) {
  book.reported(kPeer, "api", kPeer, kNow + 1s);
  book.begin_round({kPeer});
  book.begin_report(kPeer);
  EXPECT_EQ(book.of_view("api", kMe), Instant::min());
}

TEST_F(PromiseBookTest, ANodeWithoutADaemonBindsEverybody) {
  book.silent_node(kThird, kNow + 2s);
  book.silent_node(kThird, kNow + 9s);
  EXPECT_EQ(book.of_view("api", kMe), kNow + 2s) << "from when it was first seen";
}

}  // namespace
}  // namespace fairlead::vip
