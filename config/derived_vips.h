// fairlead: pure
// The VIPs nobody writes down: each network of dnsdhcp makes NAME-router and NAME-dns of its router's and resolver's addresses. They are
// of the group dnsdhcp.follows, so that they move together with it; `print` and `diff` never show them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"

namespace fairlead::config {

/// In the order of the networks, router before dns; one VIP only when both are the same address. What concerns the movement (lease, prefer,
/// carrier_delay, takeover_probe, announce) is that of the group's first VIP.
[[nodiscard]] std::vector<Vip> derived_vips(const Snapshot& snapshot);

/// "mast-router", "mast-dns"
[[nodiscard]] std::string router_vip_name(const DhcpNetwork& network);
[[nodiscard]] std::string dns_vip_name(const DhcpNetwork& network);

/// The kernel's name of `interface` on the node `snapshot.node`: a name of nodes[].interfaces is looked up, any other is the device itself.
[[nodiscard]] std::string device_named(const Snapshot& snapshot, const std::string& interface);
/// Likewise of the network's device: a VLAN is one of its own ("eth1.41").
[[nodiscard]] std::string network_device(const Snapshot& snapshot, const DhcpNetwork& network);

/// Where machines of the network ask for names: its dns, else its router. Absent: it has neither.
[[nodiscard]] std::optional<IpAddress> resolver_of(const DhcpNetwork& network);

}  // namespace fairlead::config
