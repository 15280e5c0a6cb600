// fairlead: pure
#include "daemon/node_controller.h"

#include <algorithm>
#include <unordered_set>

#include "lb/route_table_builder.h"

namespace fairlead::daemon {
namespace {

/// A server takes connections that did not in the table before.
bool gained_server(const lb::RoutePool& before, const lb::RoutePool& now) {
  const auto takes = [](const lb::RoutePool& pool, const lb::RouteServer& s) {
    return s.usable && s.weight > 0 && s.backup == pool.use_backups;
  };
  return std::any_of(now.servers.begin(), now.servers.end(), [&](const lb::RouteServer& s) {
    return takes(now, s) && std::none_of(before.servers.begin(), before.servers.end(),
                                         [&](const lb::RouteServer& old) { return old.id == s.id && takes(before, old); });
  });
}

}  // namespace

std::string NodeController::identity_of(const std::string& pool, const config::Server& server) {
  return pool + '\n' + server.name + '\n' + to_string(server.address);
}

NodeController::PoolRecord::PoolRecord(config::Pool s, std::uint64_t seed)
    : settings(std::move(s)), health(lb::pool_health_settings(settings), seed) {}

// ---- configuration ----

ControlActions NodeController::apply(const config::Snapshot& snapshot, Instant now) {
  ControlActions out;
  account();  // Of servers that go now.
  apply_pools(snapshot, now, out);
  apply_listeners(snapshot, out);
  active_ = snapshot;
  look_up_anew();
  start_lookups(now, out);
  finish(out, now, /*at_once=*/true);
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
    for (const ServerRecord& server : gone->servers) forget(server.id, out);
  }
  pools_ = std::move(next);
  for (std::size_t i = 0; i < pools_.size(); ++i) apply_pool(*pools_[i], snapshot.pools[i], now, out);
}

void NodeController::forget(lb::ServerId server, ControlActions& out) {
  places_.erase(server);
  out.forget.push_back(server);
}

void NodeController::apply_pool(PoolRecord& pool, const config::Pool& settings, Instant now, ControlActions& out) {
  std::vector<ServerRecord> before = std::exchange(pool.servers, {});
  std::set<std::string> still_removed;
  std::vector<lb::ServerId> own_lines_changed;
  std::unordered_map<std::string, ServerRecord*> known;  // By identity.
  for (ServerRecord& record : before) known.emplace(identity_of(settings.name, record.settings), &record);
  std::unordered_set<std::string> names;
  const auto keep = [&](ServerRecord& old, const config::Server& server) {
    if (old.settings != server) {  // I1: its own lines changed.
      old.weight.reset();
      own_lines_changed.push_back(old.id);
    }
    old.settings = server;
    old.run_time = false;
    if (old.name) old.name->change_settings(settings.resolve);
    pool.servers.push_back(std::exchange(old, {}));
  };
  for (const config::Server& server : settings.servers) {
    const std::string identity = identity_of(settings.name, server);
    if (pool.removed.contains(identity) &&
        std::find(pool.settings.servers.begin(), pool.settings.servers.end(), server) != pool.settings.servers.end()) {  // I3
      still_removed.insert(identity);
      continue;
    }
    names.insert(server.name);
    if (const auto old = known.find(identity); old != known.end() && old->second->id != 0)
      keep(*old->second, server);
    else
      pool.servers.push_back(make_server(settings, server, now));
  }
  for (ServerRecord& old : before) {
    if (old.id == 0) continue;
    if (old.run_time && !names.contains(old.settings.name))
      pool.servers.push_back(std::move(old));
    else
      forget(old.id, out);  // I3
  }
  pool.removed = std::move(still_removed);
  pool.settings = settings;
  pool.rebalancer.configure(settings.rebalance);
  pool.checks = std::make_shared<const config::Health>(settings.health);
  pool.stale = true;
  configure_health(pool, now, out);
  for (const lb::ServerId id : own_lines_changed) carry(pool, pool.health.set_admin(id, lb::AdminState::kReady, now), out);
}

NodeController::ServerRecord NodeController::make_server(const config::Pool& pool, const config::Server& settings, Instant now) {
  if (identities_.size() >= identities_max_) forget_identities();
  Identity& identity = identities_[identity_of(pool.name, settings)];
  if (identity.id == 0) identity = {++last_server_, std::make_shared<lb::ServerCounters>(workers_)};
  ServerRecord record{.id = identity.id,
                      .settings = settings,
                      .endpoint = {},
                      .name = {},
                      .run_time = false,
                      .weight = {},
                      .counters = identity.counters,
                      .seen = sums_of(*identity.counters)};
  if (auto address = parse_ip_address(settings.address.host))
    record.endpoint = Endpoint{*address, settings.address.port};
  else
    record.name.emplace(pool.resolve, now);
  return record;
}

/// Servers long gone, with no connection and in no table any more. Their ids are not given to others.
void NodeController::forget_identities() {
  std::erase_if(identities_, [&](const auto& known) {
    const Identity& identity = known.second;
    return !places_.contains(identity.id) && identity.counters.use_count() == 1;
  });
  identities_max_ = std::max(kIdentitiesMin, 2 * identities_.size());
}

void NodeController::configure_health(PoolRecord& pool, Instant now, ControlActions& out) {
  std::vector<lb::HealthServer> servers;
  servers.reserve(pool.servers.size());
  for (const ServerRecord& s : pool.servers) {
    places_.insert_or_assign(s.id, Place{&pool, servers.size()});
    servers.push_back(
        {.id = s.id, .weight = s.weight.value_or(s.settings.weight), .endpoint = s.endpoint, .unresolved_reason = unresolved_reason(s)});
  }
  carry(pool, pool.health.configure(lb::pool_health_settings(pool.settings), servers, now), out);
}

/// Asks for every name whose time has come.
void NodeController::start_lookups(Instant now, ControlActions& out) {
  if (now < lookups_at_) return;
  lookups_at_ = Instant::max();
  for (const auto& pool : pools_) {
    for (ServerRecord& s : pool->servers) {
      if (!s.name) continue;
      if (s.name->due(now)) {
        const auto& source = pool->settings.source ? pool->settings.source : pool->settings.health.source;
        lb::ResolveQuestion question{.host = s.settings.address.host, .port = s.settings.address.port, .family = {}, .name_server = {}};
        if (source) question.family = source->family();
        out.lookups.push_back({.server = s.id, .token = s.name->start(now), .question = std::move(question)});
      }
      lookups_at_ = std::min(lookups_at_, s.name->next_deadline());
    }
  }
}

// ---- health ----

NodeController::PoolRecord* NodeController::pool_of(lb::ServerId server) {
  const auto at = places_.find(server);
  return at == places_.end() ? nullptr : at->second.pool;
}

NodeController::ServerRecord* NodeController::server_of(lb::ServerId server) {
  const auto at = places_.find(server);
  return at == places_.end() ? nullptr : &at->second.pool->servers[at->second.index];
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
  for (const lb::ServerChange& change : actions.changes) {
    const ServerRecord* server = server_of(change.server);
    if (server == nullptr || change.change.to == lb::Verdict::kUnknown) continue;
    const MessageId id = change.change.to == lb::Verdict::kUp ? MessageId::SERVER_UP : MessageId::SERVER_DOWN;
    out.notices.push_back(notice(id, {{"pool", pool.settings.name},
                                      {"server", server->settings.name},
                                      {"address", to_string(server->settings.address)},
                                      {"reason", change.change.reason},
                                      {"after_ms", std::to_string(to_ms(change.change.after))}}));
  }
  if (pool.settings.on_server_down == config::OnServerDown::kReset)
    reset_.insert(reset_.end(), actions.hard_down.begin(), actions.hard_down.end());  // Once they are out of the table.
  for (const lb::StartProbe& probe : actions.probes) {
    const ServerRecord* server = server_of(probe.server);
    if (server == nullptr) continue;
    out.probes.push_back({.server = probe.server,
                          .token = probe.token,
                          .endpoint = probe.endpoint,
                          .host = server->settings.address.host,
                          .health = pool.checks});
  }
  pool.stale = pool.stale || actions.routes_changed;
}

/// Publishes what changed: `at_once` (an operator or a reload waits for it), or when nothing was published lately; else a tick will.
/// A server that was out of the table before it died is reset without a new one.
void NodeController::finish(ControlActions& out, Instant now, bool at_once) {
  const bool stale = std::any_of(pools_.begin(), pools_.end(), [](const auto& pool) { return pool->stale; });
  if (at_once || (stale && now >= published_at_ + kTablePause))
    publish(out, now);
  else if (stale)
    return;
  for (const lb::ServerId server : std::exchange(reset_, {})) {  // I4
    const PoolRecord* pool = pool_of(server);
    const auto health = pool == nullptr ? std::nullopt : pool->health.find(server);
    if (!health || health->hard_down) out.reset.push_back(server);  // One that is gone died before it went.
  }
}

void NodeController::publish(ControlActions& out, Instant now) {
  published_at_ = now;
  for (const auto& pool : pools_) {
    const bool serves = pool->health.usable_count() > 0;
    if (serves == pool->serves) continue;
    pool->serves = serves;
    out.notices.push_back(notice(serves ? MessageId::POOL_SERVES : MessageId::POOL_EMPTY, {{"pool", pool->settings.name}}));
  }
  out.routes = build_routes(now);
}

std::shared_ptr<const lb::RouteTable> NodeController::build_routes(Instant now) {
  std::vector<std::shared_ptr<const lb::RoutePool>> pools;
  pools.reserve(pools_.size());
  for (const auto& pool : pools_) {
    if (std::exchange(pool->stale, false)) {
      auto next = std::make_shared<const lb::RoutePool>(build_pool(*pool));
      if (gained_server(*pool->table, *next)) pool->rebalancer.server_up(now);
      pool->table = std::move(next);
    }
    pools.push_back(pool->table);
  }
  std::vector<lb::ListenerView> listeners;
  for (const ListenerRecord& l : listeners_) {
    listeners.push_back({.settings = &l.settings, .id = l.id, .counters = l.counters});
    for (const BindRecord& b : l.binds) listeners.back().binds.push_back(b.id);
  }
  return std::make_shared<const lb::RouteTable>(lb::build_route_table(++version_, listeners, std::move(pools)));
}

bool NodeController::is_vip(const std::optional<IpAddress>& address) const {
  return address &&
         std::any_of(active_.vips.begin(), active_.vips.end(), [&](const config::Vip& v) { return v.address.address == *address; });
}

ControlActions NodeController::vips_held(std::set<IpAddress> addresses, Instant now) {
  ControlActions out;
  if (addresses == vips_held_) return out;
  vips_held_ = std::move(addresses);
  bool changed = false;
  for (const auto& pool : pools_) {
    if (!is_vip(pool->settings.source)) continue;
    pool->stale = true;
    changed = true;
  }
  if (changed) finish(out, now, /*at_once=*/true);
  return out;
}

/// The share of this node: its place by id among the cluster's. Nothing without a cluster.
std::optional<lb::PortRange> NodeController::own_ports() const {
  if (!local_ports_ || !active_.cluster) return std::nullopt;
  const auto& nodes = active_.cluster->nodes;
  const auto self = std::find_if(nodes.begin(), nodes.end(), [&](const config::Node& n) { return n.name == active_.node; });
  if (self == nodes.end()) return std::nullopt;
  const auto rank = std::count_if(nodes.begin(), nodes.end(), [&](const config::Node& n) { return n.id < self->id; });
  const int share = (local_ports_->last + 1 - local_ports_->first) / static_cast<int>(nodes.size());
  const int first = local_ports_->first + share * static_cast<int>(rank);
  return lb::PortRange{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(first + share - 1)};
}

bool NodeController::may_use(const std::string& congestion_control) const {
  return std::find(congestion_controls_.begin(), congestion_controls_.end(), congestion_control) != congestion_controls_.end();
}

lb::RoutePool NodeController::build_pool(const PoolRecord& pool) const {
  const bool from_vip = is_vip(pool.settings.source);
  lb::PoolView view{.settings = &pool.settings,
                    .counters = pool.counters,
                    .servers = {},
                    .source_held = !from_vip || vips_held_.contains(*pool.settings.source),
                    .source_ports = from_vip ? own_ports() : std::nullopt,
                    .own_congestion_control = may_use(pool.settings.congestion_control)};
  for (const ServerRecord& s : pool.servers) {
    const auto health = pool.health.find(s.id);
    if (!health || !health->endpoint) continue;
    view.servers.push_back({.settings = &s.settings,
                            .id = s.id,
                            .endpoint = *health->endpoint,
                            .usable = health->usable,
                            .effective_weight = health->effective_weight,
                            .counters = s.counters});
  }
  return lb::build_route_pool(view);
}

ControlActions NodeController::probe_done(const lb::ProbeResult& result, Instant now) {
  ControlActions out;
  if (PoolRecord* pool = pool_of(result.server)) {
    const auto before = pool->health.find(result.server);
    carry(*pool, pool->health.probe_done(result, now), out);
    note_check(*pool, before, result, out);
  }
  finish(out, now, /*at_once=*/false);
  return out;
}

/// A check that ended otherwise than the one before, for the flight recorder: the verdict may follow only after some more.
void NodeController::note_check(const PoolRecord& pool, const std::optional<lb::ServerHealth>& before, const lb::ProbeResult& result,
                                ControlActions& out) {
  const ServerRecord* server = server_of(result.server);
  const auto after = pool.health.find(result.server);
  if (server == nullptr || !before || !after || before->check.outcome == after->check.outcome) return;
  out.notices.push_back(notice(MessageId::SERVER_CHECK, {{"pool", pool.settings.name},
                                                         {"server", server->settings.name},
                                                         {"result", std::string(lb::word_of(result.outcome))},
                                                         {"detail", result.detail},
                                                         {"took_ms", std::to_string(to_ms(result.duration))}}));
}

void NodeController::probe_refused(lb::ServerId server, std::uint64_t token, Instant now) {
  if (PoolRecord* pool = pool_of(server)) pool->health.probe_refused(server, token, now);
}

ControlActions NodeController::connect_failed(lb::ServerId server, lb::ConnectCause cause, Instant now) {
  ControlActions out;
  if (PoolRecord* pool = pool_of(server)) carry(*pool, pool->health.connect_failed(server, cause, now), out);
  finish(out, now, /*at_once=*/false);
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
  lookups_at_ = std::min(lookups_at_, record->name->next_deadline());
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
  finish(out, now, /*at_once=*/false);
  return out;
}

void NodeController::lookup_refused(lb::ServerId server, std::uint64_t token, Instant now) {
  ServerRecord* record = server_of(server);
  if (record == nullptr || !record->name) return;
  record->name->refused(token, now);
  lookups_at_ = std::min(lookups_at_, record->name->next_deadline());
}

std::string NodeController::unresolved_reason(const ServerRecord& server) {
  if (!server.name || server.endpoint) return {};
  return server.name->error().empty() ? "not resolved yet" : server.name->error();
}

void NodeController::spread(PoolRecord& pool, Instant now, ControlActions& out) {
  if (now < pool.rebalancer.next_deadline()) return;
  std::vector<lb::ServerLoad> loads;
  for (const lb::RouteServer& s : pool.table->servers) {
    if (s.usable && s.weight > 0 && s.backup == pool.table->use_backups)
      loads.push_back({.id = s.id, .current = s.counters->current.load(std::memory_order_relaxed), .weight = s.weight});
  }
  if (const auto server = pool.rebalancer.tick(loads, now)) out.spread.push_back(*server);
}

ControlActions NodeController::tick(Instant now) {
  ControlActions out;
  for (const auto& pool : pools_) {
    carry(*pool, pool->health.tick(now), out);
    spread(*pool, now, out);
  }
  start_lookups(now, out);
  retry_binds(now, out);
  finish(out, now, /*at_once=*/false);
  return out;
}

bool NodeController::pool_serves(const std::string& name) const {
  return std::any_of(pools_.begin(), pools_.end(), [&](const auto& p) { return p->settings.name == name && p->health.usable_count() > 0; });
}

Instant NodeController::next_deadline() const {
  Instant next = lookups_at_;
  for (const auto& pool : pools_) {
    if (pool->stale) next = std::min(next, published_at_ + kTablePause);
    if (const auto at = pool->health.next_deadline()) next = std::min(next, *at);
    next = std::min(next, pool->rebalancer.next_deadline());
  }
  for (const ListenerRecord& listener : listeners_) {
    for (const BindRecord& b : listener.binds) {
      if (!b.error.empty()) next = std::min(next, b.retry_at);
    }
  }
  return next;
}

}  // namespace fairlead::daemon
