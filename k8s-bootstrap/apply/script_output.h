// fairlead: pure
// What a script's output means to the run.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

/// The value of the last line "NAME=VALUE" of `output`.
[[nodiscard]] std::optional<std::string> given_value(std::string_view output, std::string_view name);
/// The last line that says something, of standard error before standard output; at most 300 bytes.
[[nodiscard]] std::string last_words(const RemoteResult& result);
/// An error for an exit code that is not 0: the known cause and its remedy, else the script's last words; of a secret one only the code.
[[nodiscard]] Error failure_of(const RemoteResult& result, bool secret);

}  // namespace fairlead::bootstrap
