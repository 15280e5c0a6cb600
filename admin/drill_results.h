// fairlead: pure
// The last result of each drill, as a file in state_dir keeps it over restarts, and as the API shows it.
//
// Whoever ran a drill tells the node (PUT /api/v1/drills/{drill}/result, operators only); the node puts its own time to it and writes the
// file. Limits: one result for each case of admin/drill_cases.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/status.h"
#include "base/result.h"

namespace fairlead::admin {

inline constexpr std::size_t kDrillProblemBytesMax = 1000;
inline constexpr double kDrillTimeMaxMs = 24 * 3600 * 1000.0;

/// Errors: kNotFound (no such drill), kInvalidArgument (a time that is none, too long a text).
[[nodiscard]] Status check_drill_result(const DrillResult& result);

/// {"drills":[{"name","vip","at_ms","passed","outage_ms","bound_ms","problem"}]}; at_ms since 1970.
[[nodiscard]] std::string render_drill_results(const std::vector<DrillResult>& results);
/// The whole file or nothing. Errors: kInvalidArgument and those of check_drill_result(), with what is wrong.
[[nodiscard]] Result<std::vector<DrillResult>> parse_drill_results(std::string_view text);

}  // namespace fairlead::admin
