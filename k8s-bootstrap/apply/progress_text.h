// fairlead: pure
// What `bootstrap apply` shows while it runs: one line per host and phase with its time, and how long the rest may take; as text for
// people, or one JSON object a line.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

/// How long the steps that are left will take: the longest path through `needs`, each step as long as it took the last time, else `usual`.
/// Of running ones what is left of it. Machines' turns (one step at a time) are counted, the limit on all together is not.
class Estimate {
 public:
  /// `durations`: of kinds of steps (Journal::durations). The plan outlives it.
  Estimate(const Plan& plan, std::map<std::string, Duration, std::less<>> durations);
  void begins(std::string_view step, Instant now);
  void ends(std::string_view step);
  [[nodiscard]] Duration left(Instant now) const;

 private:
  [[nodiscard]] Duration expected(const Step& step) const;
  const Plan& plan_;
  std::map<std::string, Duration, std::less<>> durations_;
  std::map<std::string, Instant, std::less<>> running_;
  std::map<std::string, bool, std::less<>> done_;
};

/// "3m 20s", "4.2s", "350ms"
[[nodiscard]] std::string short_time(Duration time);

/// "mast-2   control planes  joins as a control plane  ok 21.4s   about 3m left"
[[nodiscard]] std::string step_line(const Step& step, std::string_view state, Duration took, Duration left);
[[nodiscard]] std::string step_event_json(const Step& step, std::string_view event, Duration took, Duration left, std::string_view text);

}  // namespace fairlead::bootstrap
