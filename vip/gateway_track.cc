// fairlead: pure
#include "vip/gateway_track.h"

#include <utility>

namespace fairlead::vip {

bool GatewayTrack::ask(Instant now) {
  if (asked_) {
    const Duration since = now - *asked_;
    if (since < kPatience) return false;
    if (std::exchange(waiting_, false) && answers() && ++missed_ == kMisses) changed_ = now;
    const bool doubtful = missed_ > 0 && answers();
    if (!doubtful && since < (answers() ? kInterval : 2 * kPatience)) return false;
  }
  asked_ = now;
  waiting_ = true;
  return true;
}

void GatewayTrack::answered(Instant now) {
  if (!answers()) changed_ = now;
  waiting_ = false;
  missed_ = 0;
}

bool GatewayTrack::is_ok(bool holding, Instant now) const {
  const bool settled = changed_ == Instant::min() || now >= changed_ + kSkew;
  return answers() ? holding || settled : holding && !settled;
}

}  // namespace fairlead::vip
