// fairlead: pure
// Arithmetic of networks and pools.
#pragma once

#include <cstdint>

#include "config/settings.h"

namespace fairlead::config {

/// Inside, not the network's own, nor its broadcast address.
[[nodiscard]] bool is_host_in(const IpPrefix& network, const IpAddress& address);
[[nodiscard]] bool lies_in(const DhcpPool& pool, const IpAddress& address);
/// Of a pool whose last address is not below its first, both of one family; at most 2^64 - 1.
[[nodiscard]] std::uint64_t addresses_in(const DhcpPool& pool);

}  // namespace fairlead::config
