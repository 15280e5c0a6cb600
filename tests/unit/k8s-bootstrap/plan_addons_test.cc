// Which text of an addon counts as applied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/render/sha256.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::Contains;
using ::testing::HasSubstr;

struct Applied {
  Site site = lab_site();
  Facts facts = running_facts(site, "1.36.4");
  Rendered texts = lab_texts(site);

  void record(const std::string& machine, const std::string& text) {
    facts.machines.at(machine).files[applied_manifest_path("flannel")] = FileFact{true, sha256(text), 0644};
  }
  [[nodiscard]] Plan plan() {
    facts.cluster->addons["flannel"] = Known::kYes;
    return plan_bring_up({site, facts, texts});
  }
};

TEST(PlanAddons, OneThatIsRecordedOnAnyControlPlaneIsNotAppliedAgain) {
  Applied world;
  world.record("mast-2", world.texts.manifests.at("flannel"));
  EXPECT_EQ(world.plan().find("addons/flannel"), nullptr);
}

TEST(PlanAddons, AnEarlierTextThatComesBackIsAppliedThoughAControlPlaneStillRecordsIt) {
  Applied world;
  world.record("mast-1", "kind: Later\n");
  world.record("mast-2", world.texts.manifests.at("flannel"));  // As it was before the later one, and is again.
  const Plan plan = world.plan();
  const Step* apply = plan.find("addons/flannel");
  ASSERT_NE(apply, nullptr);
  EXPECT_THAT(apply->needs, Contains("mast-1/forget-addon-flannel"));
  ASSERT_NE(plan.find("mast-1/forget-addon-flannel"), nullptr);
  EXPECT_EQ(plan.find("mast-2/forget-addon-flannel"), nullptr);
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-1/forget-addon-flannel")->operations.front()).script,
              HasSubstr(applied_manifest_path("flannel")));
}

TEST(PlanAddons, ARecordOfAnotherTextGoesBeforeTheNewOneIsApplied) {
  Applied world;
  world.record("mast-3", "kind: Earlier\n");
  const Plan plan = world.plan();
  ASSERT_NE(plan.find("addons/flannel"), nullptr);
  EXPECT_THAT(plan.find("addons/flannel")->needs, Contains("mast-3/forget-addon-flannel"));
}

}  // namespace
}  // namespace fairlead::bootstrap
