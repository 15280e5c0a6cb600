// fairlead: pure
// What the log is told of Corosync's links: of a loss at once, of a link that never came up when it has had its time, of a return when the
// loss was told.
#pragma once

#include <map>
#include <utility>

#include "base/time.h"
#include "membership/cluster_sink.h"

namespace fairlead::daemon {

enum class LinkNews : std::uint8_t { kNone, kUp, kDown };

class LinkWatch {
 public:
  static constexpr Duration kComingUp = std::chrono::seconds(10);  ///< So long a link may take after Corosync's start.

  /// `in_ring`: its node is; of one that is not the view tells, and CLUSTER_NODE_MISSING.
  [[nodiscard]] LinkNews see(const membership::LinkState& link, bool in_ring, Instant now) {
    Seen& seen = links_.try_emplace({link.node, link.link}, Seen{.up = link.connected, .told = false, .since = now}).first->second;
    const bool was_up = std::exchange(seen.up, link.connected);
    if (link.connected) return std::exchange(seen.told, false) ? LinkNews::kUp : LinkNews::kNone;
    const bool is_news = was_up || (in_ring && now >= seen.since + kComingUp);
    if (!is_news || std::exchange(seen.told, true)) return LinkNews::kNone;
    return LinkNews::kDown;
  }
  /// Corosync is gone.
  void forget() { links_.clear(); }

 private:
  struct Seen {
    bool up;
    bool told;
    Instant since;  ///< When it was first seen.
  };
  std::map<std::pair<NodeId, std::uint32_t>, Seen> links_;
};

}  // namespace fairlead::daemon
