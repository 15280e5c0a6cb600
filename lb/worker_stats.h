// What one worker counts. Written by the worker with relaxed stores, read by anyone; totals are the reader's sum over workers.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "config/limits.h"
#include "lb/counter.h"
#include "lb/relay_core.h"

namespace fairlead::lb {

inline constexpr std::size_t kShedCauses = 16;  ///< Above the number of Refusal values.

struct ListenerStats {
  Counter bytes_in;                       ///< From clients, taken by servers' kernels.
  Counter bytes_out;                      ///< To clients.
  std::array<Counter, kEndCauses> ended;  ///< By EndCause.
  std::array<Counter, kShedCauses> shed;  ///< By Refusal.
  Counter retries;
};

struct WorkerStats {
  std::array<ListenerStats, config::kListenersMax> listeners;  ///< By ListenerId.
  std::uint32_t index = 0;                                     ///< The worker's number.
  Counter turns;
  Counter accept_failures;
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> buffers_used{0};
  std::atomic<std::uint64_t> buffers_total{0};
  std::atomic<std::int64_t> late_ns_max{0};  ///< Worst lateness of a deadline since the reader last exchanged it with 0.
  std::atomic<std::uint64_t> pong{0};        ///< Last Ping answered.
  std::atomic<std::uint64_t> engine_operations{0};
  std::atomic<std::uint64_t> engine_starved{0};
};

}  // namespace fairlead::lb
