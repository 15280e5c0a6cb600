// A bounded queue for values, many producers, one consumer, without locks (D. Vyukov's bounded queue: a sequence number per cell).
//
// Invariants:
//   I1  A value pushed with success is popped exactly once, in the order of its producer.
//   I2  push() never blocks and never allocates: at the bound it returns false and the caller sheds and counts.
// Threading: push from any thread; pop from one thread at a time. Ownership: values move in and out.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace fairlead {

template <class T>
class MpscQueue {
 public:
  /// `capacity` is rounded up to a power of two, at least 2.
  explicit MpscQueue(std::size_t capacity)
      : mask_(std::bit_ceil(capacity < 2 ? std::size_t{2} : capacity) - 1), cells_(std::make_unique<Cell[]>(mask_ + 1)) {
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].sequence.store(i, std::memory_order_relaxed);
  }
  MpscQueue(const MpscQueue&) = delete;
  MpscQueue& operator=(const MpscQueue&) = delete;

  /// False when full; `value` is then untouched.
  [[nodiscard]] bool push(T&& value) {
    std::size_t at = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[at & mask_];
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto lag = static_cast<std::ptrdiff_t>(sequence - at);
      if (lag == 0) {
        if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
          cell.value.emplace(std::move(value));
          cell.sequence.store(at + 1, std::memory_order_release);
          return true;
        }
      } else if (lag < 0) {
        return false;
      } else {
        at = tail_.load(std::memory_order_relaxed);
      }
    }
  }
  [[nodiscard]] bool push(const T& value) { return push(T(value)); }

  [[nodiscard]] std::optional<T> pop() {
    Cell& cell = cells_[head_ & mask_];
    if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) return std::nullopt;
    std::optional<T> out = std::move(cell.value);
    cell.value.reset();
    cell.sequence.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    return out;
  }

 private:
  struct Cell {
    std::atomic<std::size_t> sequence{0};
    std::optional<T> value;
  };
  const std::size_t mask_;
  std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::size_t head_ = 0;
};

}  // namespace fairlead
