// fairlead: pure
#include "dnsdhcp/dnsmasq_conf.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "config/derived_vips.h"
#include "config/site_names.h"
#include "dnsdhcp/lease_book.h"

namespace fairlead::dnsdhcp {
namespace {

// A dnsmasq ends when it is told of one lease more than it may have, and does not start when it is. Whatever the book holds it can be told,
// the fence as well; what it gave itself and is not in the book has room beside.
static_assert(kDnsmasqLeasesMax >= kRecordsMax + kLeasesHeldMax / 4);

using config::DhcpHost;
using config::DhcpNetwork;
using config::DnsDhcp;
using config::SiteName;

/// Between dnsmasq's quotes only '"' and '\' mean something; everything else, ',' and '#' included, is then text.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// dnsmasq writes IPv6 addresses in lists in brackets.
std::string in_list(const IpAddress& address) { return address.is_v4() ? address.to_string() : "[" + address.to_string() + "]"; }

/// Collects lines with the keys they come from; what does not fit into one is an error, never a second line.
class ConfWriter {
 public:
  void line(std::string key, const std::string& text) {
    const bool strange = std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (problem_.empty() && (strange || text.size() > kConfLineMax)) {
      problem_ = fmt::format("{}: {} in '{}...'", key.empty() ? "dnsmasq.conf" : key,
                             strange ? "a control character" : fmt::format("more than {} characters", kConfLineMax), text.substr(0, 30));
    }
    text_ += text;
    text_ += '\n';
    keys_.push_back(std::move(key));
  }
  /// A heading; a blank line before it.
  void part(const std::string& what) {
    if (!text_.empty()) line("", "");
    line("", "# " + what);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string text() && { return std::move(text_); }
  [[nodiscard]] std::vector<std::string> keys() && { return std::move(keys_); }

 private:
  std::string text_;
  std::vector<std::string> keys_;
  std::string problem_;
};

bool has_hosts(const DnsDhcp& dnsdhcp, const DhcpNetwork& network) {
  return std::any_of(dnsdhcp.hosts.begin(), dnsdhcp.hosts.end(), [&](const DhcpHost& h) { return h.network == network.name; });
}

/// dnsmasq sets tags of its own, as "known", and one named as the interface.
std::string tag_of(const DhcpNetwork& network) { return "net-" + network.name; }

void write_process(ConfWriter& out, const RenderPlace& place) {
  out.part("Written by fairleadd from fairlead.yaml. Changes made here are lost.");
  out.line("", "keep-in-foreground");
  out.line("", "log-facility=-");
  out.line("", "pid-file");
  // An empty group: none is changed to. Without the line it would be one that a started daemon has no right to become.
  if (!place.user.empty()) {
    out.line("", "user=" + quoted(place.user));
    out.line("", place.group.empty() ? "group=" : "group=" + quoted(place.group));
  }
  if (place.dbus) out.line("", "enable-dbus");
}

/// VIPs only: who holds them answers. bind-dynamic waits for addresses that are not there yet.
void write_addresses(ConfWriter& out, const config::Snapshot& snapshot) {
  const DnsDhcp& dnsdhcp = *snapshot.dnsdhcp;
  out.part("Answers on addresses that are VIPs only.");
  out.line("", "bind-dynamic");
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    if (network.router) out.line(fmt::format("dnsdhcp.networks[{}].router", i), "listen-address=" + network.router->to_string());
    if (network.dns && network.dns != network.router)
      out.line(fmt::format("dnsdhcp.networks[{}].dns", i), "listen-address=" + network.dns->to_string());
  }
  bool named = false;
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    if (!dnsdhcp.networks[i].ra) continue;
    // dnsmasq advertises routers on interfaces that are named only. One gateway (validated): nobody else could answer there.
    out.line(fmt::format("dnsdhcp.networks[{}].ra", i), "interface=" + quoted(config::network_device(snapshot, dnsdhcp.networks[i])));
    named = true;
  }
  if (named) out.line("", "except-interface=lo");
}

void write_names(ConfWriter& out, const DnsDhcp& dnsdhcp, const RenderPlace& place) {
  out.part("DNS.");
  for (const char* line : {"no-hosts", "no-resolv", "no-poll", "domain-needed", "bogus-priv", "cache-size=10000"}) out.line("", line);
  out.line("", "hostsdir=" + quoted(place.directory + "/hosts"));
  for (std::size_t i = 0; i < dnsdhcp.upstream.size(); ++i)
    out.line(fmt::format("dnsdhcp.upstream[{}]", i), "server=" + dnsdhcp.upstream[i].to_string());
  std::set<std::string> local;
  const auto own = [&](const std::string& key, const std::string& domain) {
    if (local.insert(domain).second) out.line(key, fmt::format("local=/{}/", domain));
  };
  const std::string common = config::domain_of(dnsdhcp, DhcpNetwork{});
  if (!common.empty()) {
    out.line("dnsdhcp.domain", "domain=" + common);
    own("dnsdhcp.domain", common);
  }
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    if (network.domain.empty()) continue;
    const std::string key = fmt::format("dnsdhcp.networks[{}].domain", i);
    out.line(key, fmt::format("domain={},{}", config::domain_of(dnsdhcp, network), network.cidr.to_string()));
    own(key, config::domain_of(dnsdhcp, network));
  }
}

void write_dhcp(ConfWriter& out, const DnsDhcp& dnsdhcp, const RenderPlace& place) {
  out.part("DHCP. fairleadd owns the leases. A machine that asks for its lease of before keeps it, whoever gave it.");
  out.line("", "dhcp-authoritative");
  out.line("", "leasefile-ro");
  if (!place.script.empty()) {
    out.line("", "dhcp-script=" + quoted(place.script));
    out.line("", "script-on-renewal");
  }
  // No ping before an offer: it takes 3 s. A new holder sweeps the pools before it offers anything, and static addresses lie outside them.
  out.line("", "no-ping");
  out.line("", fmt::format("dhcp-lease-max={}", kDnsmasqLeasesMax));
  out.line("", "dhcp-hostsdir=" + quoted(place.directory + "/dhcp-hosts"));
  // Browsers trust whoever is called wpad with their proxy settings.
  out.line("", "dhcp-name-match=set:no-name,wpad");
  out.line("", "dhcp-ignore-names=tag:no-name");
  if (dnsdhcp.only_known) out.line("dnsdhcp.only_known", "dhcp-ignore=tag:!known");
}

void write_range(ConfWriter& out, const DnsDhcp& dnsdhcp, const DhcpNetwork& network, const std::string& path) {
  const auto lease = std::chrono::duration_cast<std::chrono::seconds>(network.lease).count();
  const std::string tag = tag_of(network);
  if (network.cidr.address.is_v4()) {
    const std::string addresses = network.pool ? fmt::format("{},{}", network.pool->first.to_string(), network.pool->last.to_string())
                                               : network.cidr.network().to_string() + ",static";
    out.line(path + (network.pool ? ".pool" : ".cidr"),
             fmt::format("dhcp-range=set:{},{},{},{},{}", tag, addresses, netmask_of(network.cidr).to_string(),
                         network.cidr.broadcast().value_or(network.cidr.address).to_string(), lease));
    return;
  }
  const std::string network_start = network.cidr.network().to_string();
  if (network.pool) {
    out.line(path + ".pool", fmt::format("dhcp-range=set:{},{},{},{},{}", tag, network.pool->first.to_string(),
                                         network.pool->last.to_string(), network.cidr.length, lease));
  } else if (has_hosts(dnsdhcp, network)) {
    out.line(path + ".cidr", fmt::format("dhcp-range=set:{},{},static,{},{}", tag, network_start, network.cidr.length, lease));
  } else {  // Machines make their own addresses.
    out.line(path + ".ra", fmt::format("dhcp-range=set:{},{},ra-only,{},{}", tag, network_start, network.cidr.length, lease));
  }
}

void write_options(ConfWriter& out, const DhcpNetwork& network, const std::string& path) {
  const bool v4 = network.cidr.address.is_v4();
  const std::string before = fmt::format("dhcp-option=tag:{},", tag_of(network));
  const auto option = [&](const std::string& key, const std::string& what) { out.line(path + key, before + what); };
  const std::string prefix = v4 ? "option:" : "option6:";
  // Without a value dnsmasq would name itself as the router; an option without a value is not sent.
  if (v4) option(".router", network.router ? "option:router," + network.router->to_string() : "option:router");
  const auto resolver = config::resolver_of(network);
  if (resolver) option(network.dns ? ".dns" : ".router", prefix + "dns-server," + in_list(*resolver));
  if (network.ntp) option(".ntp", prefix + "ntp-server," + in_list(*network.ntp));
  if (network.mtu != 0 && v4) option(".mtu", fmt::format("option:mtu,{}", network.mtu));
  for (std::size_t i = 0; i < network.options.size(); ++i) {
    const config::DhcpOption& o = network.options[i];
    option(fmt::format(".options[{}].value", i), fmt::format("{}{},{}", v4 ? "" : "option6:", o.code, o.value));
  }
}

/// A DHCPv6 client renews with the server it knows by this: the same on all gateways. The number stands for nobody (RFC 5612).
std::string server_id(const config::Snapshot& snapshot) {
  std::string out = "32473";
  char before = ',';
  for (const char c : snapshot.cluster ? snapshot.cluster->name : snapshot.node.empty() ? "fairlead" : snapshot.node) {
    out += fmt::format("{}{:02x}", before, static_cast<unsigned char>(c));
    before = ':';
  }
  return out;
}

void write_networks(ConfWriter& out, const config::Snapshot& snapshot) {
  const DnsDhcp& dnsdhcp = *snapshot.dnsdhcp;
  if (std::any_of(dnsdhcp.networks.begin(), dnsdhcp.networks.end(),
                  [&](const DhcpNetwork& n) { return !n.cidr.address.is_v4() && serves_dhcp(dnsdhcp, n); }))
    out.line("", "dhcp-duid=" + server_id(snapshot));
  if (std::any_of(dnsdhcp.networks.begin(), dnsdhcp.networks.end(), [](const DhcpNetwork& n) { return n.ra; }))
    out.line("dnsdhcp.networks", "enable-ra");
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    if (!serves_dhcp(dnsdhcp, network)) continue;
    const std::string path = fmt::format("dnsdhcp.networks[{}]", i);
    out.part("Network " + network.name + ".");
    write_range(out, dnsdhcp, network, path);
    write_options(out, network, path);
    if (network.ra && network.mtu != 0)
      out.line(path + ".mtu", fmt::format("ra-param={},mtu:{},600", quoted(config::network_device(snapshot, network)), network.mtu));
  }
}

/// By what the machine says it is: iPXE by option or user class, firmware by its architecture (RFC 4578), an old boot ROM by silence.
void write_netboot(ConfWriter& out, const DnsDhcp& dnsdhcp) {
  if (!dnsdhcp.netboot) return;
  const config::Netboot& netboot = *dnsdhcp.netboot;
  out.part("Netboot.");
  if (!netboot.tftp_root.empty()) {
    out.line("dnsdhcp.netboot.tftp_root", "enable-tftp");
    out.line("dnsdhcp.netboot.tftp_root", "tftp-root=" + quoted(netboot.tftp_root));
    out.line("dnsdhcp.netboot.tftp_root", "tftp-no-fail");  // A missing directory must not take DNS and DHCP along.
  }
  for (const char* line :
       {"dhcp-match=set:ipxe,175", "dhcp-userclass=set:ipxe,iPXE", "dhcp-match=set:says-arch,option:client-arch",
        "dhcp-match=set:bios,option:client-arch,0", "dhcp-match=set:efi,option:client-arch,7", "dhcp-match=set:efi,option:client-arch,9"})
    out.line("", line);
  for (std::size_t i = 0; i < dnsdhcp.networks.size(); ++i) {
    const DhcpNetwork& network = dnsdhcp.networks[i];
    const auto server = config::resolver_of(network);
    if (!network.cidr.address.is_v4() || !serves_dhcp(dnsdhcp, network) || !server) continue;
    const auto boot = [&](std::string_view key, std::string_view tags, const std::string& file) {
      if (!file.empty())
        out.line(fmt::format("dnsdhcp.netboot.{}", key),
                 fmt::format("dhcp-boot=tag:{},{},{},,{}", tag_of(network), tags, quoted(file), server->to_string()));
    };
    boot("ipxe", "tag:ipxe", netboot.ipxe);
    boot("efi", "tag:!ipxe,tag:efi", netboot.efi);
    boot("bios", "tag:!ipxe,tag:bios", netboot.bios);
    boot("bios", "tag:!ipxe,tag:!says-arch", netboot.bios);
  }
}

/// "mast-1.kube.demo mast-1 etcd-1.kube.demo etcd-1", by address; the first name is the address's own.
FileTexts render_names(const config::Snapshot& snapshot) {
  std::map<IpAddress, std::vector<const SiteName*>> by_address;
  const std::vector<SiteName> names = config::list_site_names(snapshot);
  for (const SiteName& name : names) by_address[name.address].push_back(&name);
  FileTexts out;
  for (const auto& [address, here] : by_address) {
    std::string line = address.to_string();
    std::set<std::string> said;
    for (const SiteName* name : here) {
      for (const std::string& word : {name->full, name->bare}) {
        if (!word.empty() && said.insert(word).second) line += " " + word;
      }
    }
    std::string file = "other.names";  // No network is called so: see below.
    for (const DhcpNetwork& network : snapshot.dnsdhcp->networks) {
      if (network.cidr.contains(address)) file = network.name + ".net";
    }
    out[file] += line + "\n";
  }
  return out;
}

/// A line for each network that a machine is in.
FileTexts render_machines(const DnsDhcp& dnsdhcp) {
  FileTexts out;
  for (const DhcpHost& host : dnsdhcp.hosts) out[host.name] += fmt::format("{},{},{}\n", host.mac, in_list(host.address), host.name);
  return out;
}

}  // namespace

IpAddress netmask_of(const IpPrefix& network) {
  const std::uint32_t bits = network.length == 0 ? 0 : ~std::uint32_t{0} << (32U - network.length);
  return IpAddress::v4({static_cast<std::uint8_t>(bits >> 24U), static_cast<std::uint8_t>(bits >> 16U),
                        static_cast<std::uint8_t>(bits >> 8U), static_cast<std::uint8_t>(bits)});
}

bool serves_dhcp(const DnsDhcp& dnsdhcp, const DhcpNetwork& network) { return network.pool || network.ra || has_hosts(dnsdhcp, network); }

Result<Rendered> render(const config::Snapshot& snapshot, const RenderPlace& place) {
  if (!snapshot.dnsdhcp) return Error{Errc::kInvalidArgument, "the configuration has no dnsdhcp"};
  const DnsDhcp& dnsdhcp = *snapshot.dnsdhcp;
  ConfWriter out;
  write_process(out, place);
  write_addresses(out, snapshot);
  write_names(out, dnsdhcp, place);
  const bool dhcp = std::any_of(dnsdhcp.networks.begin(), dnsdhcp.networks.end(),
                                [&](const DhcpNetwork& network) { return serves_dhcp(dnsdhcp, network); });
  if (dhcp) {
    write_dhcp(out, dnsdhcp, place);
    write_networks(out, snapshot);
  }
  write_netboot(out, dnsdhcp);
  if (!out.problem().empty()) return Error{Errc::kInvalidArgument, out.problem()};
  Rendered rendered;
  rendered.hosts = render_names(snapshot);
  rendered.dhcp_hosts = render_machines(dnsdhcp);
  rendered.conf = std::move(out).text();
  rendered.conf_keys = std::move(out).keys();
  return rendered;
}

}  // namespace fairlead::dnsdhcp
