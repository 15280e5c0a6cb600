// fairlead: pure
#include "k8s-bootstrap/apply/step_record.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string step_folder(std::string_view run, std::string_view step, unsigned operation) {
  std::string name;
  for (const char c : step) name += is_plain(c) ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  if (name.starts_with('.')) name.replace(0, 1, "%2E");
  return fmt::format("{}/{}/{}.{}", kRunsFolder, run, name, operation);
}

bool is_run_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' && std::all_of(text.begin(), text.end(), is_plain);
}

std::optional<CountedRecord> parse_step_line(std::string_view line) {
  Words words(line);
  CountedRecord counted;
  StepRecord& out = counted.record;
  out.run = std::string(words.next());
  const std::string_view code = words.next();
  const Known alive = truth(words.next());
  const auto seq = number<std::uint64_t>(words.next());
  out.step = printable(words.rest());
  if (!is_run_id(out.run) || alive == Known::kUnknown || !seq || out.step.empty()) return std::nullopt;
  counted.seq = *seq;
  if (code == "-") {
    out.state = alive == Known::kYes ? "running" : "interrupted";
    return counted;
  }
  const auto exit_code = number<int>(code);
  if (!exit_code || *exit_code < 0 || *exit_code > 255) return std::nullopt;
  out.exit_code = *exit_code;
  out.state = out.exit_code == 0 ? "done" : "failed";
  return counted;
}

std::vector<std::string> superseded_runs(const std::vector<StepRecord>& records) {
  std::vector<std::string> newest_first;
  std::set<std::string> told;    // Operations that a later record tells of.
  std::set<std::string> needed;  // Runs that have the last record of an operation, or one that has not ended.
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (std::find(newest_first.begin(), newest_first.end(), record->run) == newest_first.end()) newest_first.push_back(record->run);
    if (told.insert(record->step).second || record->state == "running") needed.insert(record->run);
  }
  std::vector<std::string> out;
  for (std::size_t at = kRunsKept; at < newest_first.size(); ++at)
    if (!needed.contains(newest_first[at])) out.push_back(newest_first[at]);
  return out;
}

}  // namespace fairlead::bootstrap
