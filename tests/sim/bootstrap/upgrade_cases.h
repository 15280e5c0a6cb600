// Upgrades and renewals of certificates of a cluster that runs: interrupted at every step, said again while one machine is gone, and again
// when it is back. What may run at once does: all steps whose needs are done begin together.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap::test {

/// Where a step stops.
enum class Stop : std::uint8_t {
  kBegun,        ///< Nothing happened yet; its script is recorded as interrupted.
  kHalf,         ///< A part of it happened.
  kUnrecorded,   ///< All of it, and the record says interrupted.
  kFirstScript,  ///< Its first script is recorded as done, and nothing after it happened.
  kWhole
};
inline constexpr std::array kStops = {Stop::kBegun, Stop::kHalf, Stop::kUnrecorded, Stop::kFirstScript, Stop::kWhole};
inline constexpr std::array kStopNames = {"begun", "half", "unrecorded", "after its first script", "whole"};

class RunningModel {
 public:
  /// node-1 and mast-2 are cordoned by somebody. `package`: Fairlead's own is named, so that gateways change as well.
  explicit RunningModel(bool package = true) : site(lab_site({})), texts(lab_texts(site)), truth_(running_facts(site, "1.35.2")) {
    if (package) texts.fairlead = FairleadPackage{"./fairlead_0.2.0_amd64.deb", "0.2.0", std::string(64, 'd')};
    for (const Machine& m : site.machines) {
      if (m.has(Role::kControlPlane) || m.has(Role::kWorker)) truth_.machines[m.name].programs["containerd"] = "2.2.1";
    }
    truth_.machines["gate-1"].vips_held = {"api"};
    for (const std::string& name : cordoned_) node(name).unschedulable = true;
    for (const Machine* m : site.with(Role::kControlPlane)) {
      truth_.machines[m->name].certificates.front().days_left = 12;
      serves_old_.insert(m->name);
    }
  }

  [[nodiscard]] Facts read() const {
    Facts out = truth_;
    for (const std::string& name : unreachable) {
      out.machines.erase(name);
      out.unread[name] = "no route to host";
    }
    for (const std::string& name : down) {
      for (NodeFact& n : out.cluster->nodes) n.ready = n.ready && n.name != name;
      for (EtcdMember& e : out.cluster->etcd) e.healthy = e.healthy && e.name != name;
    }
    return out;
  }

  void carry_out(const Step& step, Stop stop) {
    busy_.insert(owner(step));
    judge_out(step.id);
    if (stop != Stop::kBegun) effect(step, stop);
    record(step, stop);
    busy_.erase(owner(step));
    judge_out(step.id);
  }
  void carry_out(const Plan& plan) {
    std::set<std::string> done;
    while (done.size() < plan.steps.size()) {
      std::vector<const Step*> wave;
      for (const Step& step : plan.steps) {
        const bool ready = std::all_of(step.needs.begin(), step.needs.end(), [&](const std::string& id) { return done.contains(id); });
        if (ready && !done.contains(step.id)) wave.push_back(&step);
      }
      if (wave.empty()) return violations.push_back("no step can begin");
      for (const Step* step : wave) busy_.insert(owner(*step));
      for (const Step* step : wave) {
        carry_out(*step, Stop::kWhole);
        done.insert(step->id);
      }
    }
  }

  /// What is wrong when an upgrade has ended; empty: nothing.
  [[nodiscard]] std::string upgraded() const {
    std::string out;
    for (const NodeFact& n : truth_.cluster->nodes) {
      if (n.kubelet_version != "v" + site.versions.kubernetes) out += n.name + " has kubelet " + n.kubelet_version + "; ";
      if (truth_.machines.at(n.name).programs.at("containerd") != site.versions.containerd->version)
        out += n.name + " has the old containerd; ";
      if (runtime_half_.contains(n.name)) out += n.name + " runs a containerd that was not started again; ";
      if (n.unschedulable != cordoned_.contains(n.name)) out += n.name + (n.unschedulable ? " stays cordoned; " : " was uncordoned; ");
    }
    for (const Machine* m : site.with(Role::kControlPlane)) {
      if (!api_new(m->name)) out += m->name + " has API " + truth_.machines.at(m->name).api_version + "; ";
    }
    for (const auto& [gateway, servers] : pool_out_) {
      for (const std::string& server : servers) out += gateway + " keeps " + server + " out; ";
    }
    for (const std::string& gateway : standby_) out += gateway + " is on standby; ";
    return out;
  }
  [[nodiscard]] std::string renewed() const {
    std::string out;
    for (const std::string& name : serves_old_) out += name + " serves its old certificate; ";
    return out;
  }

  Site site;
  Rendered texts;
  std::set<std::string> unreachable;
  std::set<std::string> down;
  std::vector<std::string> violations;

 private:
  static std::string verb(const Step& step) { return step.id.substr(step.id.find('/') + 1); }
  /// Whom it changes: "gate-1/maint-mast-2" is about mast-2.
  static std::string owner(const Step& step) {
    for (const std::string prefix : {"maint-", "ready-"}) {
      if (verb(step).starts_with(prefix)) return verb(step).substr(prefix.size());
    }
    return step.id.substr(0, step.id.find('/'));
  }
  NodeFact& node(const std::string& name) {
    return *std::find_if(truth_.cluster->nodes.begin(), truth_.cluster->nodes.end(), [&](const NodeFact& n) { return n.name == name; });
  }
  [[nodiscard]] bool api_new(const std::string& name) const {
    return truth_.machines.at(name).api_version == "v" + site.versions.kubernetes;
  }
  bool is_control_plane(const std::string& name) const { return site.find(name)->has(Role::kControlPlane); }

  void record(const Step& step, Stop stop) {
    unsigned index = 0;
    bool first = true;
    for (const Operation& operation : step.operations) {
      const unsigned at = index++;
      if (!std::holds_alternative<RunScript>(operation)) continue;
      if (!first && stop != Stop::kWhole) return;
      const bool done = stop == Stop::kWhole || stop == Stop::kFirstScript;
      truth_.machines.at(step.machine).steps.push_back({"run-1", step.id + "." + std::to_string(at), done ? "done" : "interrupted", 0});
      first = false;
    }
  }

  /// Two control planes at once are out of the pool, drained, or under work.
  void judge_out(const std::string& during) {
    std::string out;
    int count = 0;
    for (const Machine* m : site.with(Role::kControlPlane)) {
      bool is_out = down.contains(m->name) || busy_.contains(m->name);
      is_out = is_out || (node(m->name).unschedulable && !cordoned_.contains(m->name));
      for (const auto& [gateway, servers] : pool_out_) is_out = is_out || servers.contains(m->name);
      if (!is_out) continue;
      ++count;
      out += " " + m->name;
    }
    if (count > 1) violations.push_back("during " + during + " these control planes are out at once:" + out);
  }

  void changes_node(const Step& step, const std::string& name) {
    if (!node(name).unschedulable) violations.push_back(step.id + " while it takes pods");
    if (!is_control_plane(name)) {
      for (const Machine* m : site.with(Role::kControlPlane)) {
        if (!api_new(m->name)) violations.push_back(step.id + " before " + m->name);
      }
      return;
    }
    for (const Machine* gateway : site.with(Role::kGateway)) {
      if (!pool_out_[gateway->name].contains(name)) violations.push_back(step.id + " while " + gateway->name + " sends to it");
    }
  }

  void upgrade(const Step& step, const std::string& name, bool whole) {
    changes_node(step, name);
    if (!is_control_plane(name)) return;
    const std::string& script = std::get<RunScript>(step.operations.back()).script;
    if (script.find("upgrade apply") != std::string::npos) {
      if (!saved_) violations.push_back(step.id + " before etcd was saved");
      applied_ = applied_ || whole;
    } else if (!applied_) {
      violations.push_back(step.id + " before the first control plane's upgrade has ended");
    }
    truth_.machines[name].api_version = "v" + site.versions.kubernetes;
  }

  void effect(const Step& step, Stop stop) {
    const std::string what = verb(step);
    const std::string name = owner(step);
    const std::string target = site.versions.kubernetes;
    const bool whole = stop != Stop::kHalf;
    MachineFacts& m = truth_.machines.at(name);
    if (what == "etcd-snapshot") {
      saved_ = saved_ || stop == Stop::kWhole;  // In state_dir at the end only.
    } else if (what == "upgrade-fairlead") {
      const auto scripts = std::count_if(step.operations.begin(), step.operations.end(),
                                         [](const Operation& o) { return std::holds_alternative<RunScript>(o); });
      m.programs["fairleadd"] = texts.fairlead->version;
      standby_.insert(name);
      if (stop == Stop::kWhole || (whole && scripts == 1)) standby_.erase(name);
    } else if (what.starts_with("maint-")) {
      pool_out_[step.machine].insert(name);
    } else if (what.starts_with("ready-")) {
      if (whole) pool_out_[step.machine].erase(name);
    } else if (what == "drain") {
      node(name).unschedulable = true;
    } else if (what == "runtime") {
      changes_node(step, name);
      m.programs["containerd"] = site.versions.containerd->version;
      runtime_half_.insert(name);
      if (whole) runtime_half_.erase(name);
    } else if (what == "kubeadm") {
      if (whole) m.packages["kubeadm"] = target + "-1.1";
    } else if (what == "upgrade") {
      upgrade(step, name, whole);
    } else if (what == "kubelet") {
      changes_node(step, name);
      m.packages["kubelet"] = m.packages["kubectl"] = target + "-1.1";
      if (whole) node(name).kubelet_version = "v" + target;
    } else if (what == "upgraded") {
      if (node(name).kubelet_version != "v" + target || (is_control_plane(name) && !api_new(name)))
        violations.push_back(step.id + " waits for what nobody does");
    } else if (what == "uncordon") {
      if (cordoned_.contains(name)) violations.push_back(step.id + ": it was cordoned by somebody else");
      if (whole) node(name).unschedulable = false;
    } else if (what == "renew") {
      m.certificates.front().days_left = 365;
      if (whole) serves_old_.erase(name);
    }
  }

  Facts truth_;
  std::set<std::string> cordoned_{"node-1", "mast-2"};
  std::map<std::string, std::set<std::string>> pool_out_;  ///< Gateway -> whom it sends nothing.
  std::set<std::string> standby_;
  std::set<std::string> busy_;
  std::set<std::string> serves_old_;
  std::set<std::string> runtime_half_;  ///< Its new containerd is there and does not run yet.
  bool saved_ = false;
  bool applied_ = false;
};

enum class Verb : std::uint8_t {
  kUpgrade,
  kUpgradeNodes,  ///< Without Fairlead's package: the gateways stay as they are.
  kRenew
};

inline Plan judged_plan(RunningModel& model, Verb verb) {
  const Facts facts = model.read();
  const PlanInput input{model.site, facts, model.texts};
  Plan plan = verb == Verb::kRenew ? plan_renew_certs(input, 30) : plan_upgrade(input);
  for (const std::string& wrong : check_plan(plan, model.site, facts)) model.violations.push_back(wrong);
  return plan;
}

/// Goes on to the end; empty: all is well.
inline std::string end_of(RunningModel& model, Verb verb) {
  Plan left;
  for (int round = 0; round < 4; ++round) {
    left = judged_plan(model, verb);
    if (left.steps.empty()) break;
    model.carry_out(left);
  }
  if (!model.violations.empty()) return model.violations.front();
  if (!left.steps.empty()) return "does not end: " + left.steps.front().id;
  if (!left.obstacles.empty()) return "stops: " + left.obstacles.front().reason;
  return verb == Verb::kRenew ? model.renewed() : model.upgraded();
}

/// The first thing that goes wrong; empty: nothing does.
inline std::string first_day_two_violation(Verb verb) {
  RunningModel start(verb != Verb::kUpgradeNodes);
  const Plan plan = judged_plan(start, verb);
  if (plan.steps.empty()) return "nothing is planned";
  RunningModel whole = start;
  if (std::string wrong = end_of(whole, verb); !wrong.empty()) return "uninterrupted: " + wrong;
  RunningModel before = start;
  for (const Step& step : plan.steps) {
    for (const Stop stop : kStops) {
      for (const Machine& gone : start.site.machines) {
        for (const bool off : {false, true}) {
          RunningModel model = before;
          model.carry_out(step, stop);
          model.unreachable = {gone.name};
          if (off) model.down = {gone.name};
          model.carry_out(judged_plan(model, verb));
          model.unreachable.clear();
          model.down.clear();
          if (std::string wrong = end_of(model, verb); !wrong.empty())
            return step.id + " " + kStopNames[static_cast<std::size_t>(stop)] + ", then " + gone.name + (off ? " off: " : " unseen: ") +
                   wrong;
        }
      }
    }
    before.carry_out(step, Stop::kWhole);
  }
  return before.violations.empty() ? std::string() : before.violations.front();
}
inline std::string first_upgrade_violation() {
  std::string found = first_day_two_violation(Verb::kUpgrade);
  return found.empty() ? first_day_two_violation(Verb::kUpgradeNodes) : found;
}

}  // namespace fairlead::bootstrap::test
