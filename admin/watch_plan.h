// fairlead: pure
// What a watcher of /api/v1/watch is sent next. Asked when no frame is under way: what a slow client does not take is not kept for it.
//
//   hello, then per question the first that applies: status (never sent, its time has come, or something but counters changed),
//   lost (the ring overtook this watcher), event. While events wait, no two statuses follow each other.
//
// I1  No event is sent twice, none is left out without a `lost` that counts it, and their order is the ring's.
// I2  Two statuses are kChangeGap apart at least.
// Threading: none of its own. Ownership: values. Limits: it keeps numbers only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "admin/api_routes.h"
#include "admin/status.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead::admin {

/// How often a watcher looks for news; a status is due when its time is nearer than half of that.
inline constexpr Duration kWatchTick = std::chrono::milliseconds(100);
inline constexpr Duration kChangeGap = std::chrono::milliseconds(50);
inline constexpr Duration kWatchIntervalMin = std::chrono::milliseconds(250);
inline constexpr Duration kWatchIntervalMax = std::chrono::seconds(60);

struct WatchRequest {
  Duration interval = std::chrono::seconds(1);
  std::optional<std::uint64_t> after;  ///< nullopt: events from now on.
};
/// Of the query. Errors: kInvalidArgument with the key and what is allowed.
[[nodiscard]] Result<WatchRequest> parse_watch_request(const ApiTarget& target);

/// Changes when something changed that a person would look up for: not counters, times, rates.
[[nodiscard]] std::uint64_t watch_digest(const NodeReport& report);

/// What there is to tell at this moment.
struct WatchNews {
  std::uint64_t digest = 0;                 ///< Of the newest report.
  std::optional<std::uint64_t> next_event;  ///< Sequence of the oldest event above after(); nullopt: none.
};

class WatchPlan {
 public:
  enum class Send : std::uint8_t { kNothing, kHello, kStatus, kLost, kEvent };

  /// The ring's oldest and newest sequence; both 0: it is empty. `after` above `newest` is of an earlier life of the daemon: all that is
  /// there is new then. After 0 the oldest kept is the first, and none before it counts as lost.
  WatchPlan(const WatchRequest& request, std::uint64_t oldest, std::uint64_t newest);

  [[nodiscard]] Send next(const WatchNews& news, Instant now);
  /// The last event's sequence that was sent or counted as lost.
  [[nodiscard]] std::uint64_t after() const { return after_; }
  /// Of the last kLost: how many.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] Duration interval() const { return interval_; }

 private:
  [[nodiscard]] bool status_due(const WatchNews& news, Instant now) const;

  Duration interval_;
  std::uint64_t after_;
  std::uint64_t lost_ = 0;
  std::optional<Instant> status_at_;  ///< When the last one was sent.
  std::uint64_t digest_ = 0;          ///< Of that one.
  bool greeted_ = false;
  bool event_turn_ = false;  ///< The last frame was a status.
};

/// What a client may say: it is not expected to. Each frame costs one of kFrameBurst, which come back at kFramesPerSecond.
inline constexpr std::size_t kClientMessageBytesMax = 4096;
class FrameBudget {
 public:
  static constexpr double kFramesPerSecond = 10;
  static constexpr double kFrameBurst = 20;
  explicit FrameBudget(Instant now) : at_(now) {}
  /// False: too many.
  [[nodiscard]] bool take(Instant now);

 private:
  double left_ = kFrameBurst;
  Instant at_;
};

struct WatchHello {
  std::string node;
  std::string version;
  std::string life;  ///< As EventStream's.
  std::string caller;
  ApiRole role = ApiRole::kRead;
};
[[nodiscard]] std::string encode_hello(const WatchHello& hello, const WatchPlan& plan);
[[nodiscard]] std::string encode_status_frame(const NodeReport& report);
[[nodiscard]] std::string encode_event_frame(const EventInfo& event);
[[nodiscard]] std::string encode_lost(std::uint64_t events);

}  // namespace fairlead::admin
