// fairlead: pure
// What the verbs that change a pool share (plan_storage_change.cc, plan_storage_replace.cc).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8s-bootstrap/plan/plan_builder.h"
#include "k8s-bootstrap/storage/pool_view.h"

namespace fairlead::bootstrap {

/// An obstacle: the site has no storage.
[[nodiscard]] bool has_gluster(PlanBuilder& plan);
/// An obstacle: a step of an earlier run is still at work.
[[nodiscard]] bool runs_steps(PlanBuilder& plan);
/// A step of the whole pool, after everything that the plan does to its machines.
[[nodiscard]] Step change_step(const PlanBuilder& plan, const Machine& at, const std::string& verb, std::string title, std::string because);
/// All of `bricks` serve; else an obstacle: `what` waits.
[[nodiscard]] bool all_serve(PlanBuilder& plan, const GlusterVolumeInfo& info, const std::vector<std::string>& bricks,
                             std::string_view what);
/// The site's volumes that the pool has, with obstacles for the others.
[[nodiscard]] std::vector<std::pair<const GlusterVolume*, const GlusterVolumeInfo*>> volumes_of(PlanBuilder& plan, const PoolView& view);

}  // namespace fairlead::bootstrap
