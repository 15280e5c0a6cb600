// fairlead: pure
#include <algorithm>
#include <map>
#include <set>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

bool is_host_in(const IpPrefix& network, const IpAddress& address) {
  return network.contains(address) && (address != network.network() || network.length >= address.bits() - 1) &&
         address != network.broadcast();
}

void check_pool(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  if (!network.pool || !checks.sound(path + ".pool")) return;
  if (!is_host_in(network.cidr, network.pool->first) || !is_host_in(network.cidr, network.pool->last)) {
    checks.error(path + ".pool", fmt::format("the pool is not within {}", network.cidr.to_string()),
                 "first and last are hosts' addresses of the network");
    return;
  }
  if (network.pool->last < network.pool->first) {
    checks.error(path + ".pool", "the pool's last address is below its first", "write [FIRST, LAST]");
    return;
  }
  for (const auto& own : {network.router, network.dns}) {
    if (own && *own >= network.pool->first && *own <= network.pool->last) {
      checks.error(path + ".pool", fmt::format("the pool contains {}, the network's router or dns", own->to_string()),
                   "leave it out of the range");
      return;
    }
  }
}

void check_network(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  const IpPrefix whole{network.cidr.network(), network.cidr.length};
  if (!checks.sound(path + ".cidr")) return;
  if (whole != network.cidr) {
    checks.error(path + ".cidr", fmt::format("{} is not the beginning of a network", network.cidr.to_string()),
                 fmt::format("write {}", whole.to_string()));
    return;
  }
  if (network.cidr.length == 0) checks.error(path + ".cidr", "a network with prefix length 0", "as in 192.168.1.0/24");
  const auto inside = [&](const std::optional<IpAddress>& address, std::string_view key) {
    if (address && !is_host_in(network.cidr, *address)) {
      checks.error(fmt::format("{}.{}", path, key),
                   fmt::format("{} {} is not a host's address in {}", key, address->to_string(), network.cidr.to_string()),
                   "it becomes a VIP of that network");
    }
  };
  inside(network.router, "router");
  inside(network.dns, "dns");
  check_pool(checks, network, path);
  if (network.mtu != 0 && network.mtu < 576)
    checks.error(path + ".mtu", fmt::format("mtu {} is below 576", network.mtu), "1500 is usual; 0 = not told");
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
}

void check_hosts(Checks& checks, const DnsDhcp& dnsdhcp) {
  std::vector<std::string> known;
  std::map<std::string, const DhcpNetwork*> networks;
  for (const DhcpNetwork& network : dnsdhcp.networks) {
    known.push_back(network.name);
    networks.emplace(network.name, &network);
  }
  const bool networks_known = checks.names_known("dnsdhcp.networks", known.size());
  std::vector<std::string> names;
  std::map<std::string, std::string> macs;
  std::map<IpAddress, std::string> addresses;
  for (std::size_t i = 0; i < dnsdhcp.hosts.size(); ++i) {
    const DhcpHost& host = dnsdhcp.hosts[i];
    const std::string path = path_of("dnsdhcp.hosts[{}]", i);
    names.push_back(host.name);
    if (checks.sound(path + ".mac") && !macs.emplace(host.mac, host.name).second) {
      checks.error(path + ".mac", fmt::format("{} is the MAC address of host {}", host.mac, macs[host.mac]), "each machine needs its own");
    }
    if (checks.sound(path + ".address") && !addresses.emplace(host.address, host.name).second) {
      checks.error(path + ".address", fmt::format("{} is the address of host {}", host.address.to_string(), addresses[host.address]),
                   "each machine needs its own");
    }
    if (const VipAddress* vip = checks.vip_of(host.address))
      checks.error(path + ".address", fmt::format("{} is the {}", host.address.to_string(), vip->what), "each machine needs its own");
    const auto network = networks.find(host.network);
    if (network == networks.end()) {
      if (networks_known)
        checks.error(path + ".network", fmt::format("there is no network {}", quoted(host.network)), suggest(host.network, known));
    } else if (!is_host_in(network->second->cidr, host.address) &&
               checks.sound(path_of("dnsdhcp.networks[{}].cidr", network->second - dnsdhcp.networks.data()))) {
      checks.error(path + ".address",
                   fmt::format("{} is not a host's address in {} of network {}", host.address.to_string(),
                               network->second->cidr.to_string(), host.network),
                   "check address and network");
    }
  }
  checks.unique(names, "dnsdhcp.hosts", "name", "host");
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
  check_networks(checks, dnsdhcp);
  check_hosts(checks, dnsdhcp);
}

void check_router(Checks& checks) {
  if (!checks.snapshot.router) return;
  const Router& router = *checks.snapshot.router;
  if (router.masquerade && router.snat) checks.error("router.snat", "router has masquerade and snat", "use one of them");
  if (router.snat && checks.vip_of(*router.snat) == nullptr && checks.names_known("vips", checks.snapshot.vips.size(), "address")) {
    checks.error("router.snat", fmt::format("snat {} is not a VIP", router.snat->to_string()),
                 "connections must keep their address over a takeover: give a VIP of the uplink, or use masquerade");
  }
  std::vector<std::string> known{"uplink"};
  if (checks.snapshot.dnsdhcp) {
    for (const DhcpNetwork& network : checks.snapshot.dnsdhcp->networks) known.push_back(network.name);
  }
  const bool networks_known = checks.names_known("dnsdhcp.networks", known.size() - 1);
  const auto check_name = [&](const std::string& name, const std::string& path) {
    if (std::find(known.begin(), known.end(), name) == known.end() && networks_known)
      checks.error(path, fmt::format("there is no network {}", quoted(name)), suggest(name, known));
  };
  for (std::size_t i = 0; i < router.forward.size(); ++i) {
    check_name(router.forward[i].from, path_of("router.forward[{}].from", i));
    for (std::size_t k = 0; k < router.forward[i].to.size(); ++k)
      check_name(router.forward[i].to[k], path_of("router.forward[{}].to[{}]", i, k));
  }
}

}  // namespace fairlead::config
