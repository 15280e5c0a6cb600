// fairlead: pure
#include "k8s-bootstrap/apply/run_order.h"

#include <algorithm>

#include "base/assert.h"

namespace fairlead::bootstrap {

RunOrder::RunOrder(const Plan& plan, unsigned parallel) : plan_(plan), parallel_(std::max(1U, parallel)) {
  for (const Step& step : plan.steps) states_.emplace(step.id, State::kWaiting);
  FL_ASSERT(states_.size() == plan.steps.size());
}

bool RunOrder::may_start(const Step& step) const {
  if (states_.find(step.id)->second != State::kWaiting) return false;
  if (!step.machine.empty()) {
    const auto busy = busy_.find(step.machine);
    if (busy != busy_.end() && busy->second > 0) return false;
  }
  return std::all_of(step.needs.begin(), step.needs.end(), [this](const std::string& need) {
    const auto state = states_.find(need);
    FL_ASSERT(state != states_.end());
    return state->second == State::kDone;
  });
}

std::vector<const Step*> RunOrder::start() {
  std::vector<const Step*> begun;
  if (stopped_) return begun;
  for (const Step& step : plan_.steps) {
    if (running_ >= parallel_) break;
    if (!may_start(step)) continue;
    states_.find(step.id)->second = State::kRunning;
    ++running_;
    if (!step.machine.empty()) ++busy_[step.machine];
    begun.push_back(&step);
  }
  return begun;
}

void RunOrder::ended(std::string_view step, bool well) {
  const auto state = states_.find(step);
  FL_ASSERT(state != states_.end() && state->second == State::kRunning);
  state->second = well ? State::kDone : State::kFailed;
  --running_;
  const Step& of_plan = *plan_.find(step);
  if (!of_plan.machine.empty()) --busy_[of_plan.machine];
  if (!well) stop();
}

bool RunOrder::over() const {
  if (running_ > 0) return false;
  return stopped_ || std::none_of(plan_.steps.begin(), plan_.steps.end(), [this](const Step& step) { return may_start(step); });
}

RunOrder::State RunOrder::state(std::string_view step) const {
  const auto state = states_.find(step);
  FL_ASSERT(state != states_.end());
  return state->second;
}

std::size_t RunOrder::count(State state) const {
  return static_cast<std::size_t>(std::count_if(states_.begin(), states_.end(), [&](const auto& one) { return one.second == state; }));
}

}  // namespace fairlead::bootstrap
