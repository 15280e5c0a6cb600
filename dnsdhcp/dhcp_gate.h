// fairlead: pure
// The DHCP gate as text for `nft -f -`: which of our networks' interfaces DHCP requests may come in by, and that names and boot files are
// asked for from these networks only.
//
// dnsmasq answers where a virtual IP is; the gate is there for the moments when that is not enough: the VIP has arrived, but which
// addresses of the pool are in use is not known yet. It drops what comes to UDP port 67 (DHCP, IPv4) or 547 (DHCPv6) on an interface that
// is guarded for that IP version and not open for it: each of the two networks of an interface has a gate of its own.
//
// For DNS and TFTP there is no opening and closing. dnsmasq's answer is tied to the address and not to the interface: whoever can route to
// a network's VIP would be answered, by the uplink as well, and with upstreams by a resolver that is open to the world. So what comes to
// port 53 or 69 of these addresses by a device of no network is rejected, before and without any rule of the router.
//
// Invariants:
//   G1  Every text replaces our table as a whole, in one transaction: what it says holds afterwards, whatever was there before; no packet
//       meets half of it. Said twice it changes nothing.
//   G2  No other table is named. What is not guarded is let alone: other DHCP servers of this machine keep working, also one of the
//       other IP version on the same interface; so do other DNS servers at addresses that dnsmasq does not serve.
//   G3  Names and boot files are not to be had by a device that is neither a network's nor loopback, whatever the gate's state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::dnsdhcp {

inline constexpr std::string_view kGateTable = "inet fairlead_dhcp";

/// Of one IP version.
struct GateSide {
  std::vector<std::string> guarded;  ///< Interfaces of its networks, by the kernel's names.
  std::vector<std::string> open;     ///< Those of them where requests are let in.
  std::vector<IpPrefix> served{};    ///< Where dnsmasq answers DNS and TFTP. None contains another.
};
struct DhcpGate {
  GateSide v4;
  GateSide v6;
  std::vector<std::string> inside{};  ///< By which these are reached; loopback need not be said.
};

/// Fills `served` and `inside`. `snapshot` is a valid one, with dnsdhcp.
void guard_names(DhcpGate& gate, const config::Snapshot& snapshot);

/// Errors: kInvalidArgument (a name that no interface can have, or that nft would read as a pattern; one that is open and not guarded).
[[nodiscard]] Result<std::string> render_dhcp_gate(const DhcpGate& gate);
/// Our table goes; all is open.
[[nodiscard]] std::string render_no_dhcp_gate();

}  // namespace fairlead::dnsdhcp
