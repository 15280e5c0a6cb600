// fairlead: pure
// What the nodes of a cluster show of themselves to each other's operators: any node answers for all, saying how old each part is.
// No decision reads it (docs/internals/takeover.md): it may be late, missing or of a node that is gone.
#pragma once

#include <map>
#include <optional>

#include "admin/status.h"
#include "base/cluster_message.h"
#include "base/cluster_view.h"
#include "base/time.h"

namespace fairlead::daemon {

inline constexpr Duration kDigestEvery = std::chrono::seconds(1);
inline constexpr Duration kDigestAtLeast = std::chrono::milliseconds(200);  ///< Between two, however much changes.

/// Of `report`, whose workers' counts are in it. It fits into a message for every valid configuration.
[[nodiscard]] NodeDigest digest_of(const admin::NodeReport& report, Incarnation incarnation);

class NodeDigests {
 public:
  /// True: `own` is to be sent now, and counts as sent.
  [[nodiscard]] bool due(const NodeDigest& own, Instant now);
  /// The next due() is at once: the ring or its members changed.
  void hurry() { sent_at_.reset(); }

  void received(NodeId from, NodeDigest digest, Instant now);
  /// Fills digest and digest_age_s; nothing when this node has not spoken since our start.
  void fill(admin::NodeStatus& node, Instant now) const;

 private:
  struct Heard {
    NodeDigest digest;
    Instant at{};
  };
  std::map<NodeId, Heard> heard_;
  std::optional<Instant> sent_at_;
  NodeDigest sent_;
};

}  // namespace fairlead::daemon
