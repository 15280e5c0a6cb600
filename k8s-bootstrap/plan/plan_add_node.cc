// fairlead: pure
#include "k8s-bootstrap/plan/plan_add_node.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "k8s-bootstrap/plan/plan_bring_up.h"
#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {
namespace {

Plan plan_without(const PlanInput& input, const std::string& machine) {
  Site site = input.site;
  std::erase_if(site.machines, [&](const Machine& m) { return m.name == machine; });
  Rendered texts = render_site(site, input.facts);
  for (auto& [name, one] : texts.machines) {
    if (const auto found = input.texts.machines.find(name); found != input.texts.machines.end()) one.copies = found->second.copies;
  }
  texts.manifests = input.texts.manifests;
  texts.fairlead = input.texts.fairlead;
  return plan_bring_up({site, input.facts, texts});
}

/// `wanted` and what they need, and so on.
std::set<std::string> with_needs(const Plan& plan, std::set<std::string> wanted) {
  for (auto step = plan.steps.rbegin(); step != plan.steps.rend(); ++step) {  // In an order that `needs` allows: from the end.
    if (wanted.contains(step->id)) wanted.insert(step->needs.begin(), step->needs.end());
  }
  return wanted;
}

}  // namespace

Plan plan_add_node(const PlanInput& input, const std::string& machine) {
  if (input.site.find(machine) == nullptr) {
    PlanBuilder plan(input);
    plan.obstacle({machine}, "the site has no machine of that name", "look at its spelling");
    return plan.take();
  }
  Plan plan = plan_bring_up(input);
  const Plan without = plan_without(input, machine);
  std::set<std::string> wanted;
  for (const Step& step : plan.steps) {
    // What is looked at in the end belongs to a site that is otherwise done: it waits for everything.
    if (step.phase == Phase::kVerify && !without.steps.empty()) continue;
    const Step* before = without.find(step.id);
    if (before == nullptr || before->operations != step.operations) wanted.insert(step.id);
  }
  wanted = with_needs(plan, std::move(wanted));
  const std::size_t all = plan.steps.size();
  std::erase_if(plan.steps, [&](const Step& step) { return !wanted.contains(step.id); });
  for (Step& step : plan.steps) std::erase_if(step.needs, [&](const std::string& need) { return !wanted.contains(need); });
  const std::size_t left = all - plan.steps.size();
  std::erase_if(plan.obstacles, [&](const Obstacle& obstacle) {
    return std::find(without.obstacles.begin(), without.obstacles.end(), obstacle) != without.obstacles.end();
  });
  if (left > 0 || !without.obstacles.empty())
    plan.warnings.push_back(fmt::format("the rest of the site has {} steps and {} obstacles of its own: fairlead bootstrap plan", left,
                                        without.obstacles.size()));
  return plan;
}

}  // namespace fairlead::bootstrap
