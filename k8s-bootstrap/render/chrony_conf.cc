// fairlead: pure
#include "k8s-bootstrap/render/chrony_conf.h"

#include <fmt/format.h>

namespace fairlead::bootstrap {
namespace {

constexpr unsigned kStratumAlone = 10;  ///< Of gateways that lost every upstream: worse than any real clock.

std::string source(const std::string& server) {
  // A name may have many addresses, of which a pool takes several.
  return parse_ip_address(server) ? fmt::format("server {} iburst\n", server) : fmt::format("pool {} iburst maxsources 4\n", server);
}

/// The address by which `machine` reaches `gateway`: in a network that both are in.
const IpAddress* common_address(const Machine& machine, const Machine& gateway) {
  for (const auto& [network, address] : machine.addresses) {
    if (const IpAddress* found = gateway.address_in(network)) return found;
  }
  return nullptr;
}

std::string of_gateway(const Site& site, const Machine& machine) {
  std::string out;
  for (const std::string& server : site.gateways->ntp_upstream) out += source(server);
  for (const Machine* other : site.with(Role::kGateway)) {
    const IpAddress* address = other == &machine ? nullptr : common_address(machine, *other);
    if (address != nullptr) out += source(address->to_string());
  }
  for (const Network& network : site.networks) {
    if (!network.external) out += fmt::format("allow {}\n", network.cidr.to_string());
  }
  return out + fmt::format("# Without an upstream the gateways keep one time among themselves.\nlocal stratum {} orphan\n", kStratumAlone);
}

std::string of_machine(const Site& site, const Machine& machine) {
  std::string out;
  for (const Machine* gateway : site.with(Role::kGateway)) {
    if (const IpAddress* address = common_address(machine, *gateway)) out += source(address->to_string());
  }
  if (!out.empty()) return out;
  for (const std::string& server : site.gateways->ntp_upstream) out += source(server);
  return out;
}

}  // namespace

std::string chrony_conf(const Site& site, const Machine& machine) {
  if (!site.gateways || site.gateways->ntp_upstream.empty()) return {};
  return "# Written by fairlead bootstrap.\n" + (machine.has(Role::kGateway) ? of_gateway(site, machine) : of_machine(site, machine)) +
         R"(driftfile /var/lib/chrony/chrony.drift
logdir /var/log/chrony
maxupdateskew 100.0
rtcsync
makestep 1 3
leapsectz right/UTC
)";
}

}  // namespace fairlead::bootstrap
