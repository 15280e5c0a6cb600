// What the kernel says a set of processes has used so far, read from /proc at one moment.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace fairlead::bench {

struct ProcSample {
  std::uint64_t cpu_ns = 0;     ///< Sum of the first field of /proc/PID/task/*/schedstat: time on a CPU, user and system.
  std::uint64_t voluntary = 0;  ///< Context switches.
  std::uint64_t involuntary = 0;
  std::set<pid_t> threads;
  std::uint32_t missing = 0;  ///< Processes that are gone.
};
/// Threads that end between two samples take their time with them: compare `threads`.
[[nodiscard]] ProcSample sample_processes(const std::vector<pid_t>& pids);

/// Resident bytes, summed. From smaps_rollup, which walks the page tables; the figures of status lag by up to some 100 KiB.
[[nodiscard]] std::uint64_t resident_bytes(const std::vector<pid_t>& pids);

/// Busy time of all CPUs from /proc/stat, in nanoseconds (tick granularity); steal apart.
struct MachineSample {
  std::uint64_t busy_ns = 0;
  std::uint64_t steal_ns = 0;
};
[[nodiscard]] MachineSample sample_machine();

}  // namespace fairlead::bench
