// fairlead: pure
// What the controller knows, as the operator's report.
#include <algorithm>
#include <limits>

#include "daemon/listener_counts.h"
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

/// Of state_of(): what checks find changes nothing as long as an operator's wish stands, and its end is a change too.
Instant state_since(const lb::ServerHealth& health) {
  return health.admin == lb::AdminState::kReady ? std::max(health.since, health.admin_since) : health.admin_since;
}

/// What workers counted.
void describe_counters(const lb::ServerCounters& from, admin::ServerStatus& out) {
  const auto read = [](const auto& value) { return value.load(std::memory_order_relaxed); };
  out.connect_failures = read(from.connect_failures);
  out.connect_failures_by_cause.reserve(lb::kConnectCauses);
  for (std::size_t i = 0; i < lb::kConnectCauses; ++i)
    out.connect_failures_by_cause.push_back({std::string(lb::word_of(static_cast<lb::ConnectCause>(i))), read(from.failed_by_cause[i])});
  out.reset_connections = read(from.resets_sent);
  out.ended_by_code = ended_by_code(from);
  out.bytes = {.in = from.bytes_in(), .out = from.bytes_out()};
  out.connect_times.buckets.reserve(lb::kConnectBuckets);
  for (std::size_t i = 0; i < lb::kConnectBuckets; ++i) {
    const bool bounded = i < lb::kConnectBoundsUs.size();
    const double bound = bounded ? static_cast<double>(lb::kConnectBoundsUs[i]) / 1e6 : std::numeric_limits<double>::infinity();
    out.connect_times.buckets.push_back({bound, from.connect_times.count(i)});
    out.connect_times.count += out.connect_times.buckets.back().count;
  }
  out.connect_times.sum_s = to_seconds(from.connect_times.sum());
}

/// `peak` is written by this thread only. Returns what there is now.
std::uint32_t raise_peak(std::atomic<std::uint32_t>& peak, std::uint32_t current) {
  if (current > peak.load(std::memory_order_relaxed)) peak.store(current, std::memory_order_relaxed);
  return current;
}

void describe_checks(const lb::ServerHealth& health, bool checked, Instant now, admin::ServerStatus& out) {
  if (checked) out.checks.reserve(lb::kProbeOutcomes);
  for (std::size_t i = 0; checked && i < lb::kProbeOutcomes; ++i) {
    const auto outcome = static_cast<lb::ProbeOutcome>(i);
    if (outcome == lb::ProbeOutcome::kUnresolved) continue;  // No check ends like that.
    out.checks.push_back({std::string(lb::word_of(outcome)), health.counts.checks[i]});
  }
  out.ups = health.counts.ups;
  out.downs = health.counts.downs;
  out.down_s = to_seconds(health.counts.down + (health.verdict == lb::Verdict::kDown ? now - health.since : Duration::zero()));
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
  out.peak_connections = std::max<std::uint64_t>(server.counters->peak.load(std::memory_order_relaxed), out.connections.current);
  out.max_connections = server.settings.max_connections;
  describe_counters(*server.counters, out);
  const auto health = pool.health.find(server.id);
  if (!health) return out;
  describe_checks(*health, pool.settings.health.type != config::HealthType::kNone, now, out);
  out.state = state_of(*health);
  out.weight = health->weight;
  out.effective_weight = health->effective_weight;
  out.state_since_s = to_seconds(now - state_since(*health));
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

/// Counters of a pool only grow, whatever servers come and go: what is new since the last look is added. What a server that was removed
/// still relays is its listener's only. Peaks are the most that was seen by a look.
void NodeController::account() {
  for (const auto& pool : pools_) {
    std::uint32_t current = 0;
    for (ServerRecord& server : pool->servers) {
      current += raise_peak(server.counters->peak, server.counters->current.load(std::memory_order_relaxed));
      const ServerSums now = sums_of(*server.counters);
      pool->sums.total += now.total - server.seen.total;
      pool->sums.bytes_in += now.bytes_in - server.seen.bytes_in;
      pool->sums.bytes_out += now.bytes_out - server.seen.bytes_out;
      pool->sums.connect_failures += now.connect_failures - server.seen.connect_failures;
      server.seen = now;
    }
    raise_peak(pool->counters->peak, current);
  }
  for (const ListenerRecord& l : listeners_) raise_peak(l.counters->peak, l.counters->current.load(std::memory_order_relaxed));
}

NodeController::ServerSums NodeController::sums_of(const lb::ServerCounters& counters) {
  return {.total = counters.total.load(std::memory_order_relaxed),
          .bytes_in = counters.bytes_in(),
          .bytes_out = counters.bytes_out(),
          .connect_failures = counters.connect_failures.load(std::memory_order_relaxed)};
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
    out.peak_connections = std::max<std::uint64_t>(l.counters->peak.load(std::memory_order_relaxed), out.connections.current);
    out.max_connections = l.settings.max_connections;
    out.max_connection_rate = l.settings.max_connection_rate;
    out.problem = l.enabled ? problem_of(l) : "disabled by an operator";
    report.ready_reasons.push_back({"listener " + out.name, out.accepting, out.accepting ? "accepts" : out.problem});
    report.listeners.push_back(std::move(out));
  }
  for (const auto& pool : pools_) {
    admin::PoolStatus out;
    out.name = pool->settings.name;
    out.balance = name_of(pool->settings.balance);
    out.servers.reserve(pool->servers.size());
    for (const ServerRecord& s : pool->servers) out.servers.push_back(describe_server(*pool, s, now));
    out.source_fallbacks = pool->counters->source_fallbacks.load(std::memory_order_relaxed);
    const auto usable = pool->health.usable_count();
    out.usable = usable;
    out.backups_in_use = pool->table->use_backups && usable > 0;
    for (const admin::ServerStatus& s : out.servers) out.connections.current += s.connections.current;
    out.connections.total = pool->sums.total;
    out.peak_connections = std::max<std::uint64_t>(pool->counters->peak.load(std::memory_order_relaxed), out.connections.current);
    out.bytes = {.in = pool->sums.bytes_in, .out = pool->sums.bytes_out};
    out.connect_failures = pool->sums.connect_failures;
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
