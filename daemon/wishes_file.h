// fairlead: pure
// Operators' wishes that outlive a restart (R16), as a small text file in state_dir: a line each.
//
//   fairlead-wishes 1
//   vip_disabled ingress on 4 1           kind, name ("-" for none), on or off, the stamp's sequence and node
//   end
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/cluster_message.h"
#include "base/result.h"

namespace fairlead::daemon {

[[nodiscard]] std::string render_wishes(const std::vector<Override>& wishes);
/// The whole file or nothing: one that is cut short is refused. Errors: kInvalidArgument with the line.
[[nodiscard]] Result<std::vector<Override>> parse_wishes(std::string_view text);

}  // namespace fairlead::daemon
