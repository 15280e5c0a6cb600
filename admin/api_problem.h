// fairlead: pure
// Errors as RFC 9457 problem documents (application/problem+json): type, title, status, detail, and our `code`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead::admin {

inline constexpr std::string_view kProblemType = "application/problem+json";

/// The HTTP status an error is answered with.
[[nodiscard]] unsigned http_status_of(Errc code);
/// `status` 0: http_status_of(error.code). An error context of several lines also becomes the array `problems`, one a line. `force`:
/// true stands there when the same call with force would be carried out.
[[nodiscard]] std::string encode_problem(const Error& error, unsigned status = 0);
/// Reads a problem document back; an unreadable one becomes kUnavailable with the status and the start of the text.
[[nodiscard]] Error decode_problem(unsigned status, std::string_view document);

}  // namespace fairlead::admin
