// Every point of interruption of an upgrade and of a renewal x each single machine unseen or off afterwards: two control planes are never
// out at once, each changes only while it is drained and out of every gateway's pool, somebody else's cordon stays, and the same verb said
// again ends it.
#include <gtest/gtest.h>

#include "tests/sim/bootstrap/upgrade_cases.h"

namespace fairlead::bootstrap::test {
namespace {

TEST(UpgradeSim, EndsFromEveryInterruptionWithoutAnyOneMachine) { EXPECT_EQ(first_day_two_violation(Verb::kUpgrade), ""); }

TEST(UpgradeSim, EndsAlikeWithoutAPackageForTheGateways) { EXPECT_EQ(first_day_two_violation(Verb::kUpgradeNodes), ""); }

TEST(RenewCertsSim, EndsFromEveryInterruptionWithoutAnyOneMachine) { EXPECT_EQ(first_day_two_violation(Verb::kRenew), ""); }

}  // namespace
}  // namespace fairlead::bootstrap::test
