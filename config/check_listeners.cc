// fairlead: pure
#include <algorithm>
#include <map>
#include <set>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

struct Bound {
  IpAddress address;
  std::string who;  ///< "listener kube-api", "admin.listen"
};

/// Two sockets on one port: the same address, or one of them the wildcard of the family. IPv6 sockets take IPv6 only.
bool overlap(const IpAddress& a, const IpAddress& b) {
  return a == b || (a.family() == b.family() && (a.is_unspecified() || b.is_unspecified()));
}

void check_overlaps(Checks& checks) {
  std::map<std::uint16_t, std::vector<Bound>> by_port;
  const auto place = [&](const Endpoint& bind, std::string who, const std::string& path) {
    auto& there = by_port[bind.port];
    for (const Bound& other : there) {
      if (!overlap(other.address, bind.address)) continue;
      checks.error(path, fmt::format("{} overlaps {} of {}", bind.to_string(), Endpoint{other.address, bind.port}.to_string(), other.who),
                   "one address and port belongs to one listener; a wildcard takes all addresses of its family");
      break;
    }
    there.push_back({bind.address, std::move(who)});
  };
  // First, so that a clash is reported at the listener: admin.listen may be the default and stand nowhere in the file.
  const auto admin = parse_endpoint(checks.snapshot.admin.listen);
  if (admin && admin->port != 0 && checks.sound("admin.listen")) place(*admin, "admin.listen", "admin.listen");
  for (std::size_t i = 0; i < checks.snapshot.listeners.size(); ++i) {
    const Listener& listener = checks.snapshot.listeners[i];
    for (std::size_t k = 0; k < listener.bind.size(); ++k) {
      const std::string path = path_of("listeners[{}].bind[{}]", i, k);
      if (checks.sound(path)) place(listener.bind[k], "listener " + listener.name, path);
    }
  }
}

void check_bind(Checks& checks, const Endpoint& bind, const std::string& path) {
  if (!checks.sound(path)) return;
  if (bind.address.is_multicast())
    checks.error(path, "a listener cannot be bound to a multicast address", "give a VIP, an address of this machine, 0.0.0.0 or [::]");
  if (bind.address != bind.address.unmapped())
    checks.error(path, fmt::format("{} is an IPv4 address in IPv6 form", bind.address.to_string()),
                 fmt::format("write {}", Endpoint{bind.address.unmapped(), bind.port}.to_string()));
  if (bind.address.is_unspecified() || checks.vip_of(bind.address) != nullptr || !checks.environment.local_addresses ||
      checks.is_local(bind.address))
    return;
  checks.warning(path, fmt::format("{} is neither a VIP nor an address of this machine", bind.address.to_string()),
                 "the listener is bound all the same, and gets connections once the address is here");
}

/// More connections than the process may have descriptors (two each), or than there are ports towards the servers.
void check_capacity(Checks& checks, const Listener& listener, std::size_t i, const Pool* pool) {
  const std::string path = path_of("listeners[{}].max_connections", i);
  if (!checks.sound(path) || listener.max_connections == 0) return;
  const std::uint64_t wanted = listener.max_connections;
  if (const auto fit = checks.connections_max(); fit && wanted > *fit) {
    checks.warning(path,
                   fmt::format("listener {} may have {} connections, of two descriptors each; this process may have {} descriptors",
                               listener.name, wanted, *checks.environment.descriptors_max),
                   fmt::format("raise LimitNOFILE, or set max_connections to at most {}", *fit));
  }
  if (!checks.environment.ephemeral_ports || pool == nullptr || pool->servers.empty()) return;
  std::uint64_t ports = *checks.environment.ephemeral_ports;
  const std::size_t nodes = checks.snapshot.cluster ? std::max<std::size_t>(checks.snapshot.cluster->nodes.size(), 1) : 1;
  if (pool->source && checks.vip_of(*pool->source) != nullptr)
    ports /= nodes;  // Nodes draw from disjoint ranges for legs sourced from a VIP.
  const std::uint64_t reachable = ports * pool->servers.size();
  if (wanted > reachable) {
    checks.warning(path,
                   fmt::format("listener {} may have {} connections; local ports towards the servers of pool {} are enough for {}",
                               listener.name, wanted, pool->name, reachable),
                   "widen net.ipv4.ip_local_port_range, add servers, or lower max_connections");
  }
}

/// Each of them fits, all together do not. With proxy.max_connections somebody has decided what gives way.
void check_capacity_of_all(Checks& checks) {
  const auto fit = checks.connections_max();
  if (!fit || checks.snapshot.proxy.max_connections) return;
  std::uint64_t sum = 0;
  for (const Listener& listener : checks.snapshot.listeners) {
    if (listener.max_connections > *fit) return;
    sum += listener.max_connections;
  }
  if (sum <= *fit) return;
  checks.warning("listeners",
                 fmt::format("the listeners may have {} connections together, of two descriptors each; the {} descriptors of this process "
                             "are enough for {}",
                             sum, *checks.environment.descriptors_max, *fit),
                 "raise LimitNOFILE, lower max_connections of the listeners, or set proxy.max_connections");
}

void check_limits(Checks& checks, const Listener& listener, std::size_t i) {
  const auto smaller = [&](std::string_view key, std::uint32_t per_source, std::string_view total_key, std::uint32_t total) {
    if (per_source > total && total != 0) {
      checks.warning(path_of("listeners[{}].{}", i, key),
                     fmt::format("{} ({}) is above {} ({}) and has no effect", key, per_source, total_key, total),
                     fmt::format("set it below {}", total));
    }
  };
  smaller("per_source_connections", listener.per_source_connections, "max_connections", listener.max_connections);
  smaller("per_source_rate", listener.per_source_rate, "max_connection_rate", listener.max_connection_rate);
  const auto host_bits = [&](std::string_view key, const std::vector<IpPrefix>& list) {
    for (std::size_t k = 0; k < list.size(); ++k) {
      const IpPrefix network{list[k].network(), list[k].length};
      if (network != list[k])
        checks.warning(path_of("listeners[{}].{}[{}]", i, key, k), fmt::format("{} is not the beginning of a network", list[k].to_string()),
                       fmt::format("it is taken as {}", network.to_string()));
    }
  };
  host_bits("allow", listener.allow);
  host_bits("deny", listener.deny);
}

}  // namespace

void check_listeners(Checks& checks) {
  std::vector<std::string> pools;
  for (const Pool& pool : checks.snapshot.pools) pools.push_back(pool.name);
  std::vector<std::string> names;
  std::set<std::string> used;
  const bool pools_known = checks.names_known("pools", pools.size());
  for (std::size_t i = 0; i < checks.snapshot.listeners.size(); ++i) {
    const Listener& listener = checks.snapshot.listeners[i];
    names.push_back(listener.name);
    if (listener.bind.empty())
      checks.error(path_of("listeners[{}].bind", i), "a listener without an address", "as in bind: [\"192.168.4.20:6443\"]");
    for (std::size_t k = 0; k < listener.bind.size(); ++k) check_bind(checks, listener.bind[k], path_of("listeners[{}].bind[{}]", i, k));
    const auto found = std::find(pools.begin(), pools.end(), listener.pool);
    const Pool* pool = nullptr;
    if (found != pools.end()) {
      used.insert(listener.pool);
      pool = &checks.snapshot.pools[static_cast<std::size_t>(found - pools.begin())];
    } else if (pools_known) {
      checks.error(path_of("listeners[{}].pool", i), fmt::format("there is no pool {}", quoted(listener.pool)),
                   suggest(listener.pool, pools));
    }
    check_capacity(checks, listener, i, pool);
    check_limits(checks, listener, i);
    checks.congestion_control(listener.congestion_control, path_of("listeners[{}].congestion_control", i));
  }
  check_capacity_of_all(checks);
  checks.unique(names, "listeners", "name", "listener");
  check_overlaps(checks);
  if (!checks.names_known("listeners", checks.snapshot.listeners.size(), "pool")) return;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (!used.contains(pools[i]))
      checks.warning(path_of("pools[{}].name", i), fmt::format("no listener uses pool {}", quoted(pools[i])),
                     "its servers are checked all the same; remove it, or name it in a listener");
  }
}

}  // namespace fairlead::config
