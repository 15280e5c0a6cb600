// Measures for how long this machine does not run what is ready to run: a thread sleeps for 2 ms again and again and looks how late it is.
//
// Corosync runs under SCHED_RR at the highest priority; so does this thread where it may. Else it also waits for ordinary processes, and
// what it sees is more than Corosync would. Time stands on CLOCK_BOOTTIME, which goes on while the machine sleeps.
#pragma once

#include <functional>
#include <optional>

#include "base/result.h"
#include "membership/timing_advice.h"

namespace fairlead::membership {

struct PauseMeasurement {
  PauseRecord record;
  Duration measured{};
  Duration interval{};
  bool real_time = false;
  std::optional<double>
      stolen_share;  ///< Of all processors' time, given to other guests of the host; nothing where the kernel has no figures.
  bool virtual_machine = false;

  [[nodiscard]] PauseFacts facts() const { return {measured, record.longest(), virtual_machine}; }
};

/// Waits for `duration`; ends earlier once `go_on` (asked on the caller's thread, several times a second) says false.
[[nodiscard]] PauseMeasurement measure_pauses(Duration duration, const std::function<bool()>& go_on);

}  // namespace fairlead::membership
