#include "dnsdhcp/dhcp_lease.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow(Duration(std::chrono::hours(1)));

TEST(Lease, SecondsLeftAreRoundedUpAndNeverNegative) {
  Lease lease;
  lease.expires = kNow + 1500ms;
  EXPECT_EQ(seconds_left(lease, kNow), 2U) << "a client believes in it for the whole of its last second";
  EXPECT_EQ(seconds_left(lease, kNow + 1500ms), 0U);
  EXPECT_EQ(seconds_left(lease, kNow + 1h), 0U);
}

TEST(Lease, ANewerPlacementComesBeforeAHigherNumber) {
  EXPECT_LT((LeaseStamp{.epoch = 1, .sequence = 900}), (LeaseStamp{.epoch = 2, .sequence = 1}));
  EXPECT_LT((LeaseStamp{.epoch = 2, .sequence = 1}), (LeaseStamp{.epoch = 2, .sequence = 2}));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
