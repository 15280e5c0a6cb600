// A small file that is either the old one or the new one, whatever happens: written beside, flushed, renamed over. Waits for the disk, so
// it belongs to the jobs thread or to a start.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead {

inline constexpr std::size_t kSmallFileBytesMax = 1 << 20;

/// Errors: those of open(2), write(2), fsync(2), rename(2). Nothing is left of a failed attempt.
[[nodiscard]] Status write_file_atomically(const std::string& path, std::string_view text);
/// Nothing when there is no such file. Errors: kLimitExceeded (larger than kSmallFileBytesMax), those of open(2) and read(2).
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::string& path);

}  // namespace fairlead
