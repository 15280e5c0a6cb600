// fairlead: pure
// A plan as people read it: the sum first, then what stands in the way, then the steps by phase.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

/// Names for --yes-destroy: of the machines whose data a step of the plan destroys, each once, in the plan's order.
[[nodiscard]] std::vector<std::string> needs_confirmation(const Plan& plan);
/// "to go on, type mast-3, or say --yes-destroy mast-3"; empty: nothing is destroyed.
[[nodiscard]] std::string confirmation_text(const Plan& plan);
/// Longest way through `needs`, each step at its usual time; how many run at once is not taken into account.
[[nodiscard]] Duration estimate(const Plan& plan);
/// "12 machines: 47 steps, 3 reboot, 0 destroy data, about 4m"
[[nodiscard]] std::string plan_summary(const Plan& plan);
/// `operations`: with every command and file, as a dry run prints them. Texts and inputs that are secret are said to be, and not shown.
[[nodiscard]] std::string plan_text(const Plan& plan, bool operations = false);
/// The same plan with "(secret)" for every text and input that is.
[[nodiscard]] Plan without_secrets(Plan plan);

}  // namespace fairlead::bootstrap
