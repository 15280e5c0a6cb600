// fairlead: pure
// What a VM is told at its first boot: the three files of cloud-init's NoCloud source.
//
//   CI1  No secret stands in them: keys of people and of the site's SSH authority are public halves. The machine makes its own host keys.
//   CI2  instance-id changes exactly when user-data or network-config do; cloud-init then goes through its modules again.
//   CI3  The network is static and matched by MAC address: no name of a card is guessed, no DHCP is waited for.
//
// Formats: cloud-init's schema of cloud-config, and network configuration version 2.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct SeedKeys {
  std::vector<std::string> authorized;  ///< Lines of authorized_keys.
  std::string user_ca;                  ///< Public key whose certificates sshd takes; empty: none.
};
struct Seed {
  std::string user_data;
  std::string meta_data;
  std::string network_config;
  bool operator==(const Seed&) const = default;
};
[[nodiscard]] Seed seed_of(const Site& site, const Machine& machine, const SeedKeys& keys);

/// A route beside those of the machine's own networks.
struct SeedRoute {
  std::string to;       ///< "0.0.0.0/0", "192.168.1.0/24"
  IpAddress via;        ///< Router of `network`.
  std::string network;  ///< In which the machine is.
  bool operator==(const SeedRoute&) const = default;
};
/// The default goes by an external network's router if the machine is in one, else by the router of its first network that has one. A
/// machine whose default leaves the site reaches the site's other networks by the first router of ours. Gateways are in every network.
[[nodiscard]] std::vector<SeedRoute> seed_routes(const Site& site, const Machine& machine);
/// Whom it asks for names: gateways the world (the site's own resolver is what they are), others the resolver of their first network that
/// has one.
[[nodiscard]] std::vector<IpAddress> seed_resolvers(const Site& site, const Machine& machine);

}  // namespace fairlead::bootstrap
