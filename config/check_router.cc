// fairlead: pure
#include <algorithm>
#include <array>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

constexpr std::string_view kUplink = "uplink";
/// DNS, DHCP and TFTP of the networks: never for the uplink.
constexpr std::array<std::uint16_t, 4> kInnerPorts{53, 67, 69, 547};

const DhcpNetwork* network_named(const Snapshot& snapshot, const std::string& name) {
  if (!snapshot.dnsdhcp) return nullptr;
  const auto& networks = snapshot.dnsdhcp->networks;
  const auto at = std::find_if(networks.begin(), networks.end(), [&](const DhcpNetwork& n) { return n.name == name; });
  return at == networks.end() ? nullptr : &*at;
}

/// The device behind a name of nodes[].interfaces on `node`; any other name is the device itself.
const std::string& device_on(const Node& node, const std::string& name) {
  for (const NodeInterface& interface : node.interfaces) {
    if (interface.name == name) return interface.device;
  }
  return name;
}

/// On the machine itself, or on some node of the cluster.
bool same_device(const Snapshot& snapshot, const std::string& one, const std::string& other) {
  if (one == other) return true;
  if (!snapshot.cluster) return false;
  const auto& nodes = snapshot.cluster->nodes;
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) { return device_on(node, one) == device_on(node, other); });
}

/// On the machine itself, or on some node of the cluster. A VLAN is a device of its own: its frames do not come by the one below it.
bool is_uplink(const Snapshot& snapshot, const DhcpNetwork& network, const std::string& uplink) {
  if (network.vlan == 0) return same_device(snapshot, network.interface, uplink);
  const auto tagged = [&](const std::string& device) { return device + "." + std::to_string(network.vlan); };
  if (tagged(network.interface) == uplink) return true;
  if (!snapshot.cluster) return false;
  const auto& nodes = snapshot.cluster->nodes;
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const Node& node) { return tagged(device_on(node, network.interface)) == device_on(node, uplink); });
}

/// nft takes a device's name in quotes, a star at its end for any name that begins so, and has no way to say that either is meant.
void check_device(Checks& checks, const std::string& name, const std::string& path) {
  if (name.find_first_of("\"\\*") != std::string::npos)
    checks.error(path, fmt::format("the router's rules cannot name the device {}", quoted(name)), "its name may have no \", \\ or *");
}

void check_devices(Checks& checks, const Router& router) {
  check_device(checks, router.uplink, "router.uplink");
  const auto& snapshot = checks.snapshot;
  if (snapshot.cluster) {
    for (std::size_t i = 0; i < snapshot.cluster->nodes.size(); ++i) {
      const auto& interfaces = snapshot.cluster->nodes[i].interfaces;
      for (std::size_t k = 0; k < interfaces.size(); ++k)
        check_device(checks, interfaces[k].device, path_of("cluster.nodes[{}].interfaces", i));
    }
  }
  if (!snapshot.dnsdhcp) return;
  for (std::size_t i = 0; i < snapshot.dnsdhcp->networks.size(); ++i) {
    const DhcpNetwork& network = snapshot.dnsdhcp->networks[i];
    const std::string path = path_of("dnsdhcp.networks[{}].interface", i);
    if (!checks.sound(path) || !checks.sound("router.uplink") || !checks.sound(path_of("dnsdhcp.networks[{}].vlan", i))) continue;
    check_device(checks, network.interface, path);
    if (is_uplink(snapshot, network, router.uplink)) {
      checks.error("router.uplink", fmt::format("the uplink {} is the interface of network {}", quoted(router.uplink), network.name),
                   "DNS and DHCP are never served to the uplink: give the network an interface or a vlan of its own");
    }
  }
}

void check_snat(Checks& checks, const Router& router) {
  if (router.masquerade && router.snat) checks.error("router.snat", "router has masquerade and snat", "use one of them");
  const Snapshot& snapshot = checks.snapshot;
  if (!router.snat || !checks.names_known("vips", snapshot.vips.size(), "address")) return;
  const auto vip =
      std::find_if(snapshot.vips.begin(), snapshot.vips.end(), [&](const Vip& v) { return v.address.address == *router.snat; });
  if (vip == snapshot.vips.end()) {
    checks.error("router.snat", fmt::format("snat {} is not a VIP", router.snat->to_string()),
                 "connections must keep their address over a takeover: give a VIP of the uplink, or use masquerade");
    return;
  }
  if (vip->interface != "auto" && checks.sound("router.uplink") && !same_device(snapshot, vip->interface, router.uplink)) {
    checks.error("router.snat",
                 fmt::format("snat {} is VIP {} on {}, and the uplink is {}", router.snat->to_string(), vip->name, quoted(vip->interface),
                             quoted(router.uplink)),
                 "answers come back to the uplink: give a VIP of it, or use masquerade");
  }
  if (snapshot.dnsdhcp && checks.names_known("vips", snapshot.vips.size(), "group") && vip->group != snapshot.dnsdhcp->follows) {
    checks.error("router.snat",
                 fmt::format("VIP {} is not of group {}, which dnsdhcp follows", vip->name, quoted(snapshot.dnsdhcp->follows)),
                 "the address connections leave with must be on the gateway that routes them: give it that group");
  }
}

void check_forward(Checks& checks, const Router& router) {
  std::vector<std::string> known{std::string(kUplink)};
  if (checks.snapshot.dnsdhcp) {
    for (const DhcpNetwork& network : checks.snapshot.dnsdhcp->networks) known.push_back(network.name);
  }
  const bool networks_known = checks.names_known("dnsdhcp.networks", known.size() - 1);
  const auto check_name = [&](const std::string& name, const std::string& path) {
    if (std::find(known.begin(), known.end(), name) == known.end() && networks_known)
      checks.error(path, fmt::format("there is no network {}", quoted(name)), suggest(name, known));
  };
  for (std::size_t i = 0; i < router.forward.size(); ++i) {
    const ForwardRule& rule = router.forward[i];
    check_name(rule.from, path_of("router.forward[{}].from", i));
    const DhcpNetwork* from = network_named(checks.snapshot, rule.from);
    for (std::size_t k = 0; k < rule.to.size(); ++k) {
      const std::string path = path_of("router.forward[{}].to[{}]", i, k);
      check_name(rule.to[k], path);
      if (rule.from == kUplink && rule.to[k] == kUplink)
        checks.error(path, "from the uplink to the uplink", "the world reaches itself without this gateway");
      const DhcpNetwork* to = network_named(checks.snapshot, rule.to[k]);
      if (from != nullptr && to != nullptr && from->cidr.address.family() != to->cidr.address.family()) {
        checks.error(path, fmt::format("{} and {} are of different IP versions", rule.from, rule.to[k]),
                     "nothing can pass between them: name the networks of one version");
      }
    }
  }
}

void check_open(Checks& checks, const Router& router) {
  for (std::size_t i = 0; i < router.open.size(); ++i) {
    const std::string path = path_of("router.open[{}].port", i);
    if (!checks.sound(path)) continue;
    if (std::find(kInnerPorts.begin(), kInnerPorts.end(), router.open[i].port) != kInnerPorts.end()) {
      checks.error(path, fmt::format("port {} is DNS, DHCP or TFTP", router.open[i].port),
                   "these are for the networks, never for the uplink");
    }
  }
}

void check_sync(Checks& checks, const Router& router) {
  if (!router.sync) return;
  const auto& cluster = checks.snapshot.cluster;
  if (!cluster || cluster->nodes.size() < 2)
    checks.error("router.sync", "there is no other gateway whose connection table could be kept like this one's",
                 "leave it out, or add cluster.nodes");
  if (router.snat) return;
  if (router.masquerade) {
    checks.error("router.sync", "connections behind masquerade have an address of one gateway, and no other one can go on with them",
                 "give snat a VIP of the uplink in place of masquerade, or leave sync out");
  } else {
    checks.error("router.sync", "without snat there is no connection that needs the other gateway's table",
                 "leave it out: routed connections go on after a takeover as they are");
  }
}

}  // namespace

void check_router(Checks& checks) {
  if (!checks.snapshot.router) return;
  const Router& router = *checks.snapshot.router;
  check_devices(checks, router);
  check_snat(checks, router);
  check_forward(checks, router);
  check_open(checks, router);
  for (std::size_t i = 0; checks.snapshot.dnsdhcp && i < checks.snapshot.dnsdhcp->networks.size(); ++i) {
    if (const DhcpNetwork& network = checks.snapshot.dnsdhcp->networks[i]; network.name == kUplink)
      checks.error(path_of("dnsdhcp.networks[{}].name", i), "a network may not be named uplink beside router",
                   "the router means the world by it");
  }
  check_sync(checks, router);
}

}  // namespace fairlead::config
