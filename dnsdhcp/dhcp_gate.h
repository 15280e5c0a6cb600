// fairlead: pure
// The DHCP gate as text for `nft -f -`: which of our networks' interfaces DHCP requests may come in by.
//
// dnsmasq answers where a virtual IP is; the gate is there for the moments when that is not enough: the VIP has arrived, but which
// addresses of the pool are in use is not known yet. It drops what comes to UDP port 67 (DHCP, IPv4) or 547 (DHCPv6) on an interface that
// is guarded for that IP version and not open for it: each of the two networks of an interface has a gate of its own.
//
// Invariants:
//   G1  Every text replaces our table as a whole, in one transaction: what it says holds afterwards, whatever was there before; no packet
//       meets half of it. Said twice it changes nothing.
//   G2  No other table is named. What is not guarded is let alone: other DHCP servers of this machine keep working, also one of the
//       other IP version on the same interface.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead::dnsdhcp {

inline constexpr std::string_view kGateTable = "inet fairlead_dhcp";

/// Of one IP version.
struct GateSide {
  std::vector<std::string> guarded;  ///< Interfaces of its networks, by the kernel's names.
  std::vector<std::string> open;     ///< Those of them where requests are let in.
};
struct DhcpGate {
  GateSide v4;
  GateSide v6;
};

/// Errors: kInvalidArgument (a name that no interface can have, or that nft would read as a pattern; one that is open and not guarded).
[[nodiscard]] Result<std::string> render_dhcp_gate(const DhcpGate& gate);
/// Our table goes; all is open.
[[nodiscard]] std::string render_no_dhcp_gate();

}  // namespace fairlead::dnsdhcp
