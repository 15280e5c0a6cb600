// fairlead: pure
// Text -> Document. Finds what is wrong with the text itself: encoding, size, YAML syntax, duplicate keys, alias bombs.
// The only part of the project that knows yaml-cpp (parse.cc). Its event interface is used, not its node tree: events come with
// exact places, and the tree, its depth and its size stay ours to bound.
//
// Limits: kFileBytesMax, kDepthMax, kDocumentNodesMax. Never throws, never recurses without bound.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/problem.h"

namespace fairlead::config {

struct ParseResult {
  std::optional<Document> document;  ///< Absent when there is an error among the problems.
  std::vector<Problem> problems;
};

/// `file` is only a name for messages.
[[nodiscard]] ParseResult parse(std::string_view text, std::string file);

/// What must hold before YAML is looked at: size, UTF-8, no NUL or control characters, no tabs in indentation.
[[nodiscard]] std::vector<Problem> check_text(std::string_view text, const std::string& file);

}  // namespace fairlead::config
