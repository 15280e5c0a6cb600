// fairlead: pure
// Whether the router that a VIP tracks answers ARP or NDP: asked each second while it does, three times in 300 ms before it is silent.
//
// Nodes ask in their own time, so a router that falls silent for all, or comes back for all, is noticed up to 1.3 s apart. That must move
// nothing (track.gateway: "unless every node fails it"). Hence a holder loses its router kSkew late and has it back at once; who would take
// over loses it at once and has it back kSkew late: when the holder's loss counts, everybody else has noticed the same.
#pragma once

#include <optional>

#include "base/time.h"

namespace fairlead::vip {

class GatewayTrack {
 public:
  /// True: ask now. Called in every turn, at least each 50 ms.
  [[nodiscard]] bool ask(Instant now);
  void answered(Instant now);
  /// Whether it counts as answering; from the start on it does.
  [[nodiscard]] bool is_ok(bool holding, Instant now) const;

 private:
  static constexpr Duration kInterval = std::chrono::seconds(1);
  static constexpr Duration kPatience = std::chrono::milliseconds(100);
  static constexpr Duration kSkew = std::chrono::milliseconds(1500);
  static constexpr int kMisses = 3;

  [[nodiscard]] bool answers() const { return missed_ < kMisses; }

  std::optional<Instant> asked_;
  bool waiting_ = false;
  int missed_ = 0;
  Instant changed_ = Instant::min();  ///< When it fell silent, or answered again.
};

}  // namespace fairlead::vip
