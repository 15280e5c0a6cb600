// Removal, replacement, reset, upgrade and renewal of a cluster that runs: order, refusals, and going on in the middle of a machine.
#include "k8s-bootstrap/plan/plan_day_two.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

struct Running {
  Site site;
  Facts facts;
  Rendered texts;

  explicit Running(const SiteSize& size = {}, const std::string& version = "1.36.4")
      : site(lab_site(size)), facts(running_facts(site, version)), texts(lab_texts(site)) {}
  [[nodiscard]] PlanInput input() const { return {site, facts, texts}; }
  NodeFact& node(const std::string& name) {
    return *std::find_if(facts.cluster->nodes.begin(), facts.cluster->nodes.end(), [&](const NodeFact& n) { return n.name == name; });
  }
  void at(const std::string& name, const std::string& version) {
    MachineFacts& f = facts.machines[name];
    for (auto& [package, installed] : f.packages) installed = version + "-1.1";
    if (!f.api_version.empty()) f.api_version = "v" + version;
    node(name).kubelet_version = "v" + version;
  }
};

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}
std::size_t place(const Plan& plan, const std::string& id) {
  const auto all = ids(plan);
  return static_cast<std::size_t>(std::find(all.begin(), all.end(), id) - all.begin());
}
/// `later` comes after `earlier` by way of `needs`.
bool waits_for(const Plan& plan, const std::string& later, const std::string& earlier) {
  std::vector<std::string> open{later};
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (open[i] == earlier) return true;
    for (const std::string& id : plan.find(open[i])->needs) open.push_back(id);
  }
  return false;
}

TEST(RemoveNode, AWorkerIsDrainedResetAndForgotten) {
  const Running w;
  const Plan plan = plan_remove_node(w.input(), "node-1");
  EXPECT_THAT(ids(plan), ElementsAre("node-1/drain", "node-1/reset", "node-1/forget"));
  EXPECT_THAT(needs_confirmation(plan), ElementsAre("node-1"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

TEST(RemoveNode, AControlPlaneLeavesEtcdFirst) {
  const Running w;
  const Plan plan = plan_remove_node(w.input(), "mast-1");
  EXPECT_THAT(ids(plan), ElementsAre("mast-1/drain", "mast-1/remove-member", "mast-1/reset", "mast-1/forget"));
  EXPECT_EQ(plan.find("mast-1/remove-member")->machine, "mast-2");
  EXPECT_TRUE(waits_for(plan, "mast-1/reset", "mast-1/remove-member"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

TEST(RemoveNode, OneThatIsGoneForGoodIsTakenOutWithoutReset) {
  Running w;
  w.facts.machines.erase("mast-3");
  w.facts.unread["mast-3"] = "no route to host";
  w.facts.cluster->etcd.back().healthy = false;
  w.node("mast-3").ready = false;
  const Plan plan = plan_remove_node(w.input(), "mast-3");
  EXPECT_THAT(ids(plan), ElementsAre("mast-3/drain", "mast-3/remove-member", "mast-3/forget"));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("Do not switch it on")));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

TEST(RemoveNode, NobodyWaitsForPodsOfAMachineThatDoesNotAnswer) {
  Running w;
  EXPECT_THAT(std::get<RunScript>(plan_remove_node(w.input(), "node-1").steps.front().operations.front()).script,
              Not(HasSubstr("--force")));
  w.facts.machines.erase("node-1");  // The API has not noticed yet: its Node is ready.
  EXPECT_THAT(std::get<RunScript>(plan_remove_node(w.input(), "node-1").steps.front().operations.front()).script,
              HasSubstr("--force --grace-period=0 --disable-eviction"));
}

TEST(RemoveNode, RefusesWhatWouldCostTheClusterItsQuorum) {
  Running w;
  w.facts.cluster->etcd[1].healthy = false;
  const Plan plan = plan_remove_node(w.input(), "mast-3");
  EXPECT_THAT(plan.steps, IsEmpty());  // Not drained either.
  EXPECT_THAT(plan.obstacles, Contains(Field(&Obstacle::reason, HasSubstr("no majority"))));
}

TEST(RemoveNode, RefusesWhileTheMembersOfEtcdCouldNotBeRead) {
  Running w;
  w.facts.cluster->etcd.clear();
  EXPECT_THAT(plan_remove_node(w.input(), "mast-3").steps, IsEmpty());
  EXPECT_THAT(plan_remove_node(w.input(), "mast-3").obstacles, Contains(Field(&Obstacle::reason, HasSubstr("could not be read"))));
  EXPECT_THAT(ids(plan_remove_node(w.input(), "node-1")), Contains("node-1/reset"));
  std::erase_if(w.facts.cluster->nodes, [](const NodeFact& n) { return n.name == "mast-3"; });
  EXPECT_THAT(plan_reset(w.input(), {"mast-3"}).steps, IsEmpty());  // Its member may be there, though its Node is not.
}

TEST(RemoveNode, RefusesWhileSomethingElseChangesAndTheLastControlPlane) {
  Running w;
  w.facts.machines["mast-2"].steps = {{"run-1", "mast-2/join", "running", 0}};
  EXPECT_THAT(plan_remove_node(w.input(), "mast-3").obstacles, Contains(Field(&Obstacle::reason, HasSubstr("something else is changing"))));
  Running learner;
  learner.facts.cluster->etcd.push_back({"x-id", "", "https://192.168.1.99:2380", true, false});
  EXPECT_THAT(plan_remove_node(learner.input(), "mast-3").steps, IsEmpty());
  const Running alone({.control_planes = 1});
  EXPECT_THAT(plan_remove_node(alone.input(), "mast-1").obstacles, Contains(Field(&Obstacle::reason, HasSubstr("last control plane"))));
  EXPECT_THAT(plan_remove_node(alone.input(), "nobody").obstacles,
              Contains(Field(&Obstacle::reason, HasSubstr("no machine of this name"))));
  EXPECT_THAT(plan_remove_node(alone.input(), "gate-1").obstacles,
              Contains(Field(&Obstacle::reason, HasSubstr("no machine of Kubernetes"))));
}

TEST(ReplaceNode, JoinsAnewWhenItHasBeenTakenOut) {
  Running w;
  EXPECT_THAT(ids(plan_replace_node(w.input(), "node-1", false)), ElementsAre("node-1/drain", "node-1/reset", "node-1/forget"));
  w.facts.machines["node-1"].kubelet_conf = Known::kNo;
  std::erase_if(w.facts.cluster->nodes, [](const NodeFact& n) { return n.name == "node-1"; });
  EXPECT_THAT(ids(plan_replace_node(w.input(), "node-1", false)), Contains("node-1/join"));
}

/// An etcd on machines of its own, all of them members.
Running with_etcd() {
  Running w({.etcd = 3});
  w.facts.cluster->etcd.clear();
  for (const char* name : {"etcd-1", "etcd-2", "etcd-3"}) {
    w.facts.machines[name].etcd_data = Known::kYes;
    w.facts.machines[name].manifests = {"etcd"};
    w.facts.cluster->etcd.push_back({std::string(name) + "-id", name, fmt::format("https://192.168.1.10{}:2380", name[5]), false, true});
  }
  return w;
}

TEST(ReplaceNode, AMemberOfAnExternalEtcdLeavesAndAnotherOneComesInItsPlace) {
  Running w = with_etcd();
  Plan plan = plan_replace_node(w.input(), "etcd-2", false);
  EXPECT_THAT(ids(plan), ElementsAre("etcd-2/remove-member", "etcd-2/reset"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  EXPECT_THAT(plan_remove_node(w.input(), "etcd-2").obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("replace-node etcd-2"))));
  // Out, and nothing is on it.
  w.facts.machines["etcd-2"].etcd_data = Known::kNo;
  w.facts.machines["etcd-2"].manifests.clear();
  w.facts.cluster->etcd.erase(w.facts.cluster->etcd.begin() + 1);
  plan = plan_bring_up(w.input());
  EXPECT_THAT(ids(plan), IsSupersetOf({"etcd-2/member-add", "etcd-2/etcd", "etcd-2/etcd-healthy"}));
  EXPECT_TRUE(waits_for(plan, "etcd-2/etcd", "etcd-2/member-add"));
  EXPECT_EQ(plan.find("etcd-2/member-add")->machine, "mast-1");
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  // Interrupted in between: added, and not started.
  w.facts.cluster->etcd.push_back({"new-id", "", "https://192.168.1.102:2380", false, false});
  EXPECT_THAT(ids(plan_bring_up(w.input())), Contains("etcd-2/etcd"));
  w.facts.cluster->etcd.front().healthy = false;
  EXPECT_THAT(ids(plan_bring_up(w.input())), Not(Contains("etcd-2/member-add")));
}

TEST(ReplaceNode, AMemberOfAnExternalEtcdStaysWhereTheOthersWouldBeNoMajorityOrWereNotRead) {
  Running w = with_etcd();
  w.facts.cluster->etcd.front().healthy = false;
  EXPECT_THAT(plan_replace_node(w.input(), "etcd-2", false).steps, IsEmpty());
  w = with_etcd();
  w.facts.machines.erase("etcd-3");
  EXPECT_THAT(plan_replace_node(w.input(), "etcd-2", false).steps, IsEmpty());
  w = with_etcd();
  w.facts.cluster->etcd.clear();
  EXPECT_THAT(plan_replace_node(w.input(), "etcd-2", false).steps, IsEmpty());
}

TEST(ReplaceNode, AMachineOfEtcdThatCameBackEmptyIsNotJustStarted) {
  Running w = with_etcd();
  w.facts.machines["etcd-2"].etcd_data = Known::kNo;
  w.facts.machines["etcd-2"].manifests.clear();
  const Plan plan = plan_bring_up(w.input());
  EXPECT_THAT(ids(plan), Not(Contains("etcd-2/etcd")));
  EXPECT_THAT(plan.obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("replace-node etcd-2"))));
}

TEST(Reset, TakesWorkersFirstAndTheFirstControlPlaneLast) {
  const Running w;
  const Plan plan = plan_reset(w.input(), {});
  EXPECT_THAT(ids(plan), ElementsAre("node-1/reset", "node-2/reset", "mast-3/reset", "mast-2/reset", "mast-1/reset"));
  EXPECT_TRUE(waits_for(plan, "mast-1/reset", "node-2/reset"));
  EXPECT_EQ(needs_confirmation(plan).size(), 5U);
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

TEST(Upgrade, GoesByRoleAndOneControlPlaneAtATime) {
  Running w({.workers = 4}, "1.35.2");
  const Plan plan = plan_upgrade(w.input());
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  EXPECT_EQ(plan.steps.front().id, "mast-1/etcd-snapshot");
  for (const char* id : {"mast-1/uncordon", "gate-1/ready-mast-1"}) EXPECT_TRUE(waits_for(plan, "mast-2/upgrade", id)) << id;
  for (const char* id : {"node-1/drain", "node-4/drain"}) EXPECT_TRUE(waits_for(plan, id, "mast-3/uncordon")) << id;
  EXPECT_TRUE(waits_for(plan, "node-2/drain", "node-1/uncordon"));
  EXPECT_TRUE(waits_for(plan, "mast-1/upgrade", "gate-2/maint-mast-1"));
  EXPECT_LT(place(plan, "mast-2/drain"), place(plan, "mast-2/kubeadm"));
  EXPECT_TRUE(waits_for(plan, "gate-1/maint-mast-1", "mast-1/upgrade-plan"));  // What kubeadm refuses is refused with nothing drained.
  EXPECT_TRUE(waits_for(plan, "mast-1/upgrade-plan", "mast-1/kubeadm"));
  EXPECT_EQ(std::count_if(plan.steps.begin(), plan.steps.end(), [](const Step& s) { return s.id.ends_with("/upgrade-plan"); }), 1);
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-1/upgrade")->operations.back()).script, HasSubstr("kubeadm upgrade apply v1.36.4"));
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-2/upgrade")->operations.back()).script, HasSubstr("kubeadm upgrade node"));
}

TEST(Upgrade, WorkersChangeAThirdAtATime) {
  Running w({.workers = 6, .gateways = 0}, "1.35.2");
  const Plan plan = plan_upgrade(w.input());
  EXPECT_FALSE(waits_for(plan, "node-2/drain", "node-1/uncordon"));
  EXPECT_TRUE(waits_for(plan, "node-3/drain", "node-1/uncordon"));
  EXPECT_TRUE(waits_for(plan, "node-4/drain", "node-2/uncordon"));
}

TEST(Upgrade, OfWhatIsThereIsNothing) {
  const Running w;
  EXPECT_TRUE(plan_upgrade(w.input()).empty());
}

TEST(Upgrade, GoesOnInTheMiddleOfAMachine) {
  Running w({}, "1.35.2");
  w.at("mast-1", "1.36.4");
  // mast-2: its API server is new, its kubelet is not, it is drained by us.
  w.facts.machines["mast-2"].api_version = "v1.36.4";
  w.facts.machines["mast-2"].packages["kubeadm"] = "1.36.4-1.1";
  w.node("mast-2").unschedulable = true;
  w.facts.machines["mast-1"].steps = {{"run-1", "mast-2/cordon", "done", 0}};
  const Plan plan = plan_upgrade(w.input());
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_THAT(ids(plan), IsSupersetOf({"mast-2/kubelet", "mast-2/uncordon", "mast-3/upgrade"}));
  for (const char* id : {"mast-1/drain", "mast-1/upgrade", "mast-1/etcd-snapshot", "mast-2/upgrade", "mast-2/kubeadm"})
    EXPECT_THAT(ids(plan), Not(Contains(id)));
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-3/upgrade")->operations.back()).script, HasSubstr("upgrade node"));
}

TEST(Upgrade, AMachineThatIsUpgradedAndStillDrainedByUsTakesPodsAgain) {
  Running w;
  w.node("node-1").unschedulable = true;
  EXPECT_TRUE(plan_upgrade(w.input()).empty());  // Cordoned by somebody else.
  w.facts.machines["mast-1"].steps = {{"run-1", "node-1/cordon", "done", 0}};
  EXPECT_THAT(ids(plan_upgrade(w.input())), ElementsAre("node-1/upgraded", "node-1/uncordon"));
  w.facts.machines["mast-1"].steps.push_back({"run-1", "node-1/uncordon", "done", 0});
  EXPECT_TRUE(plan_upgrade(w.input()).empty());
}

TEST(Upgrade, ACordonOfSomebodyElseStays) {
  Running w({}, "1.35.2");
  w.node("node-1").unschedulable = true;
  const Plan plan = plan_upgrade(w.input());
  EXPECT_THAT(ids(plan), Contains("node-1/kubelet"));
  EXPECT_THAT(ids(plan), Not(Contains("node-1/uncordon")));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("node-1 was cordoned before")));
}

TEST(Upgrade, ACordonOfSomebodyElseStaysWhenItIsInterruptedAndEndedLater) {
  Running w({}, "1.35.2");
  w.node("node-1").unschedulable = true;
  EXPECT_THAT(ids(plan_upgrade(w.input())), Not(Contains("node-1/cordon")));
}

TEST(Upgrade, AControlPlaneThatAGatewayKeepsOutOfThePoolIsPutBack) {
  Running w;
  w.facts.machines["gate-2"].steps = {{"run-1", "gate-2/maint-mast-1.0", "interrupted", 0}};
  EXPECT_THAT(ids(plan_upgrade(w.input())), ElementsAre("mast-1/upgraded", "gate-1/ready-mast-1", "gate-2/ready-mast-1"));
  w.facts.machines["gate-2"].steps.push_back({"run-1", "gate-2/ready-mast-1.0", "done", 0});
  EXPECT_TRUE(plan_upgrade(w.input()).empty());
}

TEST(Upgrade, RefusesWhileAGatewayOrTheMembersOfEtcdCouldNotBeRead) {
  Running w({}, "1.35.2");
  w.facts.cluster->etcd.clear();
  EXPECT_THAT(plan_upgrade(w.input()).steps, IsEmpty());
  Running gateway({}, "1.35.2");
  gateway.facts.machines.erase("gate-2");
  EXPECT_THAT(plan_upgrade(gateway.input()).steps, IsEmpty());
  EXPECT_THAT(plan_upgrade(gateway.input()).obstacles, Contains(Field(&Obstacle::machines, ElementsAre("gate-2"))));
}

TEST(Upgrade, RefusesTwoMinorsADowngradeAndAClusterOutOfOrder) {
  Running far({}, "1.34.1");
  EXPECT_THAT(plan_upgrade(far.input()).obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("1.35"))));
  EXPECT_THAT(plan_upgrade(far.input()).steps, IsEmpty());
  Running down({}, "1.37.0");
  EXPECT_THAT(plan_upgrade(down.input()).obstacles, Contains(Field(&Obstacle::reason, HasSubstr("goes down"))));
  Running sick({}, "1.35.2");
  sick.facts.cluster->etcd[2].healthy = false;
  EXPECT_THAT(plan_upgrade(sick.input()).steps, IsEmpty());
  Running unread({}, "1.35.2");
  unread.facts.machines.erase("node-2");
  EXPECT_THAT(plan_upgrade(unread.input()).steps, IsEmpty());
  EXPECT_THAT(plan_upgrade(unread.input()).obstacles, Contains(Field(&Obstacle::machines, ElementsAre("node-2"))));
}

TEST(Upgrade, TheRuntimeChangesOnADrainedNodeTogetherWithItsFiles) {
  Running w({}, "1.36.4");
  for (auto& [name, f] : w.facts.machines) {
    if (!f.kubelet_version.empty() || f.packages.contains("kubelet")) f.programs["containerd"] = "1.7.30";
  }
  // Apply leaves both alone: a containerd 1.x that is given a file for 2.x would not start again.
  for (const Step& step : plan_bring_up(w.input()).steps) {
    for (const Operation& operation : step.operations) {
      if (const auto* file = std::get_if<WriteFile>(&operation)) { EXPECT_NE(file->path, "/etc/containerd/config.toml") << step.id; }
    }
  }
  const Plan plan = plan_upgrade(w.input());
  const Step* runtime = plan.find("mast-1/runtime");
  ASSERT_NE(runtime, nullptr);
  EXPECT_THAT(runtime->because, HasSubstr("containerd is 1.7.30"));
  EXPECT_TRUE(waits_for(plan, "mast-1/runtime", "mast-1/drain"));
  EXPECT_TRUE(waits_for(plan, "mast-1/uncordon", "mast-1/runtime"));
  EXPECT_EQ(std::get<WriteFile>(runtime->operations.front()).path, "/etc/containerd/config.toml");
  EXPECT_THAT(std::get<RunScript>(runtime->operations.back()).script, HasSubstr("systemctl restart containerd"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  for (auto& [name, f] : w.facts.machines) {
    if (f.programs.contains("containerd")) f.programs["containerd"] = "2.3.4";
  }
  EXPECT_EQ(plan_upgrade(w.input()).find("mast-1/runtime"), nullptr);
}

TEST(Upgrade, AMachineThatItsOperatorPreparesKeepsItsRuntime) {
  Running w({}, "1.36.4");
  for (Machine& machine : w.site.machines) machine.prepare = false;
  for (auto& [name, f] : w.facts.machines) f.programs["containerd"] = "1.7.30";
  EXPECT_THAT(ids(plan_upgrade(w.input())), IsEmpty());
}

TEST(Upgrade, GatewaysChangeFirstTheHolderOfVipsLast) {
  Running w({}, "1.35.2");
  w.texts.fairlead = FairleadPackage{"./fairlead_0.2.0_amd64.deb", "0.2.0", std::string(64, 'd')};
  w.facts.machines["gate-1"].vips_held = {"api"};
  const Plan plan = plan_upgrade(w.input());
  EXPECT_EQ(plan.steps[0].id, "gate-2/upgrade-fairlead");
  EXPECT_EQ(plan.steps[1].id, "gate-1/upgrade-fairlead");
  EXPECT_TRUE(waits_for(plan, "mast-1/etcd-snapshot", "gate-1/upgrade-fairlead"));
}

TEST(Upgrade, TheSnapshotIsOfOneMemberOfAnExternalEtcdAndNothingIsUpgradedWithoutOne) {
  Running w = with_etcd();
  for (const char* name : {"mast-1", "mast-2", "mast-3", "node-1", "node-2"}) w.at(name, "1.35.2");
  const Plan plan = plan_upgrade(w.input());
  ASSERT_NE(plan.find("etcd-1/etcd-snapshot"), nullptr);
  const std::string& text = std::get<RunScript>(plan.find("etcd-1/etcd-snapshot")->operations.front()).script;
  EXPECT_THAT(text, HasSubstr("--endpoints https://192.168.1.101:2379 "));
  EXPECT_TRUE(waits_for(plan, "mast-1/upgrade", "etcd-1/etcd-snapshot"));
  for (EtcdMember& member : w.facts.cluster->etcd) member.healthy = false;
  EXPECT_THAT(plan_upgrade(w.input()).obstacles, Contains(Field(&Obstacle::reason, HasSubstr("etcd cannot be saved first"))));
  EXPECT_EQ(plan_upgrade(w.input()).find("mast-1/upgrade"), nullptr);
}

TEST(RenewCerts, TheKubeconfigOfAControlPlaneThatHasAnotherOneNowIsFetchedAlsoAfterAnInterruption) {
  Running w;
  for (const char* name : {"mast-1", "mast-2", "mast-3"}) w.facts.machines[name].files["/etc/kubernetes/admin.conf"] = {true, name, 0600};
  w.texts.kubeconfig_sha256 = "mast-2";
  EXPECT_TRUE(plan_renew_certs(w.input(), 30).empty());
  w.facts.machines["mast-2"].files["/etc/kubernetes/admin.conf"].sha256 = "renewed";
  const Plan plan = plan_renew_certs(w.input(), 30);
  EXPECT_THAT(ids(plan), ElementsAre("mast-1/kubeconfig"));
  EXPECT_EQ(std::get<FetchFile>(plan.steps.front().operations.front()).to, "./demo.state/kubeconfig");
  EXPECT_THAT(ids(plan_bring_up(w.input())), Contains("mast-1/kubeconfig"));
  w.texts.kubeconfig_sha256 = "";  // state_dir was lost.
  EXPECT_THAT(ids(plan_bring_up(w.input())), Contains("mast-1/kubeconfig"));
}

TEST(RenewCerts, ABastionFollows) {
  Running w({.bastion = true});
  w.facts.machines["mast-1"].files["/etc/kubernetes/admin.conf"] = {true, "new", 0600};
  w.facts.machines["bastion"].files[bastion_kubeconfig_path()] = {true, "old", 0600};
  w.texts.kubeconfig_sha256 = "new";
  EXPECT_THAT(ids(plan_renew_certs(w.input(), 30)), ElementsAre("bastion/kubeconfig"));
  w.texts.kubeconfig_sha256 = "old";
  EXPECT_THAT(ids(plan_renew_certs(w.input(), 30)), ElementsAre("mast-1/kubeconfig", "bastion/kubeconfig"));
  w.facts.machines["bastion"].files[bastion_kubeconfig_path()].sha256 = "new";
  w.texts.kubeconfig_sha256 = "new";
  EXPECT_TRUE(plan_renew_certs(w.input(), 30).empty());
}

TEST(RenewCerts, OfAShortLifeAThirdIsSoon) {
  Running w;
  w.site.pki.validity = std::chrono::hours(20 * 24);
  w.facts.machines["mast-1"].certificates.front().days_left = 19;  // Fresh.
  EXPECT_TRUE(plan_renew_certs(w.input(), 120).empty());
  w.facts.machines["mast-1"].certificates.front().days_left = 5;
  EXPECT_THAT(ids(plan_renew_certs(w.input(), 120)), ElementsAre("mast-1/renew"));
}

TEST(RenewCerts, WhatAKubeletRenewsItselfAndCasDoNotCount) {
  Running w;
  w.facts.machines["mast-1"].certificates.push_back({"/etc/kubernetes/kubelet.conf", 3, "03", ""});
  EXPECT_TRUE(plan_renew_certs(w.input(), 120).empty());
  const Plan plan = plan_bring_up(w.input());
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("kubelet.conf ends in 3 days: the kubelet renews it")));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("ca.crt ends in 20 days: no verb renews a CA")));
}

TEST(RenewCerts, GoesOneControlPlaneAfterTheOtherAndLeavesCasAlone) {
  Running w;
  EXPECT_TRUE(plan_renew_certs(w.input(), 30).empty());
  for (const char* name : {"mast-1", "mast-3"}) w.facts.machines[name].certificates.front().days_left = 12;
  const Plan plan = plan_renew_certs(w.input(), 30);
  EXPECT_THAT(ids(plan), ElementsAre("mast-1/renew", "mast-3/renew"));
  EXPECT_TRUE(waits_for(plan, "mast-3/renew", "mast-1/renew"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  w.facts.cluster->etcd[1].healthy = false;
  EXPECT_THAT(plan_renew_certs(w.input(), 30).steps, IsEmpty());
  w.facts.cluster->etcd.clear();
  EXPECT_THAT(plan_renew_certs(w.input(), 30).steps, IsEmpty());
}

}  // namespace
}  // namespace fairlead::bootstrap
