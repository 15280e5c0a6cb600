// etcd restored from a snapshot: interrupted at every step, said again while one machine is gone, and again when it is back. Steps go in
// two orders that `needs` allows: all that may run at once together, and each machine as far as it may before the next one.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"
#include "tests/sim/bootstrap/upgrade_cases.h"
#include "tests/support/bootstrap_site.h"

namespace fairlead::bootstrap::test {

/// How etcd was when somebody wanted it restored.
enum class Loss : std::uint8_t {
  kData,     ///< All machines answer; mast-2 and mast-3 have no etcd that could run.
  kMachine,  ///< mast-3 is gone for good and named as lost; mast-2 has no etcd that could run.
  kNone,     ///< A majority lives, and the operator wants back to the snapshot all the same.
  kAgain     ///< As kData, of an etcd that was restored from the same snapshot before.
};
inline constexpr std::array kLosses = {Loss::kData, Loss::kMachine, Loss::kNone, Loss::kAgain};

class RestoreModel {
 public:
  explicit RestoreModel(Loss loss)
      : site(lab_site({.control_planes = 3, .workers = 1, .gateways = 1})), texts(lab_texts(site)), base_(running_facts(site, "1.36.4")) {
    for (const Machine* m : site.with(Role::kControlPlane)) members_[m->name] = Member{};
    wish.snapshot = "./demo.state/backups/etcd.db";
    wish.sha256 = std::string(64, '5');
    wish.discard = loss == Loss::kNone;
    if (loss != Loss::kNone) members_["mast-2"].broken = true;
    if (loss == Loss::kData || loss == Loss::kAgain) members_["mast-3"].broken = true;
    if (loss == Loss::kMachine) {
      members_["mast-3"].off = true;
      wish.lost = {"mast-3"};
    }
    if (loss == Loss::kAgain) {
      generation_ = 1;
      for (auto& [name, member] : members_) {
        member.lineage = generation_;
        member.done = true;
        member.mark = restored_mark_text(site.with(Role::kControlPlane), wish.sha256);
      }
    }
    ++generation_;
  }

  [[nodiscard]] Facts read() const {
    Facts out = base_;
    out.cluster.reset();
    for (const auto& [name, member] : members_) {
      MachineFacts& m = out.machines[name];
      m.steps = records_.contains(name) ? records_.at(name) : std::vector<StepRecord>{};
      if (!member.manifest) m.manifests.clear();
      m.api_here = known(member.manifest && leads(name));
      m.etcd_leads = silent.contains(name) ? Known::kUnknown : known(leads(name));
      m.etcd_data = known(member.lineage != kNothing);
      m.files[stopped_pod_path("etcd")] = {member.aside, member.aside ? std::string(64, 'e') : std::string(), 0600};
      const std::string mark = sha256(member.mark);
      m.files[std::string(kRestoredMark)] = {!member.mark.empty() && !member.done, mark, 0600};
      m.files[std::string(kRestoreDone)] = {!member.mark.empty() && member.done, mark, 0600};
      if (m.api_here == Known::kYes && !out.cluster) out.cluster = base_.cluster;
    }
    for (const auto& [name, member] : members_) {
      if (!member.off && !unreachable.contains(name)) continue;
      out.machines.erase(name);
      out.unread[name] = "no route to host";
    }
    for (const std::string& name : unreachable) {
      out.machines.erase(name);
      out.unread[name] = "no route to host";
    }
    return out;
  }

  void carry_out(const Step& step, Stop stop) {
    for (const std::string& machine : step.concerns)
      if (unreachable.contains(machine)) violations.push_back(step.id + " concerns " + machine + ", which nobody had read");
    if (stop != Stop::kBegun) effect(step, stop != Stop::kHalf);
    const bool recorded = stop == Stop::kWhole || stop == Stop::kFirstScript;
    records_[step.machine].push_back({"run-1", step.id + ".0", recorded ? "done" : "interrupted", 0});
    judge(step.id);
  }
  /// `deep`: each machine as far as it may go before the next one.
  void carry_out(const Plan& plan, bool deep) {
    std::set<std::string> done;
    while (done.size() < plan.steps.size()) {
      std::vector<const Step*> ready;
      for (const Step& step : plan.steps) {
        const bool may = std::all_of(step.needs.begin(), step.needs.end(), [&](const std::string& id) { return done.contains(id); });
        if (may && !done.contains(step.id)) ready.push_back(&step);
      }
      if (ready.empty()) return violations.push_back("no step can begin");
      if (deep) std::sort(ready.begin(), ready.end(), [](const Step* a, const Step* b) { return a->machine < b->machine; });
      if (deep) ready.resize(1);
      for (const Step* step : ready) {
        carry_out(*step, Stop::kWhole);
        done.insert(step->id);
      }
    }
  }

  /// What is wrong when a restore has ended; empty: nothing.
  [[nodiscard]] std::string restored() const {
    for (const auto& [name, member] : members_) {
      if (member.off) continue;
      if (!runs(name) || member.lineage != generation_) return name + " does not serve the snapshot's data";
      if (!member.done) return name + " does not know that the restore has ended";
    }
    return {};
  }
  /// Two of three that nobody sees live on, and are a majority.
  void cut_off_one() {
    for (auto& [name, member] : members_) member = Member{};
    members_["mast-1"].alone = true;
    unreachable = {"mast-2", "mast-3"};
    wish.lost.clear();
    wish.discard = false;
  }

  Site site;
  Rendered texts;
  EtcdRestoreWish wish;
  std::set<std::string> unreachable;
  std::set<std::string> silent;  ///< Their etcd does not say whether it has a leader.
  std::vector<std::string> violations;

 private:
  static constexpr int kNothing = -1;
  struct Member {
    int lineage = 0;  ///< 0: of the etcd that was first; else of the restore of that number.
    bool manifest = true;
    bool aside = false;   ///< The manifest was moved away.
    bool broken = false;  ///< Its data cannot be read: etcd does not start with it.
    bool off = false;     ///< The machine is.
    bool alone = false;   ///< It does not reach the others.
    bool done = false;
    bool wrote = false;  ///< It was one of a majority with the snapshot's data.
    std::string mark;
  };

  [[nodiscard]] bool runs(const std::string& name) const {
    const Member& m = members_.at(name);
    return m.manifest && !m.broken && !m.off && m.lineage != kNothing;
  }
  /// Members of the etcd that this one is of: all three, or those that the mark names.
  [[nodiscard]] bool leads(const std::string& name) const {
    const Member& own = members_.at(name);
    if (!runs(name) || own.alone) return false;
    std::size_t alive = 0;
    std::size_t all = 0;
    for (const auto& [other, m] : members_) {
      const bool same = own.lineage == 0 || own.mark.find(other + "=") != std::string::npos;
      all += same ? 1U : 0U;
      alive += same && runs(other) && !m.alone && m.lineage == own.lineage ? 1U : 0U;
    }
    return alive * 2 > all;
  }
  void judge(const std::string& during) {
    std::set<int> lineages;
    for (auto& [name, member] : members_) {
      if (!runs(name)) continue;
      lineages.insert(member.lineage);
      member.wrote = member.wrote || (member.lineage == generation_ && leads(name));
    }
    if (lineages.size() > 1) violations.push_back("after " + during + " members of the old and of the new etcd run side by side");
  }

  void effect(const Step& step, bool whole) {
    const std::string what = step.id.substr(step.id.find('/') + 1);
    Member& m = members_.at(step.machine);
    if (what == "etcd-stop") {
      if (leads(step.machine) && !wish.discard) violations.push_back(step.id + " stops a living majority");
      if (m.done) m.mark.clear();
      m.done = false;
      m.manifest = false;
      m.aside = true;
    } else if (what == "etcd-restore") {
      replace(step, m, whole);
    } else if (what == "etcd-start") {
      m.manifest = true;
      m.aside = !whole;
    } else if (what == "etcd-healthy") {
      for (const auto& [name, member] : members_)
        if (!member.off && !runs(name)) violations.push_back(step.id + " waits for " + name + ", which nobody has started");
    } else if (what == "etcd-restored") {
      if (whole) m.done = true;
    }
  }
  void replace(const Step& step, Member& m, bool whole) {
    for (const auto& [name, member] : members_)
      if (runs(name) && !member.off) violations.push_back(step.id + " while etcd of " + name + " runs");
    if (m.wrote) violations.push_back(step.id + " loses what was written since this restore");
    m.lineage = whole ? generation_ : kNothing;
    m.broken = false;
    m.done = false;
    m.mark.clear();
    if (whole) m.mark = restored_mark_text(names_of(step), wish.sha256);
  }
  [[nodiscard]] std::vector<const Machine*> names_of(const Step& step) const {
    std::vector<const Machine*> out;
    for (const std::string& name : step.concerns) out.push_back(site.find(name));
    return out;
  }

  Facts base_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::vector<StepRecord>> records_;
  int generation_ = 0;  ///< Of the restore that goes on.
};

inline Plan judged_restore(RestoreModel& model) {
  const Facts facts = model.read();
  Plan plan = plan_etcd_restore({model.site, facts, model.texts}, model.wish);
  for (const std::string& wrong : check_plan(plan, model.site, facts)) model.violations.push_back(wrong);
  return plan;
}

/// Goes on to the end; empty: all is well.
inline std::string end_of(RestoreModel& model, bool deep) {
  Plan left;
  for (int round = 0; round < 5; ++round) {
    left = judged_restore(model);
    if (left.steps.empty()) break;
    model.carry_out(left, deep);
  }
  if (!model.violations.empty()) return model.violations.front();
  if (!left.steps.empty()) return "does not end: " + left.steps.front().id;
  if (!left.obstacles.empty()) return "stops: " + left.obstacles.front().reason;
  return model.restored();
}

/// What must not be begun at all.
inline std::string first_refusal_violation() {
  RestoreModel healthy(Loss::kNone);
  healthy.wish.discard = false;
  if (!judged_restore(healthy).steps.empty()) return "a living majority is restored";
  healthy.silent = {"mast-1", "mast-2", "mast-3"};
  if (!judged_restore(healthy).steps.empty()) return "one that does not say whether it lives is restored";
  RestoreModel alone(Loss::kNone);
  alone.cut_off_one();
  if (!judged_restore(alone).steps.empty()) return "one machine is restored beside a majority that nobody sees";
  return {};
}

/// The first thing that goes wrong; empty: nothing does.
inline std::string first_restore_violation() {
  if (std::string wrong = first_refusal_violation(); !wrong.empty()) return wrong;
  for (const Loss loss : kLosses) {
    for (const bool deep : {false, true}) {
      RestoreModel start(loss);
      const Plan plan = judged_restore(start);
      if (plan.steps.empty()) return "nothing is planned";
      RestoreModel whole = start;
      if (std::string wrong = end_of(whole, deep); !wrong.empty()) return "uninterrupted: " + wrong;
      RestoreModel before = start;
      for (const Step& step : plan.steps) {
        for (const Stop stop : kStops) {
          for (const Machine& gone : start.site.machines) {
            RestoreModel model = before;
            model.carry_out(step, stop);
            model.unreachable = {gone.name};
            model.carry_out(judged_restore(model), deep);
            model.unreachable.clear();
            if (std::string wrong = end_of(model, deep); !wrong.empty())
              return step.id + " " + kStopNames[static_cast<std::size_t>(stop)] + ", then " + gone.name + " unseen: " + wrong;
          }
        }
        before.carry_out(step, Stop::kWhole);
      }
      if (!before.violations.empty()) return before.violations.front();
    }
  }
  return {};
}

}  // namespace fairlead::bootstrap::test
