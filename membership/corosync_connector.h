// The thread that may wait for Corosync: it opens and joins, reads the facts each second, and closes. The loop's thread gets finished
// sessions and gives them back.
//
// Rationale for a thread: *_initialize() and every call with an answer wait without a limit for a Corosync that is stopped or starved
// (libqb looks only whether it is still alive, and does that each 2 s), and *_finalize() takes 1..50 ms each on a loaded host, whether
// Corosync is there or not. Nothing on the control thread may (R22).
// Threading: everything on the loop's thread but the run of the helper. The helper shares nothing with it but a mailbox: if it still waits
// for Corosync when the connector is destroyed, it is left behind and ends with that call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/qb_loop.h"
#include "base/result.h"
#include "membership/cluster_sink.h"
#include "membership/corosync_cpg.h"
#include "membership/corosync_quorum.h"

namespace fairlead::membership {

struct ConnectorOptions {
  std::string cluster_name;
  NodeId node = kNoNode;    ///< Must be Corosync's own; kNoNode: whatever it is.
  bool group_only = false;  ///< CPG alone: no quorum, no facts, no check of the cluster's name.
};

/// A joined group with all that belongs to it.
struct CorosyncSession {
  std::unique_ptr<CpgGroup> group;
  std::unique_ptr<QuorumTrack> quorum;
  CorosyncFacts facts;
  Instant asked{};  ///< Of the facts.
};

/// Why there is no session. kInvalidConfig: Corosync is there but not ours (another node id or cluster name).
using ConnectResult = Result<CorosyncSession>;

class CorosyncConnector {
 public:
  struct Callbacks {
    std::function<void(ConnectResult)> on_connected;                    ///< Once for each connect().
    std::function<void(const CorosyncFacts&, Instant asked)> on_facts;  ///< ClusterSink::on_facts; between on_connected and disconnect().
  };
  /// The loop outlives it.
  CorosyncConnector(QbLoop& loop, ConnectorOptions options, Callbacks callbacks);
  ~CorosyncConnector();
  CorosyncConnector(const CorosyncConnector&) = delete;
  CorosyncConnector& operator=(const CorosyncConnector&) = delete;

  void connect();
  /// The session is over: no more facts, and the answer to an older connect() is thrown away.
  void disconnect();
  /// Leaves at once; the handles are closed by the helper.
  void dispose(std::unique_ptr<CpgGroup> group, std::unique_ptr<QuorumTrack> quorum);

 private:
  struct Shared;
  struct Report;
  void take(Report report);

  QbLoop& loop_;
  Callbacks callbacks_;
  std::shared_ptr<Shared> shared_;
  std::uint64_t attempt_ = 0;  ///< Reports of older ones are thrown away.
};

/// The group's name for a cluster's name; also what the guard joins.
[[nodiscard]] std::string group_name(const std::string& cluster_name);

}  // namespace fairlead::membership
