// fairlead: pure
// JSON values as block YAML, for `-o yaml`.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace fairlead::cli {

/// Ends with a newline. Strings that YAML could take for something else are quoted.
[[nodiscard]] std::string yaml_text(const boost::json::value& value);

}  // namespace fairlead::cli
