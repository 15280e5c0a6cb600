// The two things the load generator does with its connections, and the figures it takes on the way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "bench/macro/client_pool.h"
#include "bench/macro/window_edge.h"

namespace fairlead::bench {

struct LoadOptions {
  ClientOptions client;
  Watched watched;
  Duration warmup{};
  Duration measured{};  ///< Of one window.
  Duration drain_limit{};
  /// So many windows instead of one, each from rest to rest: before each and after the last {"edge": "quiet"} is printed and a line on
  /// stdin waited for; the report is their sum. So somebody outside can count exactly what one window caused, or give several loads
  /// their turns. After an error there are no more: the report follows at once.
  std::uint32_t turns = 0;
};
struct IdleOptions {
  ClientOptions client;
  Watched watched;
  std::vector<std::uint32_t> marks;  ///< Numbers of connections at which memory is read; ascending.
  Duration settle{};
  Duration hold{};
  Duration limit{};
};

/// Warm-up, measured window, drain: time-bounded. Returns the report, one JSON object. Errors: the loop itself failed.
[[nodiscard]] Result<std::string> run_load(const LoadOptions& options);
/// Opens connections up to each mark, one request each, reads memory, holds all, asks each once more. Errors: likewise.
[[nodiscard]] Result<std::string> run_idle(const IdleOptions& options);

}  // namespace fairlead::bench
