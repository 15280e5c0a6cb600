// fairlead: pure
#include "lb/health_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fairlead::lb {

PoolHealthSettings pool_health_settings(const config::Pool& pool) { return {pool.health, pool.passive, pool.slow_start}; }

void HealthActions::append(HealthActions&& other) {
  std::move(other.changes.begin(), other.changes.end(), std::back_inserter(changes));
  std::move(other.hard_down.begin(), other.hard_down.end(), std::back_inserter(hard_down));
  std::move(other.probes.begin(), other.probes.end(), std::back_inserter(probes));
  routes_changed = routes_changed || other.routes_changed;
}

PoolHealth::PoolHealth(PoolHealthSettings settings, std::uint64_t seed)
    : settings_(std::move(settings)), tracker_settings_(tracker_settings(settings_.health, settings_.passive)), prng_(seed) {}

HealthActions PoolHealth::configure(const PoolHealthSettings& settings, std::span<const HealthServer> servers, Instant now) {
  HealthActions actions;
  // Only a check that asks something else is worth asking at once; a new pace alone waits for its turn.
  config::Health same_question = settings.health;
  same_question.interval = settings_.health.interval;
  same_question.fast_interval = settings_.health.fast_interval;
  same_question.down_interval = settings_.health.down_interval;
  same_question.rise = settings_.health.rise;
  same_question.fall = settings_.health.fall;
  const bool recheck = same_question != settings_.health;
  const bool changed = settings != settings_;
  settings_ = settings;
  tracker_settings_ = tracker_settings(settings_.health, settings_.passive);

  std::vector<Entry> next;
  next.reserve(servers.size());
  for (const HealthServer& server : servers) {
    if (Entry* known = entry_of(server.id)) {
      Entry entry = std::move(*known);
      if (changed) note(actions, server.id, entry.tracker.change_settings(tracker_settings_, recheck, now));
      entry.server.weight = server.weight;
      change_endpoint(entry, server.endpoint, server.unresolved_reason, now, actions);
      next.push_back(std::move(entry));
      continue;
    }
    next.push_back({.server = server, .tracker = HealthTracker(tracker_settings_, server.endpoint.has_value(), now), .endpoint = {}});
    actions.routes_changed = true;
  }
  if (next.size() != entries_.size()) actions.routes_changed = true;
  entries_ = std::move(next);
  places_.clear();
  deadlines_.clear();
  usable_ = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    places_.emplace(entry.server.id, i);
    entry.deadline = Instant::max();
    entry.counted = false;
    settle(entry, now, actions);
  }
  return actions;
}

HealthActions PoolHealth::set_admin(ServerId server, AdminState state, Instant now) {
  HealthActions actions;
  if (Entry* entry = entry_of(server)) {
    note(actions, server, entry->tracker.set_admin(state, now));
    settle(*entry, now, actions);
  }
  settle_due(now, actions);
  return actions;
}

HealthActions PoolHealth::set_weight(ServerId server, std::uint32_t weight, Instant now) {
  HealthActions actions;
  if (Entry* entry = entry_of(server)) {
    entry->server.weight = weight;
    settle(*entry, now, actions);
  }
  settle_due(now, actions);
  return actions;
}

HealthActions PoolHealth::set_endpoint(ServerId server, std::optional<Endpoint> endpoint, std::string unresolved_reason, Instant now) {
  HealthActions actions;
  if (Entry* entry = entry_of(server)) {
    change_endpoint(*entry, endpoint, std::move(unresolved_reason), now, actions);
    settle(*entry, now, actions);
  }
  settle_due(now, actions);
  return actions;
}

HealthActions PoolHealth::probe_done(const ProbeResult& result, Instant now) {
  HealthActions actions;
  if (Entry* entry = entry_of(result.server)) {
    note(actions, result.server, entry->tracker.probe_done(result, now, context_for(*entry)));
    settle(*entry, now, actions);
  }
  settle_due(now, actions);
  return actions;
}

HealthActions PoolHealth::connect_failed(ServerId server, ConnectCause cause, Instant now) {
  HealthActions actions;
  if (Entry* entry = entry_of(server)) {
    note(actions, server, entry->tracker.connect_failed(cause, now, context_for(*entry)));
    settle(*entry, now, actions);
  }
  settle_due(now, actions);
  return actions;
}

void PoolHealth::connect_succeeded(ServerId server) {
  if (Entry* entry = entry_of(server)) entry->tracker.connect_succeeded();
}

void PoolHealth::probe_refused(ServerId server, std::uint64_t token, Instant now) {
  Entry* entry = entry_of(server);
  if (entry == nullptr) return;
  entry->tracker.probe_refused(token, now);
  schedule(*entry);
}

HealthActions PoolHealth::tick(Instant now) {
  HealthActions actions;
  settle_due(now, actions);
  return actions;
}

std::optional<Instant> PoolHealth::next_deadline() const {
  return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

std::optional<ServerHealth> PoolHealth::find(ServerId server) const {
  const Entry* entry = entry_of(server);
  if (entry == nullptr) return std::nullopt;
  const HealthTracker& tracker = entry->tracker;
  return ServerHealth{.verdict = tracker.verdict(),
                      .admin = tracker.admin(),
                      .usable = tracker.usable() && entry->server.endpoint.has_value(),
                      .hard_down = tracker.hard_down(),
                      .weight = entry->server.weight,
                      .effective_weight = entry->effective_weight,
                      .endpoint = entry->server.endpoint,
                      .since = tracker.since(),
                      .admin_since = tracker.admin_since(),
                      .check = tracker.last_check(),
                      .counts = tracker.counts()};
}

PoolHealth::Entry* PoolHealth::entry_of(ServerId server) {
  const auto at = places_.find(server);
  return at == places_.end() ? nullptr : &entries_[at->second];
}

const PoolHealth::Entry* PoolHealth::entry_of(ServerId server) const {
  const auto at = places_.find(server);
  return at == places_.end() ? nullptr : &entries_[at->second];
}

HealthTracker::Context PoolHealth::context_for(const Entry& entry) {
  return {.others_usable = usable_ - (entry.counted ? 1 : 0), .jitter = prng_.below(kJitterMax)};
}

std::uint32_t PoolHealth::effective_weight(const Entry& entry, Instant now) const {
  if (!entry.tracker.usable() || !entry.tracker.back_since()) return entry.server.weight;
  return ramped_weight(entry.server.weight, settings_.slow_start, now - *entry.tracker.back_since());
}

void PoolHealth::change_endpoint(Entry& entry, std::optional<Endpoint> endpoint, std::string reason, Instant now, HealthActions& actions) {
  entry.server.unresolved_reason = reason;
  if (endpoint == entry.server.endpoint && endpoint) return;
  entry.server.endpoint = endpoint;
  note(actions, entry.server.id, endpoint ? entry.tracker.address_changed(now) : entry.tracker.address_lost(std::move(reason), now));
}

/// After every input about `entry`, and when its time has come: a probe that is due, and what differs from what was published.
void PoolHealth::settle(Entry& entry, Instant now, HealthActions& actions) {
  HealthTracker& tracker = entry.tracker;
  entry.settled_at = now;
  note(actions, entry.server.id, tracker.tick(now));
  if (tracker.probe_due(now) && entry.server.endpoint)
    actions.probes.push_back({entry.server.id, tracker.start_probe(now), *entry.server.endpoint});
  if (tracker.hard_down() && !entry.hard_reported) actions.hard_down.push_back(entry.server.id);
  entry.hard_reported = tracker.hard_down();
  const std::uint32_t weight = effective_weight(entry, now);
  if (entry.usable != tracker.usable() || entry.effective_weight != weight || entry.endpoint != entry.server.endpoint)
    actions.routes_changed = true;
  entry.usable = tracker.usable();
  entry.effective_weight = weight;
  entry.endpoint = entry.server.endpoint;
  const bool counts = tracker.usable() && entry.server.weight > 0;
  usable_ += (counts ? 1U : 0U) - (entry.counted ? 1U : 0U);
  entry.counted = counts;
  schedule(entry);
}

/// What time alone brought; every server at most once.
void PoolHealth::settle_due(Instant now, HealthActions& actions) {
  std::vector<std::size_t> due;
  for (auto at = deadlines_.begin(); at != deadlines_.end() && at->first <= now; ++at) due.push_back(at->second);
  for (const std::size_t place : due) settle(entries_[place], now, actions);
}

Instant PoolHealth::deadline_of(const Entry& entry) const {
  Instant next = entry.tracker.next_deadline().value_or(Instant::max());
  const auto back = entry.tracker.back_since();
  if (entry.tracker.usable() && back && entry.server.weight > 1 && entry.settled_at < *back + settings_.slow_start)
    next = std::min({next, entry.settled_at + ramp_step(settings_.slow_start), *back + settings_.slow_start});
  return next;
}

void PoolHealth::schedule(Entry& entry) {
  const Instant next = deadline_of(entry);
  if (next == entry.deadline) return;
  const auto place = static_cast<std::size_t>(&entry - entries_.data());
  if (entry.deadline != Instant::max()) deadlines_.erase({entry.deadline, place});
  if (next != Instant::max()) deadlines_.emplace(next, place);
  entry.deadline = next;
}

void PoolHealth::note(HealthActions& actions, ServerId server, HealthTracker::Change change) {
  if (change) actions.changes.push_back({server, std::move(*change)});
}

}  // namespace fairlead::lb
