// fairlead: pure
#include <algorithm>
#include <map>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

/// VIP addresses must be possible, one per VIP and no node's own.
void check_address(Checks& checks, const Vip& vip, std::size_t i) {
  const std::string path = path_of("vips[{}].address", i);
  const IpAddress& address = vip.address.address;
  if (!checks.sound(path)) return;
  checks.host_address(address, path, "the VIP");
  if (address.is_loopback()) checks.error(path, "the VIP is a loopback address", "a VIP is an address of the clients' network");
  const bool network_counts = vip.address.length > 0 && vip.address.length < (address.is_v4() ? 31 : 127);
  if (vip.address.length == 0)
    checks.error(path, "the VIP's prefix length is 0",
                 fmt::format("write the length of its network, as in {}/{}", address.to_string(), address.is_v4() ? 24 : 64));
  if (network_counts && address == vip.address.network()) {
    checks.error(path, fmt::format("{} is the address of its network {} itself", address.to_string(), vip.address.to_string()),
                 "choose a host's address in it");
  }
  if (address == vip.address.broadcast())
    checks.error(path, fmt::format("{} is the broadcast address of its network", address.to_string()), "choose a host's address in it");
  if (const VipAddress* other = checks.vip_of(address); other != nullptr && other->path != path && other->what != "VIP " + vip.name) {
    checks.error(path, fmt::format("{} is also the {}", address.to_string(), other->what), "each VIP needs an address of its own");
  }
  if (checks.snapshot.cluster) {
    const std::string own = checks.own_address(address);
    if (own.starts_with("an address of node"))
      checks.error(path, fmt::format("the VIP is {}", own), "a VIP moves between nodes; it must be nobody's own address");
  }
}

/// A next hop or a tracked router: in the VIP's family, and not ours.
void check_router_address(Checks& checks, const Vip& vip, const IpAddress& gateway, const std::string& path, std::string_view what) {
  checks.host_address(gateway, path, what);
  if (gateway.family() != vip.address.address.family()) {
    checks.error(path, fmt::format("{} and the VIP are of different IP versions", what),
                 vip.address.address.is_v4() ? "give an IPv4 address" : "give an IPv6 address");
  }
  if (const VipAddress* other = checks.vip_of(gateway))
    checks.error(path, fmt::format("{} {} is the {}", what, gateway.to_string(), other->what), "give a router that is not ours");
  const std::string own = checks.own_address(gateway);
  if (!own.empty()) checks.error(path, fmt::format("{} {} is {}", what, gateway.to_string(), own), "give a router that is not ours");
  if (!vip.address.contains(gateway)) {
    checks.warning(path, fmt::format("{} {} lies outside the VIP's network {}", what, gateway.to_string(), vip.address.to_string()),
                   "it is reached only if a device has an address of its network");
  }
}

void check_route(Checks& checks, const Vip& vip, std::size_t i) {
  if (vip.track.gateway) check_router_address(checks, vip, *vip.track.gateway, path_of("vips[{}].track.gateway", i), "the tracked gateway");
  if (!vip.route) return;
  if (checks.sound(path_of("vips[{}].route.gateway", i)))
    check_router_address(checks, vip, vip.route->gateway, path_of("vips[{}].route.gateway", i), "the route's gateway");
  if (vip.route->table >= 253 && vip.route->table <= 255) {
    checks.error(path_of("vips[{}].route.table", i),
                 fmt::format("table {} is one of the kernel's own (default, main, local)", vip.route->table),
                 "choose a number that nothing else uses, as in 120");
  }
}

void check_hooks(Checks& checks, const std::vector<Hook>& hooks, const std::string& list) {
  for (std::size_t k = 0; k < hooks.size(); ++k) {
    const std::string path = path_of("{}[{}].command", list, k);
    if (hooks[k].command.empty()) {
      checks.error(path, "a hook without a command", "as in command: [/usr/local/bin/up]");
    } else if (!hooks[k].command.front().starts_with('/')) {
      checks.error(path, fmt::format("the hook's program {} has no absolute path", quoted(hooks[k].command.front())),
                   "hooks run without a shell and without PATH");
    }
  }
}

void check_names(Checks& checks, const Vip& vip, std::size_t i) {
  std::vector<std::string> listeners;
  for (const Listener& listener : checks.snapshot.listeners) listeners.push_back(listener.name);
  const bool listeners_known = checks.names_known("listeners", listeners.size());
  for (std::size_t k = 0; listeners_known && k < vip.requires_listeners.size(); ++k) {
    const std::string& name = vip.requires_listeners[k];
    if (std::find(listeners.begin(), listeners.end(), name) != listeners.end()) continue;
    checks.error(path_of("vips[{}].requires[{}]", i, k), fmt::format("there is no listener {}", quoted(name)), suggest(name, listeners));
  }
  if (!checks.snapshot.cluster) {
    if (!vip.prefer.empty())
      checks.warning(path_of("vips[{}].prefer", i), "prefer has no effect without cluster", "this node holds every VIP");
    return;
  }
  if (!checks.names_known("cluster.nodes", checks.snapshot.cluster->nodes.size())) return;
  std::vector<std::string> nodes;
  for (const Node& node : checks.snapshot.cluster->nodes) nodes.push_back(node.name);
  for (std::size_t k = 0; k < vip.prefer.size(); ++k) {
    if (std::find(nodes.begin(), nodes.end(), vip.prefer[k]) != nodes.end()) continue;
    checks.error(path_of("vips[{}].prefer[{}]", i, k), fmt::format("there is no node {}", quoted(vip.prefer[k])),
                 suggest(vip.prefer[k], nodes));
  }
}

}  // namespace

void check_interface(Checks& checks, const std::string& interface, const std::string& path) {
  if (interface == "auto" || !checks.snapshot.cluster ||
      !checks.names_known("cluster.nodes", checks.snapshot.cluster->nodes.size(), "interfaces"))
    return;
  std::vector<std::string> known;
  std::vector<std::string> lacking;
  bool mapped = false;
  for (const Node& node : checks.snapshot.cluster->nodes) {
    bool here = false;
    for (const NodeInterface& i : node.interfaces) {
      known.push_back(i.name);
      here = here || i.name == interface;
    }
    mapped = mapped || here;
    if (!here) lacking.push_back(node.name);
  }
  if (mapped && !lacking.empty()) {
    checks.error(path, fmt::format("node {} does not say which device {} is", lacking.front(), quoted(interface)),
                 fmt::format("add it to the interfaces of {}", lacking.front()));
  } else if (!mapped) {
    if (const auto near = nearest(interface, known)) {
      checks.warning(path, fmt::format("no node names an interface {}; it is taken for a network device", quoted(interface)),
                     fmt::format("did you mean '{}'?", *near));
    }
  }
}

void check_vips(Checks& checks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < checks.snapshot.vips.size(); ++i) {
    const Vip& vip = checks.snapshot.vips[i];
    names.push_back(vip.name);
    check_address(checks, vip, i);
    check_interface(checks, vip.interface, path_of("vips[{}].interface", i));
    if (checks.sound(path_of("vips[{}].address", i))) check_route(checks, vip, i);
    check_names(checks, vip, i);
    check_hooks(checks, vip.on_acquire, path_of("vips[{}].on_acquire", i));
    check_hooks(checks, vip.on_release, path_of("vips[{}].on_release", i));
    const std::string delay = path_of("vips[{}].preempt_delay", i);
    if (!vip.preempt && checks.has(delay))
      checks.warning(delay, "preempt_delay has no effect without preempt", "add preempt: true, or remove it");
    if (vip.preempt && vip.prefer.empty())
      checks.warning(path_of("vips[{}].preempt", i), "preempt has no effect without prefer",
                     "name the nodes to move back to, or remove it");
  }
  checks.unique(names, "vips", "name", "VIP");
}

}  // namespace fairlead::config
