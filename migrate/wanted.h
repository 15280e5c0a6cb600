// fairlead: pure
// What the readers found to be wanted, before it is one sound configuration: settings as config/ has them, and from which line each
// came. Readers add what they know; `settle` (settle.h) joins nodes, names, limits and what the parts say about each other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "migrate/ledger.h"

namespace fairlead::migrate {

struct ListenerWish {
  config::Listener settings;
  Ledger::Line at = 0;
};
struct PoolWish {
  config::Pool settings;
  Ledger::Line at = 0;
  std::vector<Ledger::Line> server_at;  ///< One for each of settings.servers.
  bool check_given = false;             ///< A server said how it is checked.
};
struct NodeWish {
  std::string name;  ///< Empty: unknown.
  std::optional<std::uint32_t> id;
  std::vector<IpAddress> links;
  std::optional<Ledger::Line> at;
};
struct VipWish {
  config::Vip settings;
  Ledger::Line at = 0;
  std::map<std::size_t, std::string> devices;                ///< Index of a node -> its network device.
  std::vector<std::pair<std::size_t, std::int64_t>> prefer;  ///< Index of a node and how much it is preferred.
  std::vector<Ledger::Line> watches;                         ///< Lines that tie it to the proxy being able to serve.
};

struct Wanted {
  config::Snapshot process;                ///< proxy, admin, log, shutdown_grace only.
  std::optional<config::Cluster> cluster;  ///< All but its nodes.
  std::vector<NodeWish> nodes;
  std::optional<std::size_t> fixed_nodes;       ///< So many at the front are all there are: their file listed them.
  std::map<IpAddress, std::string> host_names;  ///< Said somewhere, such as by HAProxy's peers.
  std::vector<IpAddress> tie_break_hints;       ///< Routers that something pings.
  std::vector<ListenerWish> listeners;
  std::vector<PoolWish> pools;
  std::vector<VipWish> vips;
  std::map<std::string, std::string> remarks;  ///< "cluster.nodes[0]" -> a comment that stands above it.

  /// The node with this name or link, made if there is none. An empty name and no address make a new one.
  std::size_t node(const std::string& name, const std::optional<IpAddress>& link, Ledger::Line at);
  /// `name`, or name-2 ... when a pool has it already.
  [[nodiscard]] std::string free_pool_name(const std::string& name) const;
};

}  // namespace fairlead::migrate
