// fairlead: pure
#include "dnsdhcp/dhcp_lease.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace fairlead::dnsdhcp {

std::string_view to_string(LeaseState state) { return state == LeaseState::kHeld ? "held" : "released"; }

std::uint32_t seconds_left(const Lease& lease, Instant now) {
  if (lease.expires <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::seconds>(lease.expires - now).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(left, std::numeric_limits<std::uint32_t>::max()));
}

bool same_client(const Lease& a, const Lease& b) {
  return (!a.client_id.empty() && a.client_id == b.client_id) || (!a.mac.is_zero() && a.mac == b.mac);
}

}  // namespace fairlead::dnsdhcp
