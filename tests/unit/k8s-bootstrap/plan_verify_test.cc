// What a `verify` that was killed in its middle leaves at a gateway, and who takes it back.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}

const Step& step_of(const Plan& plan, const std::string& id) {
  const auto found = std::find_if(plan.steps.begin(), plan.steps.end(), [&](const Step& step) { return step.id == id; });
  FL_ASSERT(found != plan.steps.end());
  return *found;
}

struct Running {
  Site site = lab_site();
  Facts facts = running_facts(site, "1.36.4");
  Rendered texts = lab_texts(site);
};

TEST(PlanVerify, AControlPlaneThatAKilledVerifyLeftInMaintenanceIsPutBackByTheNextApply) {
  Running world;
  EXPECT_THAT(ids(plan_bring_up({world.site, world.facts, world.texts})), Not(Contains("gate-1/pool-again")));
  world.facts.machines["gate-1"].files[std::string(kVerifyMaint)].present = true;
  const Plan plan = plan_bring_up({world.site, world.facts, world.texts});
  EXPECT_THAT(ids(plan), Contains("gate-1/pool-again"));
  EXPECT_THAT(ids(plan), Not(Contains("gate-2/pool-again")));
  const auto& run = std::get<RunScript>(step_of(plan, "gate-1/pool-again").operations.front());
  EXPECT_THAT(run.script, HasSubstr("fairlead server ready"));
  EXPECT_THAT(run.script, HasSubstr("rm -f " + std::string(kVerifyMaint)));
}

TEST(PlanVerify, ItNotesWhatItTakesOutBeforeItDoesAndTheNextOneLooksThereFirst) {
  const Running world;
  const Plan plan = plan_verification({world.site, world.facts, world.texts});
  const std::string text = std::get<RunScript>(step_of(plan, "verify/endpoint-gate-1").operations.front()).script;
  const auto noted = text.find(">" + std::string(kVerifyMaint));
  ASSERT_NE(noted, std::string::npos);
  EXPECT_LT(text.find("fairlead server ready \"$server\"; fi"), noted);
  EXPECT_LT(noted, text.find("fairlead server maint"));
}

TEST(PlanVerify, EveryGatewayIsAskedForIt) {
  const Running world;
  EXPECT_THAT(files_to_ask(world.site, *world.site.find("gate-2"), world.texts), Contains(std::string(kVerifyMaint)));
}

}  // namespace
}  // namespace fairlead::bootstrap
