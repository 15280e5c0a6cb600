// A question to a qemu monitor: QMP over its unix socket (docs/interop/qmp-spec.txt of qemu). Blocks, each answer for at most `patience`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::bootstrap {

/// The answer to each of `commands` ("query-status"), one JSON object a line; nullopt: nobody listens there (no socket, or its process
/// is gone). Errors: kInvalidArgument (the path is too long for a socket), kTimeout, kUnavailable (an error from qemu, a cut connection
/// that is not the end `quit` brings).
[[nodiscard]] Result<std::optional<std::string>> ask_qmp(const std::string& socket, const std::vector<std::string>& commands,
                                                         Duration patience);

}  // namespace fairlead::bootstrap
