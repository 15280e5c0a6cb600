// The blocks that lie ready for the kernel: io_uring's ring of provided buffers, filled from the pool. A receive takes a block per
// completion, so an idle connection holds none.
//
// Only `target` blocks lie in the ring, the rest stays on the pool's stack: the ring recycles first in, first out and would otherwise touch
// every block of the pool. A receive that met the ring empty although the pool was not doubles the target; after a long quiet it shrinks
// (docs/decisions/0004-multishot-receive-small-ring.md).
//
// Invariants:
//   I1  A block in the ring is taken from the pool and parked there: BufferPool::available() counts it.
//   I2  published() <= target() <= max(1, a sixteenth of the pool, or of a small one up to kPublishMin but at most half).
//   I3  Destruction gives the ring's blocks back. The kernel must not write into them any more: the io_uring goes first.
// Threading: the engine's. Ownership: borrows the pool, owns the ring's memory.
#pragma once

#include <liburing.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/result.h"
#include "net/buffer_pool.h"

namespace fairlead::net {

class BufferRing {
 public:
  static constexpr int kGroup = 0;
  static constexpr std::size_t kPublishMin = 64;
  static constexpr unsigned kQuietTurns = 4096;  ///< publish() calls without an empty ring before the target shrinks.

  explicit BufferRing(BufferPool& pool) : pool_(pool) {}
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  /// Makes the ring's memory. Errors: kUnavailable and the like, with mmap's errno.
  [[nodiscard]] Status open();
  /// Tells the kernel, and publishes the first blocks. Requires: open().
  [[nodiscard]] Status register_with(io_uring& uring);

  /// Once per turn: puts blocks into the ring until the target is reached or the pool is empty.
  void publish();
  /// The block that a completion with IORING_CQE_F_BUFFER brought; the caller's now.
  [[nodiscard]] BufferIndex unpark(std::uint32_t cqe_flags) {
    const BufferIndex buffer = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
    FL_DASSERT(in_ring_[buffer]);
    in_ring_[buffer] = false;
    pool_.set_parked(--published_);  // At once: what a turn brings may take many.
    return buffer;
  }
  /// A receive found the ring empty.
  void met_empty();

  [[nodiscard]] std::size_t published() const { return published_; }
  [[nodiscard]] std::size_t target() const;
  /// Less than a quarter of the pool is free.
  [[nodiscard]] bool is_scarce() const { return pool_.free() < std::max<std::size_t>(1, pool_.count() / 4); }

 private:
  BufferPool& pool_;
  io_uring_buf_ring* ring_ = nullptr;
  std::size_t entries_ = 0;
  std::size_t published_ = 0;
  std::size_t wanted_ = kPublishMin;  ///< The target before its limits.
  unsigned quiet_turns_ = 0;          ///< Turns since a receive found the ring empty.
  std::vector<bool> in_ring_;         ///< By block.
};

}  // namespace fairlead::net
