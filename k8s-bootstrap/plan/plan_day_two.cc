// fairlead: pure
#include "k8s-bootstrap/plan/plan_day_two.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_phases.h"

namespace fairlead::bootstrap {
namespace {

using namespace std::chrono_literals;

/// A machine of Kubernetes by its name; nullptr with an obstacle.
const Machine* known_node(PlanBuilder& plan, const std::string& name) {
  const Machine* machine = plan.in.site.find(name);
  if (machine != nullptr && plan.view.machines.contains(name)) return machine;
  if (machine == nullptr) {
    plan.obstacle({name}, "the site has no machine of this name", "fairlead bootstrap status lists them");
  } else {
    plan.obstacle({name}, "it is no machine of Kubernetes", "a gateway is replaced with fairlead node standby and fairlead cluster join");
  }
  return nullptr;
}

/// D1: what is half done elsewhere. Empty: nothing.
std::string other_change(const PlanBuilder& plan, const Machine& machine) {
  for (const auto& [name, verdict] : plan.view.machines) {
    if (name == machine.name) continue;
    if (verdict.state == MachineState::kOwnHalf || verdict.state == MachineState::kRunning) return name + ": " + verdict.why;
  }
  if (!plan.in.facts.cluster) return {};
  for (const EtcdMember& member : plan.in.facts.cluster->etcd) {
    const bool theirs = plan.view.of(machine).member != nullptr && plan.view.of(machine).member->id == member.id;
    if (!theirs && (member.learner || member.name.empty())) return fmt::format("etcd member {} has not come in yet", member.id);
  }
  return {};
}

bool may_remove(PlanBuilder& plan, const Machine& machine, bool comes_back) {
  if (!plan.in.facts.cluster)
    return plan.obstacle({machine.name}, "no control plane answers", "start one; what is on this machine alone, bootstrap reset removes"),
           false;
  const auto control_planes = plan.in.site.with(Role::kControlPlane);
  const bool other = std::any_of(control_planes.begin(), control_planes.end(),
                                 [&](const Machine* m) { return m != &machine && plan.view.is(*m, MachineState::kMember); });
  if (machine.has(Role::kControlPlane) && !other)
    return plan.obstacle({machine.name}, "it is the last control plane that answers",
                         "fairlead bootstrap reset takes the whole cluster down"),
           false;
  if (machine.has(Role::kEtcd) && !comes_back)
    return plan.obstacle({machine.name}, "an external etcd keeps its number of members",
                         fmt::format("fairlead bootstrap replace-node {} puts another one in its place", machine.name)),
           false;
  if (const std::string why = other_change(plan, machine); !why.empty())
    return plan.obstacle({machine.name}, "something else is changing: " + why, "fairlead bootstrap apply ends that first"), false;
  return true;
}

void remove_machine(PlanBuilder& plan, const Machine& machine, const std::string& because, bool comes_back = false) {
  if (!may_remove(plan, machine, comes_back)) return;
  if (plan.in.facts.find(machine.name) == nullptr)
    plan.warn(fmt::format("{} was not read ({}): it is taken out of the cluster and not reset. Do not switch it on again as it is",
                          machine.name, plan.view.of(machine).why));
  static_cast<void>(plan_removal(plan, {.machine = machine, .phase = Phase::kRemove, .asked_for = true, .because = because}));
}

/// Nobody says who is a member, and its data is one's: alone it is only where no other machine has any (G3).
bool may_be_voter(const PlanBuilder& plan, const Machine& machine) {
  if (plan.in.facts.cluster) return false;
  const auto of_etcd = plan.in.site.etcd_machines();
  if (std::find(of_etcd.begin(), of_etcd.end(), &machine) == of_etcd.end()) return false;
  const MachineFacts* own = plan.in.facts.find(machine.name);
  if (own == nullptr || own->etcd_data == Known::kNo) return false;  // reset_alone() speaks of one that was not read.
  return std::any_of(of_etcd.begin(), of_etcd.end(), [&](const Machine* other) {
    const MachineFacts* facts = plan.in.facts.find(other->name);
    return other != &machine && (facts == nullptr || facts->etcd_data != Known::kNo);
  });
}

/// What is on the machine, and nothing elsewhere.
void reset_alone(PlanBuilder& plan, const Machine& machine, const std::vector<std::string>& after) {
  if (plan.in.facts.find(machine.name) == nullptr)
    return plan.obstacle({machine.name}, "not read: " + plan.view.of(machine).why, "make it reachable; what is on it is not known");
  if (plan.view.is(machine, MachineState::kBlank) || plan.view.is(machine, MachineState::kWiped)) return;
  if (plan.view.is(machine, MachineState::kRunning))
    return plan.obstacle({machine.name}, plan.view.of(machine).why, "wait until it has ended");
  Step step = plan.step(&machine, "reset", Phase::kRemove, "is reset", "asked for by name: " + plan.view.of(machine).why);
  step.needs = after;
  step.hazard = Hazard::kDestroysData;
  step.concerns = {machine.name};
  add_reset(plan, machine, step);
  plan.add(std::move(step));
}

std::int64_t shortest_days(const MachineFacts& facts) {
  std::int64_t out = INT64_MAX;
  for (const CertificateFact& certificate : facts.certificates) {
    const bool authority = certificate.path.ends_with("ca.crt");        // CAs are not renewed: everything would have to follow at once.
    const bool kubelets = certificate.path.ends_with("/kubelet.conf");  // It renews its own.
    if (certificate.path.starts_with("/etc/kubernetes/") && !authority && !kubelets) out = std::min(out, certificate.days_left);
  }
  return out;
}

std::string renew_script(const Machine& machine) {
  return fmt::format(R"sh(kubeadm certs renew all
for pod in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  old=$(crictl ps -q --name "^$pod\$" | head -n 1)
  [ -n "$old" ] || continue
  crictl stopp "$(crictl inspect -o go-template --template '{{{{.info.sandboxID}}}}' "$old")" >/dev/null
  tries=0
  until crictl ps -q --name "^$pod\$" | grep -v "$old" | grep -q .; do
    tries=$((tries + 1))
    if [ $tries -gt 120 ]; then echo "$pod did not start again" >&2; exit 1; fi
    sleep 1
  done
  tries=0
  until kubectl --kubeconfig {1} --server https://{0}:6443 get --raw /readyz >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 120 ]; then echo "the API server is not ready after $pod started again" >&2; exit 1; fi
    sleep 1
  done
done
)sh",
                     url_host(machine.address()), kAdminConf);
}

std::string serial_script(const Machine& machine) {
  return fmt::format(R"sh(served=$(openssl s_client -connect {}:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial)
test "$served" = "$(openssl x509 -noout -serial -in /etc/kubernetes/pki/apiserver.crt)"
)sh",
                     url_host(machine.address()));
}

}  // namespace

Plan plan_remove_node(const PlanInput& input, const std::string& name) {
  PlanBuilder plan(input);
  if (const Machine* machine = known_node(plan, name)) remove_machine(plan, *machine, "asked for by name");
  return plan.take();
}

Plan plan_replace_node(const PlanInput& input, const std::string& name, bool removed) {
  PlanBuilder plan(input);
  const Machine* machine = known_node(plan, name);
  if (machine == nullptr) return plan.take();
  const MachineState state = plan.view.of(*machine).state;
  if (removed || state == MachineState::kBlank || state == MachineState::kOwnHalf) return plan_bring_up(input);
  remove_machine(plan, *machine, "asked for by name; it joins anew afterwards", true);
  if (!plan.so_far().steps.empty()) plan.warn("it is taken out first; its joining is planned when the machines were read again");
  return plan.take();
}

Plan plan_reset(const PlanInput& input, const std::vector<std::string>& names) {
  PlanBuilder plan(input);
  for (const std::string& name : names) {
    const Machine* machine = known_node(plan, name);
    if (machine == nullptr) continue;
    const bool hidden = machine->has(Role::kControlPlane) && etcd_unread(input.site, input.facts);
    const bool listed = plan.view.of(*machine).node != nullptr || plan.view.of(*machine).member != nullptr || hidden;
    if (listed && plan.in.facts.cluster) {
      remove_machine(plan, *machine, "asked for by name");
    } else if (may_be_voter(plan, *machine)) {
      plan.obstacle({name},
                    "it may be a voter of an etcd that lives: no control plane answers, and not every machine of etcd is known to be empty",
                    "start a control plane, or make them reachable; fairlead bootstrap reset takes the whole cluster down");
    } else {
      reset_alone(plan, *machine, {});
    }
  }
  if (!names.empty()) return plan.take();
  // etcd goes last, the control plane that made it last of all: until then each can still take itself out.
  std::vector<std::string> before;
  const auto control_planes = input.site.with(Role::kControlPlane);
  for (const Machine& machine : input.site.machines) {
    if (machine.has(Role::kWorker) && !machine.has(Role::kControlPlane)) reset_alone(plan, machine, {});
  }
  for (auto each = control_planes.rbegin(); each != control_planes.rend(); ++each) {
    before.clear();
    for (const Step& step : plan.so_far().steps) before.push_back(step.id);
    reset_alone(plan, **each, before);
  }
  for (const Machine* machine : input.site.with(Role::kEtcd)) {
    if (!machine->has(Role::kControlPlane)) reset_alone(plan, *machine, before);
  }
  if (!plan.so_far().steps.empty()) plan.warn("the gateways stay as they are");
  return plan.take();
}

Plan plan_renew_certs(const PlanInput& input, std::int64_t below_days) {
  PlanBuilder plan(input);
  std::vector<const Machine*> wanting;
  // Of a life shorter than three times that, a third: what is renewed must not end "soon" at once.
  below_days = std::min(below_days, validity_days(input.site) / 3);
  for (const Machine* machine : input.site.with(Role::kControlPlane)) {
    const MachineFacts* facts = input.facts.find(machine->name);
    if (facts == nullptr) {
      plan.obstacle({machine->name}, "not read: " + plan.view.of(*machine).why, "make it reachable");
    } else if (plan.view.is(*machine, MachineState::kMember)) {
      const StepRecord* last = last_record(*facts, machine->name + "/renew");
      if (shortest_days(*facts) < below_days || (last != nullptr && last->state != "done")) wanting.push_back(machine);
    } else {
      plan.obstacle({machine->name}, plan.view.of(*machine).why, "fairlead bootstrap apply mends it first");
    }
  }
  if (!wanting.empty() && (!input.facts.cluster || !count_votes(*input.facts.cluster).all_healthy))
    plan.obstacle(names(wanting), "etcd restarts on each of them, and not every member is known to be healthy", "mend etcd first");
  if (!plan.so_far().obstacles.empty()) return plan.take();
  std::string last;
  for (const Machine* machine : wanting) {
    Step step = plan.step(machine, "renew", Phase::kUpgrade, "renews its certificates",
                          fmt::format("one ends in {} days", shortest_days(*input.facts.find(machine->name))));
    if (!last.empty()) step.needs = {last};
    step.concerns = names(input.site.with(Role::kControlPlane));
    step.operations.emplace_back(script(renew_script(*machine), 15min));
    step.operations.emplace_back(wait_for("its API server serves the new certificate", serial_script(*machine), 2min));
    step.usual = 60s;
    last = step.id;
    plan.add(std::move(step));
  }
  // Told from what is there, so that it follows after an interruption, too: read again, admin.conf is another one.
  if (wanting.empty()) plan_kubeconfigs(plan);
  return plan.take();
}

}  // namespace fairlead::bootstrap
