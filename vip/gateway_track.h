// fairlead: pure
// Whether the router that a VIP tracks answers ARP or NDP: asked each second while it does, three times in 300 ms before it is silent.
#pragma once

#include <optional>

#include "base/mac_address.h"
#include "base/time.h"

namespace fairlead::vip {

class GatewayTrack {
 public:
  /// True: ask now. Called in every turn, at least each 50 ms.
  [[nodiscard]] bool ask(Instant now);
  void answered(const MacAddress& mac);
  /// Answers until it has missed three questions in a row; from the start on.
  [[nodiscard]] bool is_ok() const { return missed_ < kMisses; }
  /// Of its newest answer: who answers for the VIP with it does so as a router (proxy ARP), not as a holder.
  [[nodiscard]] const std::optional<MacAddress>& mac() const { return mac_; }

 private:
  static constexpr Duration kInterval = std::chrono::seconds(1);
  static constexpr Duration kPatience = std::chrono::milliseconds(100);
  static constexpr int kMisses = 3;

  std::optional<Instant> asked_;
  bool waiting_ = false;
  int missed_ = 0;
  std::optional<MacAddress> mac_;
};

}  // namespace fairlead::vip
