// fairlead: pure
// The cluster as Corosync agreed on it, as values: what membership/ delivers and vip/ decides upon.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace fairlead {

/// Corosync's nodeid; `cluster.nodes[].id` of the configuration. 0 names nobody.
enum class NodeId : std::uint32_t {};
inline constexpr NodeId kNoNode{0};
[[nodiscard]] constexpr std::uint32_t to_number(NodeId id) { return static_cast<std::uint32_t>(id); }

/// One life of Corosync's ring. Equal on every node that is in it.
struct RingId {
  NodeId representative = kNoNode;
  std::uint64_t sequence = 0;
  /// As Corosync's own tools print it: "1.2c".
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const RingId&, const RingId&) = default;
};

/// A process in the CPG group: a daemon or a guard.
struct ClusterProcess {
  NodeId node = kNoNode;
  std::uint32_t pid = 0;
  friend constexpr auto operator<=>(const ClusterProcess&, const ClusterProcess&) = default;
};

/// Names one agreed membership: any change of ring or processes makes another one. Virtual synchrony: between two equal deliveries every
/// node is in the same round.
struct RoundId {
  RingId ring;
  std::uint64_t digest = 0;  ///< Over the processes.
  friend constexpr auto operator<=>(const RoundId&, const RoundId&) = default;
};

struct ClusterView {
  RingId ring;
  std::vector<NodeId> nodes;              ///< In the ring, ascending.
  std::vector<ClusterProcess> processes;  ///< In the group, ascending.
  bool quorate = false;                   ///< By votequorum, for this ring.

  [[nodiscard]] RoundId round() const {
    std::uint64_t digest = 0;
    for (const ClusterProcess& p : processes) digest = mix64(digest ^ (std::uint64_t{to_number(p.node)} << 32 | p.pid));
    return {ring, digest};
  }
  [[nodiscard]] bool has_node(NodeId node) const { return std::binary_search(nodes.begin(), nodes.end(), node); }
  [[nodiscard]] bool has_process(const ClusterProcess& process) const {
    return std::binary_search(processes.begin(), processes.end(), process);
  }
  bool operator==(const ClusterView&) const = default;
};

}  // namespace fairlead
