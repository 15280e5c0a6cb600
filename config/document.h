// fairlead: pure
// A YAML document as a tree of values with their places. Scalars keep their text: what it means is the schema's business
// (so that `send_proxy: off` is a word and `takeover_probe: off` a truth value).
//
// Ownership: nodes are immutable and shared; an alias is the same node again. Depth is bounded by kDepthMax, so recursion is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::config {

struct Position {
  int line = 1;
  int column = 1;
  bool operator==(const Position&) const = default;
};

struct DocNode;
using DocNodePtr = std::shared_ptr<const DocNode>;

struct DocEntry {
  std::string key;
  Position key_at;
  DocNodePtr value;
};

struct DocNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Position at;
  std::string text;      ///< Scalars.
  bool is_text = false;  ///< Read: it was quoted. Written: a string, quoted where YAML would take it for something else.
  std::vector<DocNodePtr> items;
  std::vector<DocEntry> entries;

  [[nodiscard]] const DocNode* find(std::string_view key) const;
};

/// "a list", "a map", "'text'", "nothing": for messages.
[[nodiscard]] std::string describe_node(const DocNode& node);

[[nodiscard]] DocNode scalar_node(std::string plain);
[[nodiscard]] DocNode text_node(std::string text);
[[nodiscard]] DocNode list_node(std::vector<DocNodePtr> items);

struct Document {
  std::string file;
  DocNodePtr root;  ///< Never null.
};

/// Block YAML, two spaces a level; lists of scalars in one line.
[[nodiscard]] std::string render_yaml(const DocNode& node);
/// The same in one line: "{count: 3, repeat: [50ms, 2s]}".
[[nodiscard]] std::string render_flow(const DocNode& node);

}  // namespace fairlead::config
