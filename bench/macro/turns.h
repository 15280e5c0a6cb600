// A load in turns (`--turns`): several windows, each from rest to rest, each begun only when told so on standard input. Between them other
// loads have the machine. What is reported is their sum.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "bench/macro/window_edge.h"

namespace fairlead::bench {

struct Turns {
  std::uint32_t count = 0;
  const Clock& clock;
  const Watched& watched;
  const Totals& totals;                  ///< Of the load, as they are at the moment.
  const ErrorCounts& errors;             ///< After an error there are no more turns: the report follows at once.
  std::function<Status()> load;          ///< One turn's: from rest to rest.
  std::function<Status(Duration)> idle;  ///< For so long nothing is sent.
};
/// What the turns gave.
struct TurnsTaken {
  Window sum;
  std::uint64_t between_ns = 0;  ///< The proxy's CPU time between the turns.
};
/// Errors: those of `load` and `idle`; kUnavailable: standard input has ended.
[[nodiscard]] Result<TurnsTaken> take(const Turns& turns);

/// Members of a JSON object, without its braces.
[[nodiscard]] std::string json_members(const TurnsTaken& taken, const ErrorCounts& errors);

}  // namespace fairlead::bench
