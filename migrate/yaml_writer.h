// fairlead: pure
// A configuration with comments -> YAML text.
#pragma once

#include <map>
#include <string>

#include "config/settings.h"

namespace fairlead::migrate {

/// Only what differs from the defaults. `remarks`: path ("pools[0].servers[1]", "cluster") -> comment, of one or more lines, above it.
[[nodiscard]] std::string write_yaml(const config::Snapshot& snapshot, const std::string& heading,
                                     const std::map<std::string, std::string>& remarks);

}  // namespace fairlead::migrate
