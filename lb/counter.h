// fairlead: pure
// A counter of the data path.
#pragma once

#include <atomic>
#include <cstdint>

namespace fairlead::lb {

/// One writer, any number of readers: no locked instruction.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace fairlead::lb
