// Load at a fixed rate, whatever the other side does about it: an open loop.
//
// A request has the time at which it is meant to leave; its latency is counted from then, so a proxy that stalls is charged with every
// request that had to wait behind the stall, not only with those it was asked (no coordinated omission). What is due while a connection
// still waits is pipelined on it. Beside the timed requests there may be watches (the backend sends events) and bulk replies at a rate of
// their own.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "bench/macro/client_pool.h"
#include "bench/macro/window_edge.h"

namespace fairlead::bench {

/// Requests at equal distances, over `connections` in turn.
struct PacedStream {
  std::uint32_t connections = 0;
  double rate = 0;          ///< Requests per second.
  std::uint32_t burst = 1;  ///< So many at once, as much more seldom.
  Shape shape;
};
struct PacedOptions {
  ClientOptions client;
  Watched watched;
  std::uint32_t watches = 0;
  std::uint64_t event_length = 200;
  PacedStream timed;  ///< Its latencies are reported.
  PacedStream bulk;
  Duration warmup{};
  Duration measured{};
  Duration drain_limit{};   ///< Also for the connections to come up.
  std::uint32_t turns = 0;  ///< 0: one window. Else so many, each of `measured`: bench/macro/turns.h.
};

/// Ramp, warm-up, measured window, drain. Returns the report, one JSON object. Errors: the loop itself failed.
[[nodiscard]] Result<std::string> run_paced(const PacedOptions& options);

}  // namespace fairlead::bench
