// fairlead: pure
// fairlead.yaml names the gateways' devices in each network it serves, because DHCP and the router are bound to devices, not to addresses.
// A site need not: a device is found by the machine's address, which is a fact. So: facts first (with_devices), then gateway_yaml.
//
// nodes[].interfaces has each of our networks by its own name, and vips, networks and router use these names, so that the gateways may have
// different devices. `vlan` of a site's network is the VM host's or the switch's business: the device here is the one that has the address.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// The site with `interfaces` of its gateways filled in: what the site says stays, the rest is the card that has the machine's address.
[[nodiscard]] Site with_devices(Site site, const Facts& facts);

/// Gateways and networks whose device must be known for DHCP, DNS or the router, and is not. Not empty: gateway_yaml takes the network's
/// name for a device, which is good to look at and not to be written to a machine.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> missing_devices(const Site& site);

/// Networks that the gateways serve: not external, with a router or a resolver.
[[nodiscard]] std::vector<const Network*> served_networks(const Site& site);

}  // namespace fairlead::bootstrap
