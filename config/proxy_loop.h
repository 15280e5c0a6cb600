// fairlead: pure
// A server that is its own pool's listener: each connection would make the next one, until nothing is left.
#pragma once

#include <vector>

#include "base/ip_address.h"

namespace fairlead::config {

/// Connections to `server` come to one of `binds`: its very address, or a wildcard of the family on a machine that has the address.
/// `own`: addresses of this machine, and those that may come to it; loopback counts by itself. A name is never caught.
[[nodiscard]] bool catches(const std::vector<Endpoint>& binds, const HostPort& server, const std::vector<IpAddress>& own);

}  // namespace fairlead::config
