// fairlead: pure
// GET /api/v1/router as JSON, both ways.
#pragma once

#include <string>
#include <string_view>

#include "admin/node_port.h"
#include "base/result.h"

namespace fairlead::admin {

[[nodiscard]] std::string encode_router(const RouterReport& report);
/// Errors: kInvalidArgument with the path of what is wrong.
[[nodiscard]] Result<RouterReport> decode_router(std::string_view document);

}  // namespace fairlead::admin
