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
  std::string remark;                   ///< A comment that stands above it.
};
struct NodeWish {
  std::string name;  ///< Empty: unknown.
  std::optional<std::uint32_t> id;
  std::vector<IpAddress> links;
  std::optional<Ledger::Line> at;
};
/// keepalived's word of one node about a VIP.
struct VrrpRank {
  std::size_t node = 0;
  std::int64_t priority = 100;
  bool told = true;     ///< By its own file; else a guess from another node's.
  bool master = false;  ///< Begins as MASTER.
  bool nopreempt = false;
  std::optional<Duration> delay;
  std::optional<Ledger::Line> priority_at, nopreempt_at, delay_at;
};
struct VipWish {
  config::Vip settings;
  Ledger::Line at = 0;
  std::map<std::size_t, std::string> devices;                ///< Index of a node -> its network device.
  std::vector<std::pair<std::size_t, std::int64_t>> prefer;  ///< Index of a node and how much it is preferred.
  std::vector<Ledger::Line> watches;                         ///< Lines that tie it to the proxy being able to serve.
  std::vector<VrrpRank> ranks;                               ///< keepalived's; they end in prefer, preempt and its delay.
  std::string remark;                                        ///< A comment that stands above it.
};

struct Wanted {
  config::Snapshot process;                ///< proxy, admin, log, shutdown_grace only.
  std::optional<config::Cluster> cluster;  ///< All but its nodes.
  std::vector<NodeWish> nodes;
  std::optional<std::size_t> fixed_nodes;                           ///< So many at the front are all there are: their file listed them.
  std::map<IpAddress, std::string> host_names;                      ///< Said somewhere, such as by HAProxy's peers.
  std::vector<std::pair<IpAddress, Ledger::Line>> tie_break_hints;  ///< Routers that something pings.
  std::vector<ListenerWish> listeners;
  std::vector<PoolWish> pools;
  std::vector<VipWish> vips;

  /// The node with this name or link, made if there is none. An empty name and no address make a new one.
  std::size_t node(const std::string& name, const std::optional<IpAddress>& link, Ledger::Line at);
  /// `name`, or name-2 ... when a pool has it already.
  [[nodiscard]] std::string free_pool_name(const std::string& name) const;
};

}  // namespace fairlead::migrate
