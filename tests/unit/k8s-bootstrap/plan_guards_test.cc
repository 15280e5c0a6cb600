// Guards of plans that only facts of an unlucky moment try: a gateway that was not read, an API that is silent, a witness that stands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "k8s-bootstrap/facts/probe.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

auto reason(const std::string& text) { return Field("reason", &Obstacle::reason, HasSubstr(text)); }

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}
std::string scripts_of(const Plan& plan) { return plan_text(plan, /*with_operations=*/true); }

/// Machines that are prepared: what is missing is the cluster.
struct World {
  explicit World(const SiteSize& size = {}) : site(lab_site(size)), texts(lab_texts(site)), facts(fresh_site_facts(site)) {}
  [[nodiscard]] Plan bring_up() const { return plan_bring_up({site, facts, texts}); }
  Site site;
  Rendered texts;
  Facts facts;
};

// ---- init and its endpoint ----

TEST(PlanGuards, G5NoClusterIsInitialisedWhoseEndpointNobodyServes) {
  World world;
  EXPECT_THAT(ids(world.bring_up()), Contains("mast-1/init"));
  for (const char* gateway : {"gate-1", "gate-2"}) {
    world.facts.machines.erase(gateway);
    world.facts.unread[gateway] = "no route to host";
  }
  const Plan plan = world.bring_up();
  EXPECT_THAT(ids(plan), Not(Contains("mast-1/init")));
  EXPECT_THAT(plan.obstacles, Contains(reason("before a gateway serves its endpoint")));
}

TEST(PlanGuards, G5CheckPlanTellsItFromThePlanAlone) {
  World world;
  Plan plan = world.bring_up();
  EXPECT_THAT(check_plan(plan, world.site, world.facts), IsEmpty());
  std::erase_if(plan.steps, [](const Step& step) { return step.id.ends_with("/gate"); });
  for (Step& step : plan.steps) std::erase_if(step.needs, [](const std::string& id) { return id.ends_with("/gate"); });
  EXPECT_THAT(check_plan(plan, world.site, world.facts), ElementsAre(HasSubstr("G5")));
}

TEST(PlanGuards, TheGateBeforeInitLooksThatNobodyAnswersBehindIt) {
  EXPECT_THAT(scripts_of(World().bring_up()), HasSubstr("no API server answers behind it"));
  World running;
  running.facts = running_facts(running.site, "1.36.4");
  running.facts.machines["gate-2"].gateway_serves = Known::kNo;
  EXPECT_THAT(scripts_of(running.bring_up()), Not(HasSubstr("no API server answers behind it")));
}

TEST(PlanGuards, TheGateAsksForEveryAddressThatGatewaysWillHold) {
  World world;
  world.site.networks[0].router = address("192.168.4.254");
  world.site.networks[0].dns = address("192.168.4.1");
  const std::string text = scripts_of(world.bring_up());
  for (const char* asked :
       {"ask 192.168.4.20 'VIP api'", "ask 192.168.4.254 'the router of network dmz'", "ask 192.168.4.1 'the DNS server"})
    EXPECT_THAT(text, HasSubstr(asked));
}

TEST(PlanGuards, EtcdsDataIsLookedForWhereTheSiteHasIt) {
  Site site = lab_site();
  EXPECT_EQ(probe_request(site, *site.find("mast-1")).etcd_folder, "/var/lib/etcd");
  const auto keys = config::parse("etcd: {local: {dataDir: /srv/etcd}}\n", "site.yaml");
  ASSERT_TRUE(keys.document);
  site.kubernetes.kubeadm["ClusterConfiguration"] = keys.document->root;
  const ProbeRequest request = probe_request(site, *site.find("mast-1"));
  EXPECT_EQ(request.etcd_folder, "/srv/etcd");
  EXPECT_THAT(probe_script(request), HasSubstr("etcd_folder='/srv/etcd'\n"));
}

// ---- what has joined stays ----

TEST(PlanGuards, AVoterWhoseApiIsSilentIsNotResetForARecordThatSaysItsJoinFailed) {
  World world;
  world.facts = running_facts(world.site, "1.36.4");
  MachineFacts& mast2 = world.facts.machines["mast-2"];
  mast2.steps = {{"r1", "mast-2/join.1", "failed", 1}};
  for (const Known silent : {Known::kNo, Known::kUnknown}) {
    mast2.api_here = silent;
    const Plan plan = world.bring_up();
    EXPECT_THAT(ids(plan), Not(Contains(AnyOf("mast-2/reset", "mast-2/remove-member"))));
    EXPECT_THAT(plan.warnings, Contains(HasSubstr("mast-2: it has")));
  }
  world.facts.cluster->etcd[1].learner = true;  // It never came in: that is half a join of ours.
  EXPECT_THAT(ids(world.bring_up()), Contains("mast-2/reset"));
}

TEST(PlanGuards, AMachineOfEtcdIsNotResetAloneWhileNobodySaysWhoIsAMember) {
  World world;
  world.facts = running_facts(world.site, "1.36.4");
  world.facts.cluster.reset();
  const Plan refused = plan_reset({world.site, world.facts, world.texts}, {"mast-2"});
  EXPECT_THAT(refused.steps, IsEmpty());
  EXPECT_THAT(refused.obstacles, Contains(reason("may be a voter of an etcd that lives")));
  for (const char* other : {"mast-1", "mast-3"}) world.facts.machines[other] = fresh_facts(world.site, *world.site.find(other));
  EXPECT_THAT(ids(plan_reset({world.site, world.facts, world.texts}, {"mast-2"})), Contains("mast-2/reset"));
  world.facts.machines.erase("mast-3");
  EXPECT_THAT(plan_reset({world.site, world.facts, world.texts}, {"mast-2"}).steps, IsEmpty()) << "unread is not empty";
}

// ---- versions ----

TEST(PlanGuards, NothingJoinsAcrossAMinor) {
  World world;
  world.facts = running_facts(world.site, "1.35.2");
  world.facts.cluster->kubernetes_version = "v1.35.2";
  world.facts.machines["node-2"] = fresh_facts(world.site, *world.site.find("node-2"));
  std::erase_if(world.facts.cluster->nodes, [](const NodeFact& node) { return node.name == "node-2"; });
  const Plan plan = world.bring_up();
  EXPECT_THAT(ids(plan), Not(Contains("node-2/join")));
  EXPECT_THAT(plan.obstacles, Contains(reason("nothing joins across a minor")));
  world.facts.cluster->kubernetes_version = "v1.36.2";
  EXPECT_THAT(ids(world.bring_up()), Contains("node-2/join"));
}

TEST(PlanGuards, DebiansContainerdIsAskedForAsDebianNamesIt) {
  World world;
  world.site.versions.containerd = Containerd{"1.7.24", RuntimeSource::kDebian, ""};
  EXPECT_THAT(scripts_of(world.bring_up()), HasSubstr("'containerd=1.7.24~*'"));
  for (auto& [name, machine] : world.facts.machines) machine.os_id = "ubuntu", machine.os_version = "24.04";
  EXPECT_THAT(scripts_of(world.bring_up()), HasSubstr("'containerd=1.7.24-*'"));
}

// ---- the witness ----

TEST(PlanGuards, AGatewayWhoseQdeviceStandsGetsNoNewCertificateAndTheOtherIsLeftAlone) {
  World world({.bastion = true});
  world.facts = running_facts(world.site, "1.36.4");
  const auto certified = [&](const char* name, const char* unit) {
    world.facts.machines[name].files[std::string(kQdeviceCertificates)] = {true, "x", 0600};
    world.facts.machines[name].units["corosync-qdevice"] = unit;
  };
  certified("gate-1", "active enabled");
  certified("gate-2", "inactive enabled");
  const Plan stands = world.bring_up();
  EXPECT_THAT(ids(stands), Contains("gate-2/qdevice"));
  for (const char* left : {"gate-1/qdevice", "gate-1/qdevice-request", "gate-2/qdevice-import", "bastion/qnetd"})
    EXPECT_THAT(ids(stands), Not(Contains(left)));

  world.facts.machines["gate-2"].files.erase(std::string(kQdeviceCertificates));  // Made anew.
  const Plan anew = world.bring_up();
  for (const char* step : {"bastion/qnetd", "gate-2/qdevice-request", "bastion/qdevice-sign", "gate-2/qdevice-import", "gate-2/qdevice"})
    EXPECT_THAT(ids(anew), Contains(step));
  for (const Step& step : anew.steps) {
    if (step.machine == "gate-1") { EXPECT_THAT(step.id, Not(HasSubstr("qdevice"))); }
  }
}

}  // namespace
}  // namespace fairlead::bootstrap
