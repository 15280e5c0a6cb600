// fairlead: pure
// What there is in UDP sockets, read from /proc/net/udp and udp6 (proc(5)). `text`: the file; any text does.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ip_address.h"

namespace fairlead::dnsdhcp {

inline constexpr std::uint16_t kDnsPort = 53;
inline constexpr std::uint16_t kDhcpServerPort = 67;
inline constexpr std::uint16_t kDhcp6ServerPort = 547;

/// Bytes in the receive queues of all sockets bound to `port` (column rx_queue).
[[nodiscard]] std::uint64_t udp_queue_of(std::string_view text, std::uint16_t port);

/// A socket is bound to `address`, or to all. IPv4 only.
[[nodiscard]] bool udp_is_bound(std::string_view text, const IpAddress& address, std::uint16_t port);

/// A socket is bound to `port` on all addresses. IPv4 only.
[[nodiscard]] bool udp_is_bound_to_all(std::string_view text, std::uint16_t port);

}  // namespace fairlead::dnsdhcp
