// fairlead: pure
// Documents made from the route table: /openapi.json and docs/reference/api.md (a test compares the file).
#pragma once

#include <string>

namespace fairlead::admin {

[[nodiscard]] std::string openapi_json(const std::string& version);
[[nodiscard]] std::string api_reference();

}  // namespace fairlead::admin
