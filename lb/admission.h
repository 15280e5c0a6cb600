// fairlead: pure
// May this client have a connection? HOT: once per connection, no allocation, no lock. Limits of 0 are none.
//
// Order: allow/deny, places of the listener, places of the source, rate of the source, rate of the listener. A place taken for a
// connection that a later question refuses is given back; a rate has then counted nothing, because rates are asked last and the
// source's first: one eager client does not use up its listener's rate.
//
// With `accept_proxy` the client is known only after its PROXY header, so the questions come in two steps: admit_to_listener() when the
// connection is accepted, admit_source() with the address of the header. Without, admit() asks all at once.
//
// Counters: admission of a connection adds one to the listener's `current`, a refusal one to `shed` (a refusal by others, such as
// kProcessFull, is the caller's to count, and so is `total`: every client, admitted or not). leave() gives back `current` and the source's
// place.
// deny wins over allow; an empty allow list allows everybody. All counts are process-wide (lb/bounded_count.h, lb/source_counts.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "lb/route_table.h"
#include "lb/source_counts.h"

namespace fairlead::lb {

enum class Refusal : std::uint8_t {
  kNone,
  kDenied,             ///< By allow or deny.
  kListenerFull,       ///< max_connections
  kListenerRate,       ///< max_connection_rate
  kSourceConnections,  ///< per_source_connections
  kSourceRate,         ///< per_source_rate
  kProcessFull,        ///< Descriptors, slots or memory of the process; decided by the worker.
  kListenerClosed,     ///< It was removed or disabled while the client was in its queue; likewise.
  kVipReleased,        ///< The address it came to is leaving this node (R18); likewise.
};
inline constexpr Refusal kRefusalLast = Refusal::kVipReleased;
/// "denied", "listener_full", ...: names of shed causes in logs, metrics and status.
[[nodiscard]] std::string_view to_string(Refusal refusal);

struct Admission {
  Refusal refusal = Refusal::kNone;
  bool source_counted = false;  ///< Keep it with the connection, for leave().
  explicit operator bool() const { return refusal == Refusal::kNone; }
  bool operator==(const Admission&) const = default;
};

/// Everything at once. When refused nothing is held.
[[nodiscard]] Admission admit(const RouteListener& listener, const IpAddress& client, Instant now, SourceCounts& sources);

/// First step: places and rate of the listener. When refused nothing is held, else leave() is due.
[[nodiscard]] Refusal admit_to_listener(const RouteListener& listener, Instant now);
/// Second step: allow/deny, places and rate of the source. When refused the source holds nothing; leave() is due all the same.
[[nodiscard]] Admission admit_source(const RouteListener& listener, const IpAddress& client, Instant now, SourceCounts& sources);

/// The connection ended. `client` as it was admitted.
void leave(const RouteListener& listener, const IpAddress& client, bool source_counted, SourceCounts& sources);

}  // namespace fairlead::lb
