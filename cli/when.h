// fairlead: pure
// Times as people write them on a command line.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::cli {

/// "10m" is so long before `now`. Else RFC 3339: "2024-01-31T12:00:00Z", "...+01:00"; a blank for the T, a part left out at the end
/// ("2024-01-31", "2024-01-31 12:00") and no zone (UTC) are understood as well. Errors: kInvalidArgument, saying what is understood.
[[nodiscard]] Result<WallTime> parse_when(std::string_view text, WallTime now);

}  // namespace fairlead::cli
