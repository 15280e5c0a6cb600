// The way in: text or file -> Snapshot, or every problem there is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/environment.h"
#include "config/named_files.h"
#include "config/problem.h"
#include "config/settings.h"

namespace fairlead::config {

struct LoadResult {
  std::optional<Snapshot> snapshot;  ///< Absent when there is an error among the problems; warnings alone leave it.
  std::vector<Problem> problems;     ///< By place in the file.
  std::vector<NamedFile> files{};    ///< What the snapshot names.
  /// Without a snapshot: what could be read of it, and defaults elsewhere. For who cleans up after a daemon; nobody else may use it.
  Snapshot rest{};
};

/// Pure: parse, then validate. `file` is a name for messages.
[[nodiscard]] LoadResult load_text(std::string_view text, std::string file, const Environment& environment);

/// At most kFileBytesMax + 1 bytes of a regular file. Errors: kInvalidArgument (a pipe, a device), those of open(2) and read(2).
[[nodiscard]] Result<std::string> read_text_file(const std::string& path);

/// Reads at most kFileBytesMax + 1 bytes of `path`. A file that cannot be read is a problem that names it and the kernel's reason.
/// Blocks on the file system: not for worker or control threads with a remote or stalled disk.
[[nodiscard]] LoadResult load_file(const std::string& path, const Environment& environment);

}  // namespace fairlead::config
