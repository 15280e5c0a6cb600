// fairlead: pure
// Whom a gateway itself asks for names.
#include <algorithm>

#include "config/checks.h"

namespace fairlead::config {

/// Its own site's DNS is an address that only a running gateway has: one that starts, or that nobody serves beside, would resolve nothing.
/// Only where the file is checked on a gateway: every other machine of the site is to ask there.
void check_resolvers(Checks& checks) {
  if (!checks.is_gateway_itself()) return;
  const auto asks = [&](const std::optional<IpAddress>& address) {
    const auto& all = checks.environment.resolvers;
    return address && std::find(all.begin(), all.end(), *address) != all.end();
  };
  const auto& networks = checks.snapshot.dnsdhcp->networks;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const bool router = asks(networks[i].router) && networks[i].router != networks[i].dns;
    if (!router && !asks(networks[i].dns)) continue;
    const char* key = router ? "router" : "dns";
    const std::string address = (router ? networks[i].router : networks[i].dns)->to_string();
    checks.warning(path_of("dnsdhcp.networks[{}].{}", i, key),
                   "this gateway asks " + address +
                       " for names (/etc/resolv.conf), which is an address of its own site: it resolves nothing while no "
                       "gateway serves",
                   "let gateways ask a server outside, such as those of dnsdhcp.upstream");
  }
}

}  // namespace fairlead::config
