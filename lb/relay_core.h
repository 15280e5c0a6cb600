// fairlead: pure
// Relays one connection between a client and a server. No socket, clock, buffer or log: events in, operations out; the worker
// (lb/worker.cc) carries them out and keeps the queues whose lengths this core counts.
//
//   start --> Connecting --connected--> Open --both ends of file delivered--> Closing --last kClosed--> (free)
//                |  ^                     |                                      ^
//                |  +--failed, retries left                                      |
//                +-----------failed for good, abort, timeout, error--------------+
//
// Half-closed either way and draining are not states of their own: they are Open with `eof` set on one or both directions.
// A direction is named by the side its bytes come from.
//
// Invariants (checked by tests/unit/lb/relay_core_test.cc and tests/sim/relay_sim_test.cc on every seed):
//   I1  At most one send is in flight per direction.
//   I2  A FIN is passed on only after every byte before it was sent; an error is passed on as a reset, never as a FIN.
//   I3  Nothing is sent to a server before it is connected; a connect is tried again only while nothing was sent.
//   I4  Each socket is closed exactly once, and Finish comes exactly once, after the last kClosed.
//   I6  While a direction is in bulk nothing of it is queued or in flight, and none of its bytes are sent by kSend.
//   I5  A side is not read while its direction holds more than the high-water mark; it is read again at the low-water mark.
// Threading: its worker's. Limits: at most kRelayOpsMax operations per step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/bounded_vector.h"
#include "base/time.h"

namespace fairlead::lb {

enum class Side : std::uint8_t { kClient = 0, kServer = 1 };
[[nodiscard]] constexpr Side other(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

/// Why a connection ended. The first cause wins. Termination letters: lb/termination.h.
enum class EndCause : std::uint8_t {
  kNone,           ///< Not ended.
  kFinished,       ///< Both sides closed in order.
  kClientAborted,  ///< Reset or timed out by the kernel while open.
  kServerAborted,
  kClientLeftEarly,  ///< The client broke while no server was connected yet.
  kConnectRefused,   ///< Every try ended in a refusal, reset or unreachable.
  kConnectTimeout,
  kConnectLocal,  ///< Our own fault: no descriptor, no local port.
  kNoServer,      ///< No server is up.
  kServersFull,
  kClientIdle,  ///< Idle timeout, or half-closed and the client stayed silent.
  kServerIdle,  ///< Half-closed and the server stayed silent.
  kServerDown,  ///< on_server_down: reset.
  kKilled,      ///< By an operator.
  kShutdown,    ///< The daemon ends.
  kMaxAge,
  kRebalanced,   ///< Closed while idle, so that its client connects anew (lb/rebalance.h).
  kProxyHeader,  ///< accept_proxy: the client sent no valid header (in time).
  kStalled,      ///< The worker's blocks ran out, and this one's reader had taken nothing for longest.
  kRefused,      ///< accept_proxy: the client named in the header may not connect (allow, deny, per-source limits).
  kVipReleased,  ///< Its VIP is given up as planned: reset while the address was here (R18); likewise the two below.
  kVipDrained,   ///< Closed at an idle moment, so that it need not be reset.
  kVipLost,      ///< The address went by force, or before its reset got out: reset then, which not everybody hears (outlive_address).
};

inline constexpr EndCause kEndCauseLast = EndCause::kVipLost;
inline constexpr std::size_t kEndCauses = 32;  ///< Above the number of EndCause values.

enum class RelayOpKind : std::uint8_t {
  kConnect,  ///< Choose a server (not one tried before) and connect.
  kReadOn,   ///< Read `side`.
  kReadOff,
  kSend,         ///< Hand everything queued *for* `side` to the engine.
  kShutdown,     ///< FIN to `side`.
  kBulkPrepare,  ///< Stop receiving from `side`, then say bulk_ready().
  kBulkStart,    ///< Let the engine move bytes from `side` to the other by itself; bulk_refused() when it cannot.
  kCloseClean,   ///< Close `side`'s socket with a FIN.
  kCloseReset,   ///< Close `side`'s socket with an RST.
  kArmTimer,     ///< Ask next_deadline() and arm the timer.
  kFinish,       ///< Everything is closed: free the connection.
};
struct RelayOp {
  RelayOpKind kind;
  Side side;
  friend bool operator==(const RelayOp&, const RelayOp&) = default;
};
inline constexpr std::size_t kRelayOpsMax = 8;
using RelayOps = BoundedVector<RelayOp, kRelayOpsMax>;

/// The pool's settings a relay needs; 0 = never.
struct RelayPolicy {
  Duration connect_timeout{};
  Duration idle_timeout{};
  Duration half_close_timeout{};
  Duration max_connection_age{};
  EndCause age_cause = EndCause::kMaxAge;  ///< What a connection over its age ends for.
};
/// Bytes a direction may hold before its reader pauses, and where it goes on. The worker derives them from the buffer pool.
struct WaterMarks {
  std::uint32_t high = 256 * 1024;
  std::uint32_t low = 128 * 1024;
  /// A receive of at least this many bytes counts as a full one; several in a row make a direction bulk. 0: bulk is off.
  std::uint32_t full_read = 0;
};

class RelayCore {
 public:
  /// The client was accepted. `jitter` (any value) spreads max_connection_age by +-10 %. Nothing is relayed before start(); the worker may
  /// read a PROXY header first.
  void opened(Instant now, std::uint8_t jitter);
  void start(Instant now, RelayOps& out);
  /// A connect was started (after kConnect).
  void connecting(Instant now, RelayOps& out);
  /// The server answered. `prefix` bytes (a PROXY header) were put in front of the client's queue.
  void connected(std::uint32_t prefix, Instant now, RelayOps& out);
  /// The connect failed; its socket is being closed by the worker. With `retry`, kConnect follows, else the client is reset.
  void connect_failed(EndCause cause, bool retry, RelayOps& out);
  /// There is no server to try (any more).
  void no_server(EndCause cause, RelayOps& out) { connect_failed(cause, /*retry=*/false, out); }

  void data(Side from, std::uint32_t bytes, const WaterMarks& marks, Instant now, RelayOps& out);
  void sent(Side to, std::uint32_t bytes, const WaterMarks& marks, Instant now, RelayOps& out);
  void eof(Side from, Instant now, RelayOps& out);
  void bulk_ready(Side from, RelayOps& out);
  void bulk_refused(Side from, RelayOps& out);
  void moved(Side from, std::uint32_t bytes, Instant now);
  void bulk_ended(Side from, RelayOps& out);
  void error(Side side, RelayOps& out);
  void closed(Side side, RelayOps& out);
  /// `can_read`: no block is lacking; while one is, silence says nothing about what waits to be read.
  void timer(const RelayPolicy& policy, Instant now, RelayOps& out, bool can_read = true);
  /// Ends the connection with resets (operator, server down, shutdown).
  void abort(EndCause cause, RelayOps& out);
  /// Ends it in order. Requires is_open(); only an idle moment cuts nothing off.
  void close_idle(EndCause cause, RelayOps& out) { close_all(/*reset=*/false, cause, out); }

  /// When timer() wants to be called; Instant::max(): never.
  [[nodiscard]] Instant next_deadline(const RelayPolicy& policy) const;

  [[nodiscard]] bool is_connecting() const { return phase_ == Phase::kConnecting; }
  [[nodiscard]] bool is_open() const { return phase_ == Phase::kOpen; }
  [[nodiscard]] bool is_closing() const { return phase_ == Phase::kClosing; }
  [[nodiscard]] bool is_half_closed() const { return is_open() && (way_[0].eof != way_[1].eof); }
  /// Nothing is on its way either way, and nothing was for a while.
  [[nodiscard]] bool is_idle_moment(Instant now) const;
  [[nodiscard]] EndCause cause() const { return cause_; }
  [[nodiscard]] Instant started() const { return started_; }
  [[nodiscard]] Instant last_activity() const { return last_activity_; }
  /// Bytes from `from` that the other side's kernel has taken; a PROXY header is none of the client's.
  [[nodiscard]] std::uint64_t delivered(Side from) const {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(way(from).delivered, 0));
  }
  /// How long bytes from `from` have been waiting without one of them being taken.
  [[nodiscard]] Duration stalled(Side from, Instant now) const {
    return held(from) == 0 ? Duration::zero() : Duration(std::int64_t{tick_of(now) - way(from).progress} << kTickBits);
  }
  [[nodiscard]] std::uint32_t held(Side from) const { return way(from).queued + way(from).in_flight; }

 private:
  enum class Bulk : std::uint8_t { kOff, kAsked, kReady, kOn };
  enum class Phase : std::uint8_t { kConnecting, kOpen, kClosing };
  struct Way {
    std::int64_t delivered = 0;  ///< Less than 0: so much of a PROXY header is still to be taken.
    std::uint32_t queued = 0;
    std::uint32_t in_flight = 0;
    std::uint32_t progress = 0;  ///< When bytes were taken last, or began to wait; in ticks, which wrap.
    bool reading : 1 = false;
    bool eof : 1 = false;         ///< The source ended.
    bool fin_passed : 1 = false;  ///< And the other side was told.
    bool bulk_shy : 1 = false;    ///< It was refused a pipe: asks less often.
    std::uint8_t full_reads = 0;  ///< In a row.
    Bulk bulk = Bulk::kOff;
  };
  static constexpr int kTickBits = 20;  ///< About a millisecond.
  [[nodiscard]] static std::uint32_t tick_of(Instant t) { return static_cast<std::uint32_t>(t.time_since_epoch().count() >> kTickBits); }
  [[nodiscard]] Way& way(Side from) { return way_[static_cast<std::size_t>(from)]; }
  [[nodiscard]] const Way& way(Side from) const { return way_[static_cast<std::size_t>(from)]; }
  void settle(Side from, RelayOps& out);
  void resume_reading(Side from, RelayOps& out);
  void close_all(bool reset, EndCause cause, RelayOps& out);
  [[nodiscard]] Duration quiet_limit(const RelayPolicy& policy) const;
  [[nodiscard]] Duration age_limit(const RelayPolicy& policy) const;

  Way way_[2];
  Instant started_{};
  Instant last_activity_{};               ///< While connecting: when the try began.
  Instant age_checked_ = Instant::min();  ///< When it was found over age and busy; waits for an idle moment since.
  Phase phase_ = Phase::kConnecting;
  EndCause cause_ = EndCause::kNone;
  std::uint8_t jitter_ = 0;
  bool client_open_ : 1 = false;
  bool server_open_ : 1 = false;
};

}  // namespace fairlead::lb
