// fairlead: pure
// What is done to a cluster that runs. Like a bring-up: planned from facts, so that the same verb said again goes on where it stopped.
//
//   D1  At most one member of etcd goes in a plan, only if the others keep a healthy majority, and nothing else is changing meanwhile.
//   D2  An upgrade is one minor at a time, never down; control planes before workers; each machine is out of the pool and drained while it
//       changes, and one control plane at a time.
//   D3  Machines that were cordoned by somebody else stay cordoned.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

/// Drained, out of etcd, reset where it was read, its Node deleted. The last control plane is refused: that is `reset`.
[[nodiscard]] Plan plan_remove_node(const PlanInput& input, const std::string& name);
/// First what plan_remove_node does; then, when that has been carried out (`removed`, told by the journal, or told from facts: it is in no
/// list and nothing is on it), a bring-up.
[[nodiscard]] Plan plan_replace_node(const PlanInput& input, const std::string& name, bool removed);
/// Each named machine back to none; no names: the whole cluster, workers first. The gateways stay.
[[nodiscard]] Plan plan_reset(const PlanInput& input, const std::vector<std::string>& names);
/// To `versions` of the site. Gateways too where `texts.fairlead` names a package.
[[nodiscard]] Plan plan_upgrade(const PlanInput& input);
/// Control planes with a certificate that ends in fewer than `below_days`, one after the other.
[[nodiscard]] Plan plan_renew_certs(const PlanInput& input, std::int64_t below_days);

}  // namespace fairlead::bootstrap
