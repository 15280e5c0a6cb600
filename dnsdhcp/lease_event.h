// fairlead: pure
// What dnsmasq tells about a lease through its dhcp-script, as values.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "base/mac_address.h"

namespace fairlead::dnsdhcp {

enum class LeaseEventKind : std::uint8_t {
  kAdd,     ///< A lease that dnsmasq did not have.
  kOld,     ///< One it had: renewed, another name or client id, or told again after a start.
  kDelete,  ///< Given back, expired, or taken from it.
};

struct LeaseEvent {
  LeaseEventKind kind{};
  IpAddress address;
  MacAddress mac;             ///< All zero: none is known (IPv6 only).
  std::string client_id;      ///< Hexadecimal bytes with colons (IPv6: the DUID); empty: none. At most kClientIdTextMax.
  std::string name;           ///< Without domain; empty: none. At most kLeaseNameMax.
  std::uint32_t seconds = 0;  ///< Left; kEndlessSeconds: no end. Of kDelete: not looked at.
  std::string interface;      ///< Where it was given; for people.
  std::uint32_t iaid = 0;
  bool temporary = false;
  bool operator==(const LeaseEvent&) const = default;
};

// The fence: a lease of an address that no client can have, the last in dnsmasq's own order. dnsmasq tells changed leases to its script in
// that order, one by one, so when it tells of a changed fence it has told everything that it did before the fence was changed.
inline constexpr IpAddress kFenceAddress = IpAddress::v4({127, 0, 0, 67});
/// A locally administered MAC that carries the fence's number.
[[nodiscard]] constexpr MacAddress fence_mac(std::uint32_t number) {
  return {{0x02, 0xfe, static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
           static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

}  // namespace fairlead::dnsdhcp
