// fairlead: pure
// What is counted of one server, by all workers: relaxed atomics, and no lock.
//
// Touched when a connection begins or ends, but for bytes: a watch may last for hours, and its bytes are to show while it does. So each
// worker has a share of its own, which nobody else writes, and readers sum them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "lb/counter.h"
#include "lb/relay_core.h"

namespace fairlead::lb {

/// Upper bounds, included, of the buckets of connect times: a LAN's at first, then what says that something is wrong.
inline constexpr std::array<std::int64_t, 12> kConnectBoundsUs{250,    500,    1'000,   2'500,   5'000,   10'000,
                                                               25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000};
inline constexpr std::size_t kConnectBuckets = kConnectBoundsUs.size() + 1;  ///< The last one: longer than any bound.
inline constexpr std::size_t kConnectCauses = 5;                             ///< Values of ConnectCause (lb/health_values.h).

/// How long connects that worked took.
class ConnectTimes {
 public:
  void add(Duration took) {
    std::size_t bucket = 0;
    while (bucket < kConnectBoundsUs.size() && took > std::chrono::microseconds(kConnectBoundsUs[bucket])) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  [[nodiscard]] Duration sum() const { return Duration(sum_ns_.load(std::memory_order_relaxed)); }

 private:
  std::array<std::atomic<std::uint64_t>, kConnectBuckets> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

/// What one worker counts, and nobody else writes. Lines of its own.
struct alignas(64) ServerShare {
  Counter in;                             ///< Bytes from clients, taken by the server's kernel.
  Counter out;                            ///< To clients.
  std::array<Counter, kEndCauses> ended;  ///< Connections it had when they ended, or that had tried it last; by EndCause.
};

/// Process-wide truth about one server. What a connection takes a place with stands in one cache line.
struct alignas(64) ServerCounters {
  explicit ServerCounters(std::size_t workers = 1) : shares(workers) {}

  std::atomic<std::uint32_t> current{0};  ///< Connections placed on it (connecting or open).
  std::atomic<std::uint64_t> total{0};
  std::atomic<std::uint64_t> connect_failures{0};  ///< Our own (no port, no descriptor) are none of its.
  std::atomic<std::uint64_t> resets_sent{0};       ///< Its connections closed because it went down.
  std::atomic<bool> failing{false};                ///< The last connect failed; the next success is reported.
  alignas(64) std::array<std::atomic<std::uint64_t>, kConnectCauses> failed_by_cause{};  ///< By ConnectCause, our own as well.
  std::atomic<std::uint32_t> peak{0};  ///< The most that `current` was when the control thread looked. Written there only.
  ConnectTimes connect_times;
  std::vector<ServerShare> shares;  ///< By worker; never resized.

  [[nodiscard]] std::uint64_t bytes_in() const {
    std::uint64_t sum = 0;
    for (const ServerShare& share : shares) sum += share.in.get();
    return sum;
  }
  [[nodiscard]] std::uint64_t bytes_out() const {
    std::uint64_t sum = 0;
    for (const ServerShare& share : shares) sum += share.out.get();
    return sum;
  }
};

}  // namespace fairlead::lb
