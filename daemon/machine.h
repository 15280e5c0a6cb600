// What the daemon asks of the machine at start: descriptors, CPUs, the engine, and word to systemd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/environment.h"
#include "config/load.h"
#include "config/settings.h"

namespace fairlead::daemon {

/// Raises the descriptor limit as far as it goes and returns it: the soft limit to the hard one, with CAP_SYS_RESOURCE the hard one to
/// config::kDescriptorsWanted.
[[nodiscard]] std::uint64_t raise_descriptor_limit();
/// Below this many the daemon does not start: threads, checks and the API need descriptors of their own.
inline constexpr std::uint64_t kDescriptorsMin = 128;
/// Makes the kernel load what `snapshot` names as congestion control and `machine` does not have (CAP_NET_ADMIN; it runs modprobe and
/// waits for it: not on the control thread, nor on a worker). True: there is more now than `machine` says.
[[nodiscard]] bool load_congestion_controls(const config::Snapshot& snapshot, const config::Environment& machine);
/// Reads the file on this machine, which is asked for what the file names first.
struct LoadedHere {
  config::LoadResult result;
  config::Environment machine;
};
[[nodiscard]] LoadedHere load_here(const std::string& file);
/// CPUs this process may run on, in order.
[[nodiscard]] std::vector<int> allowed_cpus();

/// R22, for the calling thread: memory locked, real-time below Corosync. Threads and children it starts later are ordinary ones again.
/// Returns what was refused; empty: nothing.
[[nodiscard]] std::string harden_control_thread();

struct EngineDecision {
  bool uring = false;
  std::string reason;  ///< One line: why this engine.
};
/// `auto` asks the ring's self-test; `io_uring` is strict. Errors: kUnsupported with the reason.
[[nodiscard]] Result<EngineDecision> choose_engine(config::EngineChoice choice);

/// systemd's WatchdogSec for this process; zero: none.
[[nodiscard]] Duration watchdog_limit();
/// As sd_notify(3), which may wait for a systemd that does not read; this never does. False: nothing is taken at the moment, say it again.
/// True also where nobody wants to know.
[[nodiscard]] bool notify_systemd(const std::string& state);

}  // namespace fairlead::daemon
