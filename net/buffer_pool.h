// One worker's receive buffers: a fixed number of equal blocks in one mapping, lent out by index and linked into chains.
//
// Free blocks are kept on a stack (last in, first out), so that a quiet worker touches few pages and these stay in the cache: memory
// that was never needed is never resident. A chain is a singly linked list of blocks through `BufferMeta::next`; a direction's queue is
// a chain, so queueing allocates nothing.
//
// Invariants:
//   I1  A block is either on the free stack or has exactly one owner (an engine, a chain, or whoever took it).
//   I2  used() + free() == count(), always.
// Threading: one worker. Ownership: the pool outlives every engine that uses it. Limits: count <= kBuffersPerPoolMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/assert.h"

namespace fairlead::net {

using BufferIndex = std::uint32_t;
inline constexpr BufferIndex kNoBuffer = 0xffffffffU;
inline constexpr std::size_t kBufferBytes = 16 * 1024;  ///< One receive buffer. Larger pays only for bulk (docs/internals/performance.md).
inline constexpr std::size_t kBuffersPerPoolMax = 32768;  ///< io_uring's buffer rings end here.

struct BufferMeta {
  BufferIndex next = kNoBuffer;
  std::uint32_t offset = 0;  ///< First byte not yet consumed.
  std::uint32_t length = 0;  ///< Bytes left from `offset` on.
};

class BufferPool {
 public:
  /// `count` in 1..kBuffersPerPoolMax. The mapping is reserved now and becomes resident as blocks are used.
  explicit BufferPool(std::size_t count, std::size_t block_bytes = kBufferBytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// kNoBuffer when none is free. The block's meta is reset.
  [[nodiscard]] BufferIndex take();
  void give_back(BufferIndex index);

  [[nodiscard]] std::byte* block(BufferIndex index) const { return memory_ + static_cast<std::size_t>(index) * block_bytes_; }
  [[nodiscard]] BufferMeta& meta(BufferIndex index) {
    FL_DASSERT(index < count_);
    return meta_[index];
  }
  [[nodiscard]] const BufferMeta& meta(BufferIndex index) const {
    FL_DASSERT(index < count_);
    return meta_[index];
  }
  /// The unconsumed bytes of a block.
  [[nodiscard]] std::span<std::byte> bytes(BufferIndex index) const { return {block(index) + meta_[index].offset, meta_[index].length}; }

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t free() const { return free_; }
  [[nodiscard]] std::size_t used() const { return count_ - free_; }
  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }

  /// Blocks that are taken but lie ready for the kernel to fill (io_uring's ring): they count as available.
  void set_parked(std::size_t count) { parked_ = count; }
  [[nodiscard]] std::size_t available() const { return free_ + parked_; }

 private:
  std::size_t count_;
  std::size_t block_bytes_;
  std::size_t free_;
  std::size_t parked_ = 0;
  std::byte* memory_;
  std::unique_ptr<BufferMeta[]> meta_;
  BufferIndex top_;  ///< The free stack, linked through BufferMeta::next.
};

/// A list of blocks with their byte count. A value: whoever holds it owns the blocks and gives them back by hand.
struct BufferChain {
  BufferIndex head = kNoBuffer;
  BufferIndex tail = kNoBuffer;

  [[nodiscard]] bool empty() const { return head == kNoBuffer; }
  void append(BufferPool& pool, BufferIndex index) {
    pool.meta(index).next = kNoBuffer;
    if (empty())
      head = index;
    else
      pool.meta(tail).next = index;
    tail = index;
  }
  void prepend(BufferPool& pool, BufferIndex index) {
    pool.meta(index).next = head;
    head = index;
    if (tail == kNoBuffer) tail = index;
  }
  /// Drops `n` bytes from the front, giving emptied blocks back. Returns how many bytes there were to drop (<= n).
  std::size_t consume(BufferPool& pool, std::size_t n);
  void clear(BufferPool& pool);
};

}  // namespace fairlead::net
