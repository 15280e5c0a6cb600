// fairlead: pure
// VIPs, nodes and the cluster as text for people.
#pragma once

#include <string>

#include "admin/status.h"

namespace fairlead::cli {

[[nodiscard]] std::string vips_text(const admin::NodeReport& report, bool color);
/// Who holds it, what keeps it there, and for each node why it could or could not.
[[nodiscard]] std::string vip_explained(const admin::NodeReport& report, const admin::VipStatus& vip, bool color);
[[nodiscard]] std::string nodes_text(const admin::NodeReport& report, bool color);
/// Quorum, ring, timing and nodes.
[[nodiscard]] std::string cluster_text(const admin::NodeReport& report, bool color);

}  // namespace fairlead::cli
