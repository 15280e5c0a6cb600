// fairlead: pure
#include "config/dhcp_pool.h"

#include <algorithm>
#include <limits>

namespace fairlead::config {

bool is_host_in(const IpPrefix& network, const IpAddress& address) {
  return network.contains(address) && (address != network.network() || network.length >= address.bits() - 1) &&
         address != network.broadcast();
}

bool lies_in(const DhcpPool& pool, const IpAddress& address) {
  return address.family() == pool.first.family() && pool.first <= address && address <= pool.last;
}

std::uint64_t addresses_in(const DhcpPool& pool) {
  const auto& first = pool.first.bytes();
  const auto& last = pool.last.bytes();
  const std::size_t end = pool.first.is_v4() ? 4 : 16;
  const std::size_t begin = end == 4 ? 0 : 8;  // The last 64 bits of an IPv6 address; more is more than can be said.
  if (!std::equal(first.begin(), first.begin() + begin, last.begin())) return std::numeric_limits<std::uint64_t>::max();
  const auto number = [&](const auto& bytes) {
    std::uint64_t out = 0;
    for (std::size_t i = begin; i < end; ++i) out = (out << 8U) | bytes[i];
    return out;
  };
  const std::uint64_t difference = number(last) - number(first);
  return difference == std::numeric_limits<std::uint64_t>::max() ? difference : difference + 1;
}

}  // namespace fairlead::config
