// fairlead: pure
// From what the machines say to what the site says. `apply` of a new site, of one with a machine more, and of one that was interrupted are
// the same plan: what is there is not planned.
#pragma once

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

/// G1-G4 of plan.h hold. Preflight's obstacles leave no steps; a machine that was not read leaves those that do not concern it.
[[nodiscard]] Plan plan_bring_up(const PlanInput& input);
/// Looks at everything and changes nothing that stays.
[[nodiscard]] Plan plan_verification(const PlanInput& input);

/// What is wrong with a plan by G1, G3 and G4: one line each, empty when nothing is. (G2 takes a second plan.) The executor refuses a plan
/// that this does not pass.
[[nodiscard]] std::vector<std::string> check_plan(const Plan& plan, const Site& site, const Facts& facts);

}  // namespace fairlead::bootstrap
