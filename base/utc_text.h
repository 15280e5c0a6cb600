// fairlead: pure
// Wall time as text for people and programs: RFC 3339, UTC, milliseconds.
#pragma once

#include <string>

#include "base/time.h"

namespace fairlead {

/// "2024-01-31T12:00:00.250Z". Years below 0 and above 9999 are not to be had from a clock.
[[nodiscard]] std::string utc_text(WallTime time);

}  // namespace fairlead
