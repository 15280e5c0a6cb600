// fairlead: pure
// Makes the workers' RouteTable from settings and what is known of the servers now. Called by the control thread on every change.
//
// A server takes new connections when it is usable and its effective weight is not 0. Backups do so only while no regular server does.
// Only what the pool's algorithm reads is computed: the rotation (all but source_hash) or the Maglev table (source_hash), the latter of a
// size that depends on the configured servers only, so that clients keep their servers while others come and go.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ip_address.h"
#include "config/settings.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// Pointers are borrowed for the call; counters are shared with the table.
struct ServerView {
  const config::Server* settings = nullptr;
  ServerId id = 0;
  Endpoint endpoint;                   ///< Resolved.
  bool usable = false;                 ///< Up and neither drain nor maint.
  std::uint32_t effective_weight = 0;  ///< Run-time weight, after slow start; instead of settings->weight.
  std::shared_ptr<ServerCounters> counters;
};
struct PoolView {
  const config::Pool* settings = nullptr;  ///< `servers` in it counts for the size of the Maglev table only.
  std::shared_ptr<PoolCounters> counters;
  std::vector<ServerView> servers;  ///< Those with an endpoint, run-time ones too. Configuration order.
  bool source_held = true;          ///< settings->source is an address of this node now (a VIP counts while held here).
  std::optional<PortRange> source_ports{};
  bool own_congestion_control = true;  ///< The kernel has what the settings name.
};
struct ListenerView {
  const config::Listener* settings = nullptr;  ///< Its pool is among the pools.
  ListenerId id = 0;
  std::shared_ptr<ListenerCounters> counters;
  std::vector<BindId> binds{};
};

/// One pool of a table. Rationale: a Maglev table takes milliseconds and connections keep tables for days, so a pool that did not change is
/// shared with the last table.
[[nodiscard]] RoutePool build_route_pool(const PoolView& view);
[[nodiscard]] RouteTable build_route_table(std::uint64_t version, std::span<const ListenerView> listeners,
                                           std::vector<std::shared_ptr<const RoutePool>> pools);
[[nodiscard]] RouteTable build_route_table(std::uint64_t version, std::span<const ListenerView> listeners, std::span<const PoolView> pools);

}  // namespace fairlead::lb
