// What the daemon asks of the machine at start: descriptors, CPUs, the engine, and word to systemd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace fairlead::daemon {

/// Raises the descriptor limit as far as it goes (root: up to kDescriptorsWanted) and returns it.
[[nodiscard]] std::uint64_t raise_descriptor_limit();
/// Pipes for bulk directions, of the whole process: two descriptors each, at most a sixteenth of what there is.
[[nodiscard]] std::size_t pipes_for(std::uint64_t descriptors, config::Splice splice);
/// Connections that fit: two descriptors each, beside the pipes and a reserve for control, checks, admin, logs and accept.
[[nodiscard]] std::uint32_t connections_for(std::uint64_t descriptors, std::size_t pipes);
/// Below this many the daemon does not start: threads, checks and the API need descriptors of their own.
inline constexpr std::uint64_t kDescriptorsMin = 128;
/// CPUs this process may run on, in order.
[[nodiscard]] std::vector<int> allowed_cpus();

struct EngineDecision {
  bool uring = false;
  std::string reason;  ///< One line: why this engine.
};
/// `auto` asks the ring's self-test; `io_uring` is strict. Errors: kUnsupported with the reason.
[[nodiscard]] Result<EngineDecision> choose_engine(config::EngineChoice choice);

/// sd_notify(3); nothing happens outside systemd.
void notify_systemd(const std::string& state);

}  // namespace fairlead::daemon
