#include "base/system_clock.h"

#include <ctime>

namespace fairlead {
namespace {
std::chrono::nanoseconds read_clock(clockid_t id) {
  timespec ts{};
  ::clock_gettime(id, &ts);  // Cannot fail for these ids (clock_gettime(2)).
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}
}  // namespace

Instant SystemClock::now() const { return Instant(read_clock(CLOCK_MONOTONIC)); }
WallTime SystemClock::wall() const { return WallTime(read_clock(CLOCK_REALTIME)); }

}  // namespace fairlead
