// fairlead: pure
// Chooses the server of a connection and takes its place there. HOT: once per connection (and retry), no allocation, no lock.
//
// A candidate is a usable server with weight, regular or backup as the table says (RoutePool::use_backups), which this connection has not
// tried. A candidate at its max_connections is passed over.
//   round_robin        the next position of RoutePool::rotation from the pool's cursor
//   least_connections  the least current / weight; among equals the first in the rotation from the cursor, so equal servers alternate
//   random_two         two positions of the rotation at random (hence by weight), the one with the lesser current / weight
//   source_hash        the Maglev position of the client's address; tried or full: the next other server in the table
//
// Invariants:
//   I1  A server never has more than max_connections places taken, at no instant (lb/bounded_count.h).
//   I2  A place is taken exactly when pick() succeeds; the caller gives it back with release() exactly once.
//   I3  least_connections without releases: however many workers pick at once, current / weight of the chosen one is the least there is
//       when its place is taken. Equal servers therefore never differ by more than one.
//   I4  pick() fails only when every candidate was seen full or there is none.
// Concurrency: the counters and the cursor are process-wide relaxed atomics; the table is immutable. I3 holds because the place is taken
// by compare-and-swap against the count that won the comparison: had that server taken a connection meanwhile, the swap fails and the
// scan runs again; had another one, its load only grew. A failed swap means that another worker got on, so the workers as a whole do;
// after kRescans of them the caller takes the last winner as it is. The cursor is an atomic increment, so that workers finding the same
// tie choose different servers. round_robin inherits exactness from the cursor, the other two make no such promise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/prng.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// Servers one connection has tried. By id: a retry may see a newer table than the try before.
class TriedServers {
 public:
  static constexpr std::size_t kMax = 8;

  void add(ServerId server) {
    FL_ASSERT(!full());
    items_[size_++] = server;
  }
  /// Nothing is chosen any more: a pool's `retries` can be kMax - 1 at most.
  [[nodiscard]] bool full() const { return size_ == kMax; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The latest. Requires: size() > 0.
  [[nodiscard]] ServerId last() const { return items_[size_ - 1]; }
  [[nodiscard]] bool contains(ServerId server) const {
    for (std::size_t i = 0; i < size_; ++i) {
      if (items_[i] == server) return true;
    }
    return false;
  }

 private:
  std::array<ServerId, kMax> items_{};
  std::uint8_t size_ = 0;
};
/// What a pool's `retries` may be at most.
inline constexpr std::uint32_t kRetriesMax = TriedServers::kMax - 1;

enum class PickFailure : std::uint8_t {
  kNone,
  kNoServer,  ///< No untried server is usable.
  kFull,      ///< There are some, each at its max_connections.
};
[[nodiscard]] std::string_view to_string(PickFailure failure);

struct Pick {
  std::uint16_t server = 0;  ///< Index into RoutePool::servers.
  PickFailure failure = PickFailure::kNoServer;
  explicit operator bool() const { return failure == PickFailure::kNone; }
};

/// Chooses and takes a place (`current` and `total` of its counters go up by one).
[[nodiscard]] Pick pick(const RoutePool& pool, const IpAddress& client, const TriedServers& tried, Prng& prng);

/// Takes a place on one server, chosen by other means. False when it is at max_connections; usability is not looked at.
[[nodiscard]] bool acquire(const RouteServer& server);
/// Gives the place back: the connection ended, or the connect failed.
void release(const RouteServer& server);

}  // namespace fairlead::lb
