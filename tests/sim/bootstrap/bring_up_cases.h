// The runs that both the property tests and the mutants judge: every point of interruption of a bring-up, with every subset of machines
// unreachable afterwards.
#pragma once

#include <array>
#include <bit>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/plan/machine_state.h"
#include "k8s-bootstrap/plan/plan_day_two.h"
#include "tests/support/bootstrap_model.h"

namespace fairlead::bootstrap::test {

/// A site whose machines are prepared, so that a plan is what matters here; its gateways have begun nothing.
inline BootstrapModel prepared(const SiteSize& size = {}) {
  const Site site = lab_site(size);
  BootstrapModel out(site, lab_texts(site));
  for (const Step& step : out.plan().steps) {
    if (step.phase == Phase::kPrepare) out.carry_out(step);
  }
  return out;
}

/// Likewise, and all that follows comes from an archive.
inline BootstrapModel prepared_for_archive(const SiteSize& size = {}) {
  BootstrapModel out = prepared(size);
  ClusterBackup backup{.folder = "./demo.state/restore", .files = {}, .kubernetes = out.site.versions.kubernetes};
  for (const std::string& name : cluster_ca_files(out.site)) backup.files[backup_pki_file(name)] = std::string(64, 'a');
  backup.files[kBackupSnapshot] = std::string(64, '5');
  out.backup = backup;
  // Of an attempt before, whose keys are others.
  for (const std::string& name : cluster_ca_files(out.site))
    out.machines.at("mast-1").files["/etc/kubernetes/pki/" + name] = {true, std::string(64, 'b'), 0600};
  return out;
}

struct Interruption {
  std::size_t step = 0;
  How how = How::kWhole;
  unsigned part = 0;
};
inline std::string text_of(const Plan& plan, const Interruption& at) {
  const char* how = at.how == How::kWhole ? "after" : at.how == How::kUnrecorded ? "after, unrecorded" : "in the middle of";
  return std::string(how) + " " + plan.steps[at.step].id + " part " + std::to_string(at.part);
}
inline std::vector<Interruption> interruptions(const Plan& plan) {
  std::vector<Interruption> out;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    for (unsigned part = 0; part < BootstrapModel::parts_of(plan.steps[i]); ++part) out.push_back({i, How::kMiddle, part});
    out.push_back({i, How::kUnrecorded, 0});
    out.push_back({i, How::kWhole, 0});
  }
  return out;
}
inline void run_until(BootstrapModel& model, const Plan& plan, const Interruption& at) {
  for (std::size_t i = 0; i < at.step; ++i) model.carry_out(plan.steps[i]);
  model.carry_out(plan.steps[at.step], at.how, at.part);
}

inline std::set<std::string> subset_of(const Site& site, unsigned bits) {
  std::set<std::string> out;
  for (std::size_t i = 0; i < site.machines.size(); ++i) {
    if ((bits >> i & 1U) != 0) out.insert(site.machines[i].name);
  }
  return out;
}

/// What some machines are for a while.
enum class Absence : std::uint8_t {
  kUnseen,  ///< The operator does not reach them; they work.
  kDown,    ///< They are off.
  kBlip,    ///< Read, but their API does not answer at that moment.
  kMixed,   ///< Read; of every second one API and etcd are stopped, of the others the API blips.
  kNoEtcd   ///< Read; an API answers but not on these, and etcd cannot be asked.
};
inline constexpr std::array kAbsences = {Absence::kUnseen, Absence::kDown, Absence::kBlip, Absence::kMixed, Absence::kNoEtcd};
inline constexpr std::array kAbsenceNames = {"unseen", "down", "API blips", "stopped or API blips", "API blips, etcd unread"};

inline void begin_absence(BootstrapModel& model, const std::set<std::string>& absent, Absence how) {
  if (how == Absence::kBlip || how == Absence::kNoEtcd) model.blips = absent;
  model.etcd_unread = how == Absence::kNoEtcd;
  if (how == Absence::kUnseen || how == Absence::kDown) model.unreachable = absent;
  if (how == Absence::kDown) model.down = absent;
  bool stops = true;
  for (const std::string& name : how == Absence::kMixed ? absent : std::set<std::string>{}) {
    (stops ? model.down : model.blips).insert(name);
    stops = !stops;
  }
}
inline void end_absence(BootstrapModel& model) {
  model.unreachable.clear();
  model.down.clear();
  model.blips.clear();
  model.etcd_unread = false;
}

/// What is planned now, judged by its rules.
inline Plan judged_plan(BootstrapModel& model) {
  const Facts facts = model.read();
  Plan plan = model.plan_from(facts);
  for (const std::string& wrong : check_plan(plan, model.site, facts)) model.violations.push_back(wrong);
  return plan;
}

/// Plans and carries out while some machines are absent, until nothing more can be done; then they come back. A blip is over when the
/// machines have been read.
inline void go_on_without(BootstrapModel& model, const std::set<std::string>& absent, Absence how) {
  for (int round = 0; round < 3; ++round) {
    begin_absence(model, absent, how);
    const Plan plan = judged_plan(model);
    model.blips.clear();
    if (plan.steps.empty()) break;
    model.carry_out(plan);
  }
  end_absence(model);
}

inline std::string what_is_left(const BootstrapModel& model) {
  std::string out;
  const Plan plan = model.plan();
  for (const Step& step : plan.steps) out += step.id + " (" + step.because + ") ";
  for (const Obstacle& obstacle : plan.obstacles) out += "[" + obstacle.reason + "] ";
  return out;
}

/// Empty: all is well.
inline std::string judge(BootstrapModel model, const BootstrapModel& whole, const std::set<std::string>& absent, Absence how) {
  go_on_without(model, absent, how);
  const bool ended = model.converge();
  std::string where = std::string(", then ") + kAbsenceNames[static_cast<std::size_t>(how)] + ":";
  for (const std::string& name : absent) where += " " + name;
  where += "; ";
  if (!model.violations.empty()) return where + model.violations.front();
  if (!ended) return where + "does not end: " + what_is_left(model);
  if (model.state() != whole.state()) return where + "ends differently:\n" + model.state() + "instead of\n" + whole.state();
  if (model.inits > 2) return where + "initialised more than twice";
  // Done is done: an API that does not answer for a moment is no reason to undo anything.
  for (const Machine* machine : model.site.with(Role::kControlPlane)) {
    if (how == Absence::kBlip || how == Absence::kNoEtcd) go_on_without(model, {machine->name}, how);
  }
  if (!model.violations.empty()) return where + "afterwards: " + model.violations.front();
  return model.state() == whole.state() ? std::string() : where + "afterwards it changes";
}

/// The first thing that goes wrong; empty: nothing does. At most `absent_max` machines are gone at once.
inline std::string first_violation(const BootstrapModel& start, int absent_max, unsigned shard = 0, unsigned shards = 1) {
  const Plan plan = start.plan();
  BootstrapModel whole = start;
  if (!whole.converge()) return "an uninterrupted run does not end: " + what_is_left(whole);
  if (!whole.violations.empty()) return "uninterrupted: " + whole.violations.front();
  const auto points = interruptions(plan);
  const unsigned subsets = 1U << start.site.machines.size();
  for (std::size_t p = shard; p < points.size(); p += shards) {
    BootstrapModel stopped = start;
    run_until(stopped, plan, points[p]);
    for (unsigned bits = 0; bits < subsets; ++bits) {
      if (std::popcount(bits) > absent_max) continue;
      for (const Absence how : kAbsences) {
        if (std::string wrong = judge(stopped, whole, subset_of(start.site, bits), how); !wrong.empty())
          return text_of(plan, points[p]) + wrong;
      }
    }
  }
  return {};
}

/// One round of a story: who is absent, and how far the plan of that moment comes.
struct Chapter {
  unsigned absent = 0;  ///< Bits.
  Absence how = Absence::kUnseen;
  unsigned steps = 0;  ///< How many are carried out wholly; more than there are: all.
  How end = How::kWhole;
  unsigned part = 0;
};

inline std::string text_of(const std::vector<Chapter>& story) {
  std::string out;
  for (const Chapter& c : story) {
    out += "without " + std::to_string(c.absent) + " (" + kAbsenceNames[static_cast<std::size_t>(c.how)] + ") " + std::to_string(c.steps) +
           " steps, then " +
           (c.end == How::kWhole        ? "one more"
            : c.end == How::kUnrecorded ? "one unrecorded"
                                        : "part " + std::to_string(c.part) + " of one") +
           "; ";
  }
  return out;
}

/// Several interruptions, one after the other. Empty: all is well.
inline std::string judge_story(const BootstrapModel& start, const BootstrapModel& whole, const std::vector<Chapter>& story) {
  BootstrapModel model = start;
  for (const Chapter& chapter : story) {
    begin_absence(model, subset_of(model.site, chapter.absent), chapter.how);
    const Plan plan = judged_plan(model);
    model.blips.clear();
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      if (i < chapter.steps) {
        model.carry_out(plan.steps[i]);
        continue;
      }
      model.carry_out(plan.steps[i], chapter.end, chapter.part % BootstrapModel::parts_of(plan.steps[i]));
      break;
    }
    end_absence(model);
  }
  const bool ended = model.converge(40);
  if (!model.violations.empty()) return model.violations.front();
  if (!ended) return "does not end: " + what_is_left(model);
  return model.state() == whole.state() ? std::string() : "ends differently:\n" + model.state() + "instead of\n" + whole.state();
}

/// `replace-node NAME` of a cluster that runs, interrupted, said again while others are absent, and again when they are back.
inline std::string judge_replacement(const BootstrapModel& whole, const std::string& name, const Interruption& at,
                                     const std::set<std::string>& absent, Absence how) {
  BootstrapModel model = whole;
  model.given_up = {name};
  const auto replace = [&] {
    const Facts facts = model.read();
    Plan plan = plan_replace_node({model.site, facts, model.texts}, name, false);
    for (const std::string& wrong : check_plan(plan, model.site, facts)) model.violations.push_back(wrong);
    return plan;
  };
  const Plan first = replace();
  if (at.step >= first.steps.size()) return {};
  run_until(model, first, at);
  begin_absence(model, absent, how);
  const Plan second = replace();
  model.blips.clear();
  model.carry_out(second);
  end_absence(model);
  for (int round = 0; round < 4 && !view_of(model.site, model.read()).is(*model.site.find(name), MachineState::kBlank); ++round)
    model.carry_out(replace());
  const bool ended = model.converge();
  std::string where = text_of(first, at) + ", then " + kAbsenceNames[static_cast<std::size_t>(how)] + ":";
  for (const std::string& machine : absent) where += " " + machine;
  if (!model.violations.empty()) return where + "; " + model.violations.front();
  if (!ended) return where + "; does not end: " + what_is_left(model);
  return model.state() == whole.state() ? std::string() : where + "; ends differently:\n" + model.state() + "instead of\n" + whole.state();
}

/// Two joins that failed late, which one run of ours alone cannot leave: members go one at a time all the same.
inline std::string judge_two_half_joins() {
  BootstrapModel model = prepared({.control_planes = 4, .workers = 0, .gateways = 1});
  if (!model.converge()) return "an uninterrupted run does not end";
  for (const char* name : {"mast-3", "mast-4"}) {
    MachineFacts& m = model.machines.at(name);
    m.manifests = {"etcd"};
    m.steps.push_back({"run-0", std::string(name) + "/join", "failed", 1});
    for (EtcdMember& member : model.members) member.learner = member.learner || member.name == name;
  }
  static_cast<void>(judged_plan(model));
  return model.violations.empty() ? std::string() : model.violations.front();
}

/// A cluster brought up from an archive, interrupted until its first control plane answers, and again while the others join.
inline std::string first_archive_violation(const SiteSize& size, int absent_max) {
  BootstrapModel start = prepared_for_archive(size);
  if (std::string wrong = first_violation(start, absent_max); !wrong.empty()) return wrong;
  start.carry_out(start.plan());
  return first_violation(start, absent_max);
}

}  // namespace fairlead::bootstrap::test
