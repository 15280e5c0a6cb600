// fairlead: pure
// corosync.conf(5) from the `cluster` section of the configuration. The same text on every node.
//
// What it fixes, beside the profile's times:
//   token_coefficient 0       else three nodes get 650 ms more token and 780 ms more consensus
//   knet_ping_*               explicit: the defaults are T/4 and T/2, and a timeout below 200 ms keeps newer Corosyncs from starting
//   seqno_unchanged_const 10  with 30 a ring with beats never rests; 10 costs half the CPU at the same latency
//   wait_for_all 0            two_node switches it on; R13 says when a node that is alone may take a VIP
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "config/settings.h"

namespace fairlead::membership {

struct CorosyncTiming {
  Duration token{};
  Duration consensus{};
  Duration knet_ping_interval{};
  Duration knet_ping_timeout{};
  bool operator==(const CorosyncTiming&) const = default;
};
/// The profile's times, and `cluster.timing`'s where it has some. Without one of its own, consensus is 1.2 x token.
[[nodiscard]] CorosyncTiming timing_of(const config::Cluster& cluster);

struct RenderedConf {
  std::string text;
  std::vector<std::string> warnings;  ///< What was asked for and not written so, one sentence each.
};
/// `cluster` has passed config/validate.h.
[[nodiscard]] RenderedConf render_corosync_conf(const config::Cluster& cluster);

}  // namespace fairlead::membership
