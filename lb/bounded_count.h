// fairlead: pure
// Counts that several workers share and that never pass their limit, not even for an instant.
//
// Rationale: adding first and taking back what is too much looks cheaper, but shows readers more than the limit, and two workers that
// undo at the same time both refuse a place that is free. A compare-and-swap does neither, and costs the same while nobody else writes.
// Memory order is relaxed throughout: a count guards no other data; the only promise is about the count itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"

namespace fairlead::lb {

/// Takes a place. False when `limit` are taken; 0 = no limit.
[[nodiscard]] inline bool try_take(std::atomic<std::uint32_t>& count, std::uint32_t limit) {
  if (limit == 0) {
    count.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  std::uint32_t seen = count.load(std::memory_order_relaxed);
  while (seen < limit) {
    if (count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

/// Gives a place back. Each take exactly once.
inline void give_back(std::atomic<std::uint32_t>& count) {
  [[maybe_unused]] const std::uint32_t before = count.fetch_sub(1, std::memory_order_relaxed);
  FL_DASSERT(before > 0);
}

}  // namespace fairlead::lb
