// fairlead: pure
// Readers of `gluster --mode=script --xml ...`, versions 10 and 11. The exit code of --xml says nothing (a refused command ends with 0
// too): what counts is <opRet>.
//
//   GS1  A text that is not whole, not XML, or not that command's answer is an error: never an empty list.
//   GS2  A number or a word that is not understood makes its value absent, or the whole an error; nothing is taken for zero.
//
// Errors: kUnavailable (GS1), kRefused with Gluster's own words, kLimitExceeded (more than any pool has).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/storage/storage_facts.h"

namespace fairlead::bootstrap {

[[nodiscard]] Result<std::vector<GlusterPeer>> read_gluster_peers(std::string_view xml);          ///< peer status
[[nodiscard]] Result<std::vector<GlusterVolumeInfo>> read_gluster_volumes(std::string_view xml);  ///< volume info
/// volume status VOLUME detail. Bricks of machines that are away are not in it.
[[nodiscard]] Result<std::vector<GlusterProcess>> read_gluster_status(std::string_view xml);
[[nodiscard]] Result<std::vector<GlusterHeal>> read_gluster_heal(std::string_view xml);  ///< volume heal VOLUME info summary
/// volume quota VOLUME list. Quota that is off, or on without a limit, is an answer.
[[nodiscard]] Result<GlusterQuotas> read_gluster_quotas(std::string_view xml);
/// volume rebalance VOLUME status. One that was never started is an answer.
[[nodiscard]] Result<GlusterRebalance> read_gluster_rebalance(std::string_view xml);

}  // namespace fairlead::bootstrap
