// fairlead: pure
// YAML documents as they are written: trees made of a few words, and a user's keys laid over ours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.h"

namespace fairlead::bootstrap {

[[nodiscard]] config::DocNodePtr text(std::string value);
[[nodiscard]] config::DocNodePtr plain(std::string value);  ///< A number or a truth value, as it stands.
[[nodiscard]] config::DocNodePtr list(std::vector<config::DocNodePtr> items);
[[nodiscard]] config::DocNodePtr texts(const std::vector<std::string>& values);

/// A map whose keys stay in the order they were added. `add` leaves out null pointers, `add_text` empty texts.
class MapBuilder {
 public:
  MapBuilder& add(std::string key, config::DocNodePtr value);
  MapBuilder& add_text(std::string key, std::string value);
  MapBuilder& add_plain(std::string key, std::string value);
  /// Not when it is empty.
  MapBuilder& add_list(std::string key, std::vector<config::DocNodePtr> items);
  MapBuilder& add_all(MapBuilder other);
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] config::DocNodePtr build() &&;

 private:
  std::vector<config::DocEntry> entries_;
};

/// `over` laid over `base` (either may be null):
///   maps are merged key by key; a key whose value is null takes ours away;
///   lists whose items all have a `name` are merged by it, in the order of `base`, new ones behind; when `over` has a name more than once,
///   all of its items stand in place of ours;
///   everything else is replaced.
[[nodiscard]] config::DocNodePtr merge(const config::DocNodePtr& base, const config::DocNodePtr& over);

/// What merge() has to lay over `base` so that it says what `wanted` says; null: nothing, they say the same. Order does not count.
struct Difference {
  config::DocNodePtr over;
  std::vector<std::string> lost;  ///< Paths that no merging brings: an item of a list of named ones that would have to go.
};
/// `removals`: what only `base` has is taken away; else it may stay.
[[nodiscard]] Difference difference(const config::DocNodePtr& base, const config::DocNodePtr& wanted, bool removals);
[[nodiscard]] bool same_value(const config::DocNode& a, const config::DocNode& b);

/// Block YAML for people: an item that has only scalars in it and fits into the line (kYamlColumns) stands in one line, likewise a short
/// list; longer lists have one item a line.
inline constexpr std::size_t kYamlColumns = 110;
[[nodiscard]] std::string write_yaml(const config::DocNode& tree);

}  // namespace fairlead::bootstrap
