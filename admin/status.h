// fairlead: pure
// The node as operators see it: a value the daemon makes and the API, the CLI and the metrics read. Shape: design, "HTTP" contract.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin/dhcp_status.h"
#include "base/cluster_message.h"
#include "base/ip_address.h"
#include "base/time.h"

namespace fairlead::admin {

enum class ServerState : std::uint8_t { kUnknown, kUp, kDown, kDrain, kMaint };

struct ConnectionCounts {
  std::uint64_t current = 0;
  std::uint64_t total = 0;
  std::uint64_t shed = 0;  ///< Listeners only.
};
struct CheckStatus {
  std::string result;  ///< "ok", "refused", "timeout", "status", "tls", "reset", "unresolved", "none", ... one word.
  std::string detail;  ///< "200", "certificate has expired", ...
  double duration_ms = 0;
};
/// How long something took, each time.
struct TimesTaken {
  struct Bucket {
    double bound_s = 0;  ///< Included; infinite in the last one.
    std::uint64_t count = 0;
  };
  std::uint64_t count = 0;
  double sum_s = 0;
  std::vector<Bucket> buckets;  ///< Not cumulated. For /metrics only: the API shows the other two.
};
/// One counter of what happened, by cause (an identifier such as "rate", "denied", "no_server").
struct CauseCount {
  std::string cause;
  std::uint64_t count = 0;
};
struct ByteCounts {
  std::uint64_t in = 0;   ///< From clients.
  std::uint64_t out = 0;  ///< To clients.
};
struct ServerStatus {
  std::string name;
  std::string address;   ///< As configured ("mast-2.kube.demo:6443").
  std::string endpoint;  ///< Resolved ("192.168.1.12:6443"); empty while unresolved.
  ServerState state = ServerState::kUnknown;
  std::uint32_t weight = 0;            ///< Configured or set at run time.
  std::uint32_t effective_weight = 0;  ///< After slow start.
  bool backup = false;
  bool added_at_run_time = false;
  ConnectionCounts connections;
  std::uint64_t peak_connections = 0;  ///< The most at once, of looks 100 ms apart.
  std::uint32_t max_connections = 0;   ///< 0: no limit.
  ByteCounts bytes;
  std::uint64_t connect_failures = 0;
  std::vector<CauseCount> connect_failures_by_cause;  ///< Every cause, 0 included; "local" ones are none of the server's.
  TimesTaken connect_times;                           ///< Of connects that worked.
  std::uint64_t reset_connections = 0;                ///< Closed because it went down.
  std::vector<CauseCount> ended_by_code;              ///< By termination letters, 0 included.
  double state_since_s = 0;                           ///< Seconds in this state.
  CheckStatus check;
  std::vector<CauseCount> checks;  ///< Finished ones by result ("ok", "refused", ...), 0 included; empty: it is not checked.
  std::uint64_t ups = 0;           ///< How often it came up; likewise below.
  std::uint64_t downs = 0;
  double down_s = 0;  ///< Seconds down in all, the present ones included.
};
struct PoolStatus {
  std::string name;
  std::string balance;
  std::vector<ServerStatus> servers;
  std::uint64_t source_fallbacks = 0;  ///< Connects that could not have the pool's `source`.
  std::uint32_t usable = 0;            ///< Servers that take connections.
  bool backups_in_use = false;         ///< No regular server takes connections.
  std::uint64_t peak_connections = 0;  ///< The most its servers had together, of looks 100 ms apart.
  ConnectionCounts connections;        ///< Of all servers it has had; likewise below.
  ByteCounts bytes;
  std::uint64_t connect_failures = 0;
};
struct ListenerStatus {
  std::string name;
  std::vector<std::string> bind;
  std::string pool;
  bool accepting = false;  ///< At least one of its addresses is bound.
  std::string problem;     ///< Why not, or what is wrong with the others; empty: nothing.
  ConnectionCounts connections;
  ByteCounts bytes;
  std::uint64_t retries = 0;              ///< Connects tried again on another server.
  std::uint64_t peak_connections = 0;     ///< The most at once, of looks 100 ms apart.
  std::uint32_t max_connections = 0;      ///< 0: no limit; likewise below.
  std::uint32_t max_connection_rate = 0;  ///< Per second.
  std::vector<CauseCount> shed_by_cause;
  std::vector<CauseCount> vip_closed;     ///< Because a VIP left this node: "drained", "reset", "lost".
  std::vector<CauseCount> ended_by_code;  ///< By termination letters: "--", "SC", "cD", ...
};
/// Of Corosync, from this node to another one.
struct LinkStatus {
  std::uint32_t number = 0;  ///< In the order of `cluster.nodes[].links`.
  bool up = false;
};
struct NodeStatus {
  std::string name;
  std::uint32_t id = 0;
  bool online = false;
  bool standby = false;
  std::string version;
  bool config_match = true;          ///< It has the same cluster section (R15). Whole files: digest->config_hash.
  std::vector<LinkStatus> links;     ///< Empty: this node itself, or not known yet.
  std::optional<NodeDigest> digest;  ///< What it last showed of itself; nullopt: nothing since this daemon started.
  double digest_age_s = 0;
};
struct ClusterStatus {
  bool quorate = false;
  std::string ring;
  std::uint32_t votes = 0;
  std::string tie_break;  ///< "armed", "disarmed", "off"
  std::string qdevice;    ///< "votes", "lost"; empty: none is configured.
  bool frozen = false;
  std::uint32_t token_ms = 0;                ///< Corosync's timeouts, the maximum over the members; 0: not known yet.
  std::uint32_t consensus_ms = 0;            ///< Likewise.
  std::uint32_t lease_ms = 0;                ///< How long a beat that a majority acknowledged is good for.
  std::optional<std::int64_t> lease_low_ms;  ///< The least that was left of it in the last 10 to 20 s, while a VIP was held here.
  std::uint64_t view_changes = 0;            ///< Memberships seen.
  std::string problem;                       ///< Why this node has no part in it now; empty: it has.
  std::vector<NodeStatus> nodes;
};
struct Eligibility {
  std::string node;
  bool ok = false;
  std::string reason;
};
struct HolderEntry {
  std::string at;                     ///< RFC 3339, UTC, milliseconds: when this node saw it.
  std::optional<std::string> holder;  ///< nullopt: nobody.
  bool first_seen = false;            ///< No change: it was so when this daemon first looked, since when is not known.
};
struct VipStatus {
  std::string name;
  std::string address;
  std::string interface;
  std::string state;
  std::optional<std::string> holder;  ///< nullopt: nowhere.
  bool held_here = false;
  std::string waits_for;  ///< Of the node it is assigned to, while that one has not taken it: why not yet.
  std::uint64_t epoch = 0;
  std::int64_t lease_ms = 0;
  bool enabled = true;    ///< False: an operator wants nobody to hold it.
  bool flapping = false;  ///< It moved too often and stays until its holder is lost (R17).
  std::int64_t drains_for_ms =
      0;  ///< Held here, and its connections close: it moves in so long at most (`vip move --drain`). 0: it does not.
  std::vector<Eligibility> eligible;
  std::vector<HolderEntry> history;        ///< The newest last, 16 at most.
  std::uint64_t holder_changes = 0;        ///< Times this node saw it on another node than before.
  TimesTaken takeovers;                    ///< By this node: from the assignment, or the notice of the loss, to the announcement.
  std::optional<double> last_takeover_ms;  ///< The newest of them.
};
struct WorkerStatus {
  std::uint32_t index = 0;
  std::uint64_t connections = 0;
  std::uint64_t buffers_in_use = 0;
  std::uint64_t buffers_total = 0;
  double loop_lateness_ms = 0;  ///< The worst of the last 10 to 20 s.
  std::uint64_t turns = 0;
  std::uint64_t engine_operations = 0;  ///< io_uring: completions; epoll: events.
  std::uint64_t starved = 0;            ///< Receives that found no free buffer.
  std::uint64_t accept_failures = 0;    ///< No descriptor was left for a client.
};
struct Reason {
  std::string what;  ///< "listener kube-api"
  bool ok = false;
  std::string detail;
};
/// How a drill went.
struct DrillResult {
  std::string name;  ///< Of admin/drill_cases.h.
  std::string vip;
  WallTime at{};
  bool passed = false;  ///< As promised.
  double outage_ms = 0;
  std::optional<double> bound_ms;  ///< What was promised; nullopt: nothing.
  std::string problem;             ///< What was not as promised; empty: nothing.
};
struct NodeReport {
  std::string node;
  std::string version;
  std::string engine;  ///< "io_uring" or "epoll"
  std::string engine_reason;
  bool ready = false;
  std::vector<Reason> ready_reasons;
  double uptime_s = 0;
  double age_s = 0;  ///< How long ago it was made; 0: at most 0.2 s. More: the control thread has no time to make another.
  std::optional<ClusterStatus> cluster;  ///< nullopt: standalone (no Corosync).
  std::vector<VipStatus> vips;
  std::vector<ListenerStatus> listeners;
  std::vector<PoolStatus> pools;
  std::vector<WorkerStatus> workers;
  std::uint64_t max_connections = 0;
  std::uint64_t log_lines_dropped = 0;
  double control_lateness_ms = 0;                        ///< The worst of the control thread's loop in the last 10 to 20 s (R22).
  std::vector<std::uint32_t> control_late_us_by_second;  ///< The worst of each second of `uptime_s`, the present one last; 20 at most.
  std::string config_file;
  std::string config_hash;
  std::uint64_t config_reloads = 0;
  bool config_last_reload_ok = true;
  std::uint32_t pid = 0;               ///< Of the daemon.
  std::string log_target;              ///< Where its log goes: journal, stderr, syslog, file.
  std::string log_path;                ///< file only.
  double config_loaded_at_s = 0;       ///< Since 1970: when the active configuration was applied.
  std::uint64_t peak_connections = 0;  ///< The most at once in this process, of looks 100 ms apart.
  std::vector<DrillResult> drills;     ///< Of each case the newest; by name.
  std::optional<DhcpStatus> dhcp;      ///< nullopt: no dnsdhcp is configured.
};

/// One connection, for `connections list`.
struct ConnectionInfo {
  std::string id;  ///< Opaque; `connections kill` takes it.
  std::string listener;
  std::string client;
  std::string pool;
  std::string server;  ///< Empty while none is chosen.
  std::string local;   ///< Our end of the server leg.
  std::string state;   ///< connecting, open, half_closed, closing
  double age_s = 0;
  double idle_s = 0;
  ByteCounts bytes;
};

struct ConnectionList {
  std::vector<ConnectionInfo> connections;
  std::vector<std::uint32_t> silent_workers;  ///< They did not answer: their connections are missing.
};

/// One event of the ring, for `events`.
struct EventInfo {
  std::uint64_t sequence = 0;
  std::string time;  ///< RFC 3339, UTC, milliseconds
  std::string id;    ///< "SERVER_DOWN"
  std::string level;
  std::vector<std::pair<std::string, std::string>> fields;
};

/// Of one start of the daemon.
struct EventStream {
  std::string life;          ///< Another one with every start. Sequence numbers begin anew with it.
  std::uint64_t newest = 0;  ///< Sequence of the newest event; 0: none yet.
};
struct EventPage {
  std::vector<EventInfo> events;
  EventStream stream;
};

}  // namespace fairlead::admin
