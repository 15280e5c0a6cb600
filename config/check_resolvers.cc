// fairlead: pure
// What a gateway itself stands on: whom it asks for names, who gave it its addresses.
#include <algorithm>

#include "config/checks.h"
#include "config/derived_vips.h"

namespace fairlead::config {

namespace {

/// Its own site's DNS is an address that only a running gateway has: one that starts, or that nobody serves beside, would resolve nothing.
void check_name_servers(Checks& checks) {
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

/// A gateway whose own address in a network that it serves comes from DHCP waits for an answer that only it, or its neighbour, gives.
void check_own_addresses(Checks& checks) {
  const std::vector<Vip> derived = derived_vips(checks.snapshot);
  const auto is_vip = [&](const IpAddress& address) {
    const auto here = [&](const Vip& vip) { return vip.address.address == address; };
    const auto& vips = checks.snapshot.vips;
    return std::any_of(vips.begin(), vips.end(), here) || std::any_of(derived.begin(), derived.end(), here);
  };
  const auto& networks = checks.snapshot.dnsdhcp->networks;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const std::string device = network_device(checks.snapshot, networks[i]);
    for (const LentAddress& lent : checks.environment.lent_addresses) {
      if (lent.device != device || !networks[i].cidr.contains(lent.address) || is_vip(lent.address)) continue;
      checks.warning(path_of("dnsdhcp.networks[{}].interface", i),
                     "this gateway's address " + lent.address.to_string() + " on " + device +
                         " has a lifetime, so it comes from DHCP, which in this network only gateways answer: one that starts alone has "
                         "no address there",
                     "give gateways static addresses, outside the pool");
    }
  }
}

}  // namespace

/// Only where the file is checked on a gateway: every other machine of the site is to ask there.
void check_resolvers(Checks& checks) {
  if (!checks.is_gateway_itself()) return;
  check_name_servers(checks);
  check_own_addresses(checks);
}

}  // namespace fairlead::config
