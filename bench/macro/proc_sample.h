// What the kernel says a set of processes has used so far, read from /proc at one moment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace fairlead::bench {

struct ThreadUse {
  std::uint64_t cpu_ns = 0;     ///< First field of /proc/PID/task/TID/schedstat: time on a CPU, user and system.
  std::uint64_t voluntary = 0;  ///< Context switches.
  std::uint64_t involuntary = 0;
};
struct ProcSample {
  std::map<pid_t, ThreadUse> threads;
  std::uint32_t missing = 0;  ///< Processes that are gone.
};
struct ProcUse {
  ThreadUse all;
  std::uint32_t threads = 0;        ///< At the end; of several windows the most.
  std::uint32_t threads_ended = 0;  ///< What they used since `from` is not known, and not counted.
  std::uint32_t missing = 0;        ///< Processes that were gone at the end; of several windows the most.
};
/// Between two samples, thread by thread.
[[nodiscard]] ProcUse use_between(const ProcSample& from, const ProcSample& to);
/// Of two windows that do not overlap.
[[nodiscard]] ProcUse sum_of(const ProcUse& a, const ProcUse& b);
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
