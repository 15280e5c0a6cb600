#include "k8s-bootstrap/apply/apply_loop.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <thread>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_hooks.h"
#include "k8s-bootstrap/plan/plan_text.h"

namespace fairlead::bootstrap {
namespace {

using End = ApplyOutcome::End;
constexpr Duration kLookAgain = std::chrono::seconds(1);
constexpr Duration kStopLook = std::chrono::milliseconds(100);

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> out;
  for (const Step& step : plan.steps) out.push_back(step.id);
  return out;
}

/// Names that `plan` would need and `wishes` does not have.
std::vector<std::string> unconfirmed(const Plan& plan, const ApplyWishes& wishes) {
  std::vector<std::string> out = needs_confirmation(plan);
  std::erase_if(out, [&](const std::string& name) { return wishes.may_destroy.contains(name); });
  return out;
}

class Loop {
 public:
  Loop(const Site& site, ApplyWorld& world, const ApplyWishes& wishes)
      : site_(site), world_(world), wishes_(wishes), taken_up_(wishes.anew ? std::nullopt : world.journal.before().unfinished_run()) {}

  Result<ApplyOutcome> go() {
    const Instant begun = world_.clock.now();
    while (true) {
      auto more = round();
      if (!more) return more.error();
      if (*more) continue;
      out_.took = world_.clock.now() - begun;
      return out_;
    }
  }

 private:
  bool ends(End end, std::string failure = {}) {
    out_.end = end;
    out_.failure = std::move(failure);
    return false;
  }

  [[nodiscard]] bool stop_asked() const { return wishes_.run.stop && wishes_.run.stop(); }

  /// Facts that no script is changing any more (A5); or those of the moment when a stop was asked for.
  Facts settled_facts() {
    std::vector<StepAtWork> told;
    while (true) {
      Facts facts = world_.read();
      const auto at_work = steps_at_work(facts);
      if (at_work.empty() || stop_asked()) return facts;
      for (const StepAtWork& one : at_work) {
        if (std::find(told.begin(), told.end(), one) != told.end()) continue;
        told.push_back(one);
        Step step;
        step.id = one.step;
        step.machine = one.machine;
        world_.watcher.says(step, fmt::format("waits: {} of an earlier run is still at work", one.step));
      }
      const Instant again = world_.clock.now() + kLookAgain;
      while (world_.clock.now() < again && !stop_asked()) std::this_thread::sleep_for(kStopLook);
    }
  }

  /// True: there may be more to do.
  Result<bool> round() {
    const Facts facts = settled_facts();
    if (stop_asked()) return ends(End::kStopped);
    out_.left = world_.plan(facts, out_.rounds);
    const Plan& plan = out_.left;
    if (plan.steps.empty()) {
      if (!plan.obstacles.empty()) return ends(End::kObstacles);
      return out_.rounds == 0 ? ends(End::kNothingToDo) : finish();
    }
    if (const auto wrong = check_plan(plan, site_, facts); !wrong.empty()) {
      return Error{Errc::kConflict, fmt::format("the plan is not carried out, by a mistake of this program: {}", wrong.front())};
    }
    if (ids(plan) == before_ && !was_taken_up_) {
      return ends(End::kGoesInCircles,
                  fmt::format("{} was done and is needed again: {}", plan.steps.front().id, plan.steps.front().because));
    }
    if (const auto names = unconfirmed(plan, wishes_); !names.empty()) {
      return ends(End::kUnconfirmed, fmt::format("data of {} would be destroyed", fmt::join(names, ", ")));
    }
    const bool begins = out_.rounds == 0;
    if (wishes_.go_on && !wishes_.go_on(wishes_.hooks ? with_all_hooks(plan, site_.hooks, begins) : plan)) return ends(End::kDeclined);
    before_ = ids(plan);
    return carry_out(wishes_.hooks ? with_hooks(plan, site_.hooks, begins) : plan);
  }

  /// Everything is done: those who want to know are told.
  Result<bool> finish() {
    const Plan last = wishes_.hooks ? hooks_after_apply(site_.hooks) : Plan{};
    if (!last.steps.empty()) {
      auto more = carry_out(last);
      if (!more || !*more) return more;
    }
    return ends(End::kDone);
  }

  Result<bool> carry_out(const Plan& plan) {
    was_taken_up_ = taken_up_.has_value();
    const std::string run = taken_up_          ? *taken_up_
                            : out_.rounds == 0 ? wishes_.fresh_run
                                               : fmt::format("{}-{}", wishes_.fresh_run, out_.rounds + 1);
    taken_up_.reset();
    auto summary = run_plan(plan, run, world_.hands, world_.journal, world_.secrets, world_.watcher, world_.clock, wishes_.run);
    if (!summary) return summary.error();
    ++out_.rounds;
    out_.steps_done += summary->done;
    if (summary->failed > 0) return ends(End::kFailed, summary->first_failure);
    if (summary->stopped) return ends(End::kStopped);
    if (wishes_.once && out_.rounds == 1) {
      out_.left = Plan{};
      return finish();
    }
    return true;
  }

  const Site& site_;
  ApplyWorld& world_;
  const ApplyWishes& wishes_;
  std::optional<std::string> taken_up_;  ///< The run that was interrupted, until it is taken up.
  bool was_taken_up_ = false;            ///< The last plan was.
  std::vector<std::string> before_;
  ApplyOutcome out_;
};

}  // namespace

std::vector<StepAtWork> steps_at_work(const Facts& facts) {
  std::vector<StepAtWork> out;
  for (const auto& [name, machine] : facts.machines) {
    for (const StepRecord& record : machine.steps) {
      if (record.state == "running") out.push_back({name, record.step});
    }
  }
  return out;
}

Result<ApplyOutcome> apply(const Site& site, ApplyWorld& world, const ApplyWishes& wishes) { return Loop(site, world, wishes).go(); }

}  // namespace fairlead::bootstrap
