// fairlead: pure
#include "daemon/node_controller.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/assert.h"
#include "base/overloaded.h"
#include "config/limits.h"
#include "lb/route_table_builder.h"

namespace fairlead::daemon {
namespace {

std::string identity_of(const std::string& pool, const config::Server& server) {
  return pool + '\n' + server.name + '\n' + to_string(server.address);
}

Notice notice(MessageId id, std::vector<LogField> fields) { return {id, std::move(fields)}; }

lb::LegOptions leg_options_of(const config::Pool& pool) { return {.keepalive = pool.keepalive, .tcp_user_timeout = pool.tcp_user_timeout}; }

Error unknown_server(const std::string& pool, const std::string& server) {
  return {Errc::kNotFound, "no server " + pool + "/" + server + "; `fairlead server list` shows them"};
}

}  // namespace

NodeController::PoolRecord::PoolRecord(config::Pool s, std::uint64_t seed)
    : settings(std::move(s)), health(lb::pool_health_settings(settings), seed) {}

// ---- configuration ----

ControlActions NodeController::apply(const config::Snapshot& snapshot, Instant now) {
  ControlActions out;
  apply_pools(snapshot, now, out);
  apply_listeners(snapshot, out);
  active_ = snapshot;
  start_lookups(now, out);
  finish(out, now, /*routes_changed=*/true);
  return out;
}

void NodeController::apply_pools(const config::Snapshot& snapshot, Instant now, ControlActions& out) {
  std::vector<std::unique_ptr<PoolRecord>> next;
  for (const config::Pool& settings : snapshot.pools) {
    const auto known =
        std::find_if(pools_.begin(), pools_.end(), [&](const auto& p) { return p != nullptr && p->settings.name == settings.name; });
    next.push_back(known != pools_.end() ? std::move(*known) : std::make_unique<PoolRecord>(settings, mix64(seed_ ^ next.size())));
  }
  for (const auto& gone : pools_) {
    if (gone == nullptr) continue;
    for (const ServerRecord& server : gone->servers) out.forget.push_back(server.id);
  }
  pools_ = std::move(next);
  for (std::size_t i = 0; i < pools_.size(); ++i) apply_pool(*pools_[i], snapshot.pools[i], now, out);
}

void NodeController::apply_pool(PoolRecord& pool, const config::Pool& settings, Instant now, ControlActions& out) {
  std::vector<ServerRecord> before = std::exchange(pool.servers, {});
  std::set<std::string> still_removed;
  std::vector<lb::ServerId> own_lines_changed;
  const auto keep = [&](ServerRecord& old, const config::Server& server) {
    if (old.settings != server) {  // I1: its own lines changed.
      old.weight.reset();
      own_lines_changed.push_back(old.id);
    }
    old.settings = server;
    old.run_time = false;
    if (old.name) old.name->change_settings(settings.resolve);
    pool.servers.push_back(std::move(old));
    old.id = 0;
  };
  for (const config::Server& server : settings.servers) {
    const std::string identity = identity_of(settings.name, server);
    const auto configured_before = std::find(pool.settings.servers.begin(), pool.settings.servers.end(), server);
    if (pool.removed.contains(identity) && configured_before != pool.settings.servers.end()) {  // I3
      still_removed.insert(identity);
      continue;
    }
    const auto old = std::find_if(before.begin(), before.end(),
                                  [&](const ServerRecord& r) { return r.id != 0 && identity_of(settings.name, r.settings) == identity; });
    if (old != before.end())
      keep(*old, server);
    else
      pool.servers.push_back(make_server(settings, server, now));
  }
  for (ServerRecord& old : before) {
    if (old.id == 0) continue;
    const bool name_taken = server_named(pool, old.settings.name) != nullptr;
    if (old.run_time && !name_taken)
      pool.servers.push_back(std::move(old));
    else
      out.forget.push_back(old.id);  // I3
  }
  pool.removed = std::move(still_removed);
  pool.settings = settings;
  pool.checks = std::make_shared<const config::Health>(settings.health);
  configure_health(pool, now, out);
  for (const lb::ServerId id : own_lines_changed) carry(pool, pool.health.set_admin(id, lb::AdminState::kReady, now), out);
}

NodeController::ServerRecord NodeController::make_server(const config::Pool& pool, const config::Server& settings, Instant now) {
  Identity& identity = identities_[identity_of(pool.name, settings)];
  if (identity.id == 0) identity = {++last_server_, std::make_shared<lb::ServerCounters>()};
  ServerRecord record{
      .id = identity.id, .settings = settings, .endpoint = {}, .name = {}, .run_time = false, .weight = {}, .counters = identity.counters};
  if (auto address = parse_ip_address(settings.address.host))
    record.endpoint = Endpoint{*address, settings.address.port};
  else
    record.name.emplace(pool.resolve, now);
  return record;
}

void NodeController::configure_health(PoolRecord& pool, Instant now, ControlActions& out) {
  std::vector<lb::HealthServer> servers;
  servers.reserve(pool.servers.size());
  for (const ServerRecord& s : pool.servers) {
    servers.push_back(
        {.id = s.id, .weight = s.weight.value_or(s.settings.weight), .endpoint = s.endpoint, .unresolved_reason = unresolved_reason(s)});
  }
  carry(pool, pool.health.configure(lb::pool_health_settings(pool.settings), servers, now), out);
}

void NodeController::apply_listeners(const config::Snapshot& snapshot, ControlActions& out) {
  std::vector<ListenerRecord> next;
  for (const config::Listener& settings : snapshot.listeners) {
    const auto known =
        std::find_if(listeners_.begin(), listeners_.end(), [&](const ListenerRecord& l) { return l.settings.name == settings.name; });
    ListenerRecord record;
    if (known != listeners_.end()) {
      record = std::move(*known);
      known->settings.name.clear();
    } else {
      std::tie(record.id, record.counters) = listener_identity(settings.name, snapshot);
    }
    record.settings = settings;
    if (const PoolRecord* pool = pool_named(settings.pool)) record.options = leg_options_of(pool->settings);
    next.push_back(std::move(record));
  }
  for (ListenerRecord& gone : listeners_) {
    if (gone.settings.name.empty()) continue;
    gone.enabled = false;
    settle_binds(gone, out);
  }
  listeners_ = std::move(next);
  for (ListenerRecord& listener : listeners_) settle_binds(listener, out);
}

/// Ids stay below kListenersMax, because workers count in arrays of that size: when all were given out, a name that is gone gives its own
/// up.
std::pair<lb::ListenerId, std::shared_ptr<lb::ListenerCounters>> NodeController::listener_identity(const std::string& name,
                                                                                                   const config::Snapshot& next) {
  if (const auto known = listener_ids_.find(name); known != listener_ids_.end()) return known->second;
  auto id = static_cast<lb::ListenerId>(listener_ids_.size());
  if (listener_ids_.size() >= config::kListenersMax) {
    const auto named = [](const config::Snapshot& s, const std::string& n) {
      return std::any_of(s.listeners.begin(), s.listeners.end(), [&](const config::Listener& l) { return l.name == n; });
    };
    // Better one that has been gone for longer: its sockets are closed.
    auto gone = std::find_if(listener_ids_.begin(), listener_ids_.end(),
                             [&](const auto& l) { return !named(next, l.first) && !named(active_, l.first); });
    if (gone == listener_ids_.end())
      gone = std::find_if(listener_ids_.begin(), listener_ids_.end(), [&](const auto& l) { return !named(next, l.first); });
    FL_ASSERT(gone != listener_ids_.end());  // Validation admits kListenersMax listeners, and `name` is one of them.
    id = gone->second.first;
    listener_ids_.erase(gone);
  }
  return listener_ids_.try_emplace(name, id, std::make_shared<lb::ListenerCounters>()).first->second;
}

/// Opens what is missing, closes what is not wanted, tells the rest its options.
void NodeController::settle_binds(ListenerRecord& listener, ControlActions& out) {
  const auto wanted = [&](const Endpoint& address) {
    return listener.enabled &&
           std::find(listener.settings.bind.begin(), listener.settings.bind.end(), address) != listener.settings.bind.end();
  };
  std::vector<BindRecord> kept;
  for (BindRecord& bind : listener.binds) {
    if (!bind.error.empty()) continue;  // Tried again below.
    if (wanted(bind.address)) {
      out.change.push_back({bind.id, listener.options});
      kept.push_back(std::move(bind));
    } else {
      out.close.emplace_back(
          bind.id, notice(MessageId::LISTENER_CLOSED, {{"listener", listener.settings.name}, {"bind", bind.address.to_string()}}));
    }
  }
  listener.binds = std::move(kept);
  if (!listener.enabled) return;
  for (const Endpoint& address : listener.settings.bind) {
    const bool open = std::any_of(listener.binds.begin(), listener.binds.end(), [&](const BindRecord& b) { return b.address == address; });
    if (open) continue;
    listener.binds.push_back({.id = ++last_bind_, .address = address, .error = {}});
    out.open.push_back(
        {.listener = listener.id, .bind = last_bind_, .name = listener.settings.name, .address = address, .options = listener.options});
  }
}

void NodeController::bind_failed(lb::BindId bind, std::string error) {
  for (ListenerRecord& listener : listeners_) {
    for (BindRecord& b : listener.binds) {
      if (b.id == bind) b.error = error;
    }
  }
}

/// Asks for every name whose time has come.
void NodeController::start_lookups(Instant now, ControlActions& out) {
  for (const auto& pool : pools_) {
    for (ServerRecord& s : pool->servers) {
      if (!s.name || !s.name->due(now)) continue;
      const auto& source = pool->settings.source ? pool->settings.source : pool->settings.health.source;
      lb::ResolveQuestion question{.host = s.settings.address.host, .port = s.settings.address.port, .family = {}, .name_server = {}};
      if (source) question.family = source->family();
      out.lookups.push_back({.server = s.id, .token = s.name->start(now), .question = std::move(question)});
    }
  }
}

// ---- health ----

NodeController::PoolRecord* NodeController::pool_of(lb::ServerId server) {
  for (const auto& pool : pools_) {
    for (const ServerRecord& s : pool->servers) {
      if (s.id == server) return pool.get();
    }
  }
  return nullptr;
}

NodeController::ServerRecord* NodeController::server_of(lb::ServerId server) {
  for (const auto& pool : pools_) {
    for (ServerRecord& s : pool->servers) {
      if (s.id == server) return &s;
    }
  }
  return nullptr;
}

NodeController::PoolRecord* NodeController::pool_named(const std::string& name) {
  const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto& p) { return p->settings.name == name; });
  return found == pools_.end() ? nullptr : found->get();
}

NodeController::ServerRecord* NodeController::server_named(PoolRecord& pool, const std::string& name) {
  const auto found = std::find_if(pool.servers.begin(), pool.servers.end(), [&](const ServerRecord& s) { return s.settings.name == name; });
  return found == pool.servers.end() ? nullptr : &*found;
}

/// Turns what the pool's health decided into actions of the node.
void NodeController::carry(PoolRecord& pool, lb::HealthActions&& actions, ControlActions& out) {
  const auto record_of = [&](lb::ServerId id) -> const ServerRecord* {
    const auto found = std::find_if(pool.servers.begin(), pool.servers.end(), [&](const ServerRecord& s) { return s.id == id; });
    return found == pool.servers.end() ? nullptr : &*found;
  };
  for (const lb::ServerChange& change : actions.changes) {
    const ServerRecord* server = record_of(change.server);
    if (server == nullptr || change.change.to == lb::Verdict::kUnknown) continue;
    const MessageId id = change.change.to == lb::Verdict::kUp ? MessageId::SERVER_UP : MessageId::SERVER_DOWN;
    out.notices.push_back(notice(id, {{"pool", pool.settings.name},
                                      {"server", server->settings.name},
                                      {"address", to_string(server->settings.address)},
                                      {"reason", change.change.reason},
                                      {"after_ms", std::to_string(to_ms(change.change.after))}}));
  }
  if (pool.settings.on_server_down == config::OnServerDown::kReset)
    out.reset.insert(out.reset.end(), actions.hard_down.begin(), actions.hard_down.end());
  for (const lb::StartProbe& probe : actions.probes) {
    const ServerRecord* server = record_of(probe.server);
    if (server == nullptr) continue;
    out.probes.push_back({.server = probe.server,
                          .token = probe.token,
                          .endpoint = probe.endpoint,
                          .host = server->settings.address.host,
                          .health = pool.checks});
  }
  if (actions.routes_changed) routes_stale_ = true;
}

void NodeController::finish(ControlActions& out, Instant now, bool routes_changed) {
  if (!routes_changed && !routes_stale_) return;
  routes_stale_ = false;
  for (const auto& pool : pools_) {
    const bool serves = pool->health.usable_count() > 0;
    if (serves == pool->serves) continue;
    pool->serves = serves;
    out.notices.push_back(notice(serves ? MessageId::POOL_SERVES : MessageId::POOL_EMPTY, {{"pool", pool->settings.name}}));
  }
  out.routes = build_routes(now);  // I4
}

std::shared_ptr<const lb::RouteTable> NodeController::build_routes(Instant now) {
  std::vector<lb::PoolView> pools;
  for (const auto& pool : pools_) {
    lb::PoolView view{.settings = &pool->settings, .counters = pool->counters, .servers = {}};
    for (const ServerRecord& s : pool->servers) {
      const auto health = pool->health.find(s.id, now);
      if (!health || !health->endpoint) continue;
      view.servers.push_back({.settings = &s.settings,
                              .id = s.id,
                              .endpoint = *health->endpoint,
                              .usable = health->usable,
                              .effective_weight = health->effective_weight,
                              .counters = s.counters});
    }
    pools.push_back(std::move(view));
  }
  std::vector<lb::ListenerView> listeners;
  for (const ListenerRecord& l : listeners_) listeners.push_back({.settings = &l.settings, .id = l.id, .counters = l.counters});
  return std::make_shared<const lb::RouteTable>(lb::build_route_table(++version_, listeners, pools));
}

ControlActions NodeController::probe_done(const lb::ProbeResult& result, Instant now) {
  ControlActions out;
  if (PoolRecord* pool = pool_of(result.server)) carry(*pool, pool->health.probe_done(result, now), out);
  finish(out, now, false);
  return out;
}

void NodeController::probe_refused(lb::ServerId server, std::uint64_t token, Instant now) {
  if (PoolRecord* pool = pool_of(server)) pool->health.probe_refused(server, token, now);
}

ControlActions NodeController::connect_failed(lb::ServerId server, lb::ConnectCause cause, Instant now) {
  ControlActions out;
  if (PoolRecord* pool = pool_of(server)) carry(*pool, pool->health.connect_failed(server, cause, now), out);
  finish(out, now, false);
  return out;
}

void NodeController::connect_worked(lb::ServerId server, Instant) {
  if (PoolRecord* pool = pool_of(server)) pool->health.connect_succeeded(server);
}

ControlActions NodeController::answered(lb::ServerId server, std::uint64_t token, const lb::ResolveAnswer& answer, Instant now) {
  ControlActions out;
  PoolRecord* pool = pool_of(server);
  ServerRecord* record = server_of(server);
  if (record == nullptr || !record->name) return out;
  const auto change = record->name->answered(token, answer, now);
  const std::vector<LogField> who{
      {"pool", pool->settings.name}, {"server", record->settings.name}, {"host", record->settings.address.host}};
  if (change.failure_began) {
    auto fields = who;
    fields.push_back({"error", record->name->error()});
    out.notices.push_back(notice(MessageId::SERVER_RESOLVE_FAILED, std::move(fields)));
  }
  if (change.endpoint_changed || change.failure_began) {
    record->endpoint = record->name->endpoint();
    if (change.endpoint_changed) {
      auto fields = who;
      fields.push_back({"address", record->endpoint ? record->endpoint->to_string() : "none"});
      out.notices.push_back(notice(MessageId::SERVER_RESOLVED, std::move(fields)));
    }
    carry(*pool, pool->health.set_endpoint(server, record->endpoint, unresolved_reason(*record), now), out);
  }
  finish(out, now, false);
  return out;
}

void NodeController::lookup_refused(lb::ServerId server, std::uint64_t token, Instant now) {
  if (ServerRecord* record = server_of(server); record != nullptr && record->name) record->name->refused(token, now);
}

std::string NodeController::unresolved_reason(const ServerRecord& server) {
  if (!server.name || server.endpoint) return {};
  return server.name->error().empty() ? "not resolved yet" : server.name->error();
}

ControlActions NodeController::tick(Instant now) {
  ControlActions out;
  for (const auto& pool : pools_) carry(*pool, pool->health.tick(now), out);
  start_lookups(now, out);
  finish(out, now, false);
  return out;
}

Instant NodeController::next_deadline() const {
  Instant next = Instant::max();
  for (const auto& pool : pools_) {
    if (const auto at = pool->health.next_deadline()) next = std::min(next, *at);
    for (const ServerRecord& s : pool->servers) {
      if (s.name) next = std::min(next, s.name->next_deadline());
    }
  }
  return next;
}

// ---- operators ----

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

NodeController::Answer NodeController::set_state(const admin::SetServerState& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  static constexpr std::array<std::string_view, 3> kNames{"ready", "drain", "maint"};
  static constexpr std::array<lb::AdminState, 3> kStates{lb::AdminState::kReady, lb::AdminState::kDrain, lb::AdminState::kMaint};
  const auto which = static_cast<std::size_t>(c.state);
  Answer answer{admin::CommandResult{}, {}};
  carry(*pool, pool->health.set_admin(server->id, kStates[which], now), answer.actions);
  if (c.state == admin::AdminState::kMaint) answer.actions.kill.push_back(server->id);
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_ADMIN, {{"pool", c.pool},
                                       {"server", c.server},
                                       {"state", std::string(kNames[which])},
                                       {"weight", std::to_string(server->weight.value_or(server->settings.weight))},
                                       {"by", actor.name}}));
  finish(answer.actions, now, true);
  const auto current = server->counters->current.load(std::memory_order_relaxed);
  answer.result = admin::CommandResult{.summary = c.pool + "/" + c.server + " is in " + std::string(kNames[which]) + "; it has " +
                                                  std::to_string(current) + (current == 1 ? " connection" : " connections"),
                                       .details = {},
                                       .needs_restart = {}};
  return answer;
}

NodeController::Answer NodeController::set_weight(const admin::SetServerWeight& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  server->weight = c.weight;
  Answer answer{admin::CommandResult{
                    .summary = c.pool + "/" + c.server + " has weight " + std::to_string(c.weight), .details = {}, .needs_restart = {}},
                {}};
  carry(*pool, pool->health.set_weight(server->id, c.weight, now), answer.actions);
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_ADMIN,
             {{"pool", c.pool}, {"server", c.server}, {"state", "unchanged"}, {"weight", std::to_string(c.weight)}, {"by", actor.name}}));
  finish(answer.actions, now, true);
  return answer;
}

NodeController::Answer NodeController::add_server(const admin::AddServer& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  if (pool == nullptr) return {Error{Errc::kNotFound, "no pool " + c.pool + "; `fairlead pool list` shows them"}, {}};
  if (server_named(*pool, c.server) != nullptr)
    return {Error{Errc::kConflict, "pool " + c.pool + " has a server " + c.server + " already"}, {}};
  auto address = parse_host_port(c.address);
  if (!address) return {address.error(), {}};
  if (address->port == 0) return {Error{Errc::kInvalidArgument, "'" + c.address + "': the port must not be 0"}, {}};
  if (pool->servers.size() >= config::kServersPerPoolMax)
    return {Error{Errc::kLimitExceeded, "pool " + c.pool + " has as many servers as there can be"}, {}};
  const config::Server settings{
      .name = c.server, .address = *address, .weight = c.weight, .max_connections = c.max_connections, .backup = c.backup};
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
  start_lookups(now, answer.actions);
  finish(answer.actions, now, true);
  return answer;
}

NodeController::Answer NodeController::remove_server(const admin::RemoveServer& c, const admin::Actor& actor, Instant now) {
  PoolRecord* pool = pool_named(c.pool);
  ServerRecord* server = pool == nullptr ? nullptr : server_named(*pool, c.server);
  if (server == nullptr) return {unknown_server(c.pool, c.server), {}};
  const auto current = server->counters->current.load(std::memory_order_relaxed);
  Answer answer{admin::CommandResult{.summary = "removed " + c.pool + "/" + c.server + " until the next restart; its " +
                                                std::to_string(current) + " connections go on",
                                     .details = {},
                                     .needs_restart = {}},
                {}};
  answer.actions.notices.push_back(
      notice(MessageId::SERVER_REMOVED,
             {{"pool", c.pool}, {"server", c.server}, {"address", to_string(server->settings.address)}, {"by", actor.name}}));
  answer.actions.forget.push_back(server->id);
  if (!server->run_time) pool->removed.insert(identity_of(c.pool, server->settings));
  pool->servers.erase(pool->servers.begin() + (server - pool->servers.data()));
  configure_health(*pool, now, answer.actions);
  start_lookups(now, answer.actions);
  finish(answer.actions, now, true);
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

}  // namespace fairlead::daemon
