// fairlead: pure
// What one machine more makes necessary, and nothing else: the difference of two plans, of the site with it and of the site without it.
#pragma once

#include <string>

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

/// Steps and obstacles that are there because of `machine`, with what those steps need. What is left out is told in a warning.
/// A name that the site does not have gives an obstacle.
[[nodiscard]] Plan plan_add_node(const PlanInput& input, const std::string& machine);

}  // namespace fairlead::bootstrap
