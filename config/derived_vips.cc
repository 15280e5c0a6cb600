// fairlead: pure
#include "config/derived_vips.h"

#include <algorithm>

namespace fairlead::config {
namespace {

Vip pattern_of(const Snapshot& snapshot, const std::string& group) {
  Vip out;
  const auto first = std::find_if(snapshot.vips.begin(), snapshot.vips.end(), [&](const Vip& v) { return v.group == group; });
  if (first != snapshot.vips.end()) {
    out.lease = first->lease;
    out.prefer = first->prefer;
    out.carrier_delay = first->carrier_delay;
    out.takeover_probe = first->takeover_probe;
    out.announce = first->announce;
  }
  out.group = group;
  return out;
}

}  // namespace

std::vector<Vip> derived_vips(const Snapshot& snapshot) {
  std::vector<Vip> out;
  if (!snapshot.dnsdhcp) return out;
  const Vip pattern = pattern_of(snapshot, snapshot.dnsdhcp->follows);
  for (const DhcpNetwork& network : snapshot.dnsdhcp->networks) {
    const auto add = [&](std::string name, const IpAddress& address) {
      Vip vip = pattern;
      vip.name = std::move(name);
      vip.address = {address, network.cidr.length};
      vip.interface = network.vlan == 0 ? network.interface : network_device(snapshot, network);
      out.push_back(std::move(vip));
    };
    if (network.router) add(router_vip_name(network), *network.router);
    if (network.dns && network.dns != network.router) add(dns_vip_name(network), *network.dns);
  }
  return out;
}

std::string router_vip_name(const DhcpNetwork& network) { return network.name + "-router"; }
std::string dns_vip_name(const DhcpNetwork& network) { return network.name + "-dns"; }

std::string device_named(const Snapshot& snapshot, const std::string& interface) {
  if (!snapshot.cluster) return interface;
  for (const Node& node : snapshot.cluster->nodes) {
    if (node.name != snapshot.node) continue;
    for (const NodeInterface& i : node.interfaces) {
      if (i.name == interface) return i.device;
    }
  }
  return interface;
}

std::string network_device(const Snapshot& snapshot, const DhcpNetwork& network) {
  const std::string device = device_named(snapshot, network.interface);
  return network.vlan == 0 ? device : device + "." + std::to_string(network.vlan);
}

std::optional<IpAddress> resolver_of(const DhcpNetwork& network) { return network.dns ? network.dns : network.router; }

}  // namespace fairlead::config
