// What is read at the edges of a measured window, and the part of a report that comes of two of them.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "bench/macro/client_pool.h"
#include "bench/macro/proc_sample.h"

namespace fairlead::bench {

/// Processes whose use is read at both edges of the measured window.
struct Watched {
  std::vector<pid_t> proxy;
  std::vector<pid_t> load;  ///< The backend; this process is added.
};

/// Everything that is read at an edge of the window, as near to one moment as may be.
struct WindowEdge {
  Instant at;
  Totals totals;
  ProcSample proxy;
  ProcSample load;
  MachineSample machine;
};
[[nodiscard]] WindowEdge take_edge(const Clock& clock, const Totals& totals, const Watched& watched);

/// What happened between two edges; the sum of several such windows.
struct Window {
  Duration length{};
  Totals totals;
  ProcUse proxy;
  ProcUse load;
  MachineSample machine;
};
/// `length` is from edge to edge.
[[nodiscard]] Window window_between(const WindowEdge& from, const WindowEdge& to);
[[nodiscard]] Window sum_of(const Window& a, const Window& b);

/// Members of a JSON object, without its braces.
[[nodiscard]] std::string json_members(const Window& window, const ErrorCounts& errors);

}  // namespace fairlead::bench
