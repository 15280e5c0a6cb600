// fairlead: pure
// Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table from hash to server which changes little when servers come and go.
//
// Every server has a permutation of the table's positions, made from its key alone; servers take turns, each taking its next free
// position, until the table is full. A server of half the greatest weight takes every second turn only.
//   I1  The table depends on keys and weights, not on the order in which servers are given: both gateways map a client alike.
//   I2  Shares are proportional to weights within a few positions. A server of weight 0 has none.
//   I3  When a server leaves, the others keep nearly all of their positions.
// I3 needs a constant size: take it from the number of *configured* servers (maglev_size_for), not of those that are up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::lb {

struct MaglevServer {
  std::uint64_t key = 0;  ///< See server_key.
  std::uint32_t weight = 0;
  std::uint16_t index = 0;  ///< What the table shall hold: the index into RoutePool::servers.
};

/// A server's identity as a number, the same in every process and on every node.
[[nodiscard]] std::uint64_t server_key(std::string_view pool, std::string_view server, std::string_view address);

/// A prime, at least a hundred positions per server where 65521 are enough for that. 2 bytes a position.
[[nodiscard]] std::uint32_t maglev_size_for(std::size_t servers_configured);

/// `size` positions (a prime), or none when no server has weight. O(size log size) expected.
[[nodiscard]] std::vector<std::uint16_t> build_maglev(std::span<const MaglevServer> servers, std::uint32_t size);

/// HOT. Where a client's address falls. `table` is not empty.
[[nodiscard]] inline std::uint32_t maglev_position(std::span<const std::uint16_t> table, const IpAddress& client) {
  const std::uint64_t hash = hash_of(client.unmapped(), 0x6d61'676c'6576'0001ULL);  // A constant: nodes must agree.
  return static_cast<std::uint32_t>(((hash >> 32) * table.size()) >> 32);
}

}  // namespace fairlead::lb
