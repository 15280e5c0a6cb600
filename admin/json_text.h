// fairlead: pure
// JSON values -> text as people and jq like it: 12.5 stays 12.5 (Boost.JSON's own serializer prints 1.25E1), and bytes that are not
// UTF-8 (a server's answer to a check may be anything) become U+FFFD, so that what we send is always valid JSON.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/string.hpp>
#include <string>
#include <string_view>

namespace fairlead::admin {

enum class JsonStyle : unsigned char { kCompact, kPretty };

[[nodiscard]] std::string json_text(const boost::json::value& value, JsonStyle style = JsonStyle::kCompact);
/// std::string_view -> what Boost.JSON stores; it has its own string_view.
[[nodiscard]] inline boost::json::string json_string(std::string_view text) { return boost::json::string(text.data(), text.size()); }
/// `text` with U+FFFD for each byte that is no UTF-8.
[[nodiscard]] std::string valid_utf8(std::string_view text);
/// `text` in quotes, escaped.
[[nodiscard]] std::string json_quoted(std::string_view text);
/// The shortest text that reads back as `value`; "null" when it is not finite.
[[nodiscard]] std::string json_number(double value);

}  // namespace fairlead::admin
