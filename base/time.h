// Time as a value. Pure code takes `now` as an argument; only shells own a Clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace fairlead {

using Duration = std::chrono::nanoseconds;

/// The project's monotonic time line; never compared with another machine's.
struct MonotonicTimeline {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTimeline>;
  static constexpr bool is_steady = true;
};
using Instant = std::chrono::time_point<MonotonicTimeline>;

/// Wall time, for people and logs only; never for decisions.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// What a shell asks for the time. `ManualClock` in tests/support implements it by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;    ///< CLOCK_MONOTONIC
  [[nodiscard]] virtual WallTime wall() const = 0;  ///< CLOCK_REALTIME
};

[[nodiscard]] constexpr std::int64_t to_ms(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }
[[nodiscard]] constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace fairlead
