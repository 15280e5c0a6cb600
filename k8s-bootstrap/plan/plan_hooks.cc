// fairlead: pure
#include "k8s-bootstrap/plan/plan_hooks.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace fairlead::bootstrap {
namespace {

using Commands = std::vector<std::vector<std::string>>;

/// One step a command, each after the one before it, the first after `needs`.
std::vector<Step> steps_of(const Commands& commands, const std::string& machine, const std::string& verb, Phase phase,
                           std::vector<std::string> needs) {
  std::vector<Step> out;
  for (const auto& argv : commands) {
    Step step;
    step.id = fmt::format("{}/{}-{}", machine.empty() ? "operator" : machine, verb, out.size() + 1);
    step.phase = phase;
    step.machine = machine;
    step.title = fmt::format("runs {}", fmt::join(argv, " "));
    step.because = fmt::format("hooks.{} of the site",
                               machine.empty() ? (phase == Phase::kPreflight ? "before_apply" : "after_apply") : "after_machine");
    step.needs = std::exchange(needs, {step.id});
    LocalWork work;
    work.kind = LocalWork::Kind::kHook;
    work.argv = argv;
    step.operations.emplace_back(std::move(work));
    out.push_back(std::move(step));
  }
  return out;
}

std::vector<std::string> ids(const std::vector<Step>& steps) {
  std::vector<std::string> out;
  for (const Step& step : steps) out.push_back(step.id);
  return out;
}

void append(std::vector<Step>& to, std::vector<Step> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Plan with_hooks(Plan plan, const SiteHooks& hooks, bool begins) {
  if (plan.steps.empty()) return plan;
  std::vector<std::string> machines;  // In the plan's order.
  std::map<std::string, std::vector<std::string>> steps;
  for (const Step& step : plan.steps) {
    if (step.machine.empty()) continue;
    if (steps.find(step.machine) == steps.end()) machines.push_back(step.machine);
    steps[step.machine].push_back(step.id);
  }
  std::vector<Step> before;
  if (begins) before = steps_of(hooks.before_apply, {}, "before-apply", Phase::kPreflight, {});
  if (!before.empty()) {
    for (Step& step : plan.steps) {
      if (step.needs.empty()) step.needs = {before.back().id};  // The others need one that does.
    }
    append(before, std::move(plan.steps));
    plan.steps = std::move(before);
  }
  for (const std::string& machine : machines)
    append(plan.steps, steps_of(hooks.after_machine, machine, "after-machine", Phase::kVerify, steps[machine]));
  return plan;
}

Plan hooks_after_apply(const SiteHooks& hooks) {
  Plan out;
  out.steps = steps_of(hooks.after_apply, {}, "after-apply", Phase::kVerify, {});
  return out;
}

Plan with_all_hooks(Plan plan, const SiteHooks& hooks, bool begins) {
  if (plan.steps.empty()) return plan;
  Plan out = with_hooks(std::move(plan), hooks, begins);
  if (!out.obstacles.empty()) return out;  // Not all will be done.
  append(out.steps, steps_of(hooks.after_apply, {}, "after-apply", Phase::kVerify, ids(out.steps)));
  return out;
}

}  // namespace fairlead::bootstrap
