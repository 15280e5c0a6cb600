// fairlead: pure
// Which interface carries a VIP: the one named, or for `auto` the one that is in the VIP's network already.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "vip/link_state.h"

namespace fairlead::vip {

/// `wanted`: an interface's name as the kernel has it, or "auto". Addresses that Fairlead itself added do not count for `auto`; with
/// several networks around `vip` the longest prefix wins.
/// Errors: kNotFound (no such interface, none in that network), kConflict (several equally good ones).
[[nodiscard]] Result<LinkState> choose_interface(const std::string& wanted, const IpPrefix& vip, const std::vector<LinkState>& links,
                                                 const std::vector<PresentAddress>& addresses);

}  // namespace fairlead::vip
