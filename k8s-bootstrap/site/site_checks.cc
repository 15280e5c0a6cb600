// fairlead: pure
#include "k8s-bootstrap/site/site_checks.h"

#include <unordered_set>

#include "config/dhcp_pool.h"

namespace fairlead::bootstrap {

using config::quoted;

SiteChecks::SiteChecks(const SiteRoot& of, std::string_view date, config::Reader& reader)
    : root(of), site(of.site), today(date), reader_(reader) {}

void SiteChecks::error(const std::string& path, std::string message, std::string hint) {
  if (sound(path)) reader_.error_at_path(path, reader_.places().nearest(path), std::move(message), std::move(hint));
}

void SiteChecks::warning(const std::string& path, std::string message, std::string hint) {
  if (sound(path)) reader_.warning(reader_.places().nearest(path), std::move(message), std::move(hint));
}

void SiteChecks::refuse(const std::string& path, std::string message, std::string hint) {
  reader_.error_at_path(path, reader_.places().nearest(path), std::move(message), std::move(hint));
}

bool SiteChecks::all_known(const std::string& list, std::size_t count, std::string_view key) const {
  if (!reader_.readable(list)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!sound(path_of("{}[{}].{}", list, i, key))) return false;
  }
  return true;
}

void SiteChecks::unique(const std::vector<std::string>& names, std::string_view list, std::string_view what) {
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || seen.insert(names[i]).second) continue;
    error(path_of("{}[{}].name", list, i), fmt::format("a second {} {}", what, quoted(names[i])),
          fmt::format("each {} needs a name of its own", what));
  }
}

std::vector<std::string> SiteChecks::network_names() const {
  std::vector<std::string> names;
  for (const Network& network : site.networks) names.push_back(network.name);
  return names;
}

std::size_t SiteChecks::index_of(const Network& network) const { return static_cast<std::size_t>(&network - site.networks.data()); }

const Network* SiteChecks::network(const std::string& name, const std::string& path) {
  const Network* found = site.network(name);
  if (found == nullptr && all_known("networks", site.networks.size()))
    error(path, fmt::format("there is no network {}", quoted(name)), config::suggest(name, network_names()));
  return found;
}

void SiteChecks::host_address(const IpAddress& address, const std::string& path, std::string_view what) {
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback() || address != address.unmapped())
    error(path, fmt::format("{} is {}, which is no address of a host in a network", what, address.to_string()),
          "write the address of one host");
}

void SiteChecks::take(const IpAddress& address, const Network* network, const std::string& what, const std::string& path, bool ours) {
  if (!sound(path)) return;
  const std::string text = address.to_string();
  if (const auto [first, fresh] = used_.emplace(address, UsedAddress{what, path, ours}); !fresh) {
    if (sound(first->second.path))
      error(path, fmt::format("{}: {} is the address of {}", what, text, first->second.what), "everything has an address of its own");
    return;
  }
  if (network == nullptr) return;
  const std::string of = path_of("networks[{}]", index_of(*network));
  if (!sound(of + ".cidr")) return;
  if (!network->cidr.contains(address)) {
    error(path, fmt::format("{}: {} is not in {} of network {}", what, text, network->cidr.to_string(), network->name),
          "check the address, and the network it stands at");
  } else if (!config::is_host_in(network->cidr, address)) {
    error(path, fmt::format("{}: {} is the network's own or its broadcast address", what, text), "no host can have it");
  } else if (network->pool && sound(of + ".pool") && config::lies_in(*network->pool, address)) {
    error(path, fmt::format("{}: {} lies in the pool of network {}, which DHCP gives to anybody", what, text, network->name),
          fmt::format("choose one outside {} to {}, or make the pool smaller", network->pool->first.to_string(),
                      network->pool->last.to_string()));
  }
}

const UsedAddress* SiteChecks::user_of(const IpAddress& address) const {
  const auto found = used_.find(address);
  return found == used_.end() ? nullptr : &found->second;
}

void check_site(SiteChecks& checks) {
  check_site_networks(checks);
  check_site_machines(checks);
  check_site_roles(checks);
  check_site_gateways(checks);
  check_site_kubernetes(checks);
  check_site_versions(checks);
  check_site_vms(checks);
  check_site_rest(checks);
  check_site_storage(checks);
  check_site_image(checks);
}

}  // namespace fairlead::bootstrap
