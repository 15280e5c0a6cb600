// fairlead: pure
// A machine more in the text of a site, with everything else, comments too, as it was.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fairlead::bootstrap {

/// As words of the file; what they mean is found out by loading the result.
struct NewMachine {
  std::string name;
  std::vector<std::string> roles;
  std::vector<std::pair<std::string, std::string>> addresses;  ///< Network, address.
  std::map<std::string, std::string> labels;
  std::vector<std::string> taints;
};

/// "{name: node-4, roles: [worker], addresses: {node: 192.168.2.14}}"
[[nodiscard]] std::string line_of(const NewMachine& machine);

/// The text with the machine behind the last one that shares a role with it, else behind the last one.
/// Errors: kUnsupported: `machines` is not written as a list with an item at the beginning of a line; the message says what to write.
[[nodiscard]] Result<std::string> with_machine(std::string_view text, const NewMachine& machine);

}  // namespace fairlead::bootstrap
