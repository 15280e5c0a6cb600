// What the API may ask of the node. The daemon implements it; admin/ never sees a live object of another room.
//
// Threading: every call comes from the `admin` thread and returns at once. Answers that need another thread come through the callback,
// which may run on any thread, exactly once, also during shutdown (then with kUnavailable).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "admin/status.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead::admin {

struct Reload {
  bool dry_run = false;
};
enum class AdminState : std::uint8_t { kReady, kDrain, kMaint };
struct SetServerState {
  std::string pool;
  std::string server;
  AdminState state = AdminState::kReady;
  bool force = false;  ///< Also the last server of its pool that takes connections; likewise below.
};
struct SetServerWeight {
  std::string pool;
  std::string server;
  std::uint32_t weight = 0;
  bool force = false;
};
struct AddServer {
  std::string pool;
  std::string server;
  std::string address;
  std::uint32_t weight = 100;
  bool backup = false;
  std::uint32_t max_connections = 0;
};
struct RemoveServer {
  std::string pool;
  std::string server;
  bool force = false;
};
struct SetListenerEnabled {
  std::string listener;
  bool enabled = true;
};
struct ConnectionFilter {
  std::string pool;
  std::string server;
  std::string client;
  std::string listener;
  std::string id;
};  ///< Empty: any.
struct KillConnections {
  ConnectionFilter filter;
};

// ---- high availability (rule R16) ----
/// Once, without a lasting preference. `to` empty: any other node that can.
struct MoveVip {
  std::string vip;
  std::string to;
  /// Not 0: for so long at most, the connections there are may close at idle moments first. Only where the VIP is held.
  Duration drain{};
};
/// For all nodes, over restarts. Disabled: nobody holds it.
struct SetVipEnabled {
  std::string vip;
  bool enabled = true;
};
/// Only where it is held.
struct AnnounceVip {
  std::string vip;
};
/// Without a majority: takes it here. `fenced`: every node that cannot be seen, and that the operator has switched off.
struct ForceVip {
  std::string vip;
  std::vector<std::string> fenced;
};
/// For all nodes, over restarts. Standby: holds nothing.
struct SetNodeStandby {
  std::string node;
  bool standby = true;
  bool force = false;  ///< Also the last node that could hold a VIP.
};
/// A drill the node does to itself: kill-process, hang-process, delete-vip. It has to hold the VIP. `vip` empty: any, and delete-vip
/// deletes all that it holds.
struct RunDrill {
  std::string name;
  std::string vip;
};
/// How a drill went, by whoever ran it. Its time is the node's own. Errors: those of check_drill_result() (admin/drill_results.h).
struct RecordDrill {
  DrillResult result;
};
/// Frozen: no VIP moves but on the loss of its holder.
struct SetClusterFrozen {
  bool frozen = true;
};

// ---- DNS and DHCP ----
/// Ends a client's lease of this address, on every node. The client is not told: it may use the address until it renews.
struct ReleaseLease {
  IpAddress address;
  bool force = false;  ///< Also while a machine answers at the address.
};

// ---- router ----
/// Puts the router's rules of the file in force: on trial, or for good. `session`: what tells the caller's connections apart, as
/// SSH_CONNECTION of a login; that one is let in whatever the rules say. Empty: none is known.
struct ApplyRouter {
  bool yes = false;  ///< Without a trial.
  std::string session;
};
/// Over another connection than the one that applied.
struct ConfirmRouter {
  std::string session;
};

using Command = std::variant<Reload, SetServerState, SetServerWeight, AddServer, RemoveServer, SetListenerEnabled, KillConnections, MoveVip,
                             SetVipEnabled, AnnounceVip, ForceVip, SetNodeStandby, SetClusterFrozen, RunDrill, RecordDrill, ReleaseLease,
                             ApplyRouter, ConfirmRouter>;

/// What a finished command tells the operator.
struct CommandResult {
  std::string summary;               ///< One line: "drained masters/mast-2: 3 connections left".
  std::vector<std::string> details;  ///< Reload: one line per change; problems as FILE:LINE:COLUMN: text.
  std::vector<std::string> needs_restart;
};

/// The router's rules, as `fairlead router show` tells them.
struct RouterReport {
  std::string state;     ///< "off", "in force", "on trial", "not those of the file", "refused", "changed", "missing", "failed".
  std::string summary;   ///< What that means, and what to do.
  std::string in_force;  ///< As nft lists them; empty: there are none.
  std::string of_file;   ///< What the active configuration says; empty: it has no router.
  std::int64_t trial_left_s = 0;
  std::string sync{};             ///< Of router.sync: what conntrackd does, and what to do; empty: the configuration has no sync.
  std::string sync_statistics{};  ///< As `conntrackd -s` prints them; empty: it does not run.
};

/// Who asked, for the audit event: "uid 0 (root)", "certificate CN=ops".
struct Actor {
  std::string name;
};

/// Makes the list, which takes milliseconds when it is long: on the thread that wants it, once.
using LateConnections = std::function<ConnectionList()>;
/// Likewise; the newest record first.
using LateLeases = std::function<std::vector<LeaseInfo>()>;

class NodePort {
 public:
  virtual ~NodePort() = default;
  /// The newest report, at most 250 ms old unless the node is too busy to make one. Cheap; after a pause it may wait 50 ms. Admin thread.
  [[nodiscard]] virtual std::shared_ptr<const NodeReport> report() const = 0;
  /// Runs a changing command; the caller has been authorised.
  virtual void execute(Command command, Actor actor, std::function<void(Result<CommandResult>)> done) = 0;
  /// At most `limit` connections matching the filter.
  virtual void connections(ConnectionFilter filter, std::size_t limit, std::function<void(Result<LateConnections>)> done) = 0;
  /// The router's rules in force, beside those of the active configuration. Errors: kUnavailable, those of asking nft.
  virtual void router(std::function<void(Result<RouterReport>)> done) = 0;
  /// Events of the ring with a sequence above `after`, oldest first, at most `limit`.
  [[nodiscard]] virtual std::vector<EventInfo> events(std::uint64_t after, std::size_t limit) const = 0;
  [[nodiscard]] virtual EventStream event_stream() const = 0;
  /// The active configuration as YAML, secrets' paths only.
  [[nodiscard]] virtual std::string config_yaml() const = 0;
  /// The flight recorder's contents as a file (base/blackbox_file.h). Errors: kUnavailable (none is kept).
  [[nodiscard]] virtual Result<std::string> blackbox() const = 0;
  /// At most `limit` leases matching the filter (admin/dhcp_codec.h, matches()), the newest record first. Only asked while report() has a
  /// `dhcp`, and only for a network that is in there.
  virtual void leases(LeaseFilter filter, std::size_t limit, std::function<void(Result<LateLeases>)> done) = 0;
};

}  // namespace fairlead::admin
