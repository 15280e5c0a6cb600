// fairlead: pure
#include "config/diff.h"

#include <algorithm>
#include <unordered_map>

#include "base/assert.h"
#include "base/overloaded.h"

namespace fairlead::config {
namespace {

template <class T>
using Index = std::unordered_map<std::string, const T*>;

template <class T>
Index<T> index_of(const std::vector<T>& items) {
  Index<T> out;
  for (const T& item : items) out.emplace(item.name, &item);
  return out;
}

/// Servers by identity.
Index<Server> index_of_servers(const std::vector<Server>& servers) {
  Index<Server> out;
  for (const Server& server : servers) out.emplace(server.name + " " + to_string(server.address), &server);
  return out;
}

/// Two lists of named things: what was added, removed, changed, and whether the order must be said.
struct Buckets {
  std::vector<Change> add_pools, add_servers, change_pools, change_servers, add_vips, change_vips, add_listeners, change_listeners;
  std::vector<Change> remove_listeners, remove_vips, remove_servers, remove_pools, orders;

  /// In the order of I3.
  [[nodiscard]] std::vector<Change> joined() {
    std::vector<Change> out;
    for (auto* part : {&add_pools, &add_servers, &change_pools, &change_servers, &add_vips, &change_vips, &add_listeners, &change_listeners,
                       &remove_listeners, &remove_vips, &remove_servers, &remove_pools, &orders}) {
      std::move(part->begin(), part->end(), std::back_inserter(out));
    }
    return out;
  }
};

/// The order that additions at the end and removals leave behind, compared with the one wanted.
template <class Key>
bool order_differs(const std::vector<Key>& from, const std::vector<Key>& to) {
  std::vector<Key> left;
  for (const Key& key : from) {
    if (std::find(to.begin(), to.end(), key) != to.end()) left.push_back(key);
  }
  for (const Key& key : to) {
    if (std::find(from.begin(), from.end(), key) == from.end()) left.push_back(key);
  }
  return left != to;
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& items) {
  std::vector<std::string> out;
  out.reserve(items.size());
  for (const T& item : items) out.push_back(item.name);
  return out;
}

template <class Add, class Remove, class Modify, class Order, class T>
void diff_named(const std::vector<T>& from, const std::vector<T>& to, std::vector<Change>& adds, std::vector<Change>& removes,
                std::vector<Change>& changes, std::vector<Change>& orders) {
  const auto before = index_of(from);
  const auto after = index_of(to);
  for (const T& item : to) {
    const auto old = before.find(item.name);
    if (old == before.end()) {
      adds.push_back(Add{item});
    } else if (*old->second != item) {
      changes.push_back(Modify{*old->second, item});
    }
  }
  for (const T& item : from) {
    if (!after.contains(item.name)) removes.push_back(Remove{item.name});
  }
  auto wanted = names_of(to);
  if (order_differs(names_of(from), wanted)) orders.push_back(Order{std::move(wanted)});
}

std::vector<ServerKey> keys_of(const std::vector<Server>& servers) {
  std::vector<ServerKey> out;
  out.reserve(servers.size());
  for (const Server& server : servers) out.push_back(key_of(server));
  return out;
}

Pool without_servers(Pool pool) {
  pool.servers.clear();
  return pool;
}

void diff_servers(const Pool& from, const Pool& to, Buckets& out) {
  const auto before = index_of_servers(from.servers);
  const auto after = index_of_servers(to.servers);
  for (const auto& server : to.servers) {
    const auto old = before.find(server.name + " " + to_string(server.address));
    if (old == before.end()) {
      out.add_servers.push_back(AddServer{to.name, server});
    } else if (*old->second != server) {
      out.change_servers.push_back(ChangeServer{to.name, *old->second, server});
    }
  }
  for (const auto& server : from.servers) {
    if (!after.contains(server.name + " " + to_string(server.address))) out.remove_servers.push_back(RemoveServer{to.name, key_of(server)});
  }
  auto wanted = keys_of(to.servers);
  if (order_differs(keys_of(from.servers), wanted)) out.orders.push_back(OrderServers{to.name, std::move(wanted)});
}

void diff_pools(const Snapshot& from, const Snapshot& to, Buckets& out) {
  const auto before = index_of(from.pools);
  const auto after = index_of(to.pools);
  for (const Pool& pool : to.pools) {
    const auto old = before.find(pool.name);
    if (old == before.end()) {
      out.add_pools.push_back(AddPool{pool});
      continue;
    }
    Pool settings_before = without_servers(*old->second);
    Pool settings_after = without_servers(pool);
    if (settings_before != settings_after) out.change_pools.push_back(ChangePool{std::move(settings_before), std::move(settings_after)});
    diff_servers(*old->second, pool, out);
  }
  for (const Pool& pool : from.pools) {
    if (!after.contains(pool.name)) out.remove_pools.push_back(RemovePool{pool.name});
  }
  auto wanted = names_of(to.pools);
  if (order_differs(names_of(from.pools), wanted)) out.orders.push_back(OrderPools{std::move(wanted)});
}

template <class T>
T* find_named(std::vector<T>& items, const std::string& name) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const T& item) { return item.name == name; });
  return found == items.end() ? nullptr : &*found;
}

template <class T>
T& named(std::vector<T>& items, const std::string& name) {
  T* found = find_named(items, name);
  FL_ASSERT(found != nullptr);  // diff() made the change for this snapshot.
  return *found;
}

Server& server_of(Snapshot& snapshot, const std::string& pool, const ServerKey& key) {
  auto& servers = named(snapshot.pools, pool).servers;
  const auto found = std::find_if(servers.begin(), servers.end(), [&](const Server& server) { return key_of(server) == key; });
  FL_ASSERT(found != servers.end());
  return *found;
}

template <class T, class Key, class KeyOf>
void reorder(std::vector<T>& items, const std::vector<Key>& wanted, KeyOf key) {
  std::vector<T> out;
  for (const Key& want : wanted) {
    const auto found = std::find_if(items.begin(), items.end(), [&](const T& item) { return key(item) == want; });
    FL_ASSERT(found != items.end());
    out.push_back(std::move(*found));
    items.erase(found);
  }
  items = std::move(out);
}

template <class T>
void remove_named(std::vector<T>& items, const std::string& name) {
  std::erase_if(items, [&](const T& item) { return item.name == name; });
}

constexpr auto kName = [](const auto& item) { return item.name; };

}  // namespace

std::vector<Change> diff(const Snapshot& from, const Snapshot& to) {
  Buckets buckets;
  diff_pools(from, to, buckets);
  diff_named<AddListener, RemoveListener, ChangeListener, OrderListeners>(
      from.listeners, to.listeners, buckets.add_listeners, buckets.remove_listeners, buckets.change_listeners, buckets.orders);
  diff_named<AddVip, RemoveVip, ChangeVip, OrderVips>(from.vips, to.vips, buckets.add_vips, buckets.remove_vips, buckets.change_vips,
                                                      buckets.orders);
  std::vector<Change> out = buckets.joined();
  const auto set = [&]<class Set>(std::type_identity<Set>, const auto& before, const auto& after) {
    if (before != after) out.push_back(Set{before, after});
  };
  set(std::type_identity<SetNode>{}, from.node, to.node);
  set(std::type_identity<SetCluster>{}, from.cluster, to.cluster);
  set(std::type_identity<SetGuard>{}, from.guard, to.guard);
  set(std::type_identity<SetProxy>{}, from.proxy, to.proxy);
  set(std::type_identity<SetAdmin>{}, from.admin, to.admin);
  set(std::type_identity<SetLog>{}, from.log, to.log);
  set(std::type_identity<SetShutdownGrace>{}, from.shutdown_grace, to.shutdown_grace);
  set(std::type_identity<SetStateDir>{}, from.state_dir, to.state_dir);
  set(std::type_identity<SetDnsDhcp>{}, from.dnsdhcp, to.dnsdhcp);
  set(std::type_identity<SetRouter>{}, from.router, to.router);
  return out;
}

Snapshot apply(Snapshot snapshot, std::span<const Change> changes) {
  Snapshot& s = snapshot;
  const Overloaded visitor{
      [&](const AddPool& c) { s.pools.push_back(c.pool); },
      [&](const RemovePool& c) { remove_named(s.pools, c.name); },
      [&](const ChangePool& c) {
        Pool& pool = named(s.pools, c.to.name);
        std::vector<Server> servers = std::move(pool.servers);
        pool = c.to;
        pool.servers = std::move(servers);
      },
      [&](const AddServer& c) { named(s.pools, c.pool).servers.push_back(c.server); },
      [&](const RemoveServer& c) {
        std::erase_if(named(s.pools, c.pool).servers, [&](const Server& server) { return key_of(server) == c.server; });
      },
      [&](const ChangeServer& c) { server_of(s, c.pool, key_of(c.from)) = c.to; },
      [&](const OrderServers& c) { reorder(named(s.pools, c.pool).servers, c.servers, key_of); },
      [&](const AddListener& c) { s.listeners.push_back(c.listener); },
      [&](const RemoveListener& c) { remove_named(s.listeners, c.name); },
      [&](const ChangeListener& c) { named(s.listeners, c.to.name) = c.to; },
      [&](const AddVip& c) { s.vips.push_back(c.vip); },
      [&](const RemoveVip& c) { remove_named(s.vips, c.name); },
      [&](const ChangeVip& c) { named(s.vips, c.to.name) = c.to; },
      [&](const OrderPools& c) { reorder(s.pools, c.names, kName); },
      [&](const OrderListeners& c) { reorder(s.listeners, c.names, kName); },
      [&](const OrderVips& c) { reorder(s.vips, c.names, kName); },
      [&](const SetNode& c) { s.node = c.to; },
      [&](const SetCluster& c) { s.cluster = c.to; },
      [&](const SetGuard& c) { s.guard = c.to; },
      [&](const SetProxy& c) { s.proxy = c.to; },
      [&](const SetAdmin& c) { s.admin = c.to; },
      [&](const SetLog& c) { s.log = c.to; },
      [&](const SetShutdownGrace& c) { s.shutdown_grace = c.to; },
      [&](const SetStateDir& c) { s.state_dir = c.to; },
      [&](const SetDnsDhcp& c) { s.dnsdhcp = c.to; },
      [&](const SetRouter& c) { s.router = c.to; },
  };
  for (const Change& change : changes) std::visit(visitor, change);
  return snapshot;
}

}  // namespace fairlead::config
