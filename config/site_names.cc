// fairlead: pure
#include "config/site_names.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/host_name.h"
#include "config/derived_vips.h"

namespace fairlead::config {
namespace {

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

SiteName make_name(SiteName::Kind kind, const std::string& name, const std::string& domain, const IpAddress& address) {
  SiteName out;
  out.kind = kind;
  out.full = lower(name);
  if (name.find('.') == std::string::npos) {
    out.bare = out.full;
    if (!domain.empty()) out.full += "." + domain;
  }
  out.address = address;
  return out;
}

const DhcpNetwork* network_of(const DnsDhcp& dnsdhcp, const std::string& name) {
  const auto found = std::find_if(dnsdhcp.networks.begin(), dnsdhcp.networks.end(), [&](const DhcpNetwork& n) { return n.name == name; });
  return found == dnsdhcp.networks.end() ? nullptr : &*found;
}

void add_nodes(const Snapshot& snapshot, std::vector<SiteName>& out) {
  if (!snapshot.cluster) return;
  for (std::size_t i = 0; i < snapshot.cluster->nodes.size(); ++i) {
    const Node& node = snapshot.cluster->nodes[i];
    if (node.links.empty() || !is_dns_name(node.name) || node.name.ends_with('.')) continue;  // Such a name cannot be asked for.
    SiteName name = make_name(SiteName::Kind::kNode, node.name, lower(snapshot.dnsdhcp->domain), node.links.front());
    name.what = "node " + node.name;
    name.path = fmt::format("cluster.nodes[{}].name", i);
    out.push_back(std::move(name));
  }
}

void add_vips(const DnsDhcp& dnsdhcp, std::vector<SiteName>& out) {
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    const auto add = [&](const std::string& vip, const IpAddress& address) {
      SiteName name = make_name(SiteName::Kind::kVip, vip, domain_of(dnsdhcp, network), address);
      name.what = "VIP " + vip;
      name.path = fmt::format("dnsdhcp.networks[{}].name", i);
      out.push_back(std::move(name));
    };
    if (network.router) add(router_vip_name(network), *network.router);
    if (network.dns && network.dns != network.router) add(dns_vip_name(network), *network.dns);
  }
}

void add_hosts(const DnsDhcp& dnsdhcp, std::vector<SiteName>& out) {
  const auto domain = [&](const DhcpHost& host) {
    const DhcpNetwork* network = network_of(dnsdhcp, host.network);
    return network == nullptr ? lower(dnsdhcp.domain) : domain_of(dnsdhcp, *network);
  };
  for (std::size_t i = 0; i < dnsdhcp.hosts.size(); ++i) {
    const DhcpHost& host = dnsdhcp.hosts[i];
    SiteName name = make_name(SiteName::Kind::kHost, host.name, domain(host), host.address);
    name.what = "host " + host.name;
    name.path = fmt::format("dnsdhcp.hosts[{}].name", i);
    out.push_back(std::move(name));
  }
  for (std::size_t i = 0; i < dnsdhcp.hosts.size(); ++i) {
    const DhcpHost& host = dnsdhcp.hosts[i];
    for (std::size_t k = 0; k < host.aliases.size(); ++k) {
      SiteName name = make_name(SiteName::Kind::kAlias, host.aliases[k], domain(host), host.address);
      name.what = "host " + host.name;
      name.path = fmt::format("dnsdhcp.hosts[{}].aliases[{}]", i, k);
      out.push_back(std::move(name));
    }
  }
}

/// Where the site says nothing else of such a name.
void add_other_vips(const Snapshot& snapshot, std::vector<SiteName>& out) {
  for (std::size_t i = 0; i < snapshot.vips.size(); ++i) {
    const Vip& vip = snapshot.vips[i];
    if (!is_dns_name(vip.name) || vip.name.ends_with('.')) continue;
    SiteName name = make_name(SiteName::Kind::kVip, vip.name, lower(snapshot.dnsdhcp->domain), vip.address.address);
    name.what = "VIP " + vip.name;
    name.path = fmt::format("vips[{}].name", i);
    if (std::none_of(out.begin(), out.end(), [&](const SiteName& other) { return other.full == name.full; }))
      out.push_back(std::move(name));
  }
}

}  // namespace

std::string domain_of(const DnsDhcp& dnsdhcp, const DhcpNetwork& network) {
  return lower(network.domain.empty() ? dnsdhcp.domain : network.domain);
}

std::vector<SiteName> list_site_names(const Snapshot& snapshot) {
  std::vector<SiteName> out;
  if (!snapshot.dnsdhcp) return out;
  const DnsDhcp& dnsdhcp = *snapshot.dnsdhcp;
  add_nodes(snapshot, out);
  add_vips(dnsdhcp, out);
  add_hosts(dnsdhcp, out);
  for (std::size_t i = 0; i < dnsdhcp.records.size(); ++i) {
    const DnsRecord& record = dnsdhcp.records[i];
    SiteName name = make_name(SiteName::Kind::kRecord, record.name, lower(dnsdhcp.domain), record.address);
    name.what = "record " + record.name;
    name.path = fmt::format("dnsdhcp.records[{}].name", i);
    out.push_back(std::move(name));
  }
  add_other_vips(snapshot, out);
  return out;
}

std::map<std::string, std::vector<IpAddress>> site_names(const Snapshot& snapshot) {
  std::map<std::string, std::vector<IpAddress>> out;
  for (const SiteName& name : list_site_names(snapshot)) {
    out[name.full].push_back(name.address);
    if (!name.bare.empty() && name.bare != name.full) out[name.bare].push_back(name.address);
  }
  return out;
}

}  // namespace fairlead::config
