// fairlead: pure
#include "config/problem.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

#include "config/limits.h"

namespace fairlead::config {

std::string_view to_string(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }

std::string format(const Problem& problem) {
  std::string out =
      fmt::format("{}:{}:{}: {}: {}", problem.file, problem.line, problem.column, to_string(problem.severity), problem.message);
  if (!problem.hint.empty()) out += fmt::format(" ({})", problem.hint);
  return out;
}

bool has_errors(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& p) { return p.severity == Severity::kError; });
}

void sort_and_bound(std::vector<Problem>& problems) {
  static constexpr std::string_view kMore = "more problems follow";
  const auto key = [](const Problem& p) { return std::tie(p.line, p.column, p.severity, p.message, p.hint); };
  // They may have been bounded before, and others added since.
  const auto more = std::find_if(problems.begin(), problems.end(), [](const Problem& p) { return p.message == kMore; });
  bool cut = more != problems.end();
  bool errors_cut = cut && more->severity == Severity::kError;
  if (cut) problems.erase(more);
  std::stable_sort(problems.begin(), problems.end(), [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
  cut = cut || problems.size() > kProblemsMax;
  if (!cut) return;
  for (std::size_t i = kProblemsMax; i < problems.size(); ++i) errors_cut = errors_cut || problems[i].severity == Severity::kError;
  problems.resize(std::min(problems.size(), kProblemsMax));
  Problem last = problems.back();
  last.severity = errors_cut ? Severity::kError : Severity::kWarning;
  last.message = kMore;
  last.hint = "repair these first";
  problems.push_back(std::move(last));
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  std::size_t used = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0) == 0x80;
    if (used >= kQuotedTextMax && !continues) {
      out += "...";
      break;
    }
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
    if (!continues) ++used;
  }
  return out + "'";
}

}  // namespace fairlead::config
