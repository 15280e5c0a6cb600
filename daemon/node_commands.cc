// fairlead: pure
// What operators may do to servers and listeners, and what the controller makes of it.
#include <algorithm>
#include <array>

#include "base/overloaded.h"
#include "base/refusal.h"
#include "config/limits.h"
#include "config/proxy_loop.h"
#include "config/validate.h"
#include "daemon/node_controller.h"

namespace fairlead::daemon {
namespace {

Error unknown_server(const std::string& pool, const std::string& server) {
  return {Errc::kNotFound, "no server " + pool + "/" + server + "; `fairlead server list` shows them"};
}

}  // namespace

NodeController::Answer NodeController::command(const admin::Command& command, const admin::Actor& actor, Instant now) {
  return std::visit(Overloaded{
                        [&](const admin::SetServerState& c) { return set_state(c, actor, now); },
                        [&](const admin::SetServerWeight& c) { return set_weight(c, actor, now); },
                        [&](const admin::AddServer& c) { return add_server(c, actor, now); },
                        [&](const admin::RemoveServer& c) { return remove_server(c, actor, now); },
                        [&](const admin::SetListenerEnabled& c) { return set_listener(c, actor, now); },
                        [&](const auto&) {
                          return Answer{Error{Errc::kUnsupported, "not a command of the controller"}, {}};
                        },
                    },
                    command);
}

/// Why `what` must not happen to this server without force: nobody else would answer. nullopt: it may.
std::optional<Error> NodeController::guard_last(const PoolRecord& pool, const ServerRecord& server, const std::string& what) {
  const auto health = pool.health.find(server.id);
  const bool serves = health && health->usable && health->weight > 0;
  if (!serves || pool.health.usable_count() > 1) return std::nullopt;
  return refused_without_force(pool.settings.name + "/" + server.settings.name +
                               " is the only server of its pool that takes connections: " + what +
                               " would leave nobody to answer. Bring another one up first");
}

NodeController::Answer NodeController::set_state(const admin::SetServerState& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  static constexpr std::array<std::string_view, 3> kNames{"ready", "drain", "maint"};
  static constexpr std::array<std::string_view, 3> kSaid{"is ready", "drains", "is in maintenance"};
  static constexpr std::array<lb::AdminState, 3> kStates{lb::AdminState::kReady, lb::AdminState::kDrain, lb::AdminState::kMaint};
  const auto which = static_cast<std::size_t>(c.state);
  if (c.state != admin::AdminState::kReady && !c.force) {
    if (auto refused = guard_last(*pool, *server, std::string(kNames[which]))) return {std::move(*refused), {}};
  }
  Answer answer{admin::CommandResult{}, {}};
  carry(*pool, pool->health.set_admin(server->id, kStates[which], now), answer.actions);
  if (c.state == admin::AdminState::kMaint) answer.actions.kill.push_back(server->id);
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_ADMIN, {{"pool", c.pool},
                                       {"server", c.server},
                                       {"state", std::string(kNames[which])},
                                       {"weight", std::to_string(server->weight.value_or(server->settings.weight))},
                                       {"by", actor.name}}));
  finish(answer.actions, now, /*at_once=*/true);
  const auto current = server->counters->current.load(std::memory_order_relaxed);
  answer.result = admin::CommandResult{.summary = c.pool + "/" + c.server + " " + std::string(kSaid[which]) + "; it has " +
                                                  std::to_string(current) + (current == 1 ? " connection" : " connections"),
                                       .details = {},
                                       .needs_restart = {}};
  return answer;
}

NodeController::Answer NodeController::set_weight(const admin::SetServerWeight& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  if (c.weight == 0 && !c.force) {
    if (auto refused = guard_last(*pool, *server, "weight 0")) return {std::move(*refused), {}};
  }
  server->weight = c.weight;
  Answer answer{admin::CommandResult{
                    .summary = c.pool + "/" + c.server + " has weight " + std::to_string(c.weight), .details = {}, .needs_restart = {}},
                {}};
  carry(*pool, pool->health.set_weight(server->id, c.weight, now), answer.actions);
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_ADMIN,
             {{"pool", c.pool}, {"server", c.server}, {"state", "unchanged"}, {"weight", std::to_string(c.weight)}, {"by", actor.name}}));
  finish(answer.actions, now, /*at_once=*/true);
  return answer;
}

NodeController::Answer NodeController::add_server(const admin::AddServer& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  if (pool == nullptr) return {Error{Errc::kNotFound, "no pool " + c.pool + "; `fairlead pool list` shows them"}, {}};
  if (server_named(*pool, c.server) != nullptr)
    return {Error{Errc::kConflict, "pool " + c.pool + " has a server " + c.server + " already"}, {}};
  const auto read = config::read_server(
      {.name = c.server, .address = c.address, .weight = c.weight, .max_connections = c.max_connections, .backup = c.backup});
  if (!read) return {read.error(), {}};
  const config::Server& settings = *read;
  for (const ListenerRecord& l : listeners_) {
    if (l.settings.pool != c.pool || !config::catches(l.settings.bind, settings.address, own_addresses_)) continue;
    return {Error{Errc::kInvalidArgument, c.address + " is listener " + l.settings.name +
                                              " of this pool: connections would go round in circles; give the server's own address"},
            {}};
  }
  if (pool->servers.size() >= config::kServersPerPoolMax)
    return {Error{Errc::kLimitExceeded, "pool " + c.pool + " has as many servers as there can be"}, {}};
  pool->servers.push_back(make_server(pool->settings, settings, now));
  pool->servers.back().run_time = true;
  pool->removed.erase(identity_of(c.pool, settings));
  Answer answer{admin::CommandResult{.summary = "added " + c.pool + "/" + c.server +
                                                " until the next restart; it takes connections after its first good check",
                                     .details = {},
                                     .needs_restart = {}},
                {}};
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_ADDED, {{"pool", c.pool}, {"server", c.server}, {"address", c.address}, {"by", actor.name}}));
  configure_health(*pool, now, answer.actions);
  look_up_anew();
  start_lookups(now, answer.actions);
  finish(answer.actions, now, /*at_once=*/true);
  return answer;
}

NodeController::Answer NodeController::remove_server(const admin::RemoveServer& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  if (!c.force) {
    if (auto refused = guard_last(*pool, *server, "removing it")) return {std::move(*refused), {}};
  }
  const auto current = server->counters->current.load(std::memory_order_relaxed);
  Answer answer{admin::CommandResult{.summary = "removed " + c.pool + "/" + c.server + " until the next restart; its " +
                                                std::to_string(current) + " connections go on",
                                     .details = {},
                                     .needs_restart = {}},
                {}};
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_REMOVED,
             {{"pool", c.pool}, {"server", c.server}, {"address", to_string(server->settings.address)}, {"by", actor.name}}));
  account();
  answer.actions.forget.push_back(server->id);
  places_.erase(server->id);
  if (!server->run_time) pool->removed.insert(identity_of(c.pool, server->settings));
  pool->servers.erase(pool->servers.begin() + (server - pool->servers.data()));
  configure_health(*pool, now, answer.actions);
  look_up_anew();
  start_lookups(now, answer.actions);
  finish(answer.actions, now, /*at_once=*/true);
  return answer;
}

NodeController::Answer NodeController::set_listener(const admin::SetListenerEnabled& c, const admin::Actor&, Instant) {
  const auto found =
      std::find_if(listeners_.begin(), listeners_.end(), [&](const ListenerRecord& l) { return l.settings.name == c.listener; });
  if (found == listeners_.end()) return {Error{Errc::kNotFound, "no listener " + c.listener + "; `fairlead listener list` shows them"}, {}};
  Answer answer{
      admin::CommandResult{.summary = "listener " + c.listener + (c.enabled ? " is enabled" : " is disabled; its connections go on"),
                           .details = {},
                           .needs_restart = {}},
      {}};
  found->enabled = c.enabled;
  settle_binds(*found, answer.actions);
  return answer;
}

std::optional<Error> NodeController::unknown_name(const admin::ConnectionFilter& filter) const {
  const auto named = [](const auto& records, const std::string& name) {
    return std::any_of(records.begin(), records.end(), [&](const auto& r) { return r.settings.name == name; });
  };
  const auto no = [](std::string_view what, const std::string& name) {
    return Error{Errc::kNotFound, "no " + std::string(what) + " " + name + "; `fairlead " + std::string(what) + " list` shows them"};
  };
  if (!filter.listener.empty() && !named(listeners_, filter.listener)) return no("listener", filter.listener);
  bool pool_there = filter.pool.empty();
  bool server_there = filter.server.empty();
  for (const auto& pool : pools_) {
    if (!filter.pool.empty() && pool->settings.name != filter.pool) continue;
    pool_there = true;
    server_there = server_there || named(pool->servers, filter.server);
  }
  if (!pool_there) return no("pool", filter.pool);
  if (!server_there) return no("server", (filter.pool.empty() ? "" : filter.pool + "/") + filter.server);
  return std::nullopt;
}

}  // namespace fairlead::daemon
