#include "net/buffer_pool.h"

#include <algorithm>
#include <sys/mman.h>

namespace fairlead::net {

BufferPool::BufferPool(std::size_t count, std::size_t block_bytes) : count_(count), block_bytes_(block_bytes), free_(count), top_(0) {
  FL_ASSERT(count >= 1 && count <= kBuffersPerPoolMax);
  void* memory = ::mmap(nullptr, count * block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FL_ASSERT(memory != MAP_FAILED);  // Only at start: the size is bounded by configuration.
  // Huge pages would make a block's first byte cost 2 MiB of resident memory.
  (void)::madvise(memory, count * block_bytes, MADV_NOHUGEPAGE);
  memory_ = static_cast<std::byte*>(memory);
  meta_ = std::make_unique<BufferMeta[]>(count);
  for (std::size_t i = 0; i < count; ++i) meta_[i].next = i + 1 < count ? static_cast<BufferIndex>(i + 1) : kNoBuffer;
}

BufferPool::~BufferPool() { ::munmap(memory_, count_ * block_bytes_); }

BufferIndex BufferPool::take() {
  if (top_ == kNoBuffer) return kNoBuffer;
  const BufferIndex index = top_;
  top_ = meta_[index].next;
  meta_[index] = {};
  --free_;
  return index;
}

void BufferPool::give_back(BufferIndex index) {
  FL_DASSERT(index < count_ && free_ < count_);
  meta_[index].next = top_;
  top_ = index;
  ++free_;
}

std::size_t BufferChain::consume(BufferPool& pool, std::size_t n) {
  std::size_t dropped = 0;
  while (head != kNoBuffer && dropped < n) {
    BufferMeta& meta = pool.meta(head);
    const std::size_t part = std::min<std::size_t>(n - dropped, meta.length);
    meta.offset += static_cast<std::uint32_t>(part);
    meta.length -= static_cast<std::uint32_t>(part);
    dropped += part;
    if (meta.length > 0) break;
    const BufferIndex done = head;
    head = meta.next;
    pool.give_back(done);
  }
  if (head == kNoBuffer) tail = kNoBuffer;
  return dropped;
}

void BufferChain::clear(BufferPool& pool) {
  while (head != kNoBuffer) {
    const BufferIndex next = pool.meta(head).next;
    pool.give_back(head);
    head = next;
  }
  tail = kNoBuffer;
}

}  // namespace fairlead::net
