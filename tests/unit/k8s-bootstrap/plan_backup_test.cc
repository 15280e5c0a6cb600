// A cluster saved in an archive, and brought up from one: what is fetched, what is refused, and that keys and data come before anything
// joins.
#include "k8s-bootstrap/plan/plan_backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"
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
std::vector<std::string> fetched(const Plan& plan, const std::string& id) {
  std::vector<std::string> out;
  for (const Operation& operation : plan.find(id)->operations)
    if (const auto* file = std::get_if<FetchFile>(&operation)) out.push_back(file->to);
  return out;
}

struct World {
  Site site = lab_site();
  Facts facts = running_facts(site, "1.36.4");
  Rendered texts = lab_texts(site);
  BackupWish wish{.folder = "./demo.state/backups/.backup",
                  .archive = "./demo.state/backups/backup-20261127T164937Z.tar",
                  .at = "2026-11-27T16:49:37Z",
                  .passphrase = {},
                  .keep = 5};
  [[nodiscard]] Plan plan() const { return plan_backup({site, facts, texts}, wish); }
};

TEST(Backup, FetchesKeysDataAndGatewaysAndThenPacks) {
  World w;
  for (const std::string_view path : {kGatewayConfig, kGatewayKey}) w.facts.machines["gate-1"].files[std::string(path)] = {true, "", 0600};
  const Plan plan = w.plan();
  EXPECT_THAT(ids(plan), ElementsAre("mast-1/etcd-snapshot", "mast-1/backup", "gate-1/backup", "operator/archive"));
  EXPECT_THAT(fetched(plan, "mast-1/backup"),
              AllOf(Contains("./demo.state/backups/.backup/pki/sa.key"), Contains("./demo.state/backups/.backup/pki/etcd/ca.key"),
                    Contains("./demo.state/backups/.backup/admin.conf"), Contains("./demo.state/backups/.backup/kubeadm-config.yaml")));
  EXPECT_THAT(fetched(plan, "gate-1/backup"), ElementsAre("./demo.state/backups/.backup/gateways/gate-1/fairlead.yaml",
                                                          "./demo.state/backups/.backup/gateways/gate-1/authkey"));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("the archive has nothing of gate-2")));
  EXPECT_THAT(std::get<LocalWork>(plan.steps.back().operations.back()).argv, ElementsAre("./demo.state/backups", "backup-", ".tar", "5"));
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

TEST(Backup, NeedsAClusterThatAnswersAndAHealthyEtcd) {
  World w;
  w.facts.cluster.reset();
  EXPECT_THAT(w.plan().steps, IsEmpty());
  EXPECT_THAT(w.plan().obstacles, Contains(Field(&Obstacle::reason, "no control plane answers")));
}

struct Empty {
  Site site = lab_site();
  Facts facts = fresh_site_facts(site);
  Rendered texts = lab_texts(site);
  ClusterBackup backup{.folder = "./demo.state/restore", .files = {}, .kubernetes = "1.36.4"};

  Empty() { fill(); }
  void fill() {
    for (const std::string& name : cluster_ca_files(site)) backup.files[backup_pki_file(name)] = std::string(64, 'a');
    backup.files[kBackupSnapshot] = std::string(64, 's');
  }
  [[nodiscard]] Plan plan() const { return plan_restore({site, facts, texts}, backup); }
};

TEST(RestoreCluster, KeysAndDataComeBeforeTheFirstApiServerAndNobodyJoinsMeanwhile) {
  const Empty w;
  const Plan plan = w.plan();
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
  const Step* ca = plan.find("mast-1/ca");
  ASSERT_NE(ca, nullptr);
  EXPECT_THAT(ca->operations,
              Contains(::testing::VariantWith<CopyFile>(
                  AllOf(Field(&CopyFile::from, "./demo.state/restore/pki/sa.key"), Field(&CopyFile::path, "/etc/kubernetes/pki/sa.key"),
                        Field(&CopyFile::mode, 0600U), Field(&CopyFile::sha256, std::string(64, 'a'))))));
  const Step* init = plan.find("mast-1/init");
  ASSERT_NE(init, nullptr);
  EXPECT_EQ(init->concerns.size(), 3U);
  const auto& copied = std::get<CopyFile>(init->operations[0]);
  EXPECT_EQ(copied.from, "./demo.state/restore/etcd.db");
  EXPECT_EQ(copied.sha256, std::string(64, 's'));
  const std::string& script = std::get<RunScript>(init->operations[2]).script;
  EXPECT_LT(script.find("--initial-cluster mast-1=https://192.168.1.11:2380 "),
            script.find("kubeadm init --ignore-preflight-errors=DirAvailable--var-lib-etcd --config"));
  for (const Step& step : plan.steps) EXPECT_THAT(step.id, Not(HasSubstr("/join"))) << step.id;
}

TEST(RestoreCluster, GoesOnWithAClusterOfItsOwnAndWithNoOther) {
  Empty w;
  w.facts = running_facts(w.site, "1.36.4");
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("was not restored from this archive"))));
  EXPECT_THAT(w.plan().steps, IsEmpty());
  w.facts.machines["mast-1"].files[std::string(kRestoredMark)] = {
      true, sha256(restored_mark_text({w.site.find("mast-1")}, std::string(64, 's'))), 0600};
  w.facts.machines["node-1"] = fresh_facts(w.site, *w.site.find("node-1"));  // Its Node is in the data, and nothing on it.
  const Plan plan = w.plan();
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_NE(plan.find("node-1/forget"), nullptr);
  EXPECT_NE(plan.find("node-1/join"), nullptr);
}

TEST(RestoreCluster, NothingIsBroughtToMachinesThatHoldSomethingOrWereNotRead) {
  Empty w;
  w.facts.machines["mast-2"].etcd_data = Known::kYes;
  EXPECT_EQ(w.plan().find("mast-1/init"), nullptr);
  w = Empty();
  w.facts.machines.erase("mast-3");
  w.facts.unread["mast-3"] = "no route to host";
  EXPECT_EQ(w.plan().find("mast-1/init"), nullptr);
  EXPECT_EQ(w.plan().find("mast-1/ca"), nullptr);
}

TEST(RestoreCluster, AnotherKubernetesOrAnArchiveThatLacksSomethingIsRefused) {
  Empty w;
  w.backup.kubernetes = "1.35.2";
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::remedy, HasSubstr("versions.kubernetes: 1.35.2"))));
  w.backup.kubernetes = "1.36.1";
  EXPECT_THAT(w.plan().obstacles, IsEmpty());
  w.backup.files.erase("pki/sa.key");
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("has no pki/sa.key"))));
  EXPECT_THAT(w.plan().steps, IsEmpty());
}

TEST(RestoreCluster, KeysOfAnEarlierAttemptAreExchanged) {
  Empty w;
  for (const std::string& name : cluster_ca_files(w.site))
    w.facts.machines["mast-1"].files["/etc/kubernetes/pki/" + name] = {true, std::string(64, name == "ca.crt" ? 'b' : 'a'), 0644};
  const Step* ca = w.plan().find("mast-1/ca");
  const Plan plan = w.plan();
  ca = plan.find("mast-1/ca");
  ASSERT_NE(ca, nullptr);
  EXPECT_EQ(ca->operations.size(), 2U);
  EXPECT_EQ(std::get<CopyFile>(ca->operations[1]).path, "/etc/kubernetes/pki/ca.crt");
}

TEST(RestoreCluster, AnExternalEtcdGetsTheDataOnEachOfItsMachines) {
  Empty w;
  w.site = lab_site({.control_planes = 1, .workers = 0, .gateways = 1, .etcd = 3});
  w.facts = fresh_site_facts(w.site);
  w.texts = lab_texts(w.site);
  w.backup.files.clear();
  w.fill();
  EXPECT_THAT(w.plan().obstacles, ElementsAre(Field(&Obstacle::reason, HasSubstr("no CA of an external etcd"))));
  for (const char* name : {"pki/etcd/ca.crt", "pki/etcd/ca.key"}) w.backup.files[name] = std::string(64, 'e');
  const Plan plan = w.plan();
  EXPECT_THAT(plan.obstacles, IsEmpty());
  const Step* member = plan.find("etcd-2/etcd");
  ASSERT_NE(member, nullptr);
  EXPECT_THAT(std::get<RunScript>(member->operations.back()).script,
              HasSubstr("--name etcd-2 --initial-cluster etcd-1=https://192.168.1.101:2380,etcd-2="));
  EXPECT_THAT(plan.find("etcd-1/etcd-ca")->operations,
              Contains(::testing::VariantWith<CopyFile>(Field(&CopyFile::from, "./demo.state/restore/pki/etcd/ca.key"))));
  ASSERT_NE(plan.find("mast-1/init"), nullptr);
  EXPECT_THAT(check_plan(plan, w.site, w.facts), IsEmpty());
}

}  // namespace
}  // namespace fairlead::bootstrap
