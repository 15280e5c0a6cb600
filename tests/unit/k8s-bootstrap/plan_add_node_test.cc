#include "k8s-bootstrap/plan/plan_add_node.h"

#include <gmock/gmock.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A cluster that runs, and one machine of the site that is new; files of others differ from what the site renders.
struct Growing {
  Site site;
  Facts facts;
  Rendered texts;

  explicit Growing(const std::string& fresh) : site(lab_site()), facts(running_facts(site, "1.36.4")) {
    facts.machines[fresh] = fresh_facts(site, *site.find(fresh));
    std::erase_if(facts.cluster->nodes, [&](const NodeFact& node) { return node.name == fresh; });
    std::erase_if(facts.cluster->etcd, [&](const EtcdMember& member) { return member.name == fresh; });
    for (auto& [name, machine] : facts.machines) {
      const FileFact there{true, std::string(64, 'a'), 0644};
      if (name.starts_with("mast-")) machine.files["/etc/kubernetes/pki/ca.crt"] = there;
      if (name.starts_with("gate-")) machine.files["/etc/fairlead/ca.crt"] = machine.files["/etc/corosync/authkey"] = there;
    }
    texts = render_site(site, facts);
    texts.manifests = lab_texts(site).manifests;
  }
  [[nodiscard]] Plan plan(const std::string& machine) const { return plan_add_node({site, facts, texts}, machine); }
};

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}

TEST(AddNode, OnlyWhatIsThereBecauseOfIt) {
  const Growing world("node-2");
  const Plan all = plan_bring_up({world.site, world.facts, world.texts});
  ASSERT_THAT(ids(all), Contains("mast-1/files")) << "others have something to do as well";
  const Plan plan = world.plan("node-2");
  EXPECT_THAT(ids(plan), Contains("node-2/join"));
  EXPECT_THAT(ids(plan), Contains("node-2/packages"));
  EXPECT_THAT(ids(plan), Contains("workers/join-secrets"));
  EXPECT_THAT(ids(plan), Contains("node-2/labels"));
  EXPECT_THAT(ids(plan), Not(Contains("mast-1/files")));
  EXPECT_THAT(ids(plan), Not(Contains("node-1/files")));
  EXPECT_THAT(ids(plan), Not(Contains("verify/nodes"))) << "it would wait for what is left out";
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("the rest of the site has")));
  EXPECT_THAT(check_plan(plan, world.site, world.facts), IsEmpty());
}

TEST(AddNode, OfOneThatHasJoinedOnlyWhatDiffersOnItself) {
  for (const std::string& id : ids(Growing("node-2").plan("node-1"))) {
    EXPECT_TRUE(id.starts_with("node-1/")) << id;
    EXPECT_NE(id, "node-1/join");
  }
}

TEST(AddNode, AControlPlaneTakesTheGatewaysWithIt) {
  const Growing world("mast-3");
  const Plan plan = world.plan("mast-3");
  EXPECT_THAT(ids(plan), Contains("mast-3/join"));
  EXPECT_THAT(ids(plan), Contains("gate-1/settings")) << "its pool gets a server";
  EXPECT_THAT(check_plan(plan, world.site, world.facts), IsEmpty());
}

TEST(AddNode, OneThatDoesNotAnswerIsInTheWayAndOthersAreNot) {
  Growing world("node-2");
  world.facts.machines.erase("node-2");
  world.facts.unread["node-2"] = "no route to it";
  world.facts.machines.erase("node-1");
  world.facts.unread["node-1"] = "no route to it either";
  const Plan plan = world.plan("node-2");
  ASSERT_EQ(plan.obstacles.size(), 1U);
  EXPECT_THAT(plan.obstacles.front().machines, Contains("node-2"));
}

TEST(AddNode, ANameThatTheSiteHasNotIsInTheWay) { EXPECT_EQ(Growing("node-2").plan("node-9").obstacles.size(), 1U); }

}  // namespace
}  // namespace fairlead::bootstrap
