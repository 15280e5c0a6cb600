// fairlead: pure
// `pools[].rebalance`: when a server comes back, long connections stay where they fled to, for ever. Nothing but closing some of them
// helps: their clients connect again, and the balancer sends them to whoever has the least. This decides which server gives one up, and
// when.
//
//   quiet --a server takes connections again--> spreading --nobody has too many, or kSpreadingMax is over--> quiet
//
// The share is of the most connections seen since the server came back: who was closed is on his way, and counts already.
//
// Invariants: at most `rate` connections a second are asked for; only of a server that has more than its share by weight, rounded up, so
// that two servers never pass connections to and fro.
// Threading: control. The worker closes what is idle at that moment (RelayTable::close_idle); where nothing is, the turn is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"
#include "config/settings.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// After this the connections that are left are never idle: they may stay.
inline constexpr Duration kSpreadingMax = std::chrono::minutes(10);

/// One server that takes connections.
struct ServerLoad {
  ServerId id = 0;
  std::uint32_t current = 0;
  std::uint32_t weight = 0;
};

class Rebalancer {
 public:
  void configure(const config::Rebalance& settings);
  /// A server takes connections (again).
  void server_up(Instant now);
  /// The server that is to give up one connection now.
  [[nodiscard]] std::optional<ServerId> tick(std::span<const ServerLoad> usable, Instant now);
  /// Instant::max(): quiet.
  [[nodiscard]] Instant next_deadline() const { return next_; }

 private:
  config::Rebalance settings_;
  Instant began_{};
  std::uint64_t peak_ = 0;  ///< The most connections since then.
  Instant next_ = Instant::max();
};

}  // namespace fairlead::lb
