#include "k8s-bootstrap/plan/plan_hooks.h"

#include <gmock/gmock.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SiteHooks kHooks{{{"one", "a b"}, {"two"}}, {{"./tell"}}, {{"end"}}};

Step step(const std::string& id, std::vector<std::string> needs) {
  Step out;
  out.id = id;
  out.machine = id.substr(0, id.find('/'));
  out.because = out.title = "test";
  out.needs = std::move(needs);
  out.operations.emplace_back(RunScript{});
  return out;
}
Plan small() {
  Plan out;
  out.steps = {step("a/x", {}), step("b/x", {}), step("a/y", {"a/x", "b/x"})};
  return out;
}
std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& s : plan.steps) out.push_back(s.id);
  return out;
}

TEST(PlanHooks, NothingBeginsBeforeThoseBeforeAndAMachineIsDoneWithItsLastStep) {
  const Plan plan = with_hooks(small(), kHooks, true);
  EXPECT_THAT(ids(plan), ElementsAre("operator/before-apply-1", "operator/before-apply-2", "a/x", "b/x", "a/y", "a/after-machine-1",
                                     "b/after-machine-1"));
  EXPECT_THAT(plan.find("operator/before-apply-2")->needs, ElementsAre("operator/before-apply-1"));
  EXPECT_THAT(plan.find("a/x")->needs, ElementsAre("operator/before-apply-2"));
  EXPECT_THAT(plan.find("a/y")->needs, ElementsAre("a/x", "b/x"));
  EXPECT_THAT(plan.find("a/after-machine-1")->needs, ElementsAre("a/x", "a/y"));
  EXPECT_THAT(plan.find("b/after-machine-1")->needs, ElementsAre("b/x"));
  const auto& work = std::get<LocalWork>(plan.steps.front().operations.front());
  EXPECT_EQ(work.kind, LocalWork::Kind::kHook);
  EXPECT_THAT(work.argv, ElementsAre("one", "a b"));
  EXPECT_THAT(ids(with_hooks(small(), kHooks, false)), ElementsAre("a/x", "b/x", "a/y", "a/after-machine-1", "b/after-machine-1"));
}

TEST(PlanHooks, WhereNothingIsDoneNobodyIsTold) {
  EXPECT_THAT(ids(with_hooks(Plan{}, kHooks, true)), IsEmpty());
  EXPECT_THAT(ids(with_all_hooks(Plan{}, kHooks)), IsEmpty());
  EXPECT_EQ(with_all_hooks(small(), SiteHooks{}), small());
}

TEST(PlanHooks, ThoseAfterComeLastAndNotWhereSomethingStaysUndone) {
  EXPECT_EQ(ids(with_all_hooks(small(), kHooks)).back(), "operator/after-apply-1");
  EXPECT_THAT(ids(hooks_after_apply(kHooks)), ElementsAre("operator/after-apply-1"));
  Plan part = small();
  part.obstacles.push_back({{"c"}, "it is down", "start it", ""});
  EXPECT_EQ(ids(with_all_hooks(part, kHooks)).back(), "b/after-machine-1");
}

TEST(PlanHooks, ABringUpWithThemKeepsTheRulesAndShowsThem) {
  const Site site = test::lab_site();
  const Facts facts = test::fresh_site_facts(site);
  const Rendered texts = test::lab_texts(site);
  const Plan plan = with_all_hooks(plan_bring_up(PlanInput{site, facts, texts}), kHooks);
  EXPECT_THAT(check_plan(plan, site, facts), IsEmpty());
  EXPECT_THAT(plan_text(plan), HasSubstr("runs one a b"));
  EXPECT_THAT(plan_text(plan, true), HasSubstr("here: ./tell"));
  EXPECT_THAT(plan_text(plan), HasSubstr("runs end"));
}

}  // namespace
}  // namespace fairlead::bootstrap
