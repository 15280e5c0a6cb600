// fairlead: pure
// How many connections each client address has, and how many it began within a second: process-wide, of fixed size, without locks.
//
// Two arrays of 64-bit words in buckets of eight (one cache line). A source hashes to a bucket and a tag; its word is any in the bucket
// that carries the tag. A word whose count fell to zero, or whose second is past, is free for another source.
//   counts {tag:40, count:24}      rates {tag:22, second:14, previous:14, current:14}   (lb/rate_window.h)
//
// Invariants:
//   I1  Connections admitted for a source with a limit never exceed it, at no instant. Two workers may, extremely rarely, make a word
//       each for a new source; both then look at the sum over the bucket and step back. Such a race may refuse one connection too many.
//   I2  take() == kTaken is undone by exactly one give_back() of the same key; then nothing of the source remains.
//   I3  With a bucket full of other sources a new one is not tracked: it is let in (fail open) and counted in untracked_total().
//       Rationale: the limits protect from clients that are too eager, not from ones that own thousands of addresses.
// A rate may be passed by a few when two workers make a word for the same new source at the same time. Seconds of a rate wrap around
// after 4.5 hours: a source that comes back in just that second finds its old count once more.
// IPv6 clients are counted by /64, the smallest network an end site gets: a host may take any address in it.
// Hashing is keyed with a secret seed; whoever does not know it cannot aim at a bucket. Two sources share a word with probability 2^-40
// (rates: 2^-22) per pair in a bucket.
// Concurrency: sequentially consistent operations on single words; I1 needs each worker to see the other's word after writing its own.
// Memory: 16 bytes a word pair, four pairs per expected source, touched only when used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/ip_address.h"
#include "base/time.h"
#include "lb/route_table.h"

namespace fairlead::lb {

class SourceCounts {
 public:
  enum class Take : std::uint8_t {
    kTaken,      ///< Give it back when the connection ends.
    kRefused,    ///< The source has `limit` connections.
    kUntracked,  ///< I3: let in; nothing to give back.
  };
  using Key = std::uint64_t;

  /// `sources_max`: how many sources are expected at the same time. `seed`: secret, random per process.
  SourceCounts(std::size_t sources_max, std::uint64_t seed);

  /// Counts are per listener. Mapped addresses count as IPv4, IPv6 ones by /64.
  [[nodiscard]] Key key_of(ListenerId listener, const IpAddress& client) const;

  /// HOT. `limit` > 0; above 2^24 - 1 it is that.
  [[nodiscard]] Take take(Key key, std::uint32_t limit);
  void give_back(Key key);

  /// HOT. Counts one event; false when `limit` (> 0; above 16383 never reached) lie within the last second.
  [[nodiscard]] bool count_event(Key key, Instant now, std::uint32_t limit);

  [[nodiscard]] std::uint32_t current(Key key) const;  ///< Connections of a source now.
  [[nodiscard]] std::uint64_t untracked_total() const { return untracked_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t capacity() const { return buckets_ * kWays; }
  [[nodiscard]] std::size_t used() const;  ///< Words of `counts` in use; a full sweep, for tests and metrics.

 private:
  static constexpr std::size_t kWays = 8;
  using Word = std::atomic_ref<std::uint64_t>;

  /// Zeroed memory that the kernel hands out page by page when first written.
  class Words {
   public:
    explicit Words(std::size_t count);
    [[nodiscard]] Word at(std::size_t i) const { return Word(first_[i]); }

   private:
    struct Free {
      void operator()(std::uint64_t* p) const { std::free(p); }
    };
    std::unique_ptr<std::uint64_t, Free> memory_;
    std::uint64_t* first_;  ///< Into memory_, on a cache line.
  };

  [[nodiscard]] std::size_t bucket_of(Key key) const { return (key & (buckets_ - 1)) * kWays; }

  std::size_t buckets_;  ///< A power of two, at most 2^20.
  std::uint64_t seed_;
  Words counts_;
  Words rates_;
  std::atomic<std::uint64_t> untracked_{0};
};

}  // namespace fairlead::lb
