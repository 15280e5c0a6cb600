// fairlead: pure
// A DHCP lease as all gateways know it. Its time is kept as a point of this machine's monotonic clock; between machines and in files it is
// seconds left, never a time of day: clocks of gateways need not agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cluster_view.h"
#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/time.h"

namespace fairlead::dnsdhcp {

enum class LeaseState : std::uint8_t {
  kHeld = 1,      ///< A client may use the address until `expires`.
  kReleased = 2,  ///< Given back, or expired; the record stays for a while, so that an older one cannot bring it back.
};

/// Which of two records of one address is the newer one: the placement (epoch) of the VIP it was given under, then its number in that.
struct LeaseStamp {
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  friend constexpr auto operator<=>(const LeaseStamp&, const LeaseStamp&) = default;
};

struct Lease {
  std::string network;  ///< A name of dnsdhcp.networks.
  IpAddress address;
  MacAddress mac;
  std::string client_id;  ///< Hexadecimal bytes with colons, as dnsmasq tells it; empty: none.
  std::string name;       ///< Without domain; empty: none.
  Instant expires{};
  LeaseStamp stamp;
  NodeId holder = kNoNode;  ///< The gateway that gave it.
  LeaseState state = LeaseState::kHeld;
  LeaseStamp freed;        ///< Leases of this address up to here are known to be over: an older one that turns up is no conflict.
  std::uint32_t iaid = 0;  ///< IPv6 only, with `temporary`: dnsmasq finds such a lease by it.
  bool temporary = false;
  bool operator==(const Lease&) const = default;
};

inline constexpr std::size_t kClientIdTextMax = 764;  ///< 255 bytes, all that option 61 can carry, as hexadecimal text with colons.
inline constexpr std::size_t kLeaseNameMax = 253;
inline constexpr std::uint32_t kEndlessSeconds = 0xffffffff;  ///< dnsmasq's "infinite".

/// "held", "released"
[[nodiscard]] std::string_view to_string(LeaseState state);
/// Whole seconds until it expires, rounded up; 0: it has.
[[nodiscard]] std::uint32_t seconds_left(const Lease& lease, Instant now);
/// When `seconds` from now are over. kEndlessSeconds: 136 years, which is no end.
[[nodiscard]] inline Instant after_seconds(std::uint32_t seconds, Instant now) { return now + std::chrono::seconds(seconds); }
/// One client, as far as two leases of one address can tell: the same client id, or the same MAC (it starts by network, then its system).
[[nodiscard]] bool same_client(const Lease& a, const Lease& b);

}  // namespace fairlead::dnsdhcp
