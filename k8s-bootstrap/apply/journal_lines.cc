// fairlead: pure
#include "k8s-bootstrap/apply/journal_lines.h"

#include <array>
#include <boost/json.hpp>

namespace fairlead::bootstrap {
namespace {

constexpr std::array<std::string_view, 5> kEvents = {"run", "begin", "done", "failed", "complete"};

std::optional<JournalLine::Event> event_of(std::string_view word) {
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (kEvents[i] == word) return static_cast<JournalLine::Event>(i);
  }
  return std::nullopt;
}

std::optional<std::string> text_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return std::string{};
  if (!value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<JournalLine> parse_line(std::string_view text) {
  boost::system::error_code failed;
  const boost::json::value value = boost::json::parse(text, failed);
  if (failed || !value.is_object()) return std::nullopt;
  const boost::json::object& object = value.get_object();
  const auto at = text_of(object, "at");
  const auto run = text_of(object, "run");
  const auto word = text_of(object, "event");
  const auto step = text_of(object, "step");
  const auto why = text_of(object, "why");
  if (!at || !run || run->empty() || !word || !step || !why) return std::nullopt;
  const auto event = event_of(*word);
  if (!event) return std::nullopt;
  Duration took{};
  if (const auto* ms = object.if_contains("ms")) {
    if (!ms->is_int64() || ms->get_int64() < 0 || ms->get_int64() > to_ms(std::chrono::hours(1000))) return std::nullopt;
    took = std::chrono::milliseconds(ms->get_int64());
  }
  return JournalLine{*at, *run, *event, *step, took, *why};
}

}  // namespace

std::string_view to_string(JournalLine::Event event) { return kEvents[static_cast<std::size_t>(event)]; }

std::string journal_line(const JournalLine& line) {
  boost::json::object object;
  object["at"] = line.at;
  object["run"] = line.run;
  object["event"] = to_string(line.event);
  if (!line.step.empty()) object["step"] = line.step;
  if (line.took > Duration{}) object["ms"] = to_ms(line.took);
  if (!line.why.empty()) object["why"] = line.why;
  return boost::json::serialize(object) + "\n";
}

std::optional<std::string> Journal::unfinished_run() const {
  std::optional<std::string> run;
  for (const JournalLine& line : lines) {
    if (line.event == JournalLine::Event::kRun) run = line.run;
    if (line.event == JournalLine::Event::kComplete && run == line.run) run.reset();
  }
  return run;
}

std::map<std::string, Duration, std::less<>> Journal::durations() const {
  std::map<std::string, Duration, std::less<>> result;
  for (const JournalLine& line : lines) {
    if (line.event == JournalLine::Event::kDone) result.insert_or_assign(std::string(kind_of(line.step)), line.took);
  }
  return result;
}

Journal parse_journal(std::string_view text) {
  Journal journal;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    if (auto parsed = parse_line(line)) {
      journal.lines.push_back(std::move(*parsed));
    } else {
      ++journal.damaged;
    }
  }
  return journal;
}

std::string_view kind_of(std::string_view step_id) {
  const std::size_t slash = step_id.find('/');
  return slash == std::string_view::npos ? step_id : step_id.substr(slash + 1);
}

}  // namespace fairlead::bootstrap
