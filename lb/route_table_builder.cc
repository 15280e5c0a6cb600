// fairlead: pure
#include "lb/route_table_builder.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "lb/maglev.h"
#include "lb/rotation.h"

namespace fairlead::lb {
namespace {

RouteServer build_server(const ServerView& view) {
  FL_ASSERT(view.settings != nullptr && view.counters != nullptr);
  return {.id = view.id,
          .name = view.settings->name,
          .endpoint = view.endpoint,
          .weight = view.effective_weight,
          .max_connections = view.settings->max_connections,
          .usable = view.usable,
          .backup = view.settings->backup,
          .counters = view.counters};
}

bool takes_connections(const RouteServer& server) { return server.usable && server.weight > 0; }

// The weight a server has in the rotation and the Maglev table.
std::uint32_t share_of(const RoutePool& pool, const RouteServer& server) {
  return takes_connections(server) && server.backup == pool.use_backups ? server.weight : 0;
}

void add_rotation(RoutePool& pool) {
  std::vector<std::uint32_t> weights;
  weights.reserve(pool.servers.size());
  for (const RouteServer& server : pool.servers) weights.push_back(share_of(pool, server));
  pool.rotation = build_rotation(weights);
}

void add_maglev(RoutePool& pool, const PoolView& view) {
  std::vector<MaglevServer> servers;
  servers.reserve(pool.servers.size());
  for (std::size_t i = 0; i < pool.servers.size(); ++i) {
    // The address as configured: a name that resolves anew is still the same server.
    const config::Server& settings = *view.servers[i].settings;
    servers.push_back({.key = server_key(pool.name, settings.name, to_string(settings.address)),
                       .weight = share_of(pool, pool.servers[i]),
                       .index = static_cast<std::uint16_t>(i)});
  }
  pool.maglev = build_maglev(servers, maglev_size_for(std::max(view.servers.size(), view.settings->servers.size())));
}

RouteListener build_listener(const ListenerView& view, std::uint32_t pool) {
  const config::Listener& settings = *view.settings;
  return {.id = view.id,
          .name = settings.name,
          .pool = pool,
          .max_connections = settings.max_connections,
          .max_connection_rate = settings.max_connection_rate,
          .per_source_connections = settings.per_source_connections,
          .per_source_rate = settings.per_source_rate,
          .allow = settings.allow,
          .deny = settings.deny,
          .accept_proxy = settings.accept_proxy,
          .log = settings.log,
          .counters = view.counters};
}

}  // namespace

RoutePool build_route_pool(const PoolView& view) {
  FL_ASSERT(view.settings != nullptr && view.counters != nullptr && view.servers.size() <= kServersPerPoolMax);
  const config::Pool& settings = *view.settings;
  RoutePool pool;
  pool.name = settings.name;
  pool.balance = settings.balance;
  pool.wants_source = settings.source.has_value();
  if (view.source_held) pool.source = settings.source;
  if (pool.source) pool.source_ports = view.source_ports;
  pool.connect_timeout = settings.connect_timeout;
  pool.retries = settings.retries;
  pool.idle_timeout = settings.idle_timeout;
  pool.half_close_timeout = settings.half_close_timeout;
  pool.keepalive = settings.keepalive;
  pool.tcp_user_timeout = settings.tcp_user_timeout;
  if (view.own_congestion_control) pool.congestion_control = settings.congestion_control;
  pool.max_connection_age = settings.max_connection_age;
  pool.send_proxy = settings.send_proxy;
  pool.counters = view.counters;
  pool.servers.reserve(view.servers.size());
  for (const ServerView& server : view.servers) pool.servers.push_back(build_server(server));
  pool.use_backups =
      std::none_of(pool.servers.begin(), pool.servers.end(), [](const RouteServer& s) { return !s.backup && takes_connections(s); });
  if (pool.balance == config::Balance::kSourceHash) {
    add_maglev(pool, view);
  } else {
    add_rotation(pool);
  }
  return pool;
}

RouteTable build_route_table(std::uint64_t version, std::span<const ListenerView> listeners, std::span<const PoolView> pools) {
  std::vector<std::shared_ptr<const RoutePool>> built;
  built.reserve(pools.size());
  for (const PoolView& view : pools) built.push_back(std::make_shared<const RoutePool>(build_route_pool(view)));
  return build_route_table(version, listeners, std::move(built));
}

RouteTable build_route_table(std::uint64_t version, std::span<const ListenerView> listeners,
                             std::vector<std::shared_ptr<const RoutePool>> pools) {
  RouteTable table;
  table.version = version;
  table.pools = std::move(pools);
  table.listeners.reserve(listeners.size());
  for (const ListenerView& view : listeners) {
    FL_ASSERT(view.settings != nullptr && view.counters != nullptr);
    const auto named = [&](const auto& pool) { return pool->name == view.settings->pool; };
    const auto pool = std::find_if(table.pools.begin(), table.pools.end(), named);
    FL_ASSERT(pool != table.pools.end());  // config/ refuses dangling names.
    for (const BindId bind : view.binds) table.binds.push_back({bind, view.id});
    table.listeners.push_back(build_listener(view, static_cast<std::uint32_t>(pool - table.pools.begin())));
  }
  return table;
}

}  // namespace fairlead::lb
