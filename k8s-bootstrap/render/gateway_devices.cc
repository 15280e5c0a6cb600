// fairlead: pure
#include "k8s-bootstrap/render/gateway_devices.h"

namespace fairlead::bootstrap {
namespace {

/// "" : no card has it.
std::string device_with(const MachineFacts& facts, const IpAddress& address) {
  for (const NetworkCard& card : facts.cards) {
    for (const std::string& written : card.addresses) {
      const auto prefix = parse_ip_prefix(written);
      if (prefix && prefix->address == address) return card.device;
    }
  }
  return {};
}

}  // namespace

Site with_devices(Site site, const Facts& facts) {
  for (Machine& machine : site.machines) {
    const MachineFacts* read = machine.has(Role::kGateway) ? facts.find(machine.name) : nullptr;
    if (read == nullptr) continue;
    for (const auto& [network, address] : machine.addresses) {
      if (machine.interfaces.contains(network)) continue;
      if (const std::string device = device_with(*read, address); !device.empty()) machine.interfaces.emplace(network, device);
    }
  }
  return site;
}

std::vector<const Network*> served_networks(const Site& site) {
  std::vector<const Network*> out;
  for (const Network& network : site.networks) {
    if (!network.external && (network.router || network.dns)) out.push_back(&network);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> missing_devices(const Site& site) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!site.gateways) return out;
  std::vector<std::string> needed;
  for (const Network* network : served_networks(site)) needed.push_back(network->name);
  if (site.gateways->router) needed.push_back(site.gateways->router->uplink);
  for (const Machine* gateway : site.with(Role::kGateway)) {
    for (const std::string& network : needed) {
      if (!gateway->interfaces.contains(network)) out.emplace_back(gateway->name, network);
    }
  }
  return out;
}

}  // namespace fairlead::bootstrap
