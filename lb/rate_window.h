// fairlead: pure
// Events per second in two counters: this second's, and the one before by the part of it that still lies less than a second back.
//
// Rationale: the pair fits one 64-bit word beside its second, so workers share a rate by compare-and-swap. An idle source may have all of
// its limit at once, the average never exceeds the limit, and no boundary between seconds doubles it abruptly (as with one counter).
// Refused events are not counted: a flood still gets its limit through.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace fairlead::lb {

/// The widths of the fields of a word. Seconds wrap around.
struct RateLayout {
  int second_bits;
  int count_bits;
  [[nodiscard]] constexpr std::uint32_t second_mask() const { return (1U << second_bits) - 1; }
  [[nodiscard]] constexpr std::uint32_t count_max() const { return (1U << count_bits) - 1; }
};

struct RateWindow {
  std::uint32_t second = 0;
  std::uint32_t previous = 0;
  std::uint32_t current = 0;

  [[nodiscard]] static constexpr RateWindow unpack(std::uint64_t word, RateLayout layout) {
    return {static_cast<std::uint32_t>(word >> (2 * layout.count_bits)) & layout.second_mask(),
            static_cast<std::uint32_t>(word >> layout.count_bits) & layout.count_max(),
            static_cast<std::uint32_t>(word) & layout.count_max()};
  }
  [[nodiscard]] constexpr std::uint64_t pack(RateLayout layout) const {
    return std::uint64_t{second} << (2 * layout.count_bits) | std::uint64_t{previous} << layout.count_bits | current;
  }

  [[nodiscard]] static constexpr std::uint32_t second_of(Instant now, RateLayout layout) {
    return static_cast<std::uint32_t>(now.time_since_epoch().count() / kSecondNs) & layout.second_mask();
  }
  /// Seconds from the window's to `at` (a second_of), but 0 when that is up to two earlier (another worker read its clock later).
  [[nodiscard]] constexpr std::uint32_t age(std::uint32_t at, RateLayout layout) const {
    const std::uint32_t ahead = (at - second) & layout.second_mask();
    return ahead >= layout.second_mask() - 1 ? 0 : ahead;
  }

  /// Counts one event and says true, or says false: `limit` events lie within the last second. A limit above count_max is never reached.
  [[nodiscard]] constexpr bool count(Instant now, std::uint32_t limit, RateLayout layout) {
    const std::uint32_t at = second_of(now, layout);
    const std::uint32_t seconds = age(at, layout);
    std::int64_t into = now.time_since_epoch().count() % kSecondNs;
    if (seconds > 0) {
      previous = seconds == 1 ? current : 0;
      current = 0;
      second = at;
    } else if (at != second) {
      into = 0;
    }
    const std::int64_t weighed = std::int64_t{current} * kSecondNs + std::int64_t{previous} * (kSecondNs - into);
    if (weighed >= std::int64_t{limit} * kSecondNs) return false;
    if (current < layout.count_max()) ++current;
    return true;
  }

 private:
  static constexpr std::int64_t kSecondNs = 1'000'000'000;
};

inline constexpr RateLayout kListenerRateLayout{24, 20};
static_assert(kListenerRateLayout.second_bits + 2 * kListenerRateLayout.count_bits == 64);

}  // namespace fairlead::lb
