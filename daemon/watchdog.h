// fairlead: pure
// When systemd is told that the daemon lives (sd_notify(3), WATCHDOG=1): four times in its WatchdogSec, and only while everything turns.
// The control loop asks, so that it turns is shown by the asking; a worker that does not answer holds the word back.
#pragma once

#include "base/time.h"

namespace fairlead::daemon {

class Watchdog {
 public:
  /// `limit`: systemd's; zero: nobody waits for a word.
  explicit Watchdog(Duration limit) : pause_(limit / 4) {}

  /// True: say it now.
  [[nodiscard]] bool due(bool all_turn, Instant now) {
    if (pause_ <= Duration::zero() || !all_turn || now < next_) return false;
    next_ = now + pause_;
    return true;
  }

 private:
  Duration pause_;
  Instant next_ = Instant::min();
};

}  // namespace fairlead::daemon
