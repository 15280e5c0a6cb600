// fairlead: pure
// Taking a machine out: its member of etcd, what is on it, its Node. Used for what a join left half-made, and by the verbs that remove.
#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_phases.h"
#include "k8s-bootstrap/plan/plan_rule.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

/// Another control plane whose API answers.
const Machine* other_host(const PlanBuilder& plan, const Machine& machine) {
  for (const Machine* candidate : plan.in.site.with(Role::kControlPlane)) {
    if (candidate != &machine && plan.view.is(*candidate, MachineState::kMember)) return candidate;
  }
  return nullptr;
}

/// Machines of the site that run the other members.
std::vector<const Machine*> other_members(const PlanBuilder& plan, const Machine& machine) {
  std::vector<const Machine*> out;
  for (const Machine* candidate : plan.in.site.etcd_machines()) {
    if (candidate != &machine && plan.view.of(*candidate).member != nullptr) out.push_back(candidate);
  }
  return out;
}

/// Why the member may not go now; empty: it may.
std::string refusal(const PlanBuilder& plan, const Machine& machine, const EtcdMember& member) {
  const ClusterFacts& cluster = *plan.in.facts.cluster;
  for (const Machine* other : other_members(plan, machine)) {
    if (!FL_PLAN_RULE(kUnknown, plan.in.facts.find(other->name) != nullptr)) return other->name + ", which runs etcd too, was not read";
  }
  const EtcdVotes rest = count_votes(cluster, member.id);
  if (!FL_PLAN_RULE(kMemberQuorum, rest.quorate()))
    return fmt::format("without it {} of {} voting members would be healthy, which is no majority", rest.healthy, rest.voters);
  for (const Step& step : plan.so_far().steps) {
    const bool removes = step.id.ends_with("/remove-member");
    if (!FL_PLAN_RULE(kMemberAlone, !removes)) return "another member is being removed; one at a time";
  }
  return {};
}

std::string removal_script(const Site& site, const EtcdMember& member) {
  // Looked at once more where it happens: between the facts and this moment another member may have been lost.
  return etcdctl_function(site) + fmt::format(R"sh(members=$(etcdctl_here member list -w simple)
if ! printf '%s\n' "$members" | grep -q '^{0},'; then echo 'member {0} is gone already'; exit 0; fi
health=$(etcdctl_here endpoint health --cluster 2>&1 || true)
voters=0
healthy=0
for url in $(printf '%s\n' "$members" | grep -v '^{0},' | grep ', false$' | cut -d, -f5 | tr -d ' ' | sed 's/^$/none/'); do
  voters=$((voters + 1))
  if printf '%s\n' "$health" | grep -qF "$url is healthy"; then healthy=$((healthy + 1)); fi
done
if [ "$healthy" -le $((voters / 2)) ]; then
  echo "without member {0} only $healthy of $voters would be healthy: not removed" >&2
  exit 1
fi
etcdctl_here member remove {0}
)sh",
                                              member.id);
}

/// Asked before the first step is planned: a machine whose member stays is not drained either.
bool may_go(PlanBuilder& plan, const Machine& machine, const Machine* host, const EtcdMember& member) {
  if (host == nullptr) {
    plan.obstacle({machine.name}, "its etcd member cannot be removed: no other control plane answers",
                  "start another control plane, or restore etcd");
    return false;
  }
  const std::string why = refusal(plan, machine, member);
  if (why.empty()) return true;
  plan.obstacle({machine.name}, fmt::format("etcd member {} of {} is not removed: {}", member.id, machine.name, why),
                "mend the other members first; fairlead bootstrap status shows them");
  return false;
}

void add_member_removal(PlanBuilder& plan, const Removal& removal, const Machine& host, const EtcdMember& member) {
  const Machine& machine = removal.machine;
  Step step = plan.step(&machine, "remove-member", removal.phase, "its etcd member is removed", removal.because);
  step.machine = host.name;
  step.needs = {machine.name + "/drain"};
  step.hazard = removal.asked_for ? Hazard::kDestroysData : Hazard::kNone;
  step.concerns = names(other_members(plan, machine));
  step.concerns.push_back(host.name);
  if (!removal.asked_for) step.concerns.push_back(machine.name);
  std::sort(step.concerns.begin(), step.concerns.end());
  step.concerns.erase(std::unique(step.concerns.begin(), step.concerns.end()), step.concerns.end());
  step.operations.emplace_back(script(removal_script(plan.in.site, member), 1min));
  plan.add(std::move(step));
}

}  // namespace

void add_reset(const PlanBuilder& plan, const Machine& machine, Step& step) {
  const auto texts = plan.in.texts.machines.find(machine.name);
  const bool configured = texts != plan.in.texts.machines.end() && !texts->second.reset.empty();
  const std::string config = in_work("reset.yaml");
  if (configured) step.operations.emplace_back(file(config, texts->second.reset, 0600));
  // kubeadm leaves what it did not make; the next join would take a plug-in's old addresses for its own.
  step.operations.emplace_back(
      script(fmt::format("kubeadm reset --force{}\nrm -rf /etc/cni/net.d/* /etc/kubernetes/pki {}\n{}",
                         configured ? " --config " + config : "", kKubeadmSums, configured ? "rm -f " + config + "\n" : "")));
  step.usual = 5s;
}

bool plan_removal(PlanBuilder& plan, const Removal& removal) {
  const Machine& machine = removal.machine;
  const MachineVerdict& verdict = plan.view.of(machine);
  const Machine* host = plan.in.facts.cluster ? other_host(plan, machine) : nullptr;
  const bool stacked = machine.has(Role::kControlPlane) && plan.in.site.kubernetes.etcd == EtcdPlace::kStacked;
  const bool votes = stacked || (machine.has(Role::kEtcd) && !machine.has(Role::kControlPlane));
  const bool listed = !votes || !plan.in.facts.cluster || !plan.in.facts.cluster->etcd.empty();
  if (!FL_PLAN_RULE(kEtcdUnread, listed)) {
    plan.obstacle({machine.name}, "it is not taken out: the members of etcd could not be read, and one of them may be its own",
                  "fairlead bootstrap status says why etcd does not answer; mend that");
    return false;
  }
  const EtcdMember* member = votes ? verdict.member : nullptr;
  if (member != nullptr && !may_go(plan, machine, host, *member)) return false;
  if (verdict.node != nullptr && removal.asked_for && host != nullptr) {
    // Where nobody answers nobody ends pods either: until the API has noticed, it says that the node is ready.
    const bool answers = verdict.node->ready && plan.in.facts.find(machine.name) != nullptr;
    Step step = plan.step(&machine, "drain", removal.phase, "its pods move elsewhere", removal.because);
    step.machine = host->name;
    step.concerns = {host->name};
    step.operations.emplace_back(script(kubectl(fmt::format("drain {} --ignore-daemonsets --delete-emptydir-data --timeout=10m{}\n",
                                                            machine.name, answers ? "" : " --force --grace-period=0 --disable-eviction")),
                                        15min));
    step.usual = 60s;
    plan.add(std::move(step));
  }
  if (member != nullptr) add_member_removal(plan, removal, *host, *member);
  if (plan.in.facts.find(machine.name) != nullptr && verdict.state != MachineState::kWiped && verdict.state != MachineState::kBlank) {
    Step step = plan.step(&machine, "reset", removal.phase, removal.asked_for ? "is reset" : "loses what the unfinished attempt made",
                          removal.because);
    step.needs = {machine.name + "/drain", machine.name + "/remove-member"};
    step.hazard = removal.asked_for ? Hazard::kDestroysData : Hazard::kNone;
    step.concerns = {machine.name};
    if (!removal.asked_for)
      step.concerns = host == nullptr ? names(plan.view.deciders) : std::vector<std::string>{host->name, machine.name};
    add_reset(plan, machine, step);
    plan.add(std::move(step));
  }
  if (verdict.node != nullptr && host != nullptr) {
    Step step = plan.step(&machine, "forget", removal.phase, "its Node is deleted", removal.because);
    step.machine = host->name;
    step.needs = {machine.name + "/drain", machine.name + "/remove-member", machine.name + "/reset"};
    step.concerns = {host->name};
    step.operations.emplace_back(script(kubectl(fmt::format("delete node {} --ignore-not-found\n", machine.name))));
    plan.add(std::move(step));
  }
  return true;
}

}  // namespace fairlead::bootstrap
