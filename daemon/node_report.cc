// fairlead: pure
// What the controller knows, as the operator's report.
#include <algorithm>

#include "daemon/node_controller.h"

namespace fairlead::daemon {
namespace {

std::string_view name_of(config::Balance balance) {
  switch (balance) {
    case config::Balance::kRoundRobin: return "round_robin";
    case config::Balance::kLeastConnections: return "least_connections";
    case config::Balance::kRandomTwo: return "random_two";
    case config::Balance::kSourceHash: return "source_hash";
  }
  return "";
}

admin::ServerState state_of(const lb::ServerHealth& health) {
  if (health.admin == lb::AdminState::kMaint) return admin::ServerState::kMaint;
  if (health.admin == lb::AdminState::kDrain) return admin::ServerState::kDrain;
  switch (health.verdict) {
    case lb::Verdict::kUp: return admin::ServerState::kUp;
    case lb::Verdict::kDown: return admin::ServerState::kDown;
    case lb::Verdict::kUnknown: break;
  }
  return admin::ServerState::kUnknown;
}

}  // namespace

std::vector<lb::ListenerId> NodeController::listener_ids() const {
  std::vector<lb::ListenerId> ids;
  for (const ListenerRecord& l : listeners_) ids.push_back(l.id);
  return ids;
}

admin::ServerStatus NodeController::describe_server(const PoolRecord& pool, const ServerRecord& server, Instant now) {
  admin::ServerStatus out;
  out.name = server.settings.name;
  out.address = to_string(server.settings.address);
  out.backup = server.settings.backup;
  out.added_at_run_time = server.run_time;
  out.connections.current = server.counters->current.load(std::memory_order_relaxed);
  out.connections.total = server.counters->total.load(std::memory_order_relaxed);
  out.connect_failures = server.counters->connect_failures.load(std::memory_order_relaxed);
  const auto health = pool.health.find(server.id);
  if (!health) return out;
  out.state = state_of(*health);
  out.weight = health->weight;
  out.effective_weight = health->effective_weight;
  out.state_since_s = to_seconds(now - health->since);
  if (health->endpoint) out.endpoint = health->endpoint->to_string();
  if (pool.settings.health.type == config::HealthType::kNone) {
    out.check.result = "none";
  } else if (health->check.outcome) {
    out.check.result = std::string(lb::word_of(*health->check.outcome));
    out.check.detail = health->check.detail;
    out.check.duration_ms = to_seconds(health->check.duration) * 1000;
  } else {
    out.check.result = health->endpoint ? "pending" : "unresolved";
    if (!health->endpoint) out.check.detail = unresolved_reason(server);
  }
  return out;
}

void NodeController::describe(admin::NodeReport& report, Instant now) const {
  for (const ListenerRecord& l : listeners_) {
    admin::ListenerStatus out;
    out.name = l.settings.name;
    out.pool = l.settings.pool;
    for (const Endpoint& e : l.settings.bind) out.bind.push_back(e.to_string());
    out.accepting = std::any_of(l.binds.begin(), l.binds.end(), [](const BindRecord& b) { return b.error.empty(); });
    out.connections.current = l.counters->current.load(std::memory_order_relaxed);
    out.connections.total = l.counters->total.load(std::memory_order_relaxed);
    out.connections.shed = l.counters->shed.load(std::memory_order_relaxed);
    out.problem = l.enabled ? problem_of(l) : "disabled by an operator";
    report.ready_reasons.push_back({"listener " + out.name, out.accepting, out.accepting ? "accepts" : out.problem});
    report.listeners.push_back(std::move(out));
  }
  for (const auto& pool : pools_) {
    admin::PoolStatus out{.name = pool->settings.name, .balance = std::string(name_of(pool->settings.balance)), .servers = {}};
    for (const ServerRecord& s : pool->servers) out.servers.push_back(describe_server(*pool, s, now));
    out.source_fallbacks = pool->counters->source_fallbacks.load(std::memory_order_relaxed);
    const auto usable = pool->health.usable_count();
    const std::size_t all = out.servers.size();
    report.ready_reasons.push_back(
        {"pool " + out.name, usable > 0,
         std::to_string(usable) + " of " + std::to_string(all) + (all == 1 ? " server takes connections" : " servers take connections")});
    report.pools.push_back(std::move(out));
  }
  // Ready: some listener accepts and its pool has a server. A pool nobody listens for does not count.
  report.ready = std::any_of(report.listeners.begin(), report.listeners.end(), [&](const admin::ListenerStatus& l) {
    const auto pool = std::find_if(pools_.begin(), pools_.end(), [&](const auto& p) { return p->settings.name == l.pool; });
    return l.accepting && pool != pools_.end() && (*pool)->health.usable_count() > 0;
  });
}

}  // namespace fairlead::daemon
