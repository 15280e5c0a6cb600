// A clock that stands still until the test moves it. Starts at one hour, so that "now minus something" is no special case.
#pragma once

#include <atomic>

#include "base/time.h"

namespace fairlead::test {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant(Duration(ns_.load(std::memory_order_relaxed))); }
  [[nodiscard]] WallTime wall() const override { return WallTime(std::chrono::hours(24 * 365 * 50) + now().time_since_epoch()); }
  void advance(Duration by) { ns_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> ns_{std::chrono::duration_cast<Duration>(std::chrono::hours(1)).count()};
};

}  // namespace fairlead::test
