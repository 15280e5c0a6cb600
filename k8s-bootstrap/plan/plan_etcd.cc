// fairlead: pure
// etcd on machines of its own, as static pods of a kubelet that knows no API server (kubeadm's own way for it).
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPki = "/etc/kubernetes/pki/";

bool has_file(const MachineFacts& facts, const std::string& name) {
  const auto found = facts.files.find(std::string(kPki) + name);
  return found != facts.files.end() && found->second.present;
}

FetchFile fetch(const Site& site, const std::string& name) {
  FetchFile out;
  out.path = std::string(kPki) + name;
  out.to = in_state(site, "pki/" + name);
  out.secret = name.ends_with(".key");
  return out;
}

Operation give(const Site& site, const std::string& name) {
  const std::string from = in_state(site, "pki/" + name);
  return name.ends_with(".key") ? copy_secret(from, std::string(kPki) + name) : copy_file(from, std::string(kPki) + name);
}

/// `joins`: an etcd that runs already.
WriteFile config_file(const PlanBuilder& plan, const Machine& machine, bool joins) {
  const auto texts = plan.in.texts.machines.find(machine.name);
  if (texts == plan.in.texts.machines.end()) return secret_file(in_work("etcd.yaml"), {});
  return secret_file(in_work("etcd.yaml"), joins ? texts->second.etcd_join : texts->second.init);
}

void plan_etcd_ca(PlanBuilder& plan, const Machine& first) {
  const Site& site = plan.in.site;
  Step step =
      plan.step(&first, "etcd-ca", Phase::kEtcd, "makes etcd's CA and the API servers' client certificate", "no etcd has been made yet");
  step.needs = plan.all_of(first);
  step.concerns = names(plan.view.deciders);
  if (plan.in.backup != nullptr) {
    step.title = "gets etcd's CA of the archive, makes the API servers' client certificate";
    step.operations.emplace_back(script(fmt::format("mkdir -p {}etcd\n", kPki)));
    for (const char* name : {"etcd/ca.crt", "etcd/ca.key"}) step.operations.emplace_back(copy_of_backup(*plan.in.backup, name));
  } else if (site.pki.ca == CaSource::kSite) {
    LocalWork make;
    make.kind = LocalWork::Kind::kMakeClusterCa;
    step.operations.emplace_back(make);
    step.operations.emplace_back(script(fmt::format("mkdir -p {}etcd\n", kPki)));
    for (const char* name : {"etcd/ca.crt", "etcd/ca.key"}) step.operations.push_back(give(site, name));
  }
  step.operations.emplace_back(config_file(plan, first, false));
  step.operations.emplace_back(
      script(fmt::format("trap 'rm -f {0}' EXIT\nfor phase in etcd-ca apiserver-etcd-client; do\n"
                         "  kubeadm init phase certs $phase --config {0}\ndone\n",
                         in_work("etcd.yaml"))));
  for (const char* name : {"etcd/ca.crt", "etcd/ca.key", "apiserver-etcd-client.crt", "apiserver-etcd-client.key"})
    step.operations.emplace_back(fetch(site, name));
  plan.add(std::move(step));
}

void plan_member(PlanBuilder& plan, const Machine& first, const Machine& machine, const std::string& because, bool joins) {
  const Site& site = plan.in.site;
  Step step = plan.step(&machine, "etcd", Phase::kEtcd, "runs etcd", because);
  step.needs = plan.all_of(machine);
  step.needs.push_back(first.name + "/etcd-ca");
  step.needs.push_back(machine.name + "/member-add");
  step.concerns = joins ? names(plan.in.site.etcd_machines()) : names(plan.view.deciders);
  step.operations.emplace_back(script(fmt::format("mkdir -p {}etcd\n", kPki)));
  for (const char* name : {"etcd/ca.crt", "etcd/ca.key"}) step.operations.push_back(give(site, name));
  step.operations.emplace_back(config_file(plan, machine, joins));
  const ClusterBackup* backup = joins ? nullptr : plan.in.backup;
  if (backup != nullptr) step.operations.emplace_back(copy_of_snapshot(*backup));
  // The CA's key stays in state_dir only.
  step.operations.emplace_back(
      script(fmt::format(R"sh(trap 'rm -f {0} {1}etcd/ca.key {1}apiserver-etcd-client.key' EXIT
for certificate in etcd-server etcd-peer etcd-healthcheck-client; do
  kubeadm init phase certs $certificate --config {0}
done
{2}kubeadm init phase etcd local --config {0}
systemctl daemon-reload
systemctl enable kubelet
systemctl restart kubelet
)sh",
                         in_work("etcd.yaml"), kPki, backup == nullptr ? "" : restored_data_before_pods(site, machine, *backup)),
             backup == nullptr ? 5min : 30min));
  step.usual = 20s;
  plan.add(std::move(step));
}

void plan_etcd_health(PlanBuilder& plan, const Machine& on, const std::vector<const Machine*>& machines) {
  Step step = plan.step(&on, "etcd-healthy", Phase::kEtcd, "every member of etcd is healthy", "steps before this one began it");
  step.needs = plan.all_of(Phase::kEtcd);
  std::string at;
  for (const Machine* machine : machines) at += fmt::format("{}https://{}:2379", at.empty() ? "" : ",", url_host(machine->address()));
  step.operations.emplace_back(
      wait_for("every member of etcd is healthy", fmt::format("ETCDCTL_API=3 $(command -v etcdctl || echo \"crictl exec $(crictl ps -q "
                                                              "--name '^etcd$' | head -n 1) etcdctl\") --endpoints {0} "
                                                              "--cacert {1}etcd/ca.crt --cert {1}etcd/healthcheck-client.crt --key "
                                                              "{1}etcd/healthcheck-client.key endpoint health >/dev/null 2>&1",
                                                              at, kPki)));
  plan.add(std::move(step));
}

/// One machine comes into an etcd that serves: D1's rules the other way round. One at a time, and only beside members that are all well.
void plan_rejoin(PlanBuilder& plan, const std::vector<const Machine*>& wanting, const std::vector<std::string>& unread) {
  const Machine* host = plan.view.primary;
  const Machine& machine = *wanting.front();
  const std::string peer = fmt::format("https://{}:2380", url_host(machine.address()));
  const EtcdMember* own = plan.view.of(machine).member;  // Added by an attempt before this one, and not started.
  const bool known = plan.in.facts.cluster && !plan.in.facts.cluster->etcd.empty();
  const bool healthy = known && count_votes(*plan.in.facts.cluster, own == nullptr ? std::string_view() : own->id).all_healthy;
  if (host == nullptr || !FL_PLAN_RULE(kJoinHealthy, healthy && unread.empty()))
    return plan.obstacle(
        names(wanting), "it does not join etcd as long as not every member is healthy and its machine read",
        unread.empty() ? "mend etcd; fairlead bootstrap status shows its members" : "make " + comma(unread) + " reachable");
  Step add = plan.step(&machine, "member-add", Phase::kEtcd, "is made a member of etcd", plan.view.of(machine).why);
  add.machine = host->name;
  add.needs = plan.all_of(machine);
  add.concerns = names(plan.in.site.etcd_machines());
  add.concerns.push_back(host->name);
  // etcd takes no member before those it has have been together for five seconds.
  add.operations.emplace_back(script(etcdctl_function(plan.in.site) + fmt::format(R"sh(tries=0
until members=$(etcdctl_here member list -w simple) && {{ printf '%s\n' "$members" | grep -qF ' {0},' ||
    etcdctl_here member add {1} --peer-urls={0}; }}; do
  tries=$((tries + 1))
  if [ $tries -gt 30 ]; then echo 'etcd does not take the member' >&2; exit 1; fi
  sleep 1
done
)sh",
                                                                                  peer, machine.name),
                                     2min));
  plan.add(std::move(add));
  plan_member(plan, machine, machine, plan.view.of(machine).why, true);
  plan_etcd_health(plan, machine, plan.in.site.etcd_machines());
  if (wanting.size() > 1) plan.warn(fmt::format("{} joins etcd alone; the others when the machines were read again", machine.name));
}

}  // namespace

void plan_etcd(PlanBuilder& plan) {
  const Site& site = plan.in.site;
  if (site.kubernetes.etcd != EtcdPlace::kExternal) return;
  const auto machines = site.etcd_machines();
  std::vector<const Machine*> wanting;
  std::vector<std::string> unread;
  for (const Machine* machine : machines) {
    const MachineState state = plan.view.of(*machine).state;
    if (state == MachineState::kBlank || state == MachineState::kOwnHalf) wanting.push_back(machine);
  }
  for (const Machine* machine : plan.view.deciders) {
    if (plan.view.is(*machine, MachineState::kUnread)) unread.push_back(machine->name);
  }
  if (machines.empty()) return;
  if (!wanting.empty() && (plan.in.facts.cluster || plan.view.primary != nullptr)) {
    std::erase_if(unread, [&](const std::string& name) { return !plan.in.site.find(name)->has(Role::kEtcd); });
    return plan_rejoin(plan, wanting, unread);
  }
  if (!wanting.empty() && !unread.empty())
    return plan.obstacle(unread, "etcd is not begun before its machines and the control planes were read: one of them may hold a cluster",
                         "make them reachable");
  const Machine& first = *machines.front();
  if (wanting.size() == machines.size()) plan_etcd_ca(plan, first);
  for (const Machine* machine : wanting) plan_member(plan, first, *machine, plan.view.of(*machine).why, false);
  if (!wanting.empty()) plan_etcd_health(plan, first, machines);
  for (const Machine* machine : site.with(Role::kControlPlane)) {
    const MachineFacts* facts = plan.in.facts.find(machine->name);
    if (facts == nullptr || machine != first_control_plane(plan) || !plan.view.is(*machine, MachineState::kBlank)) continue;
    if (has_file(*facts, "apiserver-etcd-client.crt") && has_file(*facts, "etcd/ca.crt") && !plan.has(first.name + "/etcd-ca")) continue;
    Step step = plan.step(machine, "etcd-client", Phase::kEtcd, "gets the client certificate of etcd", "it initialises the cluster");
    step.needs = plan.all_of(*machine);
    for (const std::string& id : plan.all_of(Phase::kEtcd)) step.needs.push_back(id);
    step.operations.emplace_back(script(fmt::format("mkdir -p {}etcd\n", kPki)));
    for (const char* name : {"etcd/ca.crt", "apiserver-etcd-client.key", "apiserver-etcd-client.crt"})
      step.operations.push_back(give(site, name));
    plan.add(std::move(step));
  }
}

}  // namespace fairlead::bootstrap
