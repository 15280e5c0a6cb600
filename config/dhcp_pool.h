// fairlead: pure
// Arithmetic of networks and pools.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/settings.h"

namespace fairlead::config {

inline constexpr std::size_t kDhcpLeasesMax = 10'000;        ///< Of all networks: as many do gateways remember (dnsdhcp/lease_book.h).
inline constexpr std::size_t kPoolAddressesAdvised = 2'048;  ///< Beyond it the search after a gateway's loss takes longer than finding out.

/// Inside, not the network's own, nor its broadcast address.
[[nodiscard]] bool is_host_in(const IpPrefix& network, const IpAddress& address);
[[nodiscard]] bool lies_in(const DhcpPool& pool, const IpAddress& address);
/// Of a pool whose last address is not below its first, both of one family; at most 2^64 - 1.
[[nodiscard]] std::uint64_t addresses_in(const DhcpPool& pool);

}  // namespace fairlead::config
