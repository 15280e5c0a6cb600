// A guard that can be left out without anybody noticing is no guard: each is left out in turn (plan/plan_rule.h).
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_day_two.h"
#include "k8s-bootstrap/plan/plan_rule.h"
#include "tests/sim/bootstrap/bring_up_cases.h"
#include "tests/sim/bootstrap/restore_cases.h"
#include "tests/sim/bootstrap/upgrade_cases.h"

namespace fairlead::bootstrap::test {
namespace {

constexpr int kAbsentMax = 3;

struct Case {
  PlanMutant mutant;
  const char* name;
};
constexpr Case kCases[] = {{PlanMutant::kInitReadsAll, "InitReadsAll"},
                           {PlanMutant::kInitNeedsEmpty, "InitNeedsEmpty"},
                           {PlanMutant::kResetOwnOnly, "ResetOwnOnly"},
                           {PlanMutant::kResetAlone, "ResetAlone"},
                           {PlanMutant::kSettled, "Settled"},
                           {PlanMutant::kMemberQuorum, "MemberQuorum"},
                           {PlanMutant::kMemberAlone, "MemberAlone"},
                           {PlanMutant::kJoinHealthy, "JoinHealthy"},
                           {PlanMutant::kUnknown, "Unknown"},
                           {PlanMutant::kEtcdUnread, "EtcdUnread"},
                           {PlanMutant::kOneControlPlane, "OneControlPlane"},
                           {PlanMutant::kPoolAgain, "PoolAgain"},
                           {PlanMutant::kForeignCordon, "ForeignCordon"},
                           {PlanMutant::kGatewaysRead, "GatewaysRead"},
                           {PlanMutant::kRestoreReadsAll, "RestoreReadsAll"},
                           {PlanMutant::kRestoreUnknown, "RestoreUnknown"},
                           {PlanMutant::kRestoreMajority, "RestoreMajority"},
                           {PlanMutant::kRestoreAllStopped, "RestoreAllStopped"},
                           {PlanMutant::kRestoreAllRestored, "RestoreAllRestored"},
                           {PlanMutant::kRestoreOnce, "RestoreOnce"},
                           {PlanMutant::kRestoreJoinsLater, "RestoreJoinsLater"},
                           {PlanMutant::kRestoreKeys, "RestoreKeys"}};

/// A voter goes by name alone (a half-made one stays, machine_state.h), also while another one is ill. Empty: as it should be.
std::string judge_removal_by_name() {
  const Site site = lab_site();
  const Rendered texts = lab_texts(site);
  Facts facts = running_facts(site, "1.36.4");
  facts.cluster->etcd[1].healthy = false;
  const auto problems = check_plan(plan_remove_node({site, facts, texts}, "mast-3"), site, facts);
  return problems.empty() ? std::string() : problems.front();
}

class BringUpMutants : public ::testing::TestWithParam<Case> {
 protected:
  void TearDown() override { plan_mutant = PlanMutant::kNone; }
};

TEST_P(BringUpMutants, AreCaught) {
  plan_mutant = GetParam().mutant;
  std::string found = judge_two_half_joins();
  if (found.empty()) found = judge_removal_by_name();
  if (found.empty()) found = first_restore_violation();
  if (found.empty()) found = first_archive_violation({.control_planes = 2, .workers = 1, .gateways = 1}, 0);
  if (found.empty()) found = first_upgrade_violation();
  if (found.empty()) found = first_violation(prepared({.control_planes = 3, .workers = 1, .gateways = 1}), kAbsentMax);
  EXPECT_NE(found, "");
  RecordProperty("caught", found);
}

INSTANTIATE_TEST_SUITE_P(Guards, BringUpMutants, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(BringUpMutant, NoneIsCaught) {
  plan_mutant = PlanMutant::kNone;
  EXPECT_EQ(first_violation(prepared({.control_planes = 3, .workers = 1, .gateways = 1}), kAbsentMax), "");
  EXPECT_EQ(judge_two_half_joins(), "");
  EXPECT_EQ(judge_removal_by_name(), "");
  EXPECT_EQ(first_upgrade_violation(), "");
  EXPECT_EQ(first_restore_violation(), "");
  EXPECT_EQ(first_archive_violation({.control_planes = 2, .workers = 1, .gateways = 1}, 0), "");
}

}  // namespace
}  // namespace fairlead::bootstrap::test
