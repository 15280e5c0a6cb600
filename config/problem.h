// fairlead: pure
// What is wrong with a configuration file, where, and what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::config {

enum class Severity : std::uint8_t { kError, kWarning };
[[nodiscard]] std::string_view to_string(Severity severity);

struct Problem {
  std::string file;
  int line = 1;    ///< From 1.
  int column = 1;  ///< From 1, in bytes.
  Severity severity = Severity::kError;
  std::string message;
  std::string hint;  ///< The remedy; may be empty.
  bool operator==(const Problem&) const = default;
};

/// "FILE:LINE:COLUMN: error: message (hint)"
[[nodiscard]] std::string format(const Problem& problem);
[[nodiscard]] bool has_errors(const std::vector<Problem>& problems);

/// By line and column, equal ones once, at most kProblemsMax (a cut list ends with a problem that says so).
void sort_and_bound(std::vector<Problem>& problems);

/// `text` as it may stand in a message: quoted, cut at kQuotedTextMax, control characters escaped.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace fairlead::config
