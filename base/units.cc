// fairlead: pure
#include "base/units.h"

#include <array>
#include <charconv>
#include <limits>

namespace fairlead {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 4> kDurationUnits{{{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000}, {"ms", 1'000'000}}};
constexpr std::array<Unit, 4> kSizeUnits{{{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};

/// digits[.digits]unit -> value in the smallest unit. Exact: a fraction finer than the smallest unit is refused.
template <std::size_t N>
Result<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units, std::string_view what,
                                      std::string_view example) {
  const auto bad = [&](std::string_view why) {
    return Error{Errc::kInvalidArgument, "'" + std::string(text.substr(0, 64)) + "' is not a " + std::string(what) + ": " +
                                             std::string(why) + ", as in " + std::string(example)};
  };
  if (text == "0") return std::uint64_t{0};
  std::uint64_t whole = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (ec == std::errc::result_out_of_range) return bad("the number is too large");
  if (ec != std::errc{}) return bad("it must start with a number");
  std::string_view rest(end, text.size() - static_cast<std::size_t>(end - text.data()));
  std::uint64_t fraction = 0;
  std::uint64_t scale = 1;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    std::size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
      if (digits >= 9) return bad("too many decimals");
      fraction = fraction * 10 + static_cast<std::uint64_t>(rest[digits] - '0');
      scale *= 10;
      ++digits;
    }
    if (digits == 0) return bad("digits must follow the point");
    rest.remove_prefix(digits);
  }
  if (rest.empty()) return bad("a unit is missing");
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    if (whole > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor - 1)
      return bad("the number is too large");
    if ((fraction * (unit.factor % scale)) % scale != 0) return bad("too many decimals");
    return whole * unit.factor + fraction * (unit.factor / scale) + fraction * (unit.factor % scale) / scale;
  }
  return bad("unknown unit '" + std::string(rest.substr(0, 16)) + "'");
}

template <std::size_t N>
std::string format_with_unit(std::uint64_t value, const std::array<Unit, N>& units) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return std::to_string(value / units.back().factor) + std::string(units.back().name);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  auto value = parse_with_unit(text, kDurationUnits, "duration", "500ms, 30s, 10m or 1h");
  if (!value) return value.error();
  if (*value % 1'000'000 != 0)
    return Error{Errc::kInvalidArgument, "'" + std::string(text.substr(0, 64)) + "' is not a duration: finer than a millisecond"};
  return Duration(static_cast<std::int64_t>(*value));
}

std::string format_duration(Duration d) {
  const auto ms = to_ms(d);
  return format_with_unit(static_cast<std::uint64_t>(ms < 0 ? 0 : ms) * 1'000'000, kDurationUnits);
}

Result<std::uint64_t> parse_size(std::string_view text) { return parse_with_unit(text, kSizeUnits, "size", "4KiB, 64MiB or 1GiB"); }

std::string format_size(std::uint64_t bytes) { return format_with_unit(bytes, kSizeUnits); }

}  // namespace fairlead
