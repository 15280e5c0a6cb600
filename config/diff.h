// fairlead: pure
// The difference of two configurations as an ordered list of changes, and the model of applying them.
//
// Invariants (tests/unit/config/diff_test.cc, property tests):
//   I1  apply(a, diff(a, b)) == b
//   I2  diff(a, a) is empty
//   I3  Order: what is added comes before what may refer to it, what is removed after what may have referred to it.
// Listeners, pools and VIPs are the same when their names are; servers when pool, name and address are. A server given a new address is
// added first and the old one removed later, so for a while two have one name.
// A listener that takes over the bind of a removed one comes first too: whoever binds must hand the socket over.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace fairlead::config {

struct ServerKey {
  std::string name;
  HostPort address;
  bool operator==(const ServerKey&) const = default;
};
[[nodiscard]] inline ServerKey key_of(const Server& server) { return {server.name, server.address}; }

struct AddPool {
  Pool pool;
  bool operator==(const AddPool&) const = default;
};  ///< With its servers.
struct RemovePool {
  std::string name;
  bool operator==(const RemovePool&) const = default;
};  ///< With its servers.
/// Settings of a pool; `servers` of both are empty.
struct ChangePool {
  Pool from;
  Pool to;
  bool operator==(const ChangePool&) const = default;
};
struct AddServer {
  std::string pool;
  Server server;
  bool operator==(const AddServer&) const = default;
};
struct RemoveServer {
  std::string pool;
  ServerKey server;
  bool operator==(const RemoveServer&) const = default;
};
struct ChangeServer {
  std::string pool;
  Server from;
  Server to;
  bool operator==(const ChangeServer&) const = default;
};
/// The order of a pool's servers, after all additions and removals.
struct OrderServers {
  std::string pool;
  std::vector<ServerKey> servers;
  bool operator==(const OrderServers&) const = default;
};

struct AddListener {
  Listener listener;
  bool operator==(const AddListener&) const = default;
};
struct RemoveListener {
  std::string name;
  bool operator==(const RemoveListener&) const = default;
};
struct ChangeListener {
  Listener from;
  Listener to;
  bool operator==(const ChangeListener&) const = default;
};
struct AddVip {
  Vip vip;
  bool operator==(const AddVip&) const = default;
};
struct RemoveVip {
  std::string name;
  bool operator==(const RemoveVip&) const = default;
};
struct ChangeVip {
  Vip from;
  Vip to;
  bool operator==(const ChangeVip&) const = default;
};
struct OrderPools {
  std::vector<std::string> names;
  bool operator==(const OrderPools&) const = default;
};
struct OrderListeners {
  std::vector<std::string> names;
  bool operator==(const OrderListeners&) const = default;
};
struct OrderVips {
  std::vector<std::string> names;
  bool operator==(const OrderVips&) const = default;
};

struct SetNode {
  std::string from;
  std::string to;
  bool operator==(const SetNode&) const = default;
};
struct SetCluster {
  std::optional<Cluster> from;
  std::optional<Cluster> to;
  bool operator==(const SetCluster&) const = default;
};
struct SetGuard {
  Guard from;
  Guard to;
  bool operator==(const SetGuard&) const = default;
};
struct SetProxy {
  Proxy from;
  Proxy to;
  bool operator==(const SetProxy&) const = default;
};
struct SetAdmin {
  Admin from;
  Admin to;
  bool operator==(const SetAdmin&) const = default;
};
struct SetLog {
  Log from;
  Log to;
  bool operator==(const SetLog&) const = default;
};
struct SetShutdownGrace {
  Duration from;
  Duration to;
  bool operator==(const SetShutdownGrace&) const = default;
};
struct SetStateDir {
  std::string from;
  std::string to;
  bool operator==(const SetStateDir&) const = default;
};
struct SetDnsDhcp {
  std::optional<DnsDhcp> from;
  std::optional<DnsDhcp> to;
  bool operator==(const SetDnsDhcp&) const = default;
};
struct SetRouter {
  std::optional<Router> from;
  std::optional<Router> to;
  bool operator==(const SetRouter&) const = default;
};

using Change = std::variant<AddPool, AddServer, ChangePool, ChangeServer, AddVip, ChangeVip, AddListener, ChangeListener, RemoveListener,
                            RemoveVip, RemoveServer, RemovePool, OrderServers, OrderPools, OrderListeners, OrderVips, SetNode, SetCluster,
                            SetGuard, SetProxy, SetAdmin, SetLog, SetShutdownGrace, SetStateDir, SetDnsDhcp, SetRouter>;

[[nodiscard]] std::vector<Change> diff(const Snapshot& from, const Snapshot& to);
/// Write config::apply where arguments are of std: std::apply would be found too.
[[nodiscard]] Snapshot apply(Snapshot snapshot, std::span<const Change> changes);

/// One line for people: "pool masters: idle_timeout 1h -> 30m".
[[nodiscard]] std::string describe(const Change& change);
/// Key paths whose new values wait for a restart, sorted: "proxy.engine".
[[nodiscard]] std::vector<std::string> needs_restart(const Snapshot& from, const Snapshot& to);
/// Whether such a key path keeps the takeover of VIPs as it is until the restart.
[[nodiscard]] bool is_takeover_key(const std::string& key);

}  // namespace fairlead::config
