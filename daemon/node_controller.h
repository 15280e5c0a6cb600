// fairlead: pure
// The node's policy in one place: which servers take traffic, which listeners are open, what changes at a reload or on an operator's word.
// Inputs come in as calls with the time as an argument; what is to be done comes back as values. The Orchestrator (daemon/orchestrator.cc)
// carries them out. No descriptor, clock, thread or log.
//
//   configuration, operators, resolver --> apply / command / resolved ---+
//   health thread ---------------------> probe_done ---------------------+--> ControlActions: routes, probes, listeners, events
//   workers ---------------------------> connect_failed, connect_worked -+
//   timer at next_deadline() ----------> tick ---------------------------+
//
// Invariants (tests/unit/daemon/node_controller_test.cc):
//   I1  A server keeps its id, counters, health and operator state over a reload while pool, name and address stay; its operator state
//       ends when its own lines change.
//   I2  A reload never closes an address that both configurations have.
//   I3  What an operator added or removed at run time survives a reload.
//   I4  Every change of the routes comes with a new table and a higher version: at once, or after kTablePause when one came just before.
//       Connections of a dead server are reset once it is out of the table, unless it lives again by then.
//   I5  An address that cannot be bound is tried again until it can, is not wanted any more, or the node ends.
//   I6  Without force no command takes away the last server of a pool that takes connections.
// Cost: an input about one server costs O(log servers), unless the routes change; then its pool is built anew. apply() and describe() are
// linear. bench/micro/node_controller_bench.cc has figures.
// Files: node_controller.cc (pools, health), node_listeners.cc, node_commands.cc, node_report.cc.
// Threading: control. Ownership: values; counters are shared with the workers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "admin/node_port.h"
#include "admin/status.h"
#include "base/log.h"
#include "base/result.h"
#include "config/settings.h"
#include "lb/health_pool.h"
#include "lb/health_values.h"
#include "lb/listener_socket.h"
#include "lb/rebalance.h"
#include "lb/resolver_lookup.h"
#include "lb/resolver_tracker.h"
#include "lb/route_table.h"

namespace fairlead::daemon {

/// Between two tries to bind an address: doubled from the first to the second.
inline constexpr Duration kBindPauseMin = std::chrono::seconds(1);
inline constexpr Duration kBindPauseMax = std::chrono::seconds(10);

/// Between two tables that checks and reports bring. Rationale: a Maglev table of 1,000 servers takes 4 ms; when all of them come up within
/// a second, that must not be all the control thread does.
inline constexpr Duration kTablePause = std::chrono::milliseconds(10);

/// Servers remembered at least, present and gone, so that one that returns has its id and counters.
inline constexpr std::size_t kIdentitiesMin = 4096;

/// An event to log; the shell adds the time.
struct Notice {
  MessageId id;
  std::vector<LogField> fields;
};
[[nodiscard]] inline Notice notice(MessageId id, std::vector<LogField> fields) { return {id, std::move(fields)}; }
struct BindOpen {
  lb::ListenerId listener = 0;
  lb::BindId bind = 0;
  std::string name;
  Endpoint address;
  lb::LegOptions options;
};
struct BindChange {
  lb::BindId bind = 0;
  lb::LegOptions options;
};
struct ProbeStart {
  lb::ServerId server = 0;
  std::uint64_t token = 0;
  Endpoint endpoint;
  std::string host;
  std::shared_ptr<const config::Health> health;
};
struct LookupStart {
  lb::ServerId server = 0;
  std::uint64_t token = 0;
  lb::ResolveQuestion question;
};

/// Carried out in this order.
struct ControlActions {
  std::shared_ptr<const lb::RouteTable> routes;  ///< Null: unchanged.
  std::vector<BindOpen> open;                    ///< Before `close`: an address that moves between listeners is never shut.
  std::vector<BindChange> change;
  std::vector<std::pair<lb::BindId, Notice>> close;
  std::vector<lb::ServerId> reset;   ///< Close their connections: hard down.
  std::vector<lb::ServerId> kill;    ///< Close their connections: maintenance.
  std::vector<lb::ServerId> spread;  ///< Each gives up one connection that is idle: rebalancing.
  std::vector<ProbeStart> probes;
  std::vector<lb::ServerId> forget;  ///< Servers that are gone.
  std::vector<LookupStart> lookups;
  std::vector<Notice> notices;
};

class NodeController {
 public:
  /// `seed` spreads the checks of several gateways.
  explicit NodeController(std::uint64_t seed) : seed_(seed) {}

  [[nodiscard]] ControlActions apply(const config::Snapshot& snapshot, Instant now);
  /// How many count each server's bytes. Before apply().
  void set_workers(std::size_t workers) { workers_ = workers; }
  /// What this machine has, and its VIPs: a server there may be one of our listeners.
  void set_own_addresses(std::vector<IpAddress> addresses) { own_addresses_ = std::move(addresses); }
  /// Those that this process may use now; another one that a listener or pool names is left out, for the kernel would look for its module
  /// at each connection. Before apply().
  void set_congestion_controls(std::vector<std::string> usable) { congestion_controls_ = std::move(usable); }
  [[nodiscard]] ControlActions probe_done(const lb::ProbeResult& result, Instant now);
  void probe_refused(lb::ServerId server, std::uint64_t token, Instant now);
  [[nodiscard]] ControlActions connect_failed(lb::ServerId server, lb::ConnectCause cause, Instant now);
  void connect_worked(lb::ServerId server, Instant now);
  [[nodiscard]] ControlActions answered(lb::ServerId server, std::uint64_t token, const lb::ResolveAnswer& answer, Instant now);
  void lookup_refused(lb::ServerId server, std::uint64_t token, Instant now);
  [[nodiscard]] ControlActions tick(Instant now);
  /// The VIPs this node holds now. As `source` of a pool a VIP counts only while held here; other addresses are always tried.
  [[nodiscard]] ControlActions vips_held(std::set<IpAddress> addresses, Instant now);
  /// The kernel's range of local ports. Legs from a VIP use this node's share of it, so that a connection never meets what its server still
  /// remembers of the same address and port on the node before. Before vips_held().
  void set_local_ports(lb::PortRange ports) { local_ports_ = ports; }
  /// What came of a BindOpen. One that failed comes again with a later tick(); only its first failure is an event.
  [[nodiscard]] ControlActions bind_opened(lb::BindId bind);
  [[nodiscard]] ControlActions bind_failed(lb::BindId bind, const Error& error, Instant now);
  /// One line for each listener with addresses that are not bound.
  [[nodiscard]] std::vector<std::string> bind_problems() const;

  struct Answer {
    Result<admin::CommandResult> result;
    ControlActions actions;
  };
  /// Server and listener commands; others are the shell's.
  [[nodiscard]] Answer command(const admin::Command& command, const admin::Actor& actor, Instant now);

  /// The first name in the filter that nothing here has. For commands that found nothing: removed servers may still have connections.
  [[nodiscard]] std::optional<Error> unknown_name(const admin::ConnectionFilter& filter) const;

  [[nodiscard]] Instant next_deadline() const;
  /// It has a server that takes connections.
  [[nodiscard]] bool pool_serves(const std::string& name) const;
  /// Before describe(), and now and then: what the workers counted since.
  void account();
  /// Fills pools, listeners and readiness.
  void describe(admin::NodeReport& report, Instant now) const;
  [[nodiscard]] const config::Snapshot& active() const { return active_; }
  /// Ids of the listeners by their place in NodeReport::listeners.
  [[nodiscard]] std::vector<lb::ListenerId> listener_ids() const;

 private:
  /// Of one server, or of all that a pool has had.
  struct ServerSums {
    std::uint64_t total = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t connect_failures = 0;
  };
  struct ServerRecord {
    lb::ServerId id = 0;
    config::Server settings;                 ///< As configured or added.
    std::optional<Endpoint> endpoint;        ///< Resolved.
    std::optional<lb::ResolveTracker> name;  ///< For a server given by name.
    bool run_time = false;
    std::optional<std::uint32_t> weight;  ///< Set by an operator.
    std::shared_ptr<lb::ServerCounters> counters;
    ServerSums seen;  ///< Of its counters, when account() looked.
  };
  struct PoolRecord {
    PoolRecord(config::Pool s, std::uint64_t seed);
    ServerSums sums;
    config::Pool settings;
    lb::PoolHealth health;
    std::vector<ServerRecord> servers;
    std::set<std::string> removed;  ///< Identities an operator removed.
    std::shared_ptr<lb::PoolCounters> counters = std::make_shared<lb::PoolCounters>();
    std::shared_ptr<const config::Health> checks;
    bool serves = false;
    std::shared_ptr<const lb::RoutePool> table = std::make_shared<const lb::RoutePool>();  ///< As published last.
    bool stale = true;                                                                     ///< It is not what health says any more.
    lb::Rebalancer rebalancer;
  };
  struct BindRecord {
    lb::BindId id = 0;
    Endpoint address;
    std::string error;  ///< Why it is not bound; empty: it is.
    Duration pause{};   ///< Before the next try; likewise retry_at. Meaningless while it is bound.
    Instant retry_at{};
  };
  struct ListenerRecord {
    lb::ListenerId id = 0;
    config::Listener settings;
    bool enabled = true;
    lb::LegOptions options;
    std::vector<BindRecord> binds;
    std::shared_ptr<lb::ListenerCounters> counters;
  };

  struct Place {
    PoolRecord* pool = nullptr;  ///< Stable: pools_ owns it by pointer.
    std::size_t index = 0;       ///< In its servers.
  };

  [[nodiscard]] static ServerSums sums_of(const lb::ServerCounters& counters);
  [[nodiscard]] static std::string identity_of(const std::string& pool, const config::Server& server);
  void apply_pools(const config::Snapshot& snapshot, Instant now, ControlActions& out);
  void apply_pool(PoolRecord& pool, const config::Pool& settings, Instant now, ControlActions& out);
  void apply_listeners(const config::Snapshot& snapshot, ControlActions& out);
  [[nodiscard]] std::pair<lb::ListenerId, std::shared_ptr<lb::ListenerCounters>> listener_identity(const std::string& name,
                                                                                                   const config::Snapshot& next);
  [[nodiscard]] static bool wants(const ListenerRecord& listener, const Endpoint& address);
  void take_over_binds(ListenerRecord& to, std::vector<ListenerRecord>& next, ControlActions& out);
  void settle_binds(ListenerRecord& listener, ControlActions& out);
  void retry_binds(Instant now, ControlActions& out);
  [[nodiscard]] static BindOpen bind_open(const ListenerRecord& listener, const BindRecord& bind);
  [[nodiscard]] static std::string problem_of(const ListenerRecord& listener);
  void forget(lb::ServerId server, ControlActions& out);
  [[nodiscard]] ServerRecord make_server(const config::Pool& pool, const config::Server& settings, Instant now);
  void forget_identities();
  void configure_health(PoolRecord& pool, Instant now, ControlActions& out);
  void carry(PoolRecord& pool, lb::HealthActions&& actions, ControlActions& out);
  void note_check(const PoolRecord& pool, const std::optional<lb::ServerHealth>& before, const lb::ProbeResult& result,
                  ControlActions& out);
  void spread(PoolRecord& pool, Instant now, ControlActions& out);
  void finish(ControlActions& out, Instant now, bool at_once);
  void publish(ControlActions& out, Instant now);
  void start_lookups(Instant now, ControlActions& out);
  void look_up_anew() { lookups_at_ = Instant::min(); }  ///< The names have changed.
  [[nodiscard]] std::shared_ptr<const lb::RouteTable> build_routes(Instant now);
  [[nodiscard]] lb::RoutePool build_pool(const PoolRecord& pool) const;
  [[nodiscard]] bool is_vip(const std::optional<IpAddress>& address) const;
  [[nodiscard]] std::optional<lb::PortRange> own_ports() const;
  [[nodiscard]] PoolRecord* pool_of(lb::ServerId server);
  [[nodiscard]] ServerRecord* server_of(lb::ServerId server);
  [[nodiscard]] PoolRecord* pool_named(const std::string& name);
  [[nodiscard]] static ServerRecord* server_named(PoolRecord& pool, const std::string& name);
  [[nodiscard]] bool may_use(const std::string& congestion_control) const;
  [[nodiscard]] static std::string unresolved_reason(const ServerRecord& server);
  [[nodiscard]] static admin::ServerStatus describe_server(const PoolRecord& pool, const ServerRecord& server, Instant now);
  [[nodiscard]] static std::optional<Error> guard_last(const PoolRecord& pool, const ServerRecord& server, const std::string& what);
  [[nodiscard]] Answer set_state(const admin::SetServerState& c, const admin::Actor& actor, Instant now);
  [[nodiscard]] Answer set_weight(const admin::SetServerWeight& c, const admin::Actor& actor, Instant now);
  [[nodiscard]] Answer add_server(const admin::AddServer& c, const admin::Actor& actor, Instant now);
  [[nodiscard]] Answer remove_server(const admin::RemoveServer& c, const admin::Actor& actor, Instant now);
  [[nodiscard]] Answer set_listener(const admin::SetListenerEnabled& c, const admin::Actor& actor, Instant now);

  std::uint64_t seed_;
  config::Snapshot active_;
  std::size_t workers_ = 1;
  std::vector<IpAddress> own_addresses_;
  std::vector<std::string> congestion_controls_;
  std::vector<std::unique_ptr<PoolRecord>> pools_;  ///< Configuration order.
  std::vector<ListenerRecord> listeners_;           ///< Configuration order.
  struct Identity {
    lb::ServerId id = 0;
    std::shared_ptr<lb::ServerCounters> counters;
  };
  std::map<std::string, Identity> identities_;   ///< By pool, name and address. Those of servers that are gone are kept for a while:
  std::size_t identities_max_ = kIdentitiesMin;  ///< above this they are dropped, so that years of changing names cost nothing.
  std::map<std::string, std::pair<lb::ListenerId, std::shared_ptr<lb::ListenerCounters>>>
      listener_ids_;  ///< By name; kListenersMax at most.
  /// Where servers stand; renewed by configure_health() and remove_server(), which is every time a pool's servers change.
  std::unordered_map<lb::ServerId, Place> places_;
  Instant lookups_at_ = Instant::max();  ///< No name is due earlier.
  std::uint64_t version_ = 0;
  Instant published_at_ = Instant::min();
  std::vector<lb::ServerId> reset_;  ///< Hard down, and perhaps in the published table. After finish() empty unless a pool is stale.
  std::set<IpAddress> vips_held_;
  std::optional<lb::PortRange> local_ports_;
  lb::ServerId last_server_ = 0;
  lb::BindId last_bind_ = 0;
};

}  // namespace fairlead::daemon
