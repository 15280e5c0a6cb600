// fairlead: pure
// Whether one worker's loop turns: it is asked every beat and answers when it turns (lb::Ping).
#pragma once

#include <cstdint>

#include "base/time.h"

namespace fairlead::daemon {

struct WorkerPulse {
  std::uint64_t asked = 0;  ///< The question's number.
  Instant asked_at{};
  bool posted = true;  ///< It is in the worker's inbox.
  bool stalled = false;

  /// How late a stalled worker is by now. It measures its lateness itself, but only once it turns again.
  [[nodiscard]] Duration late(Instant now) const { return stalled ? now - asked_at : Duration::zero(); }
};

}  // namespace fairlead::daemon
