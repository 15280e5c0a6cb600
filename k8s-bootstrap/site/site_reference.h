// fairlead: pure
// The table of a site for people and editors, as config/reference.h has the gateway's; and the file to start from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead::bootstrap {

/// What KEY.PATH of a site means: "machines.roles", "gateways.vips[0].to"; "" is the whole file.
/// Errors: kNotFound, with the nearest known path.
[[nodiscard]] Result<std::string> explain_site(std::string_view path);
/// Every path that explain_site() knows.
[[nodiscard]] std::vector<std::string> site_key_paths();
/// JSON Schema, draft 2020-12, for editors.
[[nodiscard]] std::string site_json_schema();
/// docs/reference/site.md. A test compares the committed page with it.
[[nodiscard]] std::string site_reference_page();

/// What `fairlead bootstrap init` writes: a commented site of the classic shape, free of problems as it stands.
[[nodiscard]] std::string init_text();

}  // namespace fairlead::bootstrap
