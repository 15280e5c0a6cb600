// fairlead: pure
// What a worker needs to place a connection: listeners, pools, servers, as one immutable value.
//
// The control thread builds a RouteTable from the configuration, server health and operator wishes, and hands it to every worker as
// shared_ptr<const RouteTable>; workers swap it between two loop turns. A connection keeps the table it was placed with.
//
// Only the counters behind `ServerCounters` (lb/server_counters.h) and `ListenerCounters` are shared between workers. They are relaxed
// atomics; they live as long as any table that names them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "config/settings.h"
#include "lb/prefix_set.h"
#include "lb/server_counters.h"

namespace fairlead::lb {

/// Stable for the life of the process; equal for the same pool + name + address over reloads.
using ServerId = std::uint32_t;
using ListenerId = std::uint32_t;
/// One address of a listener, over all workers.
using BindId = std::uint32_t;

/// Process-wide truth about one listener, and its token bucket.
struct alignas(64) ListenerCounters {
  std::atomic<std::uint32_t> current{0};
  std::atomic<std::uint64_t> total{0};  ///< Accepted by the kernel: shed ones included, as HAProxy counts.
  std::atomic<std::uint64_t> shed{0};
  std::atomic<std::uint64_t> rate_window{0};  ///< See admission.h.
  std::atomic<std::uint32_t> peak{0};         ///< The most that `current` was when the control thread looked. Written there only.
};

/// Process-wide cursor of one pool's rotation, and what else outlives a rebuild of the table.
struct alignas(64) PoolCounters {
  std::atomic<std::uint32_t> cursor{0};
  std::atomic<std::uint64_t> source_fallbacks{0};  ///< Server legs that could not have the pool's `source`.
  std::atomic<std::uint32_t> peak{0};              ///< The most connections its servers had together; as ListenerCounters::peak.
};

/// Local ports, both included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

struct RouteServer {
  ServerId id = 0;
  std::string name;
  Endpoint endpoint;                  ///< Resolved. Port 0 never.
  std::uint32_t weight = 0;           ///< Effective: after slow start and run-time changes. 0 = takes no new connection.
  std::uint32_t max_connections = 0;  ///< 0 = no limit.
  bool usable = false;                ///< Up and neither drain nor maint.
  bool backup = false;
  std::shared_ptr<ServerCounters> counters;
};

struct RoutePool {
  std::string name;
  config::Balance balance = config::Balance::kLeastConnections;
  std::optional<IpAddress> source;        ///< Bind the server leg here; nullopt: the kernel's choice.
  std::optional<PortRange> source_ports;  ///< With these ports: this node's share of a VIP's.
  bool wants_source = false;              ///< One is configured, held here or not: legs without it are counted.
  Duration connect_timeout{};
  std::uint32_t retries = 0;
  Duration idle_timeout{};  ///< 0 = never; likewise below.
  Duration half_close_timeout{};
  config::Keepalive keepalive;
  Duration tcp_user_timeout{};
  std::string congestion_control;  ///< Empty: the host's.
  Duration max_connection_age{};
  config::SendProxy send_proxy = config::SendProxy::kOff;
  std::vector<RouteServer> servers;     ///< Configuration order.
  std::vector<std::uint16_t> rotation;  ///< Smooth weighted order of usable servers (indices into `servers`); all but source_hash.
  std::vector<std::uint16_t> maglev;    ///< Lookup table of usable servers; for source_hash; empty when none is usable.
  bool use_backups = false;             ///< No regular server is usable: `rotation` and `maglev` hold the backups.
  std::shared_ptr<PoolCounters> counters;
};

struct RouteListener {
  ListenerId id = 0;
  std::string name;
  std::uint32_t pool = 0;             ///< Index into RouteTable::pools.
  std::uint32_t max_connections = 0;  ///< 0 = no limit; likewise the three below.
  std::uint32_t max_connection_rate = 0;
  std::uint32_t per_source_connections = 0;
  std::uint32_t per_source_rate = 0;
  PrefixSet allow;  ///< Empty: everybody.
  PrefixSet deny;   ///< Wins over allow.
  bool accept_proxy = false;
  bool log = false;
  std::shared_ptr<ListenerCounters> counters;
};

/// Whose clients an open address brings.
struct RouteBind {
  BindId bind = 0;
  ListenerId listener = 0;
};

struct RouteTable {
  std::uint64_t version = 0;
  std::vector<RouteListener> listeners;
  std::vector<RouteBind> binds;                         ///< A reload may give an open address to another listener.
  std::vector<std::shared_ptr<const RoutePool>> pools;  ///< Never null. Tables share those that did not change between them.

  [[nodiscard]] std::optional<ListenerId> listener_of(BindId id) const {
    for (const RouteBind& b : binds) {
      if (b.bind == id) return b.listener;
    }
    return std::nullopt;
  }
  [[nodiscard]] const RouteListener* find_listener(ListenerId id) const {
    for (const RouteListener& l : listeners) {
      if (l.id == id) return &l;
    }
    return nullptr;
  }
};

}  // namespace fairlead::lb
