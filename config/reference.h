// fairlead: pure
// The schema for people and editors: one key's meaning, the whole table as JSON Schema and as a page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/schema.h"

namespace fairlead::config {

/// The same of any table: of the gateway's below, of a site's in k8s-bootstrap/site/site_reference.h.
namespace schema {
[[nodiscard]] Result<std::string> explain(const Section& root, std::string_view path);
[[nodiscard]] std::vector<std::string> key_paths(const Section& root);
[[nodiscard]] std::string json_schema(const Section& root, std::string_view id, std::string_view title);
/// One table of keys per section.
[[nodiscard]] std::string reference_tables(const Section& root);
}  // namespace schema

/// What KEY.PATH means: "pools.health.interval", "pools[].servers", "vips". Indices and brackets do not matter; "" is the whole file.
/// Errors: kNotFound, with the nearest known path.
[[nodiscard]] Result<std::string> explain(std::string_view path);

/// Every path that explain() knows, "pools.health.interval", in the schema's order. Those of `defaults.pool` are those of `pools`.
[[nodiscard]] std::vector<std::string> key_paths();

/// JSON Schema, draft 2020-12, for editors.
[[nodiscard]] std::string json_schema();

/// docs/reference/config.md. A test compares the committed page with it.
[[nodiscard]] std::string reference_page();

}  // namespace fairlead::config
