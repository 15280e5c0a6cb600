// fairlead: pure
// Networks: their addresses, pools, routers and resolvers.
#include "config/dhcp_pool.h"
#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

void check_cidr(SiteChecks& checks, const Network& network, const std::string& path) {
  if (!checks.sound(path)) return;
  const bool v4 = network.cidr.address.is_v4();
  const IpPrefix whole{network.cidr.network(), network.cidr.length};
  if (whole != network.cidr)
    return checks.error(path, fmt::format("{} is not the beginning of a network", network.cidr.to_string()),
                        fmt::format("write {}", whole.to_string()));
  const int shortest = v4 ? 8 : 48;
  const int longest = v4 ? 30 : 126;
  if (network.cidr.length < shortest || network.cidr.length > longest)
    return checks.error(path, fmt::format("a network with prefix length {}", network.cidr.length),
                        fmt::format("{} to {}, as in {}", shortest, longest, v4 ? "192.168.1.0/24" : "\"2001:db8:1::/64\""));
  checks.host_address(network.cidr.address, path, "the network");
}

void check_overlap(SiteChecks& checks, std::size_t index) {
  const Network& network = checks.site.networks[index];
  const std::string path = path_of("networks[{}].cidr", index);
  for (std::size_t k = 0; k < index && checks.sound(path); ++k) {
    const Network& other = checks.site.networks[k];
    if (!checks.sound(path_of("networks[{}].cidr", k))) continue;
    if (network.cidr.contains(other.cidr.address) || other.cidr.contains(network.cidr.address))
      checks.error(path, fmt::format("{} overlaps {} of network {}", network.cidr.to_string(), other.cidr.to_string(), other.name),
                   "each network needs addresses of its own");
  }
}

void check_pool(SiteChecks& checks, const Network& network, const std::string& of) {
  const std::string path = of + ".pool";
  if (!network.pool || !checks.sound(path) || !checks.sound(of + ".cidr")) return;
  const config::DhcpPool& pool = *network.pool;
  if (network.external)
    return checks.error(path, fmt::format("network {} is external: the gateways serve no DHCP in it", network.name),
                        "remove the pool, or external");
  if (!config::is_host_in(network.cidr, pool.first) || !config::is_host_in(network.cidr, pool.last))
    return checks.error(path, fmt::format("the pool is not within {}", network.cidr.to_string()),
                        "first and last are hosts' addresses of the network");
  if (pool.last < pool.first) return checks.error(path, "the pool's last address is below its first", "write [FIRST, LAST]");
  if (pool.first.is_v4() && config::addresses_in(pool) > config::kDhcpLeasesMax)
    return checks.error(path, fmt::format("the pool has {} addresses", config::addresses_in(pool)),
                        fmt::format("at most {} of all networks: as many leases do gateways remember", config::kDhcpLeasesMax));
  if (!network.router && !network.dns)
    checks.error(path, fmt::format("network {} has a pool, and neither router nor dns: DHCP has no address to answer from", network.name),
                 "give it one of them");
}

/// As config/check_dnsdhcp.cc has it.
void check_leases(SiteChecks& checks) {
  std::uint64_t leases = 0;
  for (std::size_t i = 0; i < checks.site.networks.size(); ++i) {
    const auto& pool = checks.site.networks[i].pool;
    const std::string path = path_of("networks[{}].pool", i);
    if (!pool || !pool->first.is_v4() || !checks.sound(path)) continue;
    leases += config::addresses_in(*pool);
    if (leases <= config::kDhcpLeasesMax) continue;
    return checks.error(path, fmt::format("with this pool there may be {} leases, of all pools up to here", leases),
                        fmt::format("gateways remember {}: make the pools smaller", config::kDhcpLeasesMax));
  }
}

void take_services(SiteChecks& checks, const Network& network, const std::string& of) {
  const bool same = network.router && network.router == network.dns;
  if (network.router) {
    checks.host_address(*network.router, of + ".router", "the router");
    checks.take(*network.router, &network, fmt::format("router of network {}", network.name), of + ".router", !network.external);
  }
  if (network.dns && !same) {
    checks.host_address(*network.dns, of + ".dns", "the resolver");
    // An external network's resolver may be anywhere, and serve several of them.
    if (!network.external || network.cidr.contains(*network.dns))
      checks.take(*network.dns, &network, fmt::format("resolver of network {}", network.name), of + ".dns", !network.external);
  }
  if (network.external || checks.site.gateways || !checks.sound("gateways") || (!network.router && !network.dns)) return;
  checks.error(of + (network.router ? ".router" : ".dns"),
               fmt::format("network {} has a {} and is not external, but there are no gateways to be it", network.name,
                           network.router ? "router" : "resolver"),
               "add external: true when somebody else has the address, or add gateways");
}

void check_mtu(SiteChecks& checks, const Network& network, const std::string& path) {
  const unsigned min = network.cidr.address.is_v4() ? 576 : 1280;
  if (network.mtu != 0 && network.mtu < min)
    checks.error(path, fmt::format("mtu {} is below {}", network.mtu, min), "1500 is usual; 0 leaves the device as it is");
}

}  // namespace

void check_site_networks(SiteChecks& checks) {
  checks.unique(checks.network_names(), "networks", "network");
  if (checks.site.networks.empty()) checks.error("networks", "a site without networks", "list at least the one the machines are in");
  for (std::size_t i = 0; i < checks.site.networks.size(); ++i) {
    const Network& network = checks.site.networks[i];
    const std::string of = path_of("networks[{}]", i);
    check_cidr(checks, network, of + ".cidr");
    check_overlap(checks, i);
    check_pool(checks, network, of);
    check_mtu(checks, network, of + ".mtu");
    take_services(checks, network, of);
    if (network.name == "uplink" && !network.external && checks.site.gateways && checks.site.gateways->router)
      checks.error(of + ".name", "a network may be named uplink only when it is external", "the router means the world by it: rename it");
  }
  check_leases(checks);
}

}  // namespace fairlead::bootstrap
