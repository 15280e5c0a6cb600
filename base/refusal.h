// fairlead: pure
// Refusals that force overrides: the command would do harm, and is carried out when it is said again with force. The other refusals
// (not quorate, not the holder) stay refusals whatever is said; who offers "do it anyway" asks yields_to_force() first.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fairlead {

/// How such a refusal ends. It is told by its words, so that it passes through every layer that carries an Error.
inline constexpr std::string_view kForceDoesIt = "; --force (API: \"force\": true) does it all the same";

/// `why`: the harm and the better way, without a full stop at the end.
[[nodiscard]] inline Error refused_without_force(std::string why) { return Error{Errc::kRefused, std::move(why.append(kForceDoesIt))}; }

[[nodiscard]] inline bool yields_to_force(const Error& error) {
  return error.code == Errc::kRefused && error.context.ends_with(kForceDoesIt);
}

}  // namespace fairlead
