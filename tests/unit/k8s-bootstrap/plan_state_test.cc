// What is planned from states that an interruption, a hand, or another cluster left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/machine_state.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}

const std::vector<std::string> kPods{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"};

/// Three control planes, two workers, all joined.
struct World {
  Site site = lab_site({.gateways = 0});
  Facts facts = fresh_site_facts(site);
  World() {
    facts.cluster.emplace();
    facts.cluster->from = "mast-1";
    facts.cluster->kubeadm_config = Known::kYes;
    for (const Machine& m : site.machines) join(m);
  }
  void join(const Machine& m) {
    MachineFacts& f = facts.machines[m.name];
    f.kubelet_conf = Known::kYes;
    NodeFact node{m.name, true, false, "v1.36.4", m.labels, {}, m.address().to_string(), {}};
    if (m.has(Role::kControlPlane)) {
      f.admin_conf = f.etcd_data = f.api_here = Known::kYes;
      f.manifests = kPods;
      f.api_version = "v1.36.4";
      node.labels["node-role.kubernetes.io/control-plane"] = "";
      facts.cluster->etcd.push_back({m.name + "-id", m.name, "", false, true});
    }
    facts.cluster->nodes.push_back(node);
    f.packages = {{"kubeadm", "1.36.4-1.1"}, {"kubelet", "1.36.4-1.1"}, {"kubectl", "1.36.4-1.1"}};
  }
  void empty(const std::string& name) {
    MachineFacts& f = facts.machines[name];
    f.kubelet_conf = f.admin_conf = f.etcd_data = f.api_here = Known::kNo;
    f.manifests.clear();
  }
  void forget_node(const std::string& name) {
    std::erase_if(facts.cluster->nodes, [&](const NodeFact& n) { return n.name == name; });
  }
  void forget_member(const std::string& name) {
    std::erase_if(facts.cluster->etcd, [&](const EtcdMember& e) { return e.name == name; });
  }
  EtcdMember& member(const std::string& name) {
    return *std::find_if(facts.cluster->etcd.begin(), facts.cluster->etcd.end(), [&](const EtcdMember& e) { return e.name == name; });
  }
  void record(const std::string& machine, const std::string& step, const std::string& state) {
    facts.machines[machine].steps.push_back({"run-1", step, state, 1});
  }
  void unread(const std::string& name) {
    facts.machines.erase(name);
    facts.unread[name] = "no route to host";
  }
  Plan plan() const {
    const Rendered texts = lab_texts(site);
    const Plan out = plan_bring_up({site, facts, texts});
    EXPECT_THAT(check_plan(out, site, facts), IsEmpty());
    return out;
  }
  MachineState state(const std::string& name) const { return view_of(site, facts).of(*site.find(name)).state; }
};

/// One control plane alone, in the middle of `init`.
World half_init(const std::string& state) {
  World w;
  for (const Machine& m : w.site.machines) w.empty(m.name);
  w.facts.cluster.reset();
  MachineFacts& f = w.facts.machines["mast-1"];
  f.kubelet_conf = Known::kYes;
  f.manifests = kPods;
  if (!state.empty()) w.record("mast-1", "mast-1/init", state);
  return w;
}

TEST(PlanState, AnInitThatWasInterruptedIsResetAloneAndInitIsPlannedAfterwards) {
  for (const char* state : {"interrupted", "failed"}) {
    World w = half_init(state);
    EXPECT_THAT(ids(w.plan()), ElementsAre("mast-1/reset"));
    w.empty("mast-1");
    w.record("mast-1", "mast-1/reset", "done");
    EXPECT_THAT(ids(w.plan()), AllOf(Contains("mast-1/init"), Contains("mast-2/join"), Not(Contains("mast-1/reset"))));
  }
}

TEST(PlanState, RecordsAreKnownByTheirStepWithOrWithoutTheOperationsNumber) {
  const auto is = [](const char* name) { return is_record_of({"run-1", name, "done", 0}, "mast-1/join"); };
  EXPECT_TRUE(is("mast-1/join"));
  EXPECT_TRUE(is("mast-1/join.12"));
  for (const char* other : {"mast-1/join.", "mast-1/join.x", "mast-1/join-secrets", "mast-1/join-secrets.0", "mast-1/joi", ""})
    EXPECT_FALSE(is(other)) << other;
}

TEST(PlanState, AHalfInitThatNobodyRecordedIsLeftAlone) {
  const World w = half_init("");
  EXPECT_EQ(w.state("mast-1"), MachineState::kUnclear);
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan), Not(Contains("mast-1/reset")));
  EXPECT_THAT(ids(plan), Not(Contains("mast-1/init")));
  EXPECT_THAT(plan.obstacles, Contains(AllOf(Field(&Obstacle::machines, ElementsAre("mast-1")),
                                             Field(&Obstacle::remedy, HasSubstr("bootstrap reset --machine mast-1")))));
}

TEST(PlanState, AnInitIsNotUndoneWhileAControlPlaneWasNotReadOrHasJoined) {
  World w = half_init("interrupted");
  w.unread("mast-3");
  EXPECT_THAT(ids(w.plan()), Not(Contains("mast-1/reset")));
  World joined = half_init("interrupted");
  joined.facts.machines["node-1"].kubelet_conf = Known::kYes;
  EXPECT_THAT(ids(joined.plan()), Not(Contains("mast-1/reset")));
}

TEST(PlanState, ARunningStepIsWaitedFor) {
  World w = half_init("running");
  EXPECT_EQ(w.state("mast-1"), MachineState::kRunning);
  EXPECT_THAT(w.plan().obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("wait"))));
  EXPECT_THAT(ids(w.plan()), Not(Contains("mast-1/init")));
}

TEST(PlanState, AnInitThatEndedUnrecordedIsFinishedAndNotUndone) {
  World w;
  w.record("mast-1", "mast-1/init", "interrupted");
  EXPECT_EQ(w.state("mast-1"), MachineState::kMember);
  EXPECT_THAT(ids(w.plan()), Contains("mast-1/settle"));
  w.record("mast-1", "mast-1/settle", "done");
  EXPECT_THAT(ids(w.plan()), Not(Contains("mast-1/settle")));
  w.facts.machines["mast-1"].api_here = Known::kNo;
  EXPECT_EQ(w.state("mast-1"), MachineState::kSick);
}

TEST(PlanState, ALateFailedJoinLosesItsMemberThenWhatItMadeThenItsNode) {
  World w;
  w.member("mast-3").learner = true;
  w.facts.machines["mast-3"].api_here = Known::kNo;
  w.record("mast-3", "mast-3/join", "failed");
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan), ElementsAre("mast-3/remove-member", "mast-3/reset", "mast-3/forget"));
  EXPECT_EQ(plan.steps[0].machine, "mast-1");
  EXPECT_THAT(plan.steps[1].needs, ElementsAre("mast-3/remove-member"));
}

TEST(PlanState, AMemberStaysWhereTheOthersWouldHaveNoMajority) {
  World w;
  w.member("mast-2").healthy = false;
  w.facts.machines["mast-3"].admin_conf = Known::kNo;
  w.record("mast-3", "mast-3/join", "failed");
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan), Not(Contains("mast-3/remove-member")));
  EXPECT_THAT(ids(plan), Not(Contains("mast-3/reset")));
  EXPECT_THAT(plan.obstacles, Contains(Field(&Obstacle::reason, HasSubstr("no majority"))));
}

TEST(PlanState, AMemberStaysWhileAnotherMembersMachineWasNotRead) {
  World w;
  w.unread("mast-2");
  w.facts.machines["mast-3"].api_here = Known::kNo;
  w.record("mast-3", "mast-3/join", "failed");
  EXPECT_THAT(ids(w.plan()), Not(Contains("mast-3/remove-member")));
}

TEST(PlanState, AKubeletConfWithoutANodeIsRefusedUnlessItsJoinDidNotEnd) {
  World w;
  w.forget_node("node-1");
  w.record("node-1", "node-1/join", "done");
  EXPECT_EQ(w.state("node-1"), MachineState::kNodeMissing);
  EXPECT_THAT(w.plan().obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("systemctl restart kubelet"))));
  w.record("node-1", "node-1/join", "interrupted");
  EXPECT_EQ(w.state("node-1"), MachineState::kOwnHalf);
  EXPECT_THAT(ids(w.plan()), ElementsAre("node-1/reset"));
}

TEST(PlanState, AWorkerResetByHandJoinsAgainWithoutItsOldNode) {
  World w;
  w.empty("node-1");
  EXPECT_THAT(ids(w.plan()), AllOf(Contains("node-1/forget"), Contains("node-1/join")));
}

TEST(PlanState, AControlPlaneResetByHandKeepsItsMemberUntilItIsReplacedByName) {
  World w;
  w.empty("mast-3");
  w.member("mast-3").healthy = false;
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan), Not(Contains("mast-3/join")));
  EXPECT_THAT(plan.obstacles, Contains(Field(&Obstacle::remedy, HasSubstr("replace-node mast-3"))));
  const Rendered texts = lab_texts(w.site);
  EXPECT_THAT(ids(plan_replace_node({w.site, w.facts, texts}, "mast-3", false)),
              ElementsAre("mast-3/drain", "mast-3/remove-member", "mast-3/forget"));
}

TEST(PlanState, NothingJoinsEtcdWhileAMemberIsUnhealthy) {
  World w;
  w.empty("mast-3");
  w.forget_member("mast-3");
  w.forget_node("mast-3");
  EXPECT_THAT(ids(w.plan()), Contains("mast-3/join"));
  w.member("mast-2").healthy = false;
  EXPECT_THAT(ids(w.plan()), Not(Contains("mast-3/join")));
}

TEST(PlanState, MembersOfEtcdThatCouldNotBeReadAreNotNone) {
  World joined;
  joined.facts.cluster->etcd.clear();
  EXPECT_EQ(joined.state("mast-3"), MachineState::kMember);
  World half = joined;  // It may be a voting member: a reset would cost the cluster one.
  half.facts.machines["mast-3"].manifests = {"etcd"};
  half.record("mast-3", "mast-3/join", "failed");
  EXPECT_EQ(half.state("mast-3"), MachineState::kUnclear);
  EXPECT_THAT(ids(half.plan()), Not(Contains("mast-3/reset")));
  EXPECT_THAT(half.plan().obstacles, Contains(Field(&Obstacle::reason, HasSubstr("members of etcd could not be read"))));
  World blank = joined;
  blank.empty("mast-3");
  blank.forget_node("mast-3");
  EXPECT_THAT(ids(blank.plan()), Not(Contains("mast-3/join")));
}

TEST(PlanState, AFactThatIsNotKnownIsNeverTakenForNo) {
  for (Known MachineFacts::*fact : {&MachineFacts::kubelet_conf, &MachineFacts::admin_conf, &MachineFacts::etcd_data}) {
    World w = half_init("");
    w.empty("mast-1");
    w.facts.machines["mast-2"].*fact = Known::kUnknown;
    EXPECT_EQ(w.state("mast-2"), MachineState::kUnread);
    EXPECT_THAT(ids(w.plan()), Not(Contains("mast-1/init")));
  }
}

TEST(PlanState, DriftOfARenderedOrCopiedFileIsPlannedAndNothingElse) {
  const Site site = lab_site({.control_planes = 1, .workers = 0, .gateways = 0});
  Facts facts = fresh_site_facts(site);
  Rendered texts = lab_texts(site);
  CopyFile copied;
  copied.from = "motd";
  copied.path = "/etc/motd";
  copied.sha256 = std::string(64, 'e');
  texts.machines["mast-1"].copies = {copied};
  const Plan plan = plan_bring_up({site, facts, texts});
  ASSERT_NE(plan.find("mast-1/extra-files"), nullptr);
  for (const RenderedFile& file : texts.machines["mast-1"].files)
    facts.machines["mast-1"].files[file.path] = {true, sha256(file.text), file.mode};
  facts.machines["mast-1"].files["/etc/motd"] = {true, copied.sha256, 0644};
  EXPECT_THAT(ids(plan_bring_up({site, facts, texts})), AllOf(Not(Contains("mast-1/files")), Not(Contains("mast-1/extra-files"))));
  facts.machines["mast-1"].files["/etc/hosts"].sha256 = "edited";
  const Plan drift = plan_bring_up({site, facts, texts});
  ASSERT_NE(drift.find("mast-1/files"), nullptr);
  EXPECT_EQ(drift.find("mast-1/files")->because, "/etc/hosts differs");
  EXPECT_EQ(drift.find("mast-1/files")->operations.size(), 3U);  // The marker, the file, what applies it.
}

TEST(PlanState, AnExternalEtcdWithDataIsInitialisedOnOnlyIfOurRecordsMadeIt) {
  const Site site = lab_site({.control_planes = 1, .workers = 0, .gateways = 0, .etcd = 3});
  Facts facts = fresh_site_facts(site);
  for (const char* name : {"etcd-1", "etcd-2", "etcd-3"}) {
    facts.machines[name].etcd_data = Known::kYes;
    facts.machines[name].manifests = {"etcd"};
  }
  const Rendered texts = lab_texts(site);
  EXPECT_THAT(ids(plan_bring_up({site, facts, texts})), Not(Contains("mast-1/init")));
  for (const char* name : {"etcd-1", "etcd-2", "etcd-3"}) facts.machines[name].steps = {{"run-1", std::string(name) + "/etcd", "done", 0}};
  const Plan plan = plan_bring_up({site, facts, texts});
  EXPECT_THAT(ids(plan), Contains("mast-1/init"));
  EXPECT_THAT(check_plan(plan, site, facts), IsEmpty());
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-1/init")->operations[1]).script, HasSubstr("holds a cluster already"));

  // What an init that did not end has written there goes with it.
  facts.machines["mast-1"].kubelet_conf = Known::kYes;
  facts.machines["mast-1"].steps = {{"run-1", "mast-1/init.1", "interrupted", 0}};
  const Plan undone = plan_bring_up({site, facts, texts});
  EXPECT_THAT(ids(undone), ElementsAre("mast-1/reset"));
  EXPECT_THAT(std::get<RunScript>(undone.steps[0].operations[0]).script, HasSubstr("del /registry --prefix"));
}

}  // namespace
}  // namespace fairlead::bootstrap
