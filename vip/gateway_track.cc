// fairlead: pure
#include "vip/gateway_track.h"

namespace fairlead::vip {

bool GatewayTrack::ask(Instant now) {
  if (asked_) {
    const Duration since = now - *asked_;
    if (since < kPatience) return false;
    if (waiting_) missed_ = missed_ < kMisses ? missed_ + 1 : kMisses;
    waiting_ = false;
    const bool doubtful = missed_ > 0 && missed_ < kMisses;
    if (!doubtful && since < (is_ok() ? kInterval : 2 * kPatience)) return false;
  }
  asked_ = now;
  waiting_ = true;
  return true;
}

void GatewayTrack::answered(const MacAddress& mac) {
  waiting_ = false;
  missed_ = 0;
  mac_ = mac;
}

}  // namespace fairlead::vip
