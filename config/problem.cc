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
  const auto key = [](const Problem& p) { return std::tie(p.line, p.column, p.severity, p.message, p.hint); };
  std::stable_sort(problems.begin(), problems.end(), [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
  if (problems.size() <= kProblemsMax) return;
  const bool errors_cut =
      std::any_of(problems.begin() + kProblemsMax, problems.end(), [](const Problem& p) { return p.severity == Severity::kError; });
  Problem last = problems[kProblemsMax - 1];
  problems.resize(kProblemsMax);
  last.severity = errors_cut ? Severity::kError : Severity::kWarning;
  last.message = "more problems follow";
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
