// fairlead: pure
// What membership/ tells its owner (daemon/, the guard), as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/cluster_message.h"
#include "base/cluster_view.h"
#include "base/time.h"

namespace fairlead::membership {

/// One knet link to a peer, as this node sees it.
struct LinkState {
  NodeId node = kNoNode;
  std::uint32_t link = 0;
  bool connected = false;
  bool operator==(const LinkState&) const = default;
};

/// What the running Corosync says of itself; read again each second, the votes each 100 ms where there is a qdevice.
struct CorosyncFacts {
  NodeId node = kNoNode;     ///< This one.
  std::string cluster_name;  ///< Empty when its configuration has none.
  std::uint32_t token_ms = 0;
  std::uint32_t consensus_ms = 0;
  std::uint32_t votes = 0;  ///< Of all members, the qdevice's included.
  std::uint32_t expected_votes = 0;
  std::uint32_t quorum = 0;  ///< Votes that are needed.
  bool two_node = false;
  bool wait_for_all = false;
  bool qdevice_registered = false;
  bool qdevice_alive = false;
  bool qdevice_votes = false;    ///< Its vote is counted for this node.
  std::vector<LinkState> links;  ///< To other nodes, ascending.
  bool operator==(const CorosyncFacts&) const = default;
};

/// Called on the thread of the loop, never from inside send(). Every call may send, and may stop the client.
class ClusterSink {
 public:
  virtual ~ClusterSink() = default;
  /// The first one after each connect, and every change. Messages delivered later belong to its ring.
  virtual void on_view(const ClusterView& view) = 0;
  /// From any process of the group, this one included. Only between on_view() and on_lost().
  virtual void on_message(const ClusterProcess& from, const ClusterMessage& message) = 0;
  /// Corosync is gone (R9): the last view is void, what was sent and not delivered may be lost. The client connects again by itself.
  virtual void on_lost(const std::string& reason) = 0;
  /// It could not be connected to, at the first try or again; the client goes on trying. For people.
  virtual void on_absent(const std::string& /*reason*/) {}
  /// After each connect and at every change; each 100 ms while a qdevice is registered: R12 lives on how fresh they are. `asked`: on
  /// CLOCK_MONOTONIC, just before Corosync was asked.
  virtual void on_facts(const CorosyncFacts& facts, Instant asked) = 0;
};

}  // namespace fairlead::membership
