// fairlead: pure
// Whether one worker's loop turns. Its count of turns says so as long as it has work; one that seems to rest is asked, and answers by
// turning (lb::Ping). A question costs both threads a wake-up, so who turns anyway is not asked.
#pragma once

#include <cstdint>
#include <utility>

#include "base/time.h"

namespace fairlead::daemon {

struct WorkerPulse {
  std::uint64_t turns = 0;  ///< At the last look.
  bool asked = false;       ///< A question is open, since `asked_at`.
  Instant asked_at{};
  bool posted = false;  ///< It is in the worker's inbox. A full inbox takes none; it is put until it fits.
  bool stalled = false;

  /// At a beat: it has made `now_turns` turns so far. Returns whether it turned since the last look; if so nothing is open any more.
  bool look(std::uint64_t now_turns) {
    if (now_turns == std::exchange(turns, now_turns)) return false;
    asked = posted = stalled = false;
    return true;
  }

  /// How late a stalled worker is by now. It measures its lateness itself, but only once it turns again.
  [[nodiscard]] Duration late(Instant now) const { return stalled ? now - asked_at : Duration::zero(); }
};

}  // namespace fairlead::daemon
