// fairlead: pure
// The list of drills: one everywhere (CLI, API, make drill, docs).
#pragma once

#include <span>
#include <string_view>

namespace fairlead::admin {

enum class DrillPlace : unsigned char {
  kCluster,  ///< Also on a real cluster: the daemon does it to itself, or it is a verb.
  kLab,      ///< It takes power and cables: `make drill`.
  kLater,    ///< Needs what a later release brings.
};

struct DrillCase {
  std::string_view name;
  DrillPlace place;
  bool safe;  ///< Nobody is killed, nothing is cut: not asked for.
  std::string_view what;
  std::string_view promise;  ///< Outage of new connections; empty: none is stated.
};

[[nodiscard]] std::span<const DrillCase> drill_cases();
/// nullptr: there is no such case.
[[nodiscard]] const DrillCase* find_drill(std::string_view name);

}  // namespace fairlead::admin
