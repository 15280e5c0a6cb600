// fairlead: pure
// R11: two nodes, both quorate when cut off. Routers that are not ours decide: who hears one of them may hold or take.
#pragma once

#include <algorithm>
#include <vector>

#include "vip/takeover_values.h"

namespace fairlead::vip {

class TieBreak {
 public:
  TieBreak() = default;
  TieBreak(std::uint32_t targets, bool needs_all, Instant now) : answered_(targets, Instant::min()), needs_all_(needs_all), since_(now) {}

  /// Other targets from now on. Until they were asked the old ones' answers speak for them.
  void retarget(std::uint32_t targets, bool needs_all, Instant now) {
    const Instant before = last();
    *this = TieBreak(targets, needs_all, now);
    answered_.assign(targets, before);
  }
  void answered(std::uint32_t target, Instant now) {
    if (target < answered_.size()) answered_[target] = std::max(answered_[target], now);
  }
  [[nodiscard]] bool is_configured() const { return !answered_.empty(); }
  /// When the newest answer that counts came: of any target, or, with need: all, of the one that is silent longest.
  [[nodiscard]] Instant last() const {
    if (answered_.empty()) return Instant::min();
    return needs_all_ ? *std::min_element(answered_.begin(), answered_.end()) : *std::max_element(answered_.begin(), answered_.end());
  }
  [[nodiscard]] bool is_fresh(Instant now) const { return last() != Instant::min() && now <= last() + kTieAnswerFresh; }
  /// Answered within the last 10 s.
  [[nodiscard]] bool is_armed(Instant now) const { return last() != Instant::min() && now < last() + kTieSilence; }

  /// Probes: each second always, every 50 ms while `urgent`. True when one round is due.
  [[nodiscard]] bool probe_due(bool urgent, Instant now) {
    if (answered_.empty() || now < next_probe(urgent)) return false;
    probed_ = now;
    soon_ = false;
    return true;
  }
  /// Somebody waits for an answer to a probe that is still to be sent.
  void probe_soon() { soon_ = true; }
  [[nodiscard]] Instant next_probe(bool urgent) const {
    if (answered_.empty()) return Instant::max();
    if (probed_ == Instant::min()) return since_;
    return probed_ + (soon_ ? kTieProbesApart : urgent ? kProbeInterval : Duration(1s));
  }
  [[nodiscard]] std::uint32_t targets() const { return static_cast<std::uint32_t>(answered_.size()); }

 private:
  std::vector<Instant> answered_;
  bool needs_all_ = false;
  Instant since_{};
  Instant probed_ = Instant::min();
  bool soon_ = false;
};

}  // namespace fairlead::vip
