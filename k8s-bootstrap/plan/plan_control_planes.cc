// fairlead: pure
// From no cluster to control planes: repair of what was left half-made, `kubeadm init` once, then one join after the other.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_backup.h"
#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

/// An init that did not end made nothing that anybody uses: no other machine is part of it.
std::string use_of_init(const PlanBuilder& plan, const Machine& machine) {
  for (const Machine& other : plan.in.site.machines) {
    const auto found = plan.view.machines.find(other.name);
    if (&other == &machine || found == plan.view.machines.end() || other.has(Role::kEtcd)) continue;
    const bool decides = other.has(Role::kControlPlane);
    if (found->second.state == MachineState::kUnread && FL_PLAN_RULE(kInitReadsAll, !decides)) continue;
    if (found->second.state == MachineState::kUnread && decides) return other.name + " was not read, and may be part of it";
    if (found->second.state != MachineState::kBlank) return other.name + " is not empty: " + found->second.why;
  }
  if (!plan.in.facts.cluster) return {};
  for (const NodeFact& node : plan.in.facts.cluster->nodes) {
    if (node.name != machine.name) return "its API server knows " + node.name + ", too";
  }
  return {};
}

void repair_half(PlanBuilder& plan, const Machine& machine, const MachineVerdict& verdict) {
  const bool began = last_record(*plan.in.facts.find(machine.name), machine.name + "/init") != nullptr;
  if (plan.view.primary != nullptr) {
    static_cast<void>(plan_removal(plan, {.machine = machine, .phase = Phase::kControlPlanes, .asked_for = false, .because = verdict.why}));
    return;
  }
  if (!began)
    return plan.obstacle({machine.name}, verdict.why + "; no API server answers that could tell whether the cluster lists it",
                         "start a control plane that has joined, then apply again");
  if (const std::string why = use_of_init(plan, machine); !why.empty())
    return plan.obstacle({machine.name}, fmt::format("{}. It is not reset: {}", verdict.why, why),
                         "mend that, or reset the machines by name");
  // Alone, with a member of its own only: nothing to be taken out of elsewhere.
  Step step = plan.step(&machine, "reset", Phase::kInit, "loses what the unfinished init made", verdict.why);
  step.concerns = names(plan.view.deciders);
  // An etcd outside keeps what the unfinished init wrote; it was empty before, the init made sure of that (empty_etcd_check).
  if (plan.in.site.kubernetes.etcd == EtcdPlace::kExternal)
    step.operations.emplace_back(
        script(etcdctl_function(plan.in.site) +
               "if [ -e /etc/kubernetes/pki/apiserver-etcd-client.key ]; then etcdctl_here del /registry --prefix; fi\n"));
  add_reset(plan, machine, step);
  plan.add(std::move(step));
}

void tell_state(PlanBuilder& plan, const Machine& machine, const MachineVerdict& verdict) {
  const std::string by_name = fmt::format("fairlead bootstrap reset --machine {}", machine.name);
  switch (verdict.state) {
    case MachineState::kUnread:
      return plan.obstacle({machine.name}, "not read: " + verdict.why, "make it reachable; until then nothing is done that it concerns");
    case MachineState::kRunning:
      return plan.obstacle({machine.name}, verdict.why, "wait until it has ended (fairlead bootstrap status), then apply again");
    case MachineState::kForeignHalf:
      return plan.obstacle({machine.name}, verdict.why + ", and no unfinished step of ours made it",
                           fmt::format("find out whose it is; {} empties the machine", by_name));
    case MachineState::kNodeMissing:
      return plan.obstacle({machine.name}, verdict.why,
                           fmt::format("systemctl restart kubelet there makes its Node again; if not, {} and then apply", by_name));
    case MachineState::kUnclear:
      if (etcd_unread(plan.in.site, plan.in.facts))
        return plan.obstacle({machine.name}, verdict.why, "fairlead bootstrap status says why etcd does not answer; mend that");
      return plan.obstacle({machine.name}, verdict.why,
                           fmt::format("start the control planes; if this is no cluster's any more, {}", by_name));
    case MachineState::kWiped:
      if (verdict.member != nullptr)
        plan.obstacle({machine.name}, fmt::format("{}, as etcd member {}, too", verdict.why, verdict.member->id),
                      fmt::format("fairlead bootstrap replace-node {} takes the member out and lets it join anew", machine.name));
      return;
    case MachineState::kSick: return plan.warn(fmt::format("{}: {}", machine.name, verdict.why));
    case MachineState::kBlank:
    case MachineState::kMember:
    case MachineState::kOwnHalf: return;
  }
}

const MachineTexts& texts_of(const PlanBuilder& plan, const Machine& machine) {
  static const MachineTexts kNone;
  const auto found = plan.in.texts.machines.find(machine.name);
  return found == plan.in.texts.machines.end() ? kNone : found->second;
}

WaitFor own_api(const Machine& machine) {
  return wait_for("its API server is ready",
                  kubectl(fmt::format("--server https://{}:6443 get --raw /readyz >/dev/null", url_host(machine.address()))));
}

WaitFor etcd_healthy(const Site& site) {
  return wait_for("every member of etcd is healthy", etcdctl_function(site) + "etcdctl_here endpoint health --cluster >/dev/null 2>&1");
}

/// An etcd outside that holds objects belongs to a cluster, whatever its machines' records say.
std::string empty_etcd_check(const Site& site) {
  if (site.kubernetes.etcd == EtcdPlace::kStacked) return {};
  return etcdctl_function(site) +
         "held=$(etcdctl_here get /registry --prefix --keys-only --limit 1)\n"  // One that does not answer ends the script here.
         "if [ -n \"$held\" ]; then\n"
         "  echo 'this etcd holds a cluster already: not initialised' >&2\n  exit 1\nfi\n";
}

/// A fresh key for the certificates, a short-lived token, and the CA's hash; run before every join that needs them.
RunScript secrets_for_join(const Site& site, bool control_plane) {
  std::string text = "umask 077\n";
  RunScript out = script("");
  if (control_plane && site.kubernetes.etcd == EtcdPlace::kStacked) {
    text += "key=$(kubeadm init phase upload-certs --upload-certs | grep -E '^[0-9a-f]{64}$')\n";
  } else if (control_plane) {
    // Without a file kubeadm does not know of the external etcd, and leaves its client's key out.
    const bool old = minor_of(site.versions.kubernetes) <= Minor{1, 30};
    text += fmt::format(R"sh(key=$(kubeadm certs certificate-key)
config={}
trap 'rm -f $config' EXIT
{{
  printf 'apiVersion: kubeadm.k8s.io/v1beta{}\nkind: InitConfiguration\ncertificateKey: %s\n---\n' "$key"
  {}
}} >$config
kubeadm init phase upload-certs --upload-certs --config $config >/dev/null
)sh",
                        in_work("upload-certs.yaml"), old ? 3 : 4,
                        kubectl("-n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}'"));
  }
  if (control_plane) text += "echo \"certificate-key=$key\"\n";
  text += "token=$(kubeadm token create --ttl 15m --description 'fairlead bootstrap')\necho \"join-token=$token\"\n";
  text += fmt::format("hash=$(openssl x509 -pubkey -noout -in {} | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)\n",
                      kClusterCa);
  text += "echo \"ca-hash=$hash\"\n";
  out.script = text;
  out.secret = true;
  out.gives = {"join-token", "ca-hash"};
  if (control_plane) out.gives.insert(out.gives.begin(), "certificate-key");
  return out;
}

/// kubeadm reads its secrets from a file that is gone afterwards.
void kubeadm_with(Step& step, const std::string& verb, const std::string& config, const std::string& before) {
  const std::string path = in_work("kubeadm.yaml");
  step.operations.emplace_back(secret_file(path, config));
  step.operations.emplace_back(
      script(fmt::format("trap 'rm -f {0}' EXIT\n{2}kubeadm {1} --config {0}\n{3}", path, verb, before, note_kubeadm_files()), 15min));
}

/// Nodes join at the minor that the cluster runs: a kubelet may be older than its API server, never newer (kubernetes.io, version skew
/// policy). True with an obstacle, when any would join.
bool joins_another_minor(PlanBuilder& plan) {
  if (!plan.in.facts.cluster) return false;
  const std::string& runs = plan.in.facts.cluster->kubernetes_version;
  const Minor there = minor_of(runs.starts_with("v") ? runs.substr(1) : runs);
  if (there == Minor{} || there == minor_of(plan.in.site.versions.kubernetes)) return false;
  std::vector<std::string> joining;
  for (const Machine& machine : plan.in.site.machines) {
    const auto found = plan.view.machines.find(machine.name);
    if (found == plan.view.machines.end() || (machine.has(Role::kEtcd) && !machine.has(Role::kControlPlane))) continue;
    if (found->second.state == MachineState::kBlank || found->second.state == MachineState::kWiped) joining.push_back(machine.name);
  }
  if (joining.empty()) return false;
  plan.obstacle(
      joining,
      fmt::format("the cluster runs {}, and the site says {}: nothing joins across a minor", runs, plan.in.site.versions.kubernetes),
      "fairlead bootstrap upgrade first, or the running version in versions.kubernetes");
  return true;
}

/// Somebody serves the endpoint now, or will have been seen to before `init` begins.
bool endpoint_served(const PlanBuilder& plan) {
  const auto gateways = plan.in.site.with(Role::kGateway);
  return plan.in.site.endpoint() == nullptr || std::any_of(gateways.begin(), gateways.end(), [&](const Machine* gateway) {
           const MachineFacts* facts = plan.in.facts.find(gateway->name);
           return plan.has(gateway->name + "/gate") || (facts != nullptr && facts->gateway_serves == Known::kYes);
         });
}

/// In one script with kubeadm: data of etcd without a record of an init that did not end would be nobody's.
void init_from_backup(const PlanBuilder& plan, const Machine& first, Step& step) {
  const ClusterBackup& backup = *plan.in.backup;
  step.title = "initialises the cluster with the archive's keys and data";
  const std::string& config = texts_of(plan, first).init;
  if (plan.in.site.kubernetes.etcd == EtcdPlace::kExternal) return kubeadm_with(step, "init --skip-token-print", config, "");
  step.operations.emplace_back(copy_of_snapshot(backup));
  kubeadm_with(step, "init --skip-token-print --ignore-preflight-errors=DirAvailable--var-lib-etcd", config,
               restored_data_before_pods(plan.in.site, first, backup));
}

}  // namespace

void need_key(PlanBuilder& plan, const Machine& machine, Phase phase, const std::string& config, Step& step) {
  if (config.find("${certificate-key}") == std::string::npos) return;
  const std::string id = machine.name + "/certificate-key";
  if (!plan.has(id)) {
    Step key = plan.step(&machine, "certificate-key", phase, "a certificate key", "kubeadm's configuration names one");
    key.needs = plan.all_of(machine);
    RunScript makes = script("key=$(kubeadm certs certificate-key)\necho \"certificate-key=$key\"\n");
    makes.secret = true;
    makes.gives = {"certificate-key"};
    key.operations.emplace_back(makes);
    plan.add(std::move(key));
  }
  step.needs.push_back(id);
}

const Machine* cluster_machine(const PlanBuilder& plan) {
  if (plan.view.primary != nullptr) return plan.view.primary;
  const Machine* first = first_control_plane(plan);
  return first != nullptr && plan.has(first->name + "/init") ? first : nullptr;
}

bool plan_repairs(PlanBuilder& plan) {
  for (const Machine& machine : plan.in.site.machines) {
    const auto found = plan.view.machines.find(machine.name);
    if (found == plan.view.machines.end()) {
      const auto cause = plan.in.facts.unread.find(machine.name);
      if (plan.in.facts.find(machine.name) == nullptr)
        plan.obstacle({machine.name}, "not read: " + (cause == plan.in.facts.unread.end() ? "it was not asked" : cause->second),
                      "make it reachable");
      continue;
    }
    tell_state(plan, machine, found->second);
  }
  const std::size_t before = plan.so_far().steps.size();
  bool half = false;
  for (const Machine& machine : plan.in.site.machines) {
    const auto found = plan.view.machines.find(machine.name);
    if (found == plan.view.machines.end() || found->second.state != MachineState::kOwnHalf) continue;
    half = true;
    if (machine.has(Role::kEtcd) && !machine.has(Role::kControlPlane)) continue;  // plan_etcd's: its steps can be done again.
    repair_half(plan, machine, found->second);
  }
  if (plan.so_far().steps.size() > before)
    plan.warn("what was left half-made is removed first; the rest is planned when the machines were read again");
  const bool alone = half && plan.so_far().steps.size() > before;
  return !FL_PLAN_RULE(kResetAlone, !alone);
}

void plan_init(PlanBuilder& plan) {
  const Machine* first = first_control_plane(plan);
  if (first == nullptr || plan.view.primary != nullptr || plan.in.facts.cluster) return;
  if (!plan.in.texts.missing_devices.empty()) return;  // No gateway will serve the endpoint; plan_gateways has said why.
  std::vector<std::string> unread;
  bool empty = true;
  for (const Machine* machine : plan.view.deciders) {
    const MachineState state = plan.view.of(*machine).state;
    const bool etcd_only = !machine->has(Role::kControlPlane);
    if (state == MachineState::kUnread) {
      if (!FL_PLAN_RULE(kInitReadsAll, false)) unread.push_back(machine->name);
    } else if (state != MachineState::kBlank && !(etcd_only && state == MachineState::kMember)) {
      empty = false;
    } else if (etcd_only && state == MachineState::kMember) {
      const StepRecord* record = last_record(*plan.in.facts.find(machine->name), machine->name + "/etcd");
      if (record == nullptr) empty = false;
    }
  }
  if (!unread.empty())
    return plan.obstacle(unread,
                         "the cluster is not initialised before every control plane and machine of etcd was read: one of them may have one",
                         "make them reachable, or take them out of the site");
  if (!FL_PLAN_RULE(kInitNeedsEmpty, empty)) {
    if (plan.so_far().obstacles.empty())
      plan.obstacle({first->name}, "the cluster is not initialised: other machines hold parts of one",
                    "reset them by name, or adopt the cluster");
    return;
  }
  if (plan.in.facts.find(first->name) == nullptr) return;
  if (!endpoint_served(plan))
    return plan.obstacle(names(plan.in.site.with(Role::kGateway)), "the cluster is not initialised before a gateway serves its endpoint",
                         "make one reachable; fairlead status there says what it lacks");
  Step step =
      plan.step(first, "init", Phase::kInit, "initialises the cluster", "no control plane has etcd data, an admin.conf or a live API");
  for (const Step& earlier : plan.so_far().steps) {
    if (earlier.machine == first->name || earlier.phase == Phase::kPki || earlier.phase == Phase::kEtcd) step.needs.push_back(earlier.id);
    if (earlier.phase == Phase::kGateways) step.needs.push_back(earlier.id);
  }
  step.concerns = names(plan.view.deciders);
  step.usual = 40s;
  need_key(plan, *first, Phase::kInit, texts_of(plan, *first).init, step);
  if (plan.in.backup == nullptr) {
    kubeadm_with(step, "init --skip-token-print", texts_of(plan, *first).init, empty_etcd_check(plan.in.site));
  } else {
    init_from_backup(plan, *first, step);
  }
  step.operations.emplace_back(own_api(*first));
  step.operations.emplace_back(wait_for("the API answers through the endpoint", kubectl("get --raw /readyz >/dev/null")));
  FetchFile fetch;
  fetch.path = kAdminConf;
  fetch.to = in_state(plan.in.site, "kubeconfig");
  fetch.secret = true;
  step.operations.emplace_back(fetch);
  plan.add(std::move(step));
}

void plan_control_planes(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr || joins_another_minor(plan)) return;
  const Site& site = plan.in.site;
  std::string last = plan.has(host->name + "/init") ? host->name + "/init" : host->name + "/settle";
  for (const Machine* machine : site.with(Role::kControlPlane)) {
    const MachineVerdict& verdict = plan.view.of(*machine);
    const bool rejoins = verdict.state == MachineState::kWiped && verdict.member == nullptr;
    if (machine == host || (verdict.state != MachineState::kBlank && !rejoins)) continue;
    std::vector<std::string> concerns{host->name, machine->name};
    std::vector<std::string> unread;
    for (const Machine* other : site.etcd_machines()) {
      if (plan.view.of(*other).member == nullptr) continue;
      concerns.push_back(other->name);
      if (plan.view.is(*other, MachineState::kUnread)) unread.push_back(other->name);
    }
    const bool healthy = !plan.in.facts.cluster || count_votes(*plan.in.facts.cluster).all_healthy;
    if (!FL_PLAN_RULE(kJoinHealthy, healthy && unread.empty())) {
      plan.obstacle({machine->name}, "it does not join as long as not every member of etcd is healthy and its machine read",
                    unread.empty() ? "mend etcd; fairlead bootstrap status shows its members"
                                   : "make " + comma(unread) + " reachable, or replace it");
      continue;
    }
    std::sort(concerns.begin(), concerns.end());
    concerns.erase(std::unique(concerns.begin(), concerns.end()), concerns.end());
    if (rejoins && !plan_removal(plan, {.machine = *machine, .phase = Phase::kControlPlanes, .asked_for = false, .because = verdict.why}))
      continue;
    Step secrets =
        plan.step(machine, "join-secrets", Phase::kControlPlanes, "a fresh certificate key and a token of 15 minutes", "it joins");
    secrets.machine = host->name;
    secrets.needs = plan.all_of(*machine);
    secrets.needs.push_back(last);
    secrets.concerns = concerns;
    secrets.operations.emplace_back(secrets_for_join(site, true));
    secrets.usual = 2s;
    const std::string id = secrets.id;
    plan.add(std::move(secrets));
    Step step = plan.step(machine, "join", Phase::kControlPlanes, "joins as a control plane", verdict.why);
    step.needs = plan.all_of(*machine);
    step.needs.push_back(id);
    step.needs.push_back(machine->name + "/forget");
    step.concerns = concerns;
    step.usual = 30s;
    kubeadm_with(step, "join", texts_of(plan, *machine).join, "");
    step.operations.emplace_back(own_api(*machine));
    if (site.kubernetes.etcd == EtcdPlace::kStacked) step.operations.emplace_back(etcd_healthy(site));
    last = step.id;
    plan.add(std::move(step));
  }
}

void plan_workers(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr || joins_another_minor(plan)) return;
  std::vector<const Machine*> joining;
  for (const Machine* machine : plan.in.site.with(Role::kWorker)) {
    if (machine->has(Role::kControlPlane)) continue;
    const MachineState state = plan.view.of(*machine).state;
    if (state == MachineState::kBlank || state == MachineState::kWiped) joining.push_back(machine);
  }
  if (joining.empty()) return;
  const std::string id = "workers/join-secrets";
  Step secrets = plan.step(host, "", Phase::kWorkers, "a token of 15 minutes", fmt::format("{} workers join", joining.size()));
  secrets.id = id;
  secrets.needs = plan.all_of(Phase::kControlPlanes);
  for (const char* verb : {"/init", "/settle"}) secrets.needs.push_back(host->name + verb);
  secrets.concerns = {host->name};
  secrets.operations.emplace_back(secrets_for_join(plan.in.site, false));
  plan.add(std::move(secrets));
  for (const Machine* machine : joining) {
    const MachineVerdict& verdict = plan.view.of(*machine);
    if (verdict.state == MachineState::kWiped)
      static_cast<void>(plan_removal(plan, {.machine = *machine, .phase = Phase::kWorkers, .asked_for = false, .because = verdict.why}));
    Step step = plan.step(machine, "join", Phase::kWorkers, "joins as a worker", verdict.why);
    step.needs = plan.all_of(*machine);
    step.needs.push_back(id);
    step.needs.push_back(machine->name + "/forget");
    step.concerns = {host->name, machine->name};
    step.usual = 15s;
    kubeadm_with(step, "join", texts_of(plan, *machine).join, "");
    plan.add(std::move(step));
  }
}

void plan_cleanup(PlanBuilder& plan) {
  const Machine* host = cluster_machine(plan);
  if (host == nullptr) return;
  const bool joined =
      std::any_of(plan.so_far().steps.begin(), plan.so_far().steps.end(), [](const Step& s) { return s.id.ends_with("/join-secrets"); });
  const bool left = plan.in.facts.cluster && plan.in.facts.cluster->certs_secret == Known::kYes;
  if (!joined && !left && !plan.has(host->name + "/init")) return;
  Step step = plan.step(host, "join-secrets-gone", Phase::kWorkers, "tokens and the Secret kubeadm-certs go",
                        left ? "the Secret kubeadm-certs is there" : "nobody joins after this");
  step.needs = plan.all_of(Phase::kControlPlanes);
  for (const std::string& id : plan.all_of(Phase::kWorkers)) step.needs.push_back(id);
  step.needs.push_back(host->name + "/init");
  step.concerns = {host->name};
  // The tokens first: while the Secret is there, the next run knows that this is still to be done.
  // By their ids: the other half is a secret, and arguments are seen by everybody on the machine.
  step.operations.emplace_back(script(
      "for token in $(kubeadm token list | awk '/fairlead bootstrap/ {print $1}'); do kubeadm token delete \"${token%%.*}\"; done\n" +
      kubectl("-n kube-system delete secret kubeadm-certs --ignore-not-found\n")));
  plan.add(std::move(step));
}

}  // namespace fairlead::bootstrap
