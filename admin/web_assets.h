// fairlead: pure
// The dashboard's files (admin/web), built into the program: what is served needs no file on the machine.
// The list is generated (cmake/EmbedFiles.cmake); bytes and tags are those of the files as they were built.
#pragma once

#include <span>
#include <string_view>

namespace fairlead::admin {

struct WebAsset {
  std::string_view path;  ///< "/app.js"; index.html is "/".
  std::string_view content_type;
  std::string_view etag;  ///< Strong, with its quotes: the SHA-256 of the bytes.
  std::string_view body;
};

[[nodiscard]] std::span<const WebAsset> web_assets();
/// nullptr: there is none at this path.
[[nodiscard]] const WebAsset* find_web_asset(std::string_view path);
/// Whether a request's If-None-Match names this tag (RFC 9110 13.1.2): "*", a list, weak ones too.
[[nodiscard]] bool etag_matches(std::string_view if_none_match, std::string_view etag);

}  // namespace fairlead::admin
