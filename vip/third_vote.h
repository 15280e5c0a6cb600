// fairlead: pure
// R12: a quorum device (corosync-qnetd) breaks ties. At every change of membership Corosync waits for its vote, up to sync_timeout, and
// delivers nothing meanwhile: no beat can be acknowledged, and a holder's lease would end although the device is for it.
//
//   ring turns --> stands still: T + C, then the device is asked --> view, beats, the first proof
//                  |<------ stands_in(): while the device's vote is counted for this node ----->|
//
// Whoever has that vote when the ring comes apart is the only one who can be quorate without a majority of nodes: qnetd takes it from the
// one half, and waits for that half's answer, before it gives it to the other (measured: docs/internals/corosync-measured.md). A half that
// qnetd does not reach loses it when its corosync-qdevice misses qnetd; what is left between the two is R5's probe, as with R11.
#pragma once

#include <algorithm>

#include "vip/takeover_values.h"

namespace fairlead::vip {

class ThirdVote {
 public:
  /// Whether the vote was counted for this node when Corosync was asked at that time.
  void seen(bool counted, Instant asked) { counted_ = counted ? std::max(counted_, asked) : Instant::min(); }
  /// A beat of our own came back: the ring turns.
  void turned(Instant now) { turned_ = now; }
  /// A view came. After a standstill, or while the other daemon said nothing (`stood_in`), the beats of before prove nothing, so that it
  /// goes on until the first one of this round does.
  void begin_round(bool stood_in, Instant now) {
    if (stood_in || stands_still(now)) grace_ = now + kSilenceMax;
    turned_ = round_ = now;
  }
  /// An own pause (R7): what was known is of before.
  void forget() { counted_ = grace_ = Instant::min(); }

  [[nodiscard]] bool is_counted(Instant now) const { return counted_ != Instant::min() && now <= counted_ + kThirdVoteFresh; }
  /// A holder stays although its lease is over. `quorate`: as the newest view says; Corosync tells it up to 20 ms after the ring.
  [[nodiscard]] bool stands_in(bool quorate, Instant now) const {
    return is_counted(now) && (quorate || now < round_ + kQuorumLate) && (stands_still(now) || now < grace_);
  }

 private:
  static constexpr Duration kQuorumLate = 40ms;
  [[nodiscard]] bool stands_still(Instant now) const { return now > turned_ + kThirdVoteFresh; }

  Instant counted_ = Instant::min();
  Instant turned_ = Instant::min();
  Instant round_ = Instant::min();
  Instant grace_ = Instant::min();
};

}  // namespace fairlead::vip
