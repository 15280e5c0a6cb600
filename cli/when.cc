// fairlead: pure
#include "cli/when.h"

#include <charconv>
#include <optional>
#include <string>

#include "base/units.h"

namespace fairlead::cli {
namespace {

/// Takes a number of exactly `digits` digits off the front.
std::optional<int> number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + digits, value);
  if (failed != std::errc() || end != text.data() + digits || text[0] == '-') return std::nullopt;
  text.remove_prefix(digits);
  return value;
}
bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// ".123": any number of digits; what is finer than a nanosecond is left off.
std::optional<Duration> fraction(std::string_view& text) {
  if (!take(text, ".")) return Duration::zero();
  std::int64_t value = 0;
  std::int64_t unit = 1'000'000'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    unit /= 10;
    value += unit * (text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(Duration(value));
}

/// "", "Z", "+01:00": what to take off for UTC.
std::optional<Duration> zone(std::string_view& text) {
  if (text.empty() || take(text, "Zz")) return Duration::zero();
  const bool west = text[0] == '-';
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = number(text, 2);
  if (!hours || !take(text, ":")) return std::nullopt;
  const auto minutes = number(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const Duration ahead = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return west ? -ahead : ahead;
}

std::optional<WallTime> date_and_time(std::string_view text) {
  const auto year = number(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = number(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1970 || *year > 2200) return std::nullopt;
  WallTime out = std::chrono::sys_days(date);
  if (text.empty()) return out;
  if (!take(text, "Tt ")) return std::nullopt;
  const auto hour = number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  const auto minute = number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  out += std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  if (take(text, ":")) {
    const auto second = number(text, 2);
    if (!second || *second > 60) return std::nullopt;  // 60: a leap second.
    const auto part = fraction(text);
    if (!part) return std::nullopt;
    out += std::chrono::seconds(*second) + *part;
  }
  const auto ahead = zone(text);
  if (!ahead || !text.empty()) return std::nullopt;
  return out - *ahead;
}

}  // namespace

Result<WallTime> parse_when(std::string_view text, WallTime now) {
  if (const auto ago = parse_duration(std::string(text)); ago && *ago >= Duration::zero()) return now - *ago;
  if (const auto at = date_and_time(text)) return *at;
  return Error{Errc::kInvalidArgument,
               "'" + std::string(text) + "': write how long ago (10m, 2h) or a time (2024-01-31T12:00:00Z, 2024-01-31T13:00:00+01:00)"};
}

}  // namespace fairlead::cli
