// fairlead: pure
// Every name of the site: what dnsmasq answers from its hosts files, and what the daemon resolves by itself, without asking anybody.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/settings.h"

namespace fairlead::config {

struct SiteName {
  enum class Kind : std::uint8_t { kNode, kVip, kHost, kAlias, kRecord };
  Kind kind = Kind::kRecord;
  std::string full;  ///< Lower case; with its domain, if there is one.
  std::string bare;  ///< The same without; equal to `full` without a domain, empty for a name written with dots.
  IpAddress address;
  std::string what;  ///< "host mast-1", "node gate-1": for messages.
  std::string path;  ///< "dnsdhcp.hosts[0].name"
};

/// Gateways (by their first link), VIPs of the networks, hosts, their aliases, records, other VIPs of whose name nothing else is said: in
/// this order, as the file has them. A name without dots lies in the domain of its network (hosts, aliases, its VIPs) or in dnsdhcp.domain
/// (nodes, records, other VIPs); with dots it stands as it is.
/// Empty without dnsdhcp.
[[nodiscard]] std::vector<SiteName> list_site_names(const Snapshot& snapshot);

/// Name -> addresses, with and without domain, lower case: for who resolves a server of the site without a resolver.
[[nodiscard]] std::map<std::string, std::vector<IpAddress>> site_names(const Snapshot& snapshot);

/// The network's own, else dnsdhcp's; lower case, may be empty.
[[nodiscard]] std::string domain_of(const DnsDhcp& dnsdhcp, const DhcpNetwork& network);

}  // namespace fairlead::config
