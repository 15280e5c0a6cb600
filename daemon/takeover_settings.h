// fairlead: pure
// From the configuration to what the takeover machines of vip/ need.
#pragma once

#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "vip/takeover_values.h"

namespace fairlead::daemon {

/// With the VIPs of dnsdhcp's networks beside those of the file.
[[nodiscard]] config::Snapshot takeover_snapshot(const config::Snapshot& snapshot);

/// `version`: this program's. The node's name must be set.
/// Errors: kInvalidConfig (the node is not one of cluster.nodes; the file's check refuses that before).
[[nodiscard]] Result<vip::Settings> takeover_settings(const config::Snapshot& snapshot, const std::string& version);

/// The kernel's name of a VIP's interface on this node: a name of nodes[].interfaces is looked up, anything else ("auto", "eth1") stays.
[[nodiscard]] std::string device_of(const config::Snapshot& snapshot, const config::Vip& vip);

/// The longest a check of `pool` takes to call a server down (R17).
[[nodiscard]] Duration fall_time(const config::Pool& pool);

}  // namespace fairlead::daemon
