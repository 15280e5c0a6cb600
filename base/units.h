// fairlead: pure
// Durations and sizes as people write them: "500ms", "1h", "64MiB". A bare number is refused, 0 aside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace fairlead {

/// "250ms" "2s" "10m" "1h" "1.5s", or "0". Errors: kInvalidArgument with what is wrong and the units there are.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
/// The shortest exact form: 90s -> "90s", 3600s -> "1h", 1500ms -> "1500ms", 0 -> "0".
[[nodiscard]] std::string format_duration(Duration d);

/// "512" is refused; "0", "4KiB", "64MiB", "2GiB" are sizes in bytes. Errors: kInvalidArgument.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace fairlead
