// fairlead: pure
#include "k8s-bootstrap/plan/plan_backup.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/etcd_snapshot.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

bool is_there(const MachineFacts& facts, std::string_view path) {
  const auto found = facts.files.find(std::string(path));
  return found != facts.files.end() && found->second.present;
}

FetchFile fetch(const std::string& path, const BackupWish& wish, const std::string& name) {
  FetchFile out;
  out.path = path;
  out.to = wish.folder + "/" + name;
  out.secret = true;
  return out;
}

void add_cluster_files(PlanBuilder& plan, const Machine& host, const BackupWish& wish) {
  Step step = plan.step(&host, "backup", Phase::kBackup, "the CAs' pairs and kubeadm's configuration come to state_dir", "asked for");
  step.concerns = {host.name};
  for (const std::string& name : cluster_ca_files(plan.in.site))
    step.operations.emplace_back(fetch("/etc/kubernetes/pki/" + name, wish, backup_pki_file(name)));
  step.operations.emplace_back(fetch(std::string(kAdminConf), wish, "admin.conf"));
  const std::string config = in_work("kubeadm-config.yaml");
  step.operations.emplace_back(script(
      "umask 077\n" + kubectl("-n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' >" + config + "\n")));
  step.operations.emplace_back(fetch(config, wish, "kubeadm-config.yaml"));
  step.operations.emplace_back(script("rm -f " + config + "\n"));
  plan.add(std::move(step));
}

void add_gateway_files(PlanBuilder& plan, const BackupWish& wish) {
  for (const Machine* gateway : plan.in.site.with(Role::kGateway)) {
    const MachineFacts* facts = plan.in.facts.find(gateway->name);
    Step step = plan.step(gateway, "backup", Phase::kBackup, "its files come to state_dir", "asked for");
    const std::pair<std::string_view, const char*> kFiles[] = {
        {kGatewayConfig, "fairlead.yaml"}, {kGatewayKey, "authkey"}, {kGatewayLeases, "leases"}};
    for (const auto& [path, name] : kFiles) {
      if (facts != nullptr && is_there(*facts, path))
        step.operations.emplace_back(fetch(std::string(path), wish, backup_gateway_file(gateway->name, name)));
    }
    if (step.operations.empty()) {
      plan.warn(
          fmt::format("the archive has nothing of {}: {}", gateway->name, facts == nullptr ? "it was not read" : "it has no files yet"));
    } else {
      step.concerns = {gateway->name};
      plan.add(std::move(step));
    }
  }
}

}  // namespace

std::vector<std::string> cluster_ca_files(const Site& site) {
  std::vector<std::string> out{"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key"};
  if (site.kubernetes.etcd == EtcdPlace::kStacked) out.insert(out.end(), {"etcd/ca.crt", "etcd/ca.key"});
  return out;
}

std::string backup_pki_file(const std::string& name) { return "pki/" + name; }
std::string backup_gateway_file(const std::string& gateway, const std::string& name) {
  return fmt::format("gateways/{}/{}", gateway, name);
}

CopyFile copy_of_snapshot(const ClusterBackup& backup) {
  CopyFile out = copy_secret(fmt::format("{}/{}", backup.folder, kBackupSnapshot), restore_snapshot_path());
  out.sha256 = backup.files.at(kBackupSnapshot);
  return out;
}

std::string restored_data_before_pods(const Site& site, const Machine& machine, const ClusterBackup& backup) {
  // No static pod names an image yet. kubeadm knows which it will be, and pulls it here rather than a moment later.
  std::string out = etcd_snapshot_function() + R"sh(if ! command -v etcdutl >/dev/null && ! command -v etcdctl >/dev/null; then
  etcd_image=$(kubeadm config images list --config "$config" 2>/dev/null | grep '/etcd:' | head -n 1)
  kubeadm config images pull --config "$config" >/dev/null
fi
)sh";
  return fmt::format("config={}\n", in_work(machine.has(Role::kControlPlane) ? "kubeadm.yaml" : "etcd.yaml")) + out + "(\n" +
         restore_data_script(machine, restored_members(site), backup.files.at(kBackupSnapshot)) + ")\n";
}

CopyFile copy_of_backup(const ClusterBackup& backup, const std::string& name) {
  const std::string from = backup.folder + "/" + backup_pki_file(name);
  CopyFile out = name.ends_with(".key") ? copy_secret(from, "/etc/kubernetes/pki/" + name) : copy_file(from, "/etc/kubernetes/pki/" + name);
  out.sha256 = backup.files.at(backup_pki_file(name));
  return out;
}

Plan plan_backup(const PlanInput& input, const BackupWish& wish) {
  PlanBuilder plan(input);
  const Machine* host = plan.view.primary;
  const Machine* source = snapshot_source(plan);
  if (host == nullptr)
    plan.obstacle({}, "no control plane answers", "mend one; of etcd alone: fairlead bootstrap etcd snapshot --machine NAME");
  if (source == nullptr) plan.obstacle({}, "etcd is not saved: " + std::string(kNoSnapshotSource), "mend etcd first");
  if (!plan.so_far().obstacles.empty()) return plan.take();
  Step snapshot = plan.step(source, "etcd-snapshot", Phase::kBackup, "etcd is saved to state_dir", "asked for");
  snapshot.concerns = {source->name};
  add_snapshot(input.site, *source, wish.folder + "/" + kBackupSnapshot, snapshot);
  plan.add(std::move(snapshot));
  add_cluster_files(plan, *host, wish);
  add_gateway_files(plan, wish);
  Step pack = plan.step(nullptr, "archive", Phase::kBackup, "packs the archive", "asked for");
  pack.needs = plan.all_of(Phase::kBackup);
  const bool stacked = input.site.kubernetes.etcd == EtcdPlace::kStacked;
  LocalWork archive;
  archive.kind = LocalWork::Kind::kArchive;
  archive.argv = {wish.folder,    wish.archive, input.site.name, input.site.versions.kubernetes, wish.at, stacked ? "stacked" : "external",
                  wish.passphrase};
  pack.operations.emplace_back(archive);
  if (wish.keep > 0) {
    LocalWork keep;
    keep.kind = LocalWork::Kind::kKeepNewest;
    const auto slash = wish.archive.rfind('/');
    keep.argv = {wish.archive.substr(0, slash), "backup-", wish.passphrase.empty() ? ".tar" : ".tar.enc", std::to_string(wish.keep)};
    pack.operations.emplace_back(keep);
  }
  plan.add(std::move(pack));
  return plan.take();
}

Plan plan_restore(const PlanInput& input, const ClusterBackup& backup) {
  PlanBuilder plan(input);
  if (minor_of(backup.kubernetes) != minor_of(input.site.versions.kubernetes))
    plan.obstacle({}, fmt::format("the archive is of Kubernetes {}, the site of {}", backup.kubernetes, input.site.versions.kubernetes),
                  fmt::format("versions.kubernetes: {}; restore, then upgrade", backup.kubernetes));
  const auto snapshot = backup.files.find(kBackupSnapshot);
  for (const std::string& name : cluster_ca_files(input.site)) {
    if (!backup.files.contains(backup_pki_file(name)))
      plan.obstacle({}, "the archive has no " + backup_pki_file(name), "take another one: fairlead bootstrap backup --list");
  }
  if (input.site.kubernetes.etcd == EtcdPlace::kExternal && !backup.files.contains(backup_pki_file("etcd/ca.key")))
    plan.obstacle({}, "the archive has no CA of an external etcd", "is it of a site with kubernetes.etcd: stacked?");
  if (snapshot == backup.files.end()) plan.obstacle({}, "the archive has no snapshot of etcd", "take another one");
  if (!plan.so_far().obstacles.empty()) return plan.take();
  if (!input.facts.cluster) {
    PlanInput with = input;
    with.backup = &backup;
    return plan_bring_up(with);
  }
  // BR1: whose cluster it is says its data.
  const std::string mark = sha256(restored_mark_text(restored_members(input.site), snapshot->second));
  const auto members = input.site.etcd_machines();
  const bool ours = std::any_of(members.begin(), members.end(), [&](const Machine* m) {
    const MachineFacts* facts = input.facts.find(m->name);
    return facts != nullptr && is_there(*facts, kRestoredMark) && facts->files.at(std::string(kRestoredMark)).sha256 == mark;
  });
  if (ours) return plan_bring_up(input);
  for (const Machine* m : members) {
    if (input.facts.find(m->name) == nullptr)
      plan.obstacle({m->name}, "not read: whether the cluster that answers came from this archive is told by its data",
                    "make it reachable; or go on with fairlead bootstrap apply");
  }
  if (!plan.so_far().obstacles.empty()) return plan.take();
  plan.obstacle({}, "a cluster answers on these machines, and it was not restored from this archive",
                "an archive is for empty machines (fairlead bootstrap reset empties them); only etcd's data is put back by: fairlead "
                "bootstrap etcd restore");
  return plan.take();
}

}  // namespace fairlead::bootstrap
