// etcd saved, and put back: who is asked, what is refused, in which order, and what a restore that was interrupted goes on with.
#include "k8s-bootstrap/plan/plan_etcd_restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/etcd_snapshot.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_text.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
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

struct Lost {
  Site site = lab_site();
  Facts facts = running_facts(site, "1.36.4");
  Rendered texts = lab_texts(site);
  EtcdRestoreWish wish{.snapshot = "./demo.state/backups/etcd-1.db", .sha256 = std::string(64, '5'), .lost = {}, .discard = false};

  /// No majority, and no API.
  Lost() {
    facts.cluster.reset();
    for (const Machine* m : site.with(Role::kControlPlane)) {
      facts.machines[m->name].etcd_leads = Known::kNo;
      facts.machines[m->name].api_here = Known::kNo;
    }
  }
  [[nodiscard]] Plan plan() const { return plan_etcd_restore({site, facts, texts}, wish); }
  [[nodiscard]] FileFact mark() const { return {true, sha256(restored_mark_text(site.with(Role::kControlPlane), wish.sha256)), 0600}; }
  void stopped(const std::string& name) {
    facts.machines[name].manifests.clear();
    for (const char* pod : {"etcd", "kube-apiserver"}) facts.machines[name].files[stopped_pod_path(pod)] = {true, "", 0600};
  }
};

TEST(EtcdRestore, StopsAllThenReplacesAllThenStartsAll) {
  const Lost w;
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan),
              ElementsAre("mast-1/etcd-stop", "mast-2/etcd-stop", "mast-3/etcd-stop", "mast-1/etcd-restore", "mast-2/etcd-restore",
                          "mast-3/etcd-restore", "mast-1/etcd-start", "mast-2/etcd-start", "mast-3/etcd-start", "mast-1/etcd-healthy",
                          "mast-1/etcd-api", "mast-1/etcd-restored", "mast-2/etcd-restored", "mast-3/etcd-restored"));
  EXPECT_THAT(needs_confirmation(plan), ElementsAre("mast-1", "mast-2", "mast-3"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  const auto& script = std::get<RunScript>(plan.find("mast-2/etcd-restore")->operations.back()).script;
  EXPECT_THAT(script, HasSubstr("--name mast-2 --initial-cluster "
                                "mast-1=https://192.168.1.11:2380,mast-2=https://192.168.1.12:2380,mast-3=https://192.168.1.13:2380"));
  EXPECT_THAT(script, HasSubstr("--initial-advertise-peer-urls https://192.168.1.12:2380"));
}

TEST(EtcdRestore, RefusesWhileAMajorityLivesUnlessTheSiteIsNamed) {
  Lost w;
  w.facts.machines["mast-2"].etcd_leads = Known::kYes;
  EXPECT_THAT(w.plan().steps, IsEmpty());
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("a majority of etcd is alive"))));
  EXPECT_THAT(w.plan().obstacles.front().remedy, HasSubstr("--discard demo"));
  w.wish.discard = true;
  EXPECT_EQ(w.plan().steps.size(), 14U);
}

TEST(EtcdRestore, WhatWasNotReadOrNotToldIsNoLoss) {
  Lost w;
  w.facts.machines["mast-2"].etcd_leads = Known::kUnknown;
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("could not be read"))));
  w.facts.machines.erase("mast-2");
  w.facts.unread["mast-2"] = "no route to host";
  EXPECT_THAT(w.plan().steps, IsEmpty());
  EXPECT_THAT(w.plan().obstacles.front().remedy, HasSubstr("--lost mast-2"));
}

TEST(EtcdRestore, OneThatIsLostIsNoMemberAndMustNotAnswer) {
  Lost w;
  w.wish.lost = {"mast-3"};
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("said to be lost, and answers"))));
  w.facts.machines.erase("mast-3");
  const Plan plan = w.plan();
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_THAT(std::get<RunScript>(plan.find("mast-1/etcd-restore")->operations.back()).script, Not(HasSubstr("mast-3=")));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("never switch on again as it is: mast-3")));
  w.wish.lost = {"node-1"};
  EXPECT_THAT(w.plan().obstacles, Contains(Field(&Obstacle::reason, HasSubstr("no control plane and no machine of etcd"))));
}

TEST(EtcdRestore, AMachineWithoutEtcdIsLeftForApply) {
  Lost w;
  w.facts.machines["mast-3"] = fresh_facts(w.site, *w.site.find("mast-3"));
  const Plan plan = w.plan();
  EXPECT_EQ(plan.find("mast-3/etcd-restore"), nullptr);
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("mast-3: no etcd is set up there")));
  for (const char* name : {"mast-1", "mast-2"}) w.facts.machines[name] = fresh_facts(w.site, *w.site.find(name));
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::remedy, HasSubstr("bootstrap restore --from ARCHIVE"))));
}

TEST(EtcdRestore, GoesOnWhereItWasInterrupted) {
  Lost w;
  for (const char* name : {"mast-1", "mast-2", "mast-3"}) w.stopped(name);
  w.facts.machines["mast-1"].files[std::string(kRestoredMark)] = w.mark();
  EXPECT_THAT(ids(w.plan()), ElementsAre("mast-2/etcd-restore", "mast-3/etcd-restore", "mast-1/etcd-start", "mast-2/etcd-start",
                                         "mast-3/etcd-start", "mast-1/etcd-healthy", "mast-1/etcd-api", "mast-1/etcd-restored",
                                         "mast-2/etcd-restored", "mast-3/etcd-restored"));
  for (const char* name : {"mast-2", "mast-3"}) w.facts.machines[name].files[std::string(kRestoredMark)] = w.mark();
  for (const char* name : {"mast-1", "mast-2"}) {  // Started: a majority lives, and that is the new one.
    w.facts.machines[name].manifests = {"etcd", "kube-apiserver"};
    w.facts.machines[name].files[stopped_pod_path("etcd")] = w.facts.machines[name].files[stopped_pod_path("kube-apiserver")] = {};
    w.facts.machines[name].etcd_leads = Known::kYes;
  }
  EXPECT_THAT(ids(w.plan()), ElementsAre("mast-3/etcd-start", "mast-1/etcd-healthy", "mast-1/etcd-api", "mast-1/etcd-restored",
                                         "mast-2/etcd-restored", "mast-3/etcd-restored"));
}

TEST(EtcdRestore, WhenItHasEndedThereIsNothingToDoAndAfterAnotherLossItBeginsAnew) {
  Lost w;
  for (const char* name : {"mast-1", "mast-2", "mast-3"}) {
    w.facts.machines[name].files[std::string(kRestoreDone)] = w.mark();
    w.facts.machines[name].etcd_leads = Known::kYes;
  }
  EXPECT_TRUE(w.plan().empty());
  w.wish.discard = true;
  EXPECT_TRUE(w.plan().empty()) << "what was written since is not thrown away by the same words";
  w.wish.discard = false;
  for (const char* name : {"mast-1", "mast-2", "mast-3"}) w.facts.machines[name].etcd_leads = Known::kNo;
  EXPECT_EQ(w.plan().steps.size(), 14U);
  EXPECT_THAT(std::get<RunScript>(w.plan().find("mast-1/etcd-stop")->operations.front()).script,
              HasSubstr("rm -f " + std::string(kRestoreDone)));
  w.wish.sha256 = std::string(64, '6');
  EXPECT_EQ(w.plan().steps.size(), 14U);
}

TEST(EtcdRestore, OfAnExternalEtcdStopsTheApiServersToo) {
  Lost w;
  w.site = lab_site({.control_planes = 2, .workers = 0, .gateways = 0, .etcd = 3});
  w.facts = fresh_site_facts(w.site);
  w.texts = lab_texts(w.site);
  for (auto& [name, f] : w.facts.machines) {
    f.etcd_leads = Known::kNo;
    f.manifests = {name.starts_with("etcd") ? "etcd" : "kube-apiserver"};
    if (name.starts_with("etcd")) f.etcd_data = Known::kYes;
  }
  const Plan plan = w.plan();
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_NE(plan.find("mast-1/etcd-stop"), nullptr);
  EXPECT_EQ(plan.find("mast-1/etcd-restore"), nullptr);
  EXPECT_NE(plan.find("etcd-3/etcd-restore"), nullptr);
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  w.facts.machines.erase("mast-2");
  EXPECT_THAT(w.plan().steps, IsEmpty());  // Its API server would go on with what it remembers.
}

TEST(EtcdRestore, CheckPlanKnowsTheOrderByItself) {
  const Lost w;
  const auto broken = [&](const std::string& id, const auto& change) {
    Plan plan = w.plan();
    for (Step& step : plan.steps)
      if (step.id == id) change(step);
    return check_plan(plan, w.site, w.facts);
  };
  EXPECT_THAT(broken("mast-1/etcd-restore", [](Step& s) { s.needs.pop_back(); }),
              Contains(HasSubstr("does not wait for mast-3/etcd-stop")));
  EXPECT_THAT(broken("mast-1/etcd-start", [](Step& s) { s.needs.clear(); }), Contains(HasSubstr("does not wait for mast-2/etcd-restore")));
  EXPECT_THAT(broken("mast-2/etcd-stop", [](Step& s) { s.id = "mast-2/else"; }), Contains(HasSubstr("while that of mast-2 runs")));
  EXPECT_THAT(broken("mast-2/etcd-restore", [](Step& s) { s.concerns.clear(); }), Contains(HasSubstr("says not whom it concerns")));
}

struct Alive {
  Site site = lab_site();
  Facts facts = running_facts(site, "1.36.4");
  Rendered texts = lab_texts(site);
  SnapshotWish wish{.name = "etcd-20261127T164937Z.db", .machine = {}, .keep = 3};
  [[nodiscard]] Plan plan() const { return plan_etcd_snapshot({site, facts, texts}, wish); }
};

TEST(EtcdSnapshot, IsTakenOfAHealthyMemberLookedAtFetchedAndRemoved) {
  Alive w;
  w.facts.cluster->etcd.front().healthy = false;
  const Plan plan = w.plan();
  ASSERT_THAT(ids(plan), ElementsAre("mast-2/etcd-snapshot"));
  const auto& operations = plan.steps.front().operations;
  ASSERT_EQ(operations.size(), 5U);
  EXPECT_THAT(std::get<RunScript>(operations[0]).script, HasSubstr("snapshot save /var/lib/etcd/fairlead-snapshot.db"));
  EXPECT_THAT(std::get<RunScript>(operations[0]).script, HasSubstr("--endpoints https://192.168.1.12:2379"));
  EXPECT_EQ(std::get<FetchFile>(operations[1]).sha256, "${snapshot-sha256}");
  EXPECT_EQ(std::get<FetchFile>(operations[1]).to, "./demo.state/backups/etcd-20261127T164937Z.db");
  EXPECT_EQ(std::get<FetchFile>(operations[2]).to, "./demo.state/backups/etcd-20261127T164937Z.db.json");
  EXPECT_THAT(std::get<RunScript>(operations[3]).script, HasSubstr("rm -f"));
  EXPECT_THAT(std::get<LocalWork>(operations[4]).argv, ElementsAre("./demo.state/backups", "etcd-2", ".db", "3"));
}

TEST(EtcdSnapshot, WithoutAMajorityOnlyOfAMachineThatIsNamed) {
  Alive w;
  for (std::size_t i = 1; i < 3; ++i) w.facts.cluster->etcd[i].healthy = false;
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::remedy, HasSubstr("--machine NAME"))));
  w.facts.cluster.reset();
  w.wish.machine = "mast-1";
  EXPECT_THAT(ids(w.plan()), ElementsAre("mast-1/etcd-snapshot"));
  EXPECT_THAT(w.plan().warnings, Contains(HasSubstr("etcd has no majority")));
  w.wish.machine = "node-1";
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::remedy, HasSubstr("mast-1, mast-2, mast-3"))));
  w.wish.machine = "mast-2";
  w.facts.machines.erase("mast-2");
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::remedy, "make it reachable")));
}

TEST(EtcdSnapshot, OfAnExternalEtcdIsTakenOnItsMachine) {
  Alive w;
  w.site = lab_site({.control_planes = 1, .workers = 0, .gateways = 0, .etcd = 3});
  w.facts = running_facts(w.site, "1.36.4");
  w.texts = lab_texts(w.site);
  w.facts.machines["etcd-2"].manifests = {"etcd"};
  w.facts.machines["etcd-2"].etcd_leads = Known::kYes;
  EXPECT_THAT(ids(w.plan()), ElementsAre("etcd-2/etcd-snapshot"));
}

}  // namespace
}  // namespace fairlead::bootstrap
