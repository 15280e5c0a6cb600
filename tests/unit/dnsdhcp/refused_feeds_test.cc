#include "dnsdhcp/refused_feeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;
using Again = RefusedFeeds::Again;

bool always(const IpAddress&) { return true; }
IpAddress ip(std::uint8_t last) { return IpAddress::v4({192, 168, 1, last}); }

class RefusedFeedsTest : public ::testing::Test {
 protected:
  Instant now{1h};
  RefusedFeeds refused;
};

TEST_F(RefusedFeedsTest, ARefusedLeaseIsSaidOnceAndToldAgainAfterASecond) {
  EXPECT_TRUE(refused.refused(ip(1), false, now));
  EXPECT_EQ(refused.next_due(), now + 1s);
  EXPECT_THAT(refused.take_due(now + 999ms, always), IsEmpty());
  EXPECT_THAT(refused.take_due(now + 1s, always), ElementsAre(Again{ip(1), false}));
  EXPECT_THAT(refused.take_due(now + 2s, always), IsEmpty()) << "its answer is waited for";
  EXPECT_FALSE(refused.refused(ip(1), false, now + 2s));
}

TEST_F(RefusedFeedsTest, ItWaitsTwiceAsLongAfterEachRefusalUpToALimit) {
  std::vector<std::int64_t> waits;
  (void)refused.refused(ip(1), false, now);
  for (int n = 0; n < 9; ++n) {
    waits.push_back((refused.next_due() - now) / 1s);
    now = refused.next_due();
    ASSERT_THAT(refused.take_due(now, always), SizeIs(1));
    EXPECT_FALSE(refused.refused(ip(1), false, now));
  }
  EXPECT_THAT(waits, ElementsAre(1, 2, 4, 8, 16, 32, 64, 64, 64));
}

TEST_F(RefusedFeedsTest, OneThatIsTakenBeginsAnewWhenItIsRefusedLater) {
  (void)refused.refused(ip(1), false, now);
  (void)refused.take_due(now + 1s, always);
  refused.taken(ip(1), false);
  EXPECT_EQ(refused.next_due(), Instant::max());
  EXPECT_TRUE(refused.refused(ip(1), false, now));
  EXPECT_EQ(refused.next_due(), now + 1s);
}

TEST_F(RefusedFeedsTest, OneThatMayNotBeToldNowStaysDue) {
  const IpPrefix network{ip(0), 24};
  (void)refused.refused(ip(1), false, now);
  EXPECT_FALSE(refused.has_due(network, now));
  now += 1s;
  EXPECT_TRUE(refused.has_due(network, now));
  EXPECT_FALSE(refused.has_due(IpPrefix{IpAddress::v4({192, 168, 2, 0}), 24}, now));
  EXPECT_THAT(refused.take_due(now, [](const IpAddress& a) { return a != ip(1); }), IsEmpty());
  EXPECT_TRUE(refused.has_due(network, now));
  EXPECT_THAT(refused.take_due(now, always), SizeIs(1));
  EXPECT_FALSE(refused.has_due(network, now)) << "its answer is waited for";
}

TEST_F(RefusedFeedsTest, ADeletionThatWasRefusedIsRememberedBesideTheLeaseAfterIt) {
  (void)refused.refused(ip(1), true, now);
  EXPECT_FALSE(refused.refused(ip(1), false, now));
  EXPECT_THAT(refused.take_due(now + 1s, always), ElementsAre(Again{ip(1), true}));
  refused.taken(ip(1), true);
  EXPECT_THAT(refused.size(), 1U) << "the lease behind it was not taken yet";
  refused.taken(ip(1), false);
  EXPECT_THAT(refused.size(), 0U);
}

TEST_F(RefusedFeedsTest, ALeaseThatIsTakenDoesNotMakeUpForADeletionBeforeIt) {
  (void)refused.refused(ip(1), true, now);
  refused.taken(ip(1), false);
  EXPECT_THAT(refused.take_due(now + 1s, always), ElementsAre(Again{ip(1), true}));
}

TEST_F(RefusedFeedsTest, OnlySoManyWait) {
  for (std::size_t i = 0; i < kRefusedMax + 5; ++i)
    EXPECT_TRUE(
        refused.refused(IpAddress::v4({10, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)}), false, now));
  EXPECT_EQ(refused.size(), kRefusedMax);
  refused.clear();
  EXPECT_THAT(refused.take_due(now + 1h, always), IsEmpty());
}

}  // namespace
}  // namespace fairlead::dnsdhcp
