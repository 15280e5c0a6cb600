// fairlead: pure
// A plan for programs: `bootstrap plan -o json`. Field names are those of plan.h; what is secret reads "(secret)".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/plan/plan.h"

namespace fairlead::bootstrap {

/// One line. `plan_from_json` of it is `without_secrets(plan)`.
[[nodiscard]] std::string plan_json(const Plan& plan);
/// Errors: kInvalidArgument with what is wrong and where.
[[nodiscard]] Result<Plan> plan_from_json(std::string_view text);

}  // namespace fairlead::bootstrap
