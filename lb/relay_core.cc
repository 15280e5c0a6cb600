// fairlead: pure
#include "lb/relay_core.h"

#include <algorithm>

namespace fairlead::lb {
namespace {

/// A connection over its age is closed once it was silent this long.
constexpr Duration kIdleMoment = std::chrono::milliseconds(250);
/// Full receives in a row that make a direction bulk. Rationale: an answer of some hundred KB is over before a pipe pays off.
constexpr std::uint8_t kFullReadsForBulk = 8;
/// Likewise after a refusal: preparing stops the stream until its queue is empty.
constexpr std::uint8_t kFullReadsWhenShy = 255;

}  // namespace

void RelayCore::opened(Instant now, std::uint8_t jitter) {
  started_ = now;
  last_activity_ = now;
  jitter_ = jitter;
  client_open_ = true;
}

void RelayCore::start(Instant now, RelayOps& out) {
  last_activity_ = now;
  way(Side::kClient).reading = true;
  out.push_back({RelayOpKind::kReadOn, Side::kClient});  // Its first bytes wait here, its hang-up is seen, and a retry loses nothing.
  out.push_back({RelayOpKind::kConnect, Side::kServer});
}

void RelayCore::connecting(Instant now, RelayOps& out) {
  server_open_ = true;
  last_activity_ = now;
  out.push_back({RelayOpKind::kArmTimer, Side::kServer});
}

void RelayCore::connected(std::uint32_t prefix, Instant now, RelayOps& out) {
  FL_DASSERT(phase_ == Phase::kConnecting);
  phase_ = Phase::kOpen;
  last_activity_ = now;
  way(Side::kServer).reading = true;
  out.push_back({RelayOpKind::kReadOn, Side::kServer});
  way(Side::kClient).queued += prefix;
  way(Side::kClient).delivered -= prefix;
  way(Side::kClient).progress = tick_of(now);
  settle(Side::kClient, out);
  out.push_back({RelayOpKind::kArmTimer, Side::kServer});
}

void RelayCore::connect_failed(EndCause cause, bool retry, RelayOps& out) {
  server_open_ = false;  // The worker closes it and forgets it; no kClosed reaches us for it.
  if (phase_ != Phase::kConnecting) return;
  if (retry) {
    out.push_back({RelayOpKind::kConnect, Side::kServer});
    return;
  }
  close_all(/*reset=*/true, cause, out);
}

void RelayCore::data(Side from, std::uint32_t bytes, const WaterMarks& marks, Instant now, RelayOps& out) {
  if (phase_ == Phase::kClosing) return;
  Way& w = way(from);
  if (held(from) == 0) w.progress = tick_of(now);
  w.queued += bytes;
  if (phase_ == Phase::kOpen) {
    last_activity_ = now;
    if (w.in_flight == 0) {  // I1
      w.in_flight = w.queued;
      w.queued = 0;
      out.push_back({RelayOpKind::kSend, other(from)});
    }
  }
  w.full_reads =
      marks.full_read > 0 && bytes >= marks.full_read ? static_cast<std::uint8_t>(std::min(255, w.full_reads + 1)) : std::uint8_t{0};
  if (w.full_reads >= (w.bulk_shy ? kFullReadsWhenShy : kFullReadsForBulk) && w.bulk == Bulk::kOff && w.reading && phase_ == Phase::kOpen) {
    w.bulk = Bulk::kAsked;
    w.reading = false;
    out.push_back({RelayOpKind::kBulkPrepare, from});
  }
  if (w.reading && w.queued + w.in_flight > marks.high) {  // I5
    w.reading = false;
    out.push_back({RelayOpKind::kReadOff, from});
  }
}

void RelayCore::sent(Side to, std::uint32_t bytes, const WaterMarks& marks, Instant now, RelayOps& out) {
  if (phase_ == Phase::kClosing) return;
  const Side from = other(to);
  Way& w = way(from);
  FL_DASSERT(bytes <= w.in_flight);
  w.in_flight -= bytes;
  w.delivered += bytes;
  w.progress = tick_of(now);
  last_activity_ = now;
  if (!w.reading && !w.eof && w.bulk == Bulk::kOff && w.queued + w.in_flight <= marks.low) {
    w.reading = true;
    out.push_back({RelayOpKind::kReadOn, from});
  }
  if (w.in_flight == 0 && (w.queued > 0 || w.eof || w.bulk == Bulk::kReady)) settle(from, out);
}

void RelayCore::bulk_ready(Side from, RelayOps& out) {
  Way& w = way(from);
  if (phase_ != Phase::kOpen || w.bulk != Bulk::kAsked) return;
  w.bulk = Bulk::kReady;
  settle(from, out);
}

/// Back to buffers.
void RelayCore::resume_reading(Side from, RelayOps& out) {
  Way& w = way(from);
  w.bulk = Bulk::kOff;
  w.full_reads = 0;
  w.reading = true;
  out.push_back({RelayOpKind::kReadOn, from});
}

void RelayCore::bulk_refused(Side from, RelayOps& out) {
  if (phase_ != Phase::kOpen || way(from).bulk != Bulk::kOn) return;
  way(from).bulk_shy = true;
  resume_reading(from, out);
}

void RelayCore::bulk_ended(Side from, RelayOps& out) {
  if (phase_ != Phase::kOpen || way(from).bulk != Bulk::kOn) return;
  way(from).bulk_shy = false;
  resume_reading(from, out);
}

void RelayCore::moved(Side from, std::uint32_t bytes, Instant now) {
  if (phase_ == Phase::kClosing) return;
  way(from).delivered += bytes;
  last_activity_ = now;
}

void RelayCore::eof(Side from, Instant now, RelayOps& out) {
  if (phase_ == Phase::kClosing) return;
  Way& w = way(from);
  w.eof = true;
  w.reading = false;
  w.bulk = Bulk::kOff;
  if (phase_ != Phase::kOpen) return;  // A client that sent its request and closed its writing side; the server hears of it once connected.
  last_activity_ = now;
  settle(from, out);
  if (phase_ == Phase::kOpen) out.push_back({RelayOpKind::kArmTimer, from});  // half_close_timeout may be the nearer one now.
}

/// Moves one direction as far as it can go: the next send, then the FIN, then the end of the connection.
void RelayCore::settle(Side from, RelayOps& out) {
  Way& w = way(from);
  if (w.in_flight > 0) return;
  if (w.queued > 0) {
    w.in_flight = w.queued;
    w.queued = 0;
    out.push_back({RelayOpKind::kSend, other(from)});
    return;
  }
  if (w.bulk == Bulk::kReady) {  // I6
    w.bulk = Bulk::kOn;
    out.push_back({RelayOpKind::kBulkStart, from});
    return;
  }
  if (!w.eof || w.fin_passed) return;
  const Way& back = way(other(from));
  if (back.fin_passed) return close_all(/*reset=*/false, EndCause::kFinished, out);  // close(2) carries this FIN.
  w.fin_passed = true;                                                               // I2
  out.push_back({RelayOpKind::kShutdown, other(from)});
}

void RelayCore::error(Side side, RelayOps& out) {
  if (phase_ == Phase::kConnecting) return close_all(/*reset=*/true, EndCause::kClientLeftEarly, out);
  close_all(/*reset=*/true, side == Side::kClient ? EndCause::kClientAborted : EndCause::kServerAborted, out);
}

void RelayCore::abort(EndCause cause, RelayOps& out) { close_all(/*reset=*/true, cause, out); }

void RelayCore::close_all(bool reset, EndCause cause, RelayOps& out) {
  if (phase_ == Phase::kClosing) return;
  phase_ = Phase::kClosing;
  cause_ = cause;
  const RelayOpKind kind = reset ? RelayOpKind::kCloseReset : RelayOpKind::kCloseClean;
  if (client_open_) out.push_back({kind, Side::kClient});
  if (server_open_) out.push_back({kind, Side::kServer});
}

void RelayCore::closed(Side side, RelayOps& out) {
  if (side == Side::kClient)
    client_open_ = false;
  else
    server_open_ = false;
  if (phase_ == Phase::kClosing && !client_open_ && !server_open_) out.push_back({RelayOpKind::kFinish, side});  // I4
}

Duration RelayCore::quiet_limit(const RelayPolicy& policy) const {
  if (!way_[0].eof && !way_[1].eof) return policy.idle_timeout;
  if (policy.half_close_timeout == Duration::zero()) return policy.idle_timeout;
  if (policy.idle_timeout == Duration::zero()) return policy.half_close_timeout;
  return std::min(policy.idle_timeout, policy.half_close_timeout);
}

Duration RelayCore::age_limit(const RelayPolicy& policy) const {
  return policy.max_connection_age - policy.max_connection_age / 10 + policy.max_connection_age / 5 / 255 * jitter_;
}

/// Nothing is on its way: a clean close cuts no answer short. What a bulk direction's pipe holds only the engine knows; it ends a bulk that
/// has come to rest.
bool RelayCore::is_idle_moment(Instant now) const {
  for (const Way& w : way_) {
    if (w.queued + w.in_flight > 0 || w.bulk != Bulk::kOff) return false;
  }
  return now >= last_activity_ + kIdleMoment;
}

Instant RelayCore::next_deadline(const RelayPolicy& policy) const {
  if (phase_ == Phase::kClosing) return Instant::max();
  if (phase_ == Phase::kConnecting) return server_open_ ? last_activity_ + policy.connect_timeout : Instant::max();
  Instant next = Instant::max();
  if (const Duration limit = quiet_limit(policy); limit > Duration::zero()) next = last_activity_ + limit;
  if (policy.max_connection_age > Duration::zero()) {
    // Not before `age_checked_`: behind a stalled reader the last activity is long past, and a deadline in the past fires on every turn.
    // Nor before its age, which may have grown since it was checked: a drain was called off.
    const Instant of_age = started_ + age_limit(policy);
    next = std::min(next, age_checked_ == Instant::min() ? of_age : std::max(of_age, std::max(last_activity_, age_checked_) + kIdleMoment));
  }
  return next;
}

void RelayCore::timer(const RelayPolicy& policy, Instant now, RelayOps& out, bool can_read) {
  if (phase_ != Phase::kOpen) return;  // A connect's timeout is the worker's connect_failed(): it may retry.
  if (const Duration limit = quiet_limit(policy); limit > Duration::zero() && now >= last_activity_ + limit) {
    const bool waits_for_server = way(Side::kClient).eof && !way(Side::kServer).eof;
    return close_all(/*reset=*/true, waits_for_server ? EndCause::kServerIdle : EndCause::kClientIdle, out);
  }
  if (policy.max_connection_age > Duration::zero() && now >= started_ + age_limit(policy)) {
    if (can_read && is_idle_moment(now)) return close_all(/*reset=*/false, policy.age_cause, out);
    age_checked_ = now;
  }
  out.push_back({RelayOpKind::kArmTimer, Side::kClient});
}

}  // namespace fairlead::lb
