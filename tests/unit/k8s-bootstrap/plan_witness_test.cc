// When the third vote is thought to be there.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/run_program.h"
#include "k8s-bootstrap/facts/parse_facts.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::IsSupersetOf;

Plan plan_of_a_site_with_a_witness() {
  const Site site = lab_site({.bastion = true});
  const Facts facts = fresh_site_facts(site);
  const Rendered texts = lab_texts(site);
  return plan_bring_up({site, facts, texts});
}

const Step& step_of(const Plan& plan, const std::string& id) {
  const auto found = std::find_if(plan.steps.begin(), plan.steps.end(), [&](const Step& step) { return step.id == id; });
  FL_ASSERT(found != plan.steps.end());
  return *found;
}

bool has_step(const Plan& plan, const std::string& id) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const Step& step) { return step.id == id; });
}

/// What the script that waits says of a machine whose corosync-quorumtool prints that line.
int seen(const std::string& script, const std::string& line) {
  const fairlead::test::TempDir temp;
  const std::string tool = temp.path("corosync-quorumtool");
  std::ofstream(tool) << fmt::format(
      "#!/bin/sh\ncat <<'X'\nFlags:            Quorate Qdevice\n\n    Nodeid      Votes    Qdevice Name\n{}\nX\n", line);
  std::filesystem::permissions(tool, std::filesystem::perms::owner_all);
  ProgramCall call;
  call.argv = {"/bin/sh", "-euc", script};
  call.environment = {fmt::format("PATH={}:/usr/bin:/bin", temp.path(""))};
  const auto ran = run_program(call);
  EXPECT_TRUE(ran) << ran.error().message();
  return ran ? ran->exit_code : -1;
}

TEST(PlanWitness, TheVoteIsThereWhenItIsCountedAndNotWhenTheDeviceOnlyStandsInTheList) {
  const Plan plan = plan_of_a_site_with_a_witness();
  const std::string script = std::get<WaitFor>(step_of(plan, "gate-1/witness-votes").operations.front()).script;
  EXPECT_EQ(seen(script, "         0          1            Qdevice"), 0);
  EXPECT_NE(seen(script, "         0          0            Qdevice (votes 1)"), 0);
  EXPECT_NE(seen(script, "         1          1    NA,NV,NMW gate-1 (local)"), 0);
}

TEST(PlanWitness, ItIsLookedForWhenTheDevicesOfAllGatewaysRun) {
  const Plan plan = plan_of_a_site_with_a_witness();
  for (const char* gateway : {"gate-1", "gate-2"})
    EXPECT_THAT(step_of(plan, fmt::format("{}/witness-votes", gateway)).needs, IsSupersetOf({"gate-1/qdevice", "gate-2/qdevice"}));
}

TEST(PlanWitness, AGatewayWhoseUnitsAreNotKnownIsNotTakenForOneWithoutADevice) {
  const Site site = lab_site({.bastion = true});
  const Rendered texts = lab_texts(site);
  Facts facts = fresh_site_facts(site);
  for (const char* gateway : {"gate-1", "gate-2"}) facts.machines[gateway].units["corosync-qdevice"] = kUnitUnread;
  EXPECT_FALSE(has_step(plan_bring_up({site, facts, texts}), "bastion/qnetd"));
  facts.machines["gate-2"].units.clear();  // Of it, it is known that it has none.
  const Plan plan = plan_bring_up({site, facts, texts});
  EXPECT_FALSE(has_step(plan, "bastion/qnetd"));
  EXPECT_FALSE(plan.obstacles.empty());
}

TEST(PlanServices, ARuntimeOfWhichNothingIsKnownIsNotRestarted) {
  const Site site = lab_site();
  const Rendered texts = lab_texts(site);
  Facts facts = fresh_site_facts(site);
  EXPECT_TRUE(has_step(plan_bring_up({site, facts, texts}), "node-1/services"));
  for (const char* unit : {"containerd", "kubelet"}) facts.machines["node-1"].units[unit] = kUnitUnread;
  const Plan plan = plan_bring_up({site, facts, texts});
  EXPECT_FALSE(has_step(plan, "node-1/services"));
  ASSERT_FALSE(plan.obstacles.empty());
  EXPECT_THAT(plan.obstacles.front().machines, ::testing::ElementsAre("node-1"));
}

}  // namespace
}  // namespace fairlead::bootstrap
