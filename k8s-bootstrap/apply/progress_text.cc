// fairlead: pure
#include "k8s-bootstrap/apply/progress_text.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "k8s-bootstrap/apply/journal_lines.h"

namespace fairlead::bootstrap {

Estimate::Estimate(const Plan& plan, std::map<std::string, Duration, std::less<>> durations)
    : plan_(plan), durations_(std::move(durations)) {}

void Estimate::begins(std::string_view step, Instant now) { running_.insert_or_assign(std::string(step), now); }

void Estimate::ends(std::string_view step) {
  if (const auto running = running_.find(step); running != running_.end()) running_.erase(running);
  done_.insert_or_assign(std::string(step), true);
}

Duration Estimate::expected(const Step& step) const {
  const auto known = durations_.find(kind_of(step.id));
  return known == durations_.end() ? step.usual : known->second;
}

Duration Estimate::left(Instant now) const {
  std::map<std::string_view, Duration> ends;          // Step -> when it will have ended, from now.
  std::map<std::string_view, Duration> machine_free;  // Machine -> when its turn is over.
  Duration all{};
  for (const Step& step : plan_.steps) {  // In an order that `needs` allows.
    if (done_.contains(step.id)) continue;
    Duration begin{};
    for (const std::string& need : step.needs) {
      if (const auto end = ends.find(need); end != ends.end()) begin = std::max(begin, end->second);
    }
    Duration length = expected(step);
    if (const auto running = running_.find(step.id); running != running_.end()) {
      length = std::max(Duration{}, length - (now - running->second));
    } else if (!step.machine.empty()) {
      begin = std::max(begin, machine_free[step.machine]);
    }
    const Duration end = begin + length;
    ends[step.id] = end;
    if (!step.machine.empty()) machine_free[step.machine] = std::max(machine_free[step.machine], end);
    all = std::max(all, end);
  }
  return all;
}

std::string short_time(Duration time) {
  const auto ms = to_ms(time);
  if (ms < 1000) return fmt::format("{}ms", ms);
  if (ms < 60'000) return fmt::format("{}.{}s", ms / 1000, ms % 1000 / 100);
  const auto seconds = ms / 1000;
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h {:02}m", seconds / 3600, seconds % 3600 / 60);
}

std::string step_line(const Step& step, std::string_view state, Duration took, Duration left) {
  std::string line = fmt::format("{:<12} {:<14} {}", step.machine.empty() ? "here" : step.machine, to_string(step.phase), step.title);
  if (!state.empty()) line += fmt::format("  {} {}", state, short_time(took));
  if (left > Duration{}) line += fmt::format("   about {} left", short_time(left));
  return line;
}

std::string step_event_json(const Step& step, std::string_view event, Duration took, Duration left, std::string_view text) {
  boost::json::object object;
  object["event"] = event;
  object["step"] = step.id;
  object["phase"] = to_string(step.phase);
  object["machine"] = step.machine;
  object["title"] = step.title;
  if (took > Duration{}) object["ms"] = to_ms(took);
  object["left_ms"] = to_ms(left);
  if (!text.empty()) object["text"] = text;
  return boost::json::serialize(object) + "\n";
}

}  // namespace fairlead::bootstrap
