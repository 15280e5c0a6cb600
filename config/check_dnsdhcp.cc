// fairlead: pure
// dnsdhcp: its networks, what they tell their machines, netboot and upstreams. Hosts and names: check_hosts.cc.
#include <algorithm>
#include <map>
#include <set>

#include "config/checks.h"
#include "config/derived_vips.h"
#include "config/dhcp_pool.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

constexpr double kSearchSecondsPerAddress = 0.0013;  ///< dnsdhcp/pool_sweep.h: 5.7 s for 4,096.

std::string example_host(const IpPrefix& network) {
  const IpAddress start = network.network();
  if (start.is_v4()) {
    const auto& b = start.bytes();
    return IpAddress::v4({b[0], b[1], b[2], static_cast<std::uint8_t>(b[3] | 1U)}).to_string();
  }
  auto bytes = start.bytes();
  bytes[15] |= 1U;
  return "\"" + IpAddress::v6(bytes).to_string() + "\"";
}

void check_pool(Checks& checks, const DhcpNetwork& network, const std::string& network_path) {
  const std::string path = network_path + ".pool";
  if (!network.pool || !checks.sound(path)) return;
  const DhcpPool& pool = *network.pool;
  if (!is_host_in(network.cidr, pool.first) || !is_host_in(network.cidr, pool.last)) {
    checks.error(path, fmt::format("the pool is not within {}", network.cidr.to_string()),
                 "first and last are hosts' addresses of the network");
    return;
  }
  if (pool.last < pool.first) {
    checks.error(path, "the pool's last address is below its first", "write [FIRST, LAST]");
    return;
  }
  if (pool.first.is_v4() && addresses_in(pool) > kDhcpLeasesMax) {
    checks.error(path, fmt::format("the pool has {} addresses", addresses_in(pool)),
                 fmt::format("at most {} of all networks: as many leases do gateways remember", kDhcpLeasesMax));
    return;
  }
  if (pool.first.is_v4() && addresses_in(pool) > kPoolAddressesAdvised)
    checks.warning(path,
                   fmt::format("the pool has {} addresses: after the loss of a gateway they are searched for {:.1f} s before one is given",
                               addresses_in(pool), static_cast<double>(addresses_in(pool)) * kSearchSecondsPerAddress),
                   "make it smaller, or several networks of it: these are searched at once");
  const auto holds = [&](const IpAddress& address, std::string_view what) {
    if (!lies_in(pool, address)) return false;
    checks.error(path, fmt::format("the pool contains {}, the {}", address.to_string(), what), "leave it out of the range");
    return true;
  };
  for (const VipAddress& vip : checks.vips()) {
    if (checks.sound(vip.path) && holds(vip.address, vip.what)) return;
  }
  if (checks.snapshot.cluster) {
    for (const Node& node : checks.snapshot.cluster->nodes) {
      for (const IpAddress& link : node.links) {
        if (holds(link, "address of node " + node.name)) return;
      }
    }
  }
  if (!checks.is_gateway_itself() || !checks.environment.local_addresses) return;
  for (const IpAddress& address : *checks.environment.local_addresses) {
    if (holds(address, "address of this machine")) return;
  }
}

/// The router's and the resolver's address become VIPs: possible ones, that nobody else has.
void check_service_addresses(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  const auto check = [&](const std::optional<IpAddress>& address, std::string_view key, const std::string& vip) {
    const std::string at = fmt::format("{}.{}", path, key);
    if (!address || !checks.sound(at)) return;
    if (!is_host_in(network.cidr, *address)) {
      checks.error(at, fmt::format("{} {} is not a host's address in {}", key, address->to_string(), network.cidr.to_string()),
                   "it becomes a VIP of that network");
      return;
    }
    if (const VipAddress* other = checks.vip_of(*address); other != nullptr && other->path.starts_with("vips")) {
      checks.error(at, fmt::format("{} {} is also the {}", key, address->to_string(), other->what),
                   fmt::format("it becomes the VIP {} by itself: remove the other one, or choose another address", vip));
    }
    if (const std::string own = checks.own_address(*address); own.starts_with("an address of node"))
      checks.error(at, fmt::format("{} {} is {}", key, address->to_string(), own),
                   "it becomes a VIP, which moves between nodes; it must be nobody's own address");
    const auto& vips = checks.snapshot.vips;
    if (std::any_of(vips.begin(), vips.end(), [&](const Vip& v) { return v.name == vip; }))
      checks.error(at, fmt::format("{} becomes the VIP {}, and vips has one of that name", key, vip), "rename the network or that VIP");
  };
  check(network.router, "router", router_vip_name(network));
  if (network.dns != network.router) check(network.dns, "dns", dns_vip_name(network));
  if (!network.router && !network.dns) {
    checks.error(path, fmt::format("network {} has neither router nor dns: there is no address to answer on", quoted(network.name)),
                 "give it a resolver's address that no machine has, as in dns: " + example_host(network.cidr));
  }
}

void check_ra(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  if (!network.ra) return;
  if (network.cidr.address.is_v4()) {
    checks.error(path + ".ra", "router advertisements are for IPv6 networks", "remove ra; IPv4 machines learn their router by DHCP");
    return;
  }
  if (network.cidr.length != 64)
    checks.error(path + ".ra", fmt::format("ra needs a network of length 64, not {}", network.cidr.length),
                 "machines make their addresses of 64 bits");
  const std::size_t nodes = checks.snapshot.cluster ? checks.snapshot.cluster->nodes.size() : 1;
  if (nodes >= 2) {
    checks.error(
        path + ".ra",
        fmt::format("ra with {} gateways: machines follow the link-local address of the one they heard, also when it is gone", nodes),
        "it would need a link-local address that moves with the VIPs, which this version does not have: leave ra out and give the "
        "machines their IPv6 router's VIP as a static route, or run one gateway");
  }
}

void check_limits(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  const bool v4 = network.cidr.address.is_v4();
  const int length_max = v4 ? 30 : 126;
  const int length_min = v4 ? 8 : 64;
  if (network.cidr.length > length_max || network.cidr.length < length_min) {
    checks.error(path + ".cidr", fmt::format("a network with prefix length {}", network.cidr.length),
                 fmt::format("{} to {}, as in {}", length_min, length_max, v4 ? "192.168.1.0/24" : "\"2001:db8:1::/64\""));
  }
  const std::uint32_t mtu_min = v4 ? 576 : 1280;
  if (network.mtu != 0 && network.mtu < mtu_min)
    checks.error(path + ".mtu", fmt::format("mtu {} is below {}", network.mtu, mtu_min), "1500 is usual; 0 = not told");
  if (network.mtu != 0 && !v4 && !network.ra && checks.sound(path + ".ra"))
    checks.error(path + ".mtu", "an IPv6 network tells its mtu by router advertisements", "add ra: true, or remove mtu");
  if (network.ntp && network.ntp->is_v4() != v4)
    checks.error(path + ".ntp", fmt::format("ntp {} and the network are of different IP versions", network.ntp->to_string()),
                 v4 ? "give an IPv4 address" : "give an IPv6 address");
  if (network.ntp) checks.host_address(*network.ntp, path + ".ntp", "ntp");
  checks.domain(network.domain, path + ".domain");
  check_ra(checks, network, path);
}

void check_network(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  const IpPrefix whole{network.cidr.network(), network.cidr.length};
  if (!checks.sound(path + ".cidr")) return;
  if (whole != network.cidr) {
    checks.error(path + ".cidr", fmt::format("{} is not the beginning of a network", network.cidr.to_string()),
                 fmt::format("write {}", whole.to_string()));
    return;
  }
  checks.host_address(network.cidr.address, path + ".cidr", "the network");
  check_limits(checks, network, path);
  check_service_addresses(checks, network, path);
  check_pool(checks, network, path);
  check_options(checks, network, path);
}

/// Two networks of one IP version on one wire: a machine would get an address of either.
void check_devices(Checks& checks, const DnsDhcp& dnsdhcp) {
  std::map<std::pair<std::string, bool>, std::string> seen;
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    const std::string path = path_of("dnsdhcp.networks[{}].interface", i);
    if (!checks.sound(path) || !checks.sound(path_of("dnsdhcp.networks[{}].cidr", i)) ||
        !checks.sound(path_of("dnsdhcp.networks[{}].vlan", i)))
      continue;
    if (network.interface == "auto") {
      checks.error(path, "'auto' is not the interface of a network",
                   "name the device, as in eth1, or a name of cluster.nodes[].interfaces");
      continue;
    }
    check_interface(checks, network.interface, path);
    const std::string device = network_device(checks.snapshot, network);
    if (device.size() > kDeviceLengthMax)
      checks.error(path, fmt::format("the device {} has more than {} characters", quoted(device), kDeviceLengthMax),
                   "rename the device below it");
    const auto [first, fresh] = seen.emplace(std::pair(device, network.cidr.address.is_v4()), network.name);
    if (!fresh)
      checks.error(path, fmt::format("{} is the interface of network {} too", device, quoted(first->second)),
                   "a machine there would get an address of either: give each network a device or a vlan of its own");
  }
}

void check_networks(Checks& checks, const DnsDhcp& dnsdhcp) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    const std::string path = path_of("dnsdhcp.networks[{}]", i);
    names.push_back(network.name);
    check_network(checks, network, path);
    for (std::size_t k = 0; k < i && checks.sound(path + ".cidr"); ++k) {
      const DhcpNetwork& other = dnsdhcp.networks[k];
      if (!checks.sound(path_of("dnsdhcp.networks[{}].cidr", k))) continue;
      if (network.cidr.contains(other.cidr.address) || other.cidr.contains(network.cidr.address)) {
        checks.error(path + ".cidr",
                     fmt::format("{} overlaps {} of network {}", network.cidr.to_string(), other.cidr.to_string(), other.name),
                     "each network needs addresses of its own");
      }
    }
  }
  checks.unique(names, "dnsdhcp.networks", "name", "network");
  check_devices(checks, dnsdhcp);
  if (dnsdhcp.networks.empty() && checks.readable("dnsdhcp.networks"))
    checks.error("dnsdhcp", "dnsdhcp without networks: there is no address to answer on", "add networks, or remove dnsdhcp");
  const std::size_t vips = checks.vips().size();
  if (vips > kVipsMax)
    checks.error("dnsdhcp.networks", fmt::format("with the networks' routers and resolvers there are {} VIPs", vips),
                 fmt::format("at most {}: let router and dns be one address, or leave one out", kVipsMax));
}

/// A lease that gateways cannot remember could be given to another machine after a takeover. Pools of IPv6 do not count: they are large so
/// that addresses in use lie far apart, not to be used up.
void check_leases(Checks& checks, const DnsDhcp& dnsdhcp) {
  std::uint64_t leases = dnsdhcp.hosts.size();
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const auto& pool = dnsdhcp.networks[i].pool;
    const std::string path = path_of("dnsdhcp.networks[{}].pool", i);
    if (!pool || !pool->first.is_v4() || !checks.sound(path)) continue;
    leases += addresses_in(*pool);
    if (leases <= kDhcpLeasesMax) continue;
    checks.error(path,
                 fmt::format("with this pool there may be {} leases, of {} hosts and all pools up to here", leases, dnsdhcp.hosts.size()),
                 fmt::format("gateways remember {}: make the pools smaller", kDhcpLeasesMax));
    return;
  }
}

/// A gateway that asks itself, or its peer, gets no answer when it needs one.
void check_upstream(Checks& checks, const DnsDhcp& dnsdhcp) {
  for (std::size_t i = 0; i < dnsdhcp.upstream.size(); ++i) {
    const IpAddress& address = dnsdhcp.upstream[i];
    const std::string path = path_of("dnsdhcp.upstream[{}]", i);
    if (!checks.sound(path)) continue;
    checks.host_address(address, path, "the upstream");
    const VipAddress* vip = checks.vip_of(address);
    const std::string own = vip != nullptr ? "the " + vip->what : checks.own_address(address);
    if (!own.empty())
      checks.error(path, fmt::format("upstream {} is {}: a gateway would ask itself", address.to_string(), own),
                   "give a resolver outside, as in 1.1.1.1");
    if (std::find(dnsdhcp.upstream.begin(), dnsdhcp.upstream.begin() + static_cast<std::ptrdiff_t>(i), address) !=
        dnsdhcp.upstream.begin() + static_cast<std::ptrdiff_t>(i))
      checks.error(path, fmt::format("a second upstream {}", address.to_string()), "remove one");
  }
}

void check_netboot(Checks& checks, const DnsDhcp& dnsdhcp) {
  if (!dnsdhcp.netboot || !checks.readable("dnsdhcp.netboot")) return;
  const Netboot& netboot = *dnsdhcp.netboot;
  if (netboot.tftp_root.empty() && checks.sound("dnsdhcp.netboot.tftp_root")) {
    for (const auto& [key, file] : {std::pair("bios", &netboot.bios), std::pair("efi", &netboot.efi)}) {
      if (!file->empty())
        checks.error(fmt::format("dnsdhcp.netboot.{}", key), fmt::format("{} without tftp_root: nothing serves the boot file", key),
                     "add tftp_root, as in /srv/tftp");
    }
    if (!netboot.ipxe.empty() && netboot.ipxe.find("://") == std::string::npos)
      checks.error("dnsdhcp.netboot.ipxe",
                   fmt::format("ipxe {} is no address, and without tftp_root nothing serves it as a file", quoted(netboot.ipxe)),
                   "write an address, as in \"http://192.168.1.1/boot.ipxe\", or add tftp_root");
  }
  if (netboot == Netboot{}) checks.error("dnsdhcp.netboot", "netboot says nothing", "add tftp_root and a boot file, or remove it");
  const auto v4 = [](const DhcpNetwork& n) { return n.cidr.address.is_v4(); };
  if (!dnsdhcp.networks.empty() && std::none_of(dnsdhcp.networks.begin(), dnsdhcp.networks.end(), v4))
    checks.error("dnsdhcp.netboot", "netboot without an IPv4 network", "machines ask for their boot file by DHCP over IPv4");
}

}  // namespace

void check_dnsdhcp(Checks& checks) {
  if (!checks.snapshot.dnsdhcp) return;
  const DnsDhcp& dnsdhcp = *checks.snapshot.dnsdhcp;
  std::vector<std::string> groups;
  for (const Vip& vip : checks.snapshot.vips) {
    if (!vip.group.empty()) groups.push_back(vip.group);
  }
  if (checks.names_known("vips", checks.snapshot.vips.size(), "group") &&
      std::find(groups.begin(), groups.end(), dnsdhcp.follows) == groups.end()) {
    checks.error("dnsdhcp.follows", fmt::format("no VIP is of group {}", quoted(dnsdhcp.follows)),
                 groups.empty() ? "give a VIP this group, as in group: gateway" : suggest(dnsdhcp.follows, groups));
  }
  checks.domain(dnsdhcp.domain, "dnsdhcp.domain");
  check_networks(checks, dnsdhcp);
  check_leases(checks, dnsdhcp);
  check_upstream(checks, dnsdhcp);
  check_netboot(checks, dnsdhcp);
  check_hosts(checks);
  check_resolvers(checks);
}

}  // namespace fairlead::config
