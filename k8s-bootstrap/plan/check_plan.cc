// fairlead: pure
// The rules of plan.h once more, told from the finished plan and the facts alone: nothing here is shared with what makes plans.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "k8s-bootstrap/plan/machine_state.h"
#include "k8s-bootstrap/plan/plan_bring_up.h"

namespace fairlead::bootstrap {
namespace {

bool is(const Step& step, std::string_view verb) { return step.id.ends_with("/" + std::string(verb)); }

void check_order(const Plan& plan, std::vector<std::string>& out) {
  std::set<std::string> seen;
  for (const Step& step : plan.steps) {
    for (const std::string& id : step.needs) {
      if (!seen.contains(id)) out.push_back(fmt::format("G1: {} needs {}, which is not before it", step.id, id));
    }
    if (!seen.insert(step.id).second) out.push_back(fmt::format("G1: {} is there twice", step.id));
    if (step.operations.empty()) out.push_back(step.id + " does nothing");
    if (step.because.empty() || step.title.empty()) out.push_back(step.id + " says not why");
  }
}

/// Steps that make or destroy a cluster's state say whom they concern.
bool must_concern(const Step& step) {
  static const std::vector<std::string_view> kVerbs{"init", "join",  "reset",  "remove-member", "setup",        "join-gateways", "etcd",
                                                    "ca",   "drain", "forget", "etcd-stop",     "etcd-restore", "etcd-start"};
  // Storage: "stor-1/brick-NAME" and its like.
  static const std::vector<std::string_view> kBegins{"brick-", "probe-", "volume-", "expand-", "replace-", "take-name"};
  const std::string_view verb = std::string_view(step.id).substr(step.id.find('/') + 1);
  return std::any_of(kVerbs.begin(), kVerbs.end(), [&](std::string_view v) { return is(step, v); }) ||
         (step.phase == Phase::kStorage &&
          std::any_of(kBegins.begin(), kBegins.end(), [&](std::string_view v) { return verb.starts_with(v); }));
}

void check_concerns(const Plan& plan, const Facts& facts, std::vector<std::string>& out) {
  for (const Step& step : plan.steps) {
    if (must_concern(step) && step.concerns.empty()) out.push_back(fmt::format("G3: {} says not whom it concerns", step.id));
    for (const std::string& machine : step.concerns) {
      if (facts.find(machine) == nullptr) out.push_back(fmt::format("G3: {} concerns {}, which was not read", step.id, machine));
    }
    if (!step.machine.empty() && facts.find(step.machine) == nullptr)
      out.push_back(fmt::format("G3: {} runs on {}, which was not read", step.id, step.machine));
  }
}

/// G5
void check_endpoint(const Plan& plan, const Site& site, const Facts& facts, std::vector<std::string>& out) {
  if (site.endpoint() == nullptr) return;
  const bool inits = std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& s) { return is(s, "init"); });
  const bool served = std::any_of(site.machines.begin(), site.machines.end(), [&](const Machine& m) {
    const MachineFacts* f = facts.find(m.name);
    return m.has(Role::kGateway) && ((f != nullptr && f->gateway_serves == Known::kYes) || plan.find(m.name + "/gate") != nullptr);
  });
  if (inits && !served) out.emplace_back("G5: it initialises a cluster whose endpoint nobody serves");
}

void check_init(const Plan& plan, const Site& site, const Facts& facts, std::vector<std::string>& out) {
  const auto inits = std::count_if(plan.steps.begin(), plan.steps.end(), [](const Step& s) { return is(s, "init"); });
  if (inits > 1) out.push_back(fmt::format("G4: {} steps initialise the cluster", inits));
  if (inits == 0) return;
  if (facts.cluster) out.emplace_back("G4: it initialises a cluster while one answers");
  for (const Machine& machine : site.machines) {
    const bool external = machine.has(Role::kEtcd) && !machine.has(Role::kControlPlane);
    if (!external && !machine.has(Role::kControlPlane)) continue;
    const MachineFacts* f = facts.find(machine.name);
    if (f == nullptr) {
      out.push_back(fmt::format("G4: it initialises a cluster, and {} was not read", machine.name));
      continue;
    }
    const bool ours = external && std::any_of(f->steps.begin(), f->steps.end(),
                                              [&](const StepRecord& r) { return is_record_of(r, machine.name + "/etcd"); });
    if (f->admin_conf != Known::kNo && !external)
      out.push_back(fmt::format("G4: it initialises a cluster, and {} has an admin.conf", machine.name));
    if (f->etcd_data != Known::kNo && !ours && (external || site.kubernetes.etcd == EtcdPlace::kStacked))
      out.push_back(fmt::format("G4: it initialises a cluster, and {} has etcd data", machine.name));
    if (f->api_here == Known::kYes) out.push_back(fmt::format("G4: it initialises a cluster, and {} has a live API", machine.name));
  }
}

/// One member at a time, of a majority that stays, and nothing else.
void check_members(const Plan& plan, const Site& site, const Facts& facts, std::vector<std::string>& out) {
  const Step* removal = nullptr;
  for (const Step& step : plan.steps) {
    if (!is(step, "remove-member")) continue;
    if (removal != nullptr) out.push_back(fmt::format("etcd: {} and {} in one plan", removal->id, step.id));
    removal = &step;
  }
  const bool hidden = site.kubernetes.etcd == EtcdPlace::kStacked && facts.cluster && facts.cluster->etcd.empty();
  for (const Step& step : plan.steps) {
    const Machine* machine = site.find(step.id.substr(0, step.id.find('/')));
    const bool unasked = is(step, "join") || (is(step, "reset") && step.hazard == Hazard::kNone);
    if (hidden && unasked && machine != nullptr && machine->has(Role::kControlPlane))
      out.push_back(fmt::format("etcd: {}, and nobody said which members there are", step.id));
  }
  if (removal == nullptr) return;
  const std::string machine = removal->id.substr(0, removal->id.find('/'));
  for (const Step& step : plan.steps) {
    if (is(step, "init") || is(step, "join")) out.push_back(fmt::format("etcd: {} beside {}", removal->id, step.id));
  }
  if (!facts.cluster) return out.push_back("etcd: a member goes, and nobody said which there are");
  std::size_t voters = 0;
  std::size_t healthy = 0;
  for (const EtcdMember& member : facts.cluster->etcd) {
    const bool theirs = member.name == machine || member.name.empty();  // One that never started has no name, and no vote to lose.
    if (member.learner || theirs) continue;
    ++voters;
    if (member.healthy) ++healthy;
  }
  if (healthy * 2 <= voters) out.push_back(fmt::format("etcd: after {} {} of {} members would be healthy", removal->id, healthy, voters));
}

/// `step` comes after `earlier` by way of `needs`.
bool waits_for(const Plan& plan, const Step& step, const std::string& earlier) {
  std::vector<std::string> open = step.needs;
  std::set<std::string> seen;
  while (!open.empty()) {
    const std::string id = open.back();
    open.pop_back();
    if (id == earlier) return true;
    const Step* next = seen.insert(id).second ? plan.find(id) : nullptr;
    if (next != nullptr) open.insert(open.end(), next->needs.begin(), next->needs.end());
  }
  return false;
}

/// Old and new members of etcd never run side by side.
void check_restore(const Plan& plan, const Site& site, const Facts& facts, std::vector<std::string>& out) {
  for (const Step& step : plan.steps) {
    const bool replaces = is(step, "etcd-restore");
    if (!replaces && !is(step, "etcd-start")) continue;
    for (const Step& other : plan.steps) {
      const bool before = is(other, "etcd-stop") || (!replaces && is(other, "etcd-restore"));
      if (before && !waits_for(plan, step, other.id)) out.push_back(fmt::format("etcd: {} does not wait for {}", step.id, other.id));
    }
    for (const Machine* machine : site.etcd_machines()) {
      const MachineFacts* f = facts.find(machine->name);
      if (!replaces || f == nullptr || std::find(f->manifests.begin(), f->manifests.end(), "etcd") == f->manifests.end()) continue;
      if (plan.find(machine->name + "/etcd-stop") == nullptr)
        out.push_back(fmt::format("etcd: {} while that of {} runs", step.id, machine->name));
    }
  }
}

}  // namespace

std::vector<std::string> check_plan(const Plan& plan, const Site& site, const Facts& facts) {
  std::vector<std::string> out;
  check_order(plan, out);
  check_concerns(plan, facts, out);
  check_init(plan, site, facts, out);
  check_endpoint(plan, site, facts, out);
  check_members(plan, site, facts, out);
  check_restore(plan, site, facts, out);
  return out;
}

}  // namespace fairlead::bootstrap
