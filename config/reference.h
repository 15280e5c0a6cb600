// fairlead: pure
// The schema for people and editors: one key's meaning, the whole table as JSON Schema and as a page.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead::config {

/// What KEY.PATH means: "pools.health.interval", "pools[].servers", "vips". Indices and brackets do not matter; "" is the whole file.
/// Errors: kNotFound, with the nearest known path.
[[nodiscard]] Result<std::string> explain(std::string_view path);

/// JSON Schema, draft 2020-12, for editors.
[[nodiscard]] std::string json_schema();

/// docs/reference/config.md. A test compares the committed page with it.
[[nodiscard]] std::string reference_page();

}  // namespace fairlead::config
