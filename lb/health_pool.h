// fairlead: pure
// The health of one pool: its servers' trackers, and what only the whole pool can know.
//
// The control thread owns one per pool and feeds it; what comes back says which probes to start (lb/health_prober.h carries them out),
// which verdicts changed (log, status) and whether the route table must be published anew:
//
//   config, operator, resolver ---> configure / set_admin / set_weight
//   prober ---> probe_done                                                 ---> HealthActions
//   workers --> connect_failed / connect_succeeded
//   timer at next_deadline() --> tick
//
// Invariants: those of HealthTracker, and
//   P1  Passive reports alone never leave a pool without a usable server that had one.
//   P2  A server that stays over configure() keeps verdict, history, operator state and run-time weight; new ones begin unknown.
//   P3  `routes_changed` is set whenever a usable flag, an endpoint or an effective weight differs from what was published last. A ramp
//       (slow_start) is published in steps.
//   P4  An input costs the server it is about and those whose time has come, not the whole pool: O(log n) each.
// Threading: control. Ownership: values only. Limits: one tracker per configured server.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/prng.h"
#include "base/time.h"
#include "config/settings.h"
#include "lb/health_tracker.h"
#include "lb/health_values.h"

namespace fairlead::lb {

struct PoolHealthSettings {
  config::Health health;
  config::Passive passive;
  Duration slow_start{};
  bool operator==(const PoolHealthSettings&) const = default;
};
[[nodiscard]] PoolHealthSettings pool_health_settings(const config::Pool& pool);

/// A server as the pool's health sees it.
struct HealthServer {
  ServerId id = 0;
  std::uint32_t weight = 0;            ///< 0 takes no traffic, so it does not count as a usable server for its neighbours.
  std::optional<Endpoint> endpoint{};  ///< Where the server is; nullopt while its name is unresolved.
  std::string unresolved_reason{};     ///< Shown while there is no endpoint.
};

struct StartProbe {
  ServerId server = 0;
  std::uint64_t token = 0;
  Endpoint endpoint;  ///< The server's; `health.port` not applied yet.
};
struct ServerChange {
  ServerId server = 0;
  VerdictChange change;
};
/// What the caller carries out, in this order.
struct HealthActions {
  std::vector<ServerChange> changes;
  std::vector<ServerId> hard_down;  ///< Now hard down: close its connections if on_server_down says reset. Once per outage.
  std::vector<StartProbe> probes;
  bool routes_changed = false;
  void append(HealthActions&& other);
};

struct ServerHealth {
  Verdict verdict = Verdict::kUnknown;
  AdminState admin = AdminState::kReady;
  bool usable = false;  ///< Up, ready; the weight may still be 0.
  bool hard_down = false;
  std::uint32_t weight = 0;            ///< Configured or set at run time.
  std::uint32_t effective_weight = 0;  ///< After slow start, as published last.
  std::optional<Endpoint> endpoint;
  Instant since;  ///< Of the verdict.
  Instant admin_since;
  HealthTracker::LastCheck check;
  HealthCounts counts;
};

class PoolHealth {
 public:
  /// `seed` feeds the jitter: different per node and pool, so that gateways do not check in step.
  PoolHealth(PoolHealthSettings settings, std::uint64_t seed);

  /// The pool's servers from now on: at start, after a reload, when a name resolved anew, when one was added or removed.
  [[nodiscard]] HealthActions configure(const PoolHealthSettings& settings, std::span<const HealthServer> servers, Instant now);
  /// Unknown servers are ignored in all of these: they were removed while the message was under way.
  [[nodiscard]] HealthActions set_admin(ServerId server, AdminState state, Instant now);
  [[nodiscard]] HealthActions set_weight(ServerId server, std::uint32_t weight, Instant now);
  [[nodiscard]] HealthActions set_endpoint(ServerId server, std::optional<Endpoint> endpoint, std::string unresolved_reason, Instant now);
  [[nodiscard]] HealthActions probe_done(const ProbeResult& result, Instant now);
  [[nodiscard]] HealthActions connect_failed(ServerId server, ConnectCause cause, Instant now);
  void connect_succeeded(ServerId server);
  /// The prober refused a StartProbe (it is full).
  void probe_refused(ServerId server, std::uint64_t token, Instant now);
  [[nodiscard]] HealthActions tick(Instant now);

  /// When tick() has something to do next; nullopt: only an input can change anything.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] std::optional<ServerHealth> find(ServerId server) const;
  [[nodiscard]] std::uint32_t usable_count() const { return usable_; }  ///< With a weight above 0.
  [[nodiscard]] const PoolHealthSettings& settings() const { return settings_; }

 private:
  struct Entry {
    HealthServer server;
    HealthTracker tracker;
    bool hard_reported = false;
    // As published last (P3).
    bool usable = false;
    std::uint32_t effective_weight = 0;
    std::optional<Endpoint> endpoint{};
    Instant settled_at{};
    bool counted = false;               ///< In usable_.
    Instant deadline = Instant::max();  ///< Its place in deadlines_; max: none.
  };
  [[nodiscard]] Entry* entry_of(ServerId server);
  [[nodiscard]] const Entry* entry_of(ServerId server) const;
  [[nodiscard]] HealthTracker::Context context_for(const Entry& entry);
  [[nodiscard]] std::uint32_t effective_weight(const Entry& entry, Instant now) const;
  [[nodiscard]] Instant deadline_of(const Entry& entry) const;
  void change_endpoint(Entry& entry, std::optional<Endpoint> endpoint, std::string reason, Instant now, HealthActions& actions);
  void settle(Entry& entry, Instant now, HealthActions& actions);
  void settle_due(Instant now, HealthActions& actions);
  void schedule(Entry& entry);
  static void note(HealthActions& actions, ServerId server, HealthTracker::Change change);

  PoolHealthSettings settings_;
  TrackerSettings tracker_settings_;
  Prng prng_;
  std::vector<Entry> entries_;
  std::unordered_map<ServerId, std::size_t> places_;     ///< Index into entries_.
  std::set<std::pair<Instant, std::size_t>> deadlines_;  ///< One for each entry that has any.
  std::uint32_t usable_ = 0;
};

}  // namespace fairlead::lb
