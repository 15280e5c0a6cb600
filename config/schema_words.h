// fairlead: pure
// Types and defaults in words, shared by explain, the reference page and JSON Schema.
#pragma once

#include <string>

#include "config/schema.h"

namespace fairlead::config::schema {

/// "duration", "one of auto, io_uring, epoll", "list of servers"
[[nodiscard]] std::string type_in_words(const TypeInfo& info);
/// As written in the file; "required"; empty: there is none.
[[nodiscard]] std::string default_in_words(const Section& section, const Field& field);
/// The section of a section, an optional one, or a list's items; nullptr: none.
[[nodiscard]] const Section* section_within(const TypeInfo& info);

}  // namespace fairlead::config::schema
