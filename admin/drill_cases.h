// fairlead: pure
// The list of drills: one everywhere (CLI, API, make drill, docs).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"

namespace fairlead::admin {

enum class DrillPlace : unsigned char {
  kCluster,  ///< Also on a real cluster: the daemon does it to itself, or it is a verb.
  kLab,      ///< It takes power and cables: `make drill`.
  kLater,    ///< Needs what a later release brings.
};

/// The longest outage of new connections that is promised: times of the site, and a rest (docs/internals/takeover.md).
struct OutageBound {
  bool lease = false;  ///< The VIP's kernel lifetime.
  bool hang = false;   ///< guard.hang.
  bool ring = false;   ///< T + C: Corosync's token and consensus timeouts.
  bool start = false;  ///< cluster.start_wait.
  Duration rest{};
};
/// What a site has of these.
struct DrillTimes {
  Duration lease{};
  Duration hang{};
  std::optional<Duration> ring;  ///< Absent: no cluster, or not known yet.
  Duration start{};
};
/// Absent: it needs a time that is not known.
[[nodiscard]] std::optional<Duration> outage_max(const OutageBound& bound, const DrillTimes& times);
/// "lease + T + C + 500 ms".
[[nodiscard]] std::string to_string(const OutageBound& bound);

struct DrillCase {
  std::string_view name;
  DrillPlace place;
  bool safe;  ///< Nobody is killed, nothing is cut: not asked for.
  std::string_view what;
  std::optional<OutageBound> bound;  ///< Absent: none is stated.
};

[[nodiscard]] std::span<const DrillCase> drill_cases();
/// nullptr: there is no such case.
[[nodiscard]] const DrillCase* find_drill(std::string_view name);

}  // namespace fairlead::admin
