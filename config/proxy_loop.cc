// fairlead: pure
#include "config/proxy_loop.h"

#include <algorithm>

namespace fairlead::config {

bool catches(const std::vector<Endpoint>& binds, const HostPort& server, const std::vector<IpAddress>& own) {
  const auto address = parse_ip_address(server.host);
  if (!address) return false;
  const bool here = address->is_loopback() || std::find(own.begin(), own.end(), *address) != own.end();
  return std::any_of(binds.begin(), binds.end(), [&](const Endpoint& bind) {
    if (bind.port != server.port) return false;
    return bind.address == *address || (here && bind.address.is_unspecified() && bind.address.family() == address->family());
  });
}

}  // namespace fairlead::config
