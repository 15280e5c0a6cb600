// Every point of interruption of a restore of etcd x each single machine unseen afterwards: old and new members never run side by side,
// nothing that was written since is lost, and the same verb said again ends it. And a whole cluster restored from an archive: every point
// of its bring-up.
#include <gtest/gtest.h>

#include "tests/sim/bootstrap/bring_up_cases.h"
#include "tests/sim/bootstrap/restore_cases.h"

namespace fairlead::bootstrap::test {
namespace {

TEST(RestoreSim, RefusesWhatIsAliveOrMayBe) { EXPECT_EQ(first_refusal_violation(), ""); }

TEST(RestoreSim, EndsFromEveryInterruptionWithoutAnyOneMachine) { EXPECT_EQ(first_restore_violation(), ""); }

TEST(RestoreClusterSim, EndsAlikeFromEveryInterruptionWithoutAnyOneMachine) {
  EXPECT_EQ(first_archive_violation({.control_planes = 3, .workers = 1, .gateways = 1}, 1), "");
}

}  // namespace
}  // namespace fairlead::bootstrap::test
