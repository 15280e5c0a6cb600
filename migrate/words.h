// fairlead: pure
// Small things that every reader needs: lines, numbers, names as fairlead.yaml takes them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/problem.h"
#include "migrate/migrate.h"

namespace fairlead::migrate {

/// What makes `input` no text at all: NUL and control characters, too long, too many lines. nullopt: fine.
[[nodiscard]] std::optional<config::Problem> check_input(const Input& input);
/// Without the line ends; "a\r\nb" is "a", "b".
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text);
[[nodiscard]] std::string_view trimmed(std::string_view text);
/// Cut at blanks; one more than kWordsMax at most.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);
/// Trimmed, cut, what is no ASCII replaced.
[[nodiscard]] std::string printable(std::string_view text);
/// A line as it may stand in a message: printable, and passwords and tokens hidden.
[[nodiscard]] std::string shown(std::string_view line);

/// Decimal digits only.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
/// ASCII without control characters: may stand in any setting.
[[nodiscard]] bool is_plain(std::string_view text);
[[nodiscard]] bool is_file_path(std::string_view text);  ///< Plain, absolute, not too long.
[[nodiscard]] bool is_device(std::string_view text);     ///< What a network device may be called.
[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts);

/// `text` as a name of fairlead.yaml: lower case, other characters as '-'; "x" when nothing is left.
[[nodiscard]] std::string name_from(std::string_view text);
/// Gives each name once.
class UniqueNames {
 public:
  /// `name`, or name-2, name-3 ...
  [[nodiscard]] std::string take(const std::string& name);

 private:
  std::map<std::string, std::size_t> taken_;  ///< -> the number that was given last.
};

/// `value` within the bounds.
[[nodiscard]] Duration clamped(Duration value, Duration min, Duration max);

}  // namespace fairlead::migrate
