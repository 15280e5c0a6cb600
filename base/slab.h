// fairlead: pure
// Slots addressed by a dense index, grown in chunks that never move, reused last in, first out.
//
// A slot's generation is raised when it is freed, so that a name {index, generation} kept elsewhere (a kernel completion, a timer) can be
// told from its successor's. Memory is touched only as slots are first used.
// Invariants: I1 an index is live between acquire() and release(); I2 references stay valid while live.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"

namespace fairlead {

inline constexpr std::uint32_t kNoSlot = 0xffffffffU;

template <class T, std::uint32_t kChunk = 128>
class Slab {
 public:
  /// `limit`: slots at most.
  explicit Slab(std::uint32_t limit) : limit_(limit) {}

  /// kNoSlot at the limit. The slot holds a value-initialised T.
  [[nodiscard]] std::uint32_t acquire() {
    std::uint32_t index = free_;
    if (index != kNoSlot) {
      free_ = entry(index).next_free;
    } else {
      if (used_ >= limit_) return kNoSlot;
      index = used_++;
      if (index / kChunk >= chunks_.size()) chunks_.push_back(std::make_unique_for_overwrite<Chunk>());
      entry(index).generation = 0;
    }
    Entry& e = entry(index);
    e.value = T{};
    e.next_free = kLive;
    ++live_;
    return index;
  }

  void release(std::uint32_t index) {
    Entry& e = entry(index);
    FL_DASSERT(e.next_free == kLive);
    ++e.generation;
    e.next_free = free_;
    free_ = index;
    --live_;
  }

  [[nodiscard]] T& operator[](std::uint32_t index) { return entry(index).value; }
  [[nodiscard]] const T& operator[](std::uint32_t index) const { return chunks_[index / kChunk]->entries[index % kChunk].value; }
  [[nodiscard]] std::uint32_t generation(std::uint32_t index) const { return chunks_[index / kChunk]->entries[index % kChunk].generation; }
  /// Whether `index` is live and of this generation; safe for any numbers.
  [[nodiscard]] bool is_live(std::uint32_t index, std::uint32_t generation_mask_value, std::uint32_t mask = 0xffffffffU) const {
    if (index >= used_) return false;
    const Entry& e = chunks_[index / kChunk]->entries[index % kChunk];
    return e.next_free == kLive && (e.generation & mask) == (generation_mask_value & mask);
  }
  [[nodiscard]] bool is_live(std::uint32_t index) const {
    return index < used_ && chunks_[index / kChunk]->entries[index % kChunk].next_free == kLive;
  }
  [[nodiscard]] std::uint32_t live() const { return live_; }
  /// One above the highest index ever used: the bound for a sweep with is_live().
  [[nodiscard]] std::uint32_t high_mark() const { return used_; }

 private:
  static constexpr std::uint32_t kLive = 0xfffffffeU;
  struct Entry {
    T value;
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
  };
  struct Chunk {
    std::array<Entry, kChunk> entries;
  };
  [[nodiscard]] Entry& entry(std::uint32_t index) { return chunks_[index / kChunk]->entries[index % kChunk]; }

  std::uint32_t limit_;
  std::uint32_t used_ = 0;
  std::uint32_t live_ = 0;
  std::uint32_t free_ = kNoSlot;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace fairlead
