// tests/golden/bootstrap/NAME.txt is what `plan` shows of a situation. FL_UPDATE_GOLDEN=1 writes them anew; read the difference.
#include "k8s-bootstrap/plan/plan_text.h"
#include "generated/source_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"
#include "k8s-bootstrap/plan/plan_json.h"
#include "tests/support/bootstrap_site.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A cluster of the site that runs, as its machines would tell it.
Facts running_facts(const Site& site) {
  Facts out = fresh_site_facts(site);
  ClusterFacts cluster;
  cluster.from = "mast-1";
  cluster.kubernetes_version = "v1.36.4";
  cluster.kubeadm_config = Known::kYes;
  cluster.certs_secret = Known::kNo;
  for (const Machine& m : site.machines) {
    MachineFacts& f = out.machines[m.name];
    const bool control_plane = m.has(Role::kControlPlane);
    if (!control_plane && !m.has(Role::kWorker)) continue;
    f.kubelet_conf = Known::kYes;
    f.kubelet_version = "v1.36.4";
    for (const char* package : {"kubeadm", "kubelet", "kubectl"}) f.packages[package] = "1.36.4-1.1";
    NodeFact node{m.name, true, false, "v1.36.4", m.labels, {}, m.address().to_string(), {}};
    if (control_plane) {
      f.admin_conf = f.etcd_data = f.api_here = Known::kYes;
      f.manifests = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"};
      f.api_version = "v1.36.4";
      node.labels["node-role.kubernetes.io/control-plane"] = "";
      cluster.etcd.push_back({"8e" + m.name.substr(5), m.name, "https://" + m.address().to_string() + ":2380", false, true});
    }
    cluster.nodes.push_back(node);
  }
  out.cluster = cluster;
  return out;
}

struct Situation {
  const char* name;
  std::function<Plan()> plan;
  bool operations = false;
};
std::ostream& operator<<(std::ostream& out, const Situation& s) { return out << s.name; }

Plan fresh(const SiteSize& size) {
  const Site site = lab_site(size);
  const Facts facts = fresh_site_facts(site);
  const Rendered texts = lab_texts(site);
  return plan_bring_up({site, facts, texts});
}

const std::vector<Situation> kSituations{
    {"classic", [] { return fresh({.control_planes = 3, .workers = 3, .gateways = 2, .bastion = true}); }},
    {"dry-run", [] { return fresh({.control_planes = 2, .workers = 1, .gateways = 2}); }, true},
    {"external-etcd", [] { return fresh({.control_planes = 1, .workers = 0, .gateways = 1, .etcd = 3}); }},
    {"unreachable",
     [] {
       const Site site = lab_site();
       Facts facts = fresh_site_facts(site);
       for (const char* name : {"mast-2", "node-1"}) {
         facts.machines.erase(name);
         facts.unread[name] = "connection refused; is sshd running?";
       }
       const Rendered texts = lab_texts(site);
       return plan_bring_up({site, facts, texts});
     }},
    {"remove-control-plane",
     [] {
       const Site site = lab_site();
       const Facts facts = running_facts(site);
       const Rendered texts = lab_texts(site);
       return plan_remove_node({site, facts, texts}, "mast-3");
     }},
    {"renew-certs",
     [] {
       const Site site = lab_site();
       Facts facts = running_facts(site);
       facts.machines["mast-2"].certificates = {{"/etc/kubernetes/pki/apiserver.crt", 12, "01", ""}};
       const Rendered texts = lab_texts(site);
       return plan_renew_certs({site, facts, texts}, 30);
     },
     true},
    {"etcd-snapshot",
     [] {
       const Site site = lab_site();
       const Facts facts = running_facts(site);
       const Rendered texts = lab_texts(site);
       return plan_etcd_snapshot({site, facts, texts}, {.name = "etcd-20261127T164937Z.db", .machine = {}, .keep = 10});
     },
     true},
    {"etcd-restore",
     [] {
       const Site site = lab_site();
       Facts facts = running_facts(site);
       facts.cluster.reset();
       for (const char* name : {"mast-1", "mast-2"}) facts.machines[name].etcd_leads = facts.machines[name].api_here = Known::kNo;
       facts.machines.erase("mast-3");
       facts.unread["mast-3"] = "no route to host";
       const Rendered texts = lab_texts(site);
       const EtcdRestoreWish wish{.snapshot = "./demo.state/backups/etcd-20261127T164937Z.db",
                                  .sha256 = std::string(64, '5'),
                                  .lost = {"mast-3"},
                                  .discard = false};
       return plan_etcd_restore({site, facts, texts}, wish);
     },
     true},
    {"backup",
     [] {
       const Site site = lab_site();
       Facts facts = running_facts(site);
       for (const char* name : {"gate-1", "gate-2"}) {
         for (const std::string_view path : {kGatewayConfig, kGatewayKey, kGatewayLeases})
           facts.machines[name].files[std::string(path)] = {true, std::string(64, 'f'), 0600};
       }
       const Rendered texts = lab_texts(site);
       const BackupWish wish{.folder = "./demo.state/backups/.backup",
                             .archive = "./demo.state/backups/backup-20261127T164937Z.tar.enc",
                             .at = "2026-11-27T16:49:37Z",
                             .passphrase = "/etc/backup.pass",
                             .keep = 10};
       return plan_backup({site, facts, texts}, wish);
     },
     true},
    {"restore",
     [] {
       const Site site = lab_site({.control_planes = 3, .workers = 1, .gateways = 1});
       const Facts facts = fresh_site_facts(site);
       const Rendered texts = lab_texts(site);
       ClusterBackup backup{.folder = "./demo.state/restore", .files = {}, .kubernetes = "1.36.4"};
       for (const std::string& name : cluster_ca_files(site)) backup.files[backup_pki_file(name)] = std::string(64, 'a');
       backup.files[kBackupSnapshot] = std::string(64, '5');
       backup.files[backup_gateway_file("gate-1", "leases")] = std::string(64, '7');
       return plan_restore({site, facts, texts}, backup);
     },
     true},
    {"upgrade", [] {
       Site site = lab_site();
       const Facts facts = running_facts(site);
       site.versions.kubernetes = "1.37.0";
       const Rendered texts = lab_texts(site);
       return plan_upgrade({site, facts, texts});
     }}};

class PlanText : public ::testing::TestWithParam<Situation> {};

TEST_P(PlanText, IsAsRecorded) {
  const auto path = std::filesystem::path(FL_SOURCE_DIR) / "tests/golden/bootstrap" / (std::string(GetParam().name) + ".txt");
  const std::string text = plan_text(GetParam().plan(), GetParam().operations);
  if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::ostringstream expected;
  expected << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, expected.str());
}

TEST_P(PlanText, ComesBackFromJson) {
  const Plan plan = GetParam().plan();
  const auto back = plan_from_json(plan_json(plan));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_TRUE(*back == without_secrets(plan));
}
/// Each script in a function of its own, read by the shell that will run it.
TEST_P(PlanText, HasScriptsThatTheShellCanRead) {
  const fairlead::test::TempDir folder;
  const std::string path = folder.path("scripts");
  std::ofstream out(path);
  int count = 0;
  for (const Step& step : GetParam().plan().steps) {
    for (const Operation& operation : step.operations) {
      const auto* run = std::get_if<RunScript>(&operation);
      const auto* wait = std::get_if<WaitFor>(&operation);
      if (run != nullptr || wait != nullptr) out << "f" << ++count << "() {\n" << (run != nullptr ? run->script : wait->script) << "\n}\n";
    }
  }
  out.close();
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::system(("/bin/sh -n " + path).c_str()), 0);
}
INSTANTIATE_TEST_SUITE_P(All, PlanText, ::testing::ValuesIn(kSituations));

Plan with_secret(const std::string& canary) {
  Plan plan;
  Step step;
  step.id = "mast-1/init";
  step.machine = "mast-1";
  step.title = "t";
  step.because = "b";
  step.hazard = Hazard::kDestroysData;
  WriteFile file;
  file.path = "/etc/x";
  file.text = canary;
  file.secret = true;
  RunScript run;
  run.script = "cat";
  run.input = canary;
  run.secret = true;
  step.operations = {file, run};
  plan.steps = {step};
  return plan;
}

TEST(PlanText, ShowsNoSecretInTextOrJson) {
  const std::string canary = "canary-4711";
  const Plan plan = with_secret(canary);
  EXPECT_THAT(plan_text(plan, true), Not(HasSubstr(canary)));
  EXPECT_THAT(plan_json(plan), Not(HasSubstr(canary)));
}

TEST(PlanText, NamesWhatIsConfirmed) {
  const Plan plan = with_secret("x");
  EXPECT_THAT(needs_confirmation(plan), ElementsAre("mast-1"));
  EXPECT_THAT(plan_text(plan), HasSubstr("! destroys data"));
  EXPECT_THAT(plan_text(plan), HasSubstr("--yes-destroy mast-1"));
  EXPECT_EQ(confirmation_text(Plan{}), "");
}

TEST(PlanText, EstimatesTheLongestWay) {
  Plan plan;
  for (const char* id : {"a/x", "b/x", "c/x"}) {
    Step step;
    step.id = id;
    step.usual = std::chrono::seconds(10);
    plan.steps.push_back(step);
  }
  plan.steps[2].needs = {"a/x"};
  EXPECT_EQ(estimate(plan), std::chrono::seconds(20));
}

TEST(PlanJson, BadInputIsAnErrorThatNamesThePlace) {
  const std::string good = plan_json(with_secret("x"));
  EXPECT_THAT(plan_from_json("{").error().message(), HasSubstr("no JSON"));
  EXPECT_THAT(plan_from_json("[]").error().message(), HasSubstr("an object"));
  std::string bad = good;
  bad.replace(bad.find("\"mode\":420"), 10, "\"mode\":-24");
  EXPECT_THAT(plan_from_json(bad).error().message(), HasSubstr("steps[0].operations[0].mode"));
  bad = good;
  bad.replace(bad.find("\"preflight\""), 11, "\"postflight\"");
  EXPECT_THAT(plan_from_json(bad).error().message(), HasSubstr("steps[0].phase"));
  for (std::size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(plan_from_json(good.substr(0, length))) << length;
}

}  // namespace
}  // namespace fairlead::bootstrap
