// fairlead: pure
// chrony.conf: gateways ask the world and, as it may be gone, each other; every other machine asks the gateways of its network, each by its
// own address and not by a VIP, whose clock would change under it at a takeover.
#pragma once

#include <string>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// Empty: the site says nothing of time, the system's own configuration stays (no gateways, or no ntp.upstream).
[[nodiscard]] std::string chrony_conf(const Site& site, const Machine& machine);

}  // namespace fairlead::bootstrap
