// fairlead: pure
// Whether the machines are fit, asked before anything is changed: every problem at once, each with an exact name. A machine that serves
// already is not asked again what it needs to begin.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {

/// Adds an obstacle for each problem, or a warning where the site ignores it; warnings for stand-in facts and what could not be read.
/// False: nothing is to be begun.
[[nodiscard]] bool plan_preflight(PlanBuilder& plan);

}  // namespace fairlead::bootstrap
