// fairlead: pure
// dnsdhcp: machines with an address of their own, and every name there is: each means one thing, so nobody takes a name of the cluster.
#include <algorithm>
#include <map>
#include <set>

#include "base/host_name.h"
#include "base/mac_address.h"
#include "config/checks.h"
#include "config/dhcp_pool.h"
#include "config/nearest.h"
#include "config/site_names.h"

namespace fairlead::config {
namespace {

struct Seen {
  std::multimap<std::string, const DhcpHost*> macs;
  std::map<IpAddress, std::string> addresses;
  std::set<std::pair<std::string, std::string>> places;  ///< Name and network.
};

/// A machine that is in several networks stands there once for each, under one name: dnsmasq takes the line of the network that asks.
/// What could not be read is no reason to say otherwise.
bool is_same_machine_elsewhere(const DhcpHost& a, const DhcpHost& b) {
  return (a.name == b.name || a.name.empty() || b.name.empty()) && (a.network != b.network || a.network.empty());
}

void check_mac(Checks& checks, const DhcpHost& host, const std::string& path, Seen& seen) {
  if (!checks.sound(path + ".mac")) return;
  const auto mac = parse_mac_address(host.mac);
  if (mac && (mac->is_group() || mac->is_zero())) {
    checks.error(path + ".mac", fmt::format("no machine has the MAC address {}", host.mac),
                 mac->is_zero() ? "write the machine's own" : "it is one of a group: its first byte is odd");
    return;
  }
  const auto [begin, end] = seen.macs.equal_range(host.mac);
  const auto other = std::find_if(begin, end, [&](const auto& one) { return !is_same_machine_elsewhere(*one.second, host); });
  if (other != end)
    checks.error(path + ".mac", fmt::format("{} is the MAC address of host {}", host.mac, other->second->name),
                 other->second->name == host.name ? "a machine has one address in a network"
                                                  : "each machine needs its own; in another network it keeps its name");
  seen.macs.emplace(host.mac, &host);
}

void check_address(Checks& checks, const DhcpHost& host, const DhcpNetwork* network, const std::string& path, Seen& seen) {
  const std::string at = path + ".address";
  if (!checks.sound(at)) return;
  const auto said = [&](std::string message, std::string hint) { checks.error(at, std::move(message), std::move(hint)); };
  const std::string address = host.address.to_string();
  if (const auto [first, fresh] = seen.addresses.emplace(host.address, host.name); !fresh)
    return said(fmt::format("{} is the address of host {}", address, first->second), "each machine needs its own");
  if (const VipAddress* vip = checks.vip_of(host.address); vip != nullptr && checks.sound(vip->path))
    return said(fmt::format("{} is the {}", address, vip->what), "each machine needs its own");
  if (const std::string own = checks.own_address(host.address); own.starts_with("an address of node"))
    return said(fmt::format("{} is {}", address, own), "each machine needs its own");
  if (network == nullptr) return;
  const auto index = network - checks.snapshot.dnsdhcp->networks.data();
  if (!checks.sound(path_of("dnsdhcp.networks[{}].cidr", index))) return;
  if (!is_host_in(network->cidr, host.address))
    return said(fmt::format("{} is not a host's address in {} of network {}", address, network->cidr.to_string(), host.network),
                "check address and network");
  // One that could not be read is absent; whatever else is wrong with a pool, this is wrong as well.
  if (network->pool && lies_in(*network->pool, host.address))
    said(fmt::format("{} lies in the pool of network {}, from which any machine gets its address", address, host.network),
         fmt::format("choose one outside {} to {}, or make the pool smaller", network->pool->first.to_string(),
                     network->pool->last.to_string()));
}

void check_machines(Checks& checks, const DnsDhcp& dnsdhcp) {
  std::vector<std::string> known;
  std::map<std::string, const DhcpNetwork*> networks;
  for (const DhcpNetwork& network : dnsdhcp.networks) {
    known.push_back(network.name);
    networks.emplace(network.name, &network);
  }
  const bool networks_known = checks.names_known("dnsdhcp.networks", known.size());
  Seen seen;
  for (std::size_t i = 0; i < dnsdhcp.hosts.size(); ++i) {
    const DhcpHost& host = dnsdhcp.hosts[i];
    const std::string path = path_of("dnsdhcp.hosts[{}]", i);
    if (!host.name.empty() && checks.sound(path + ".network") && !seen.places.emplace(host.name, host.network).second)
      checks.error(path + ".name", fmt::format("a second host {} in network {}", quoted(host.name), host.network),
                   "each host needs a name of its own; one machine has one address in a network");
    check_mac(checks, host, path, seen);
    const auto network = networks.find(host.network);
    if (network == networks.end() && networks_known)
      checks.error(path + ".network", fmt::format("there is no network {}", quoted(host.network)), suggest(host.network, known));
    check_address(checks, host, network == networks.end() ? nullptr : network->second, path, seen);
    if (host.name.find('.') != std::string::npos)
      checks.error(path + ".name", fmt::format("the host name {} has a dot", quoted(host.name)),
                   fmt::format("write {}; the domain is that of its network or of dnsdhcp", host.name.substr(0, host.name.find('.'))));
  }
}

/// A name that resolvers can be asked for. What is wrong with its domain is said there.
bool check_form(Checks& checks, const SiteName& name) {
  const std::string& text = name.bare.empty() ? name.full : name.bare;
  if (!parse_ip_address(text) && is_dns_name(text) && !text.ends_with('.') && name.full.size() <= kHostLengthMax) return true;
  checks.error(name.path, fmt::format("{} is no name for DNS", quoted(text)),
               "labels of 1 to 63 letters, digits, '-' and '_' with dots between them, no '-' at an end, no dot at the end, 253 in all");
  return false;
}

/// Records may give one name several addresses. So may a machine that is in several networks, with its name and with each alias: whether
/// two of one name in one network are one machine is check_machines' to say.
bool may_share(const SiteName& a, const SiteName& b) {
  if (a.kind != b.kind || a.address == b.address) return false;
  if (a.kind == SiteName::Kind::kRecord) return a.full == b.full;
  const auto unread = [](const SiteName& name) { return name.what == "host "; };
  return (a.kind == SiteName::Kind::kHost || a.kind == SiteName::Kind::kAlias) && (a.what == b.what || unread(a) || unread(b));
}

void check_names(Checks& checks) {
  std::multimap<std::string, const SiteName*> taken;
  const std::vector<SiteName> names = list_site_names(checks.snapshot);
  for (const SiteName& name : names) {
    if (name.full.empty() || !checks.sound(name.path) || !check_form(checks, name)) continue;
    const SiteName* other = nullptr;
    for (const std::string& key : {name.full, name.bare}) {
      if (key.empty() || other != nullptr) continue;
      const auto [begin, end] = taken.equal_range(key);
      for (auto at = begin; at != end && other == nullptr; ++at) {
        if (!may_share(name, *at->second)) other = at->second;
      }
    }
    if (other != nullptr) {
      const bool twice = name.kind == SiteName::Kind::kRecord && other->kind == SiteName::Kind::kRecord;
      checks.error(
          name.path,
          fmt::format("{} is already the name of {}", name.bare.empty() ? name.full : name.bare, twice ? "such a record" : other->what),
          twice ? "remove one" : "a name of the site means one thing: choose another one");
    }
    taken.emplace(name.full, &name);
    if (!name.bare.empty() && name.bare != name.full) taken.emplace(name.bare, &name);
  }
}

void check_records(Checks& checks, const DnsDhcp& dnsdhcp) {
  for (std::size_t i = 0; i < dnsdhcp.records.size(); ++i) {
    const DnsRecord& record = dnsdhcp.records[i];
    const std::string path = path_of("dnsdhcp.records[{}].address", i);
    if (!checks.sound(path)) continue;
    checks.host_address(record.address, path, "the address of record " + record.name);
    for (std::size_t n = 0; n < dnsdhcp.networks.size(); ++n) {
      const DhcpNetwork& network = dnsdhcp.networks[n];
      if (!network.pool || !lies_in(*network.pool, record.address)) continue;
      checks.error(path,
                   fmt::format("{} lies in the pool of network {}: whichever machine gets it would have this name",
                               record.address.to_string(), network.name),
                   "make the machine one of hosts with an address outside the pool");
    }
  }
}

}  // namespace

void check_hosts(Checks& checks) {
  const DnsDhcp& dnsdhcp = *checks.snapshot.dnsdhcp;
  check_machines(checks, dnsdhcp);
  check_records(checks, dnsdhcp);
  check_names(checks);
  if (!dnsdhcp.only_known || !checks.sound("dnsdhcp.only_known")) return;
  if (dnsdhcp.hosts.empty() && checks.readable("dnsdhcp.hosts"))
    checks.warning("dnsdhcp.only_known", "only_known without hosts: no machine gets an address", "add hosts, or remove only_known");
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    if (dnsdhcp.networks[i].pool)
      checks.warning(path_of("dnsdhcp.networks[{}].pool", i),
                     "the pool has no effect with only_known: every known host has its own address", "remove the pool or only_known");
  }
}

}  // namespace fairlead::config
