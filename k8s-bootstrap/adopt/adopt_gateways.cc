// fairlead: pure
// The way back from a gateway's fairlead.yaml to the site's section `gateways`: what render/gateway_yaml.cc writes is recognised, the rest
// becomes `gateways.override`.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/units.h"
#include "k8s-bootstrap/adopt/adopt_parts.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;

std::optional<IpAddress> address_of(std::string text) {
  text = text.substr(0, text.find('/'));
  const auto parsed = parse_ip_address(text);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

Network* network_named(Site& site, const std::string& name) {
  const auto found = std::find_if(site.networks.begin(), site.networks.end(), [&](const Network& n) { return n.name == name; });
  return found == site.networks.end() ? nullptr : &*found;
}

std::string network_of(const Site& site, const IpAddress& address) {
  for (const Network& network : site.networks) {
    if (network.cidr.contains(address)) return network.name;
  }
  return {};
}

void add_network(Site& site, const std::string& name, const IpPrefix& cidr) {
  const IpPrefix whole{cidr.network(), cidr.length};
  const bool there =
      std::any_of(site.networks.begin(), site.networks.end(), [&](const Network& n) { return n.name == name || n.cidr == whole; });
  if (there) return;
  Network out;
  out.name = name;
  out.cidr = whole;
  site.networks.push_back(out);
}

/// The prefix of the machine's own address at a device.
std::optional<IpPrefix> prefix_at(const MachineFacts& facts, const std::string& device, const std::vector<IpAddress>& vips) {
  for (const NetworkCard& card : facts.cards) {
    if (card.device != device) continue;
    for (const std::string& written : card.addresses) {
      const auto prefix = parse_ip_prefix(written);
      const bool link_local =
          prefix && !prefix->address.is_v4() && (prefix->address.bytes()[0] == 0xfe && (prefix->address.bytes()[1] & 0xc0U) == 0x80);
      if (prefix && !link_local && std::find(vips.begin(), vips.end(), prefix->address) == vips.end()) return *prefix;
    }
  }
  return std::nullopt;
}

std::vector<std::uint16_t> ports_of(const DocNode* servers) {
  std::vector<std::uint16_t> out;
  for (const DocNodePtr& server : items_of(servers)) {
    if (const auto endpoint = parse_endpoint(text_in(server.get(), {"address"}))) out.push_back(endpoint->port);
  }
  return out;
}

/// The role that all machines behind a pool have, and nobody else.
std::optional<Role> role_behind(const Site& site, const DocNode* servers) {
  std::set<std::string> names;
  for (const DocNodePtr& server : items_of(servers)) names.insert(text_in(server.get(), {"name"}));
  for (const Role role : {Role::kControlPlane, Role::kWorker, Role::kBastion}) {
    std::set<std::string> have;
    for (const Machine* machine : site.with(role)) have.insert(machine->name);
    if (!have.empty() && have == names) return role;
  }
  return std::nullopt;
}

const DocNode* named(const DocNode* list, const std::string& name) {
  for (const DocNodePtr& item : items_of(list)) {
    if (text_in(item.get(), {"name"}) == name) return item.get();
  }
  return nullptr;
}

/// Nothing: it is no VIP of the kind that a site has (listeners of its own, one role behind them).
std::optional<SiteVip> vip_of(const DocNode& file, const DocNode& vip, const Site& site) {
  SiteVip out;
  out.name = text_in(&vip, {"name"});
  const auto address = address_of(text_in(&vip, {"address"}));
  if (!address) return std::nullopt;
  out.address = *address;
  out.network = network_of(site, *address);
  std::optional<Role> role;
  for (const DocNodePtr& listener : items_of(file.find("listeners"))) {
    const auto& binds = items_of(node_in(listener.get(), {"bind"}));
    const auto bind = binds.size() == 1 ? parse_endpoint(binds.front()->text) : Result<Endpoint>(Error{Errc::kNotFound, ""});
    if (!bind || bind->address != *address) continue;
    const DocNode* pool = named(file.find("pools"), text_in(listener.get(), {"pool"}));
    const auto ports = ports_of(node_in(pool, {"servers"}));
    role = role_behind(site, node_in(pool, {"servers"}));
    if (!role || ports.empty()) return std::nullopt;
    out.listen.push_back(bind->port);
    out.to_ports.push_back(ports.front());
    if (const std::string proxy = text_in(pool, {"send_proxy"}); !proxy.empty()) out.send_proxy = proxy;
  }
  if (!role || out.network.empty()) return std::nullopt;
  out.to_role = *role;
  return out;
}

/// Upstream servers of the chrony.conf that Fairlead wrote: those that are no gateways.
std::vector<std::string> ntp_upstream(const AdoptInput& input, const Site& site) {
  std::set<std::string> own;
  for (const Machine& machine : site.machines) {
    for (const auto& [network, address] : machine.addresses) own.insert(address.to_string());
  }
  std::vector<std::string> out;
  for (const Machine* gateway : site.with(Role::kGateway)) {
    const auto answer = input.answers.find(gateway->name);
    const std::string* conf = answer == input.answers.end() ? nullptr : answer->second.file("/etc/chrony/chrony.conf");
    if (conf == nullptr || !conf->starts_with("# Written by fairlead bootstrap.\n")) continue;
    std::string_view left = *conf;
    while (!left.empty()) {
      const auto end = std::min(left.find('\n'), left.size() - 1);
      const std::string_view line = left.substr(0, end);
      left.remove_prefix(end + 1);
      for (const std::string_view word : {"pool ", "server "}) {
        if (!line.starts_with(word)) continue;
        const std::string_view rest = line.substr(word.size());
        const std::string name(rest.substr(0, rest.find(' ')));
        if (!own.contains(name)) out.push_back(name);
      }
    }
    return out;
  }
  return out;
}

/// One gateway alone names devices, not networks.
std::string network_at(const AdoptInput& input, const Site& site, const std::string& device) {
  for (const Machine* gateway : site.with(Role::kGateway)) {
    const MachineFacts* facts = input.facts.find(gateway->name);
    const auto prefix = facts == nullptr ? std::nullopt : prefix_at(*facts, device, {});
    if (prefix) return network_of(site, prefix->address);
  }
  return {};
}

std::optional<SiteRouter> router_of(const DocNode& file, const AdoptInput& input, const Site& site, bool leave_uplink) {
  const DocNode* router = file.find("router");
  if (router == nullptr) return std::nullopt;
  const auto name = [&](const std::string& word, const std::string& uplink) { return word == "uplink" ? uplink : word; };
  SiteRouter out;
  out.uplink = text_in(router, {"uplink"});
  if (site.network(out.uplink) == nullptr) out.uplink = network_at(input, site, out.uplink);
  out.snat = address_of(text_in(router, {"snat"}));
  out.sync = text_in(router, {"sync"}) == "true";
  for (const DocNodePtr& rule : items_of(router->find("forward"))) {
    Forward one{name(text_in(rule.get(), {"from"}), out.uplink), {}};
    for (const DocNodePtr& to : items_of(rule->find("to"))) {
      if (to->text != "uplink" || !leave_uplink) one.to.push_back(name(to->text, out.uplink));
    }
    if (!one.to.empty()) out.forward.push_back(std::move(one));
  }
  return out;
}

void read_names(const DocNode& file, const Site& site, Gateways& out) {
  for (const DocNodePtr& item : items_of(node_in(&file, {"dnsdhcp", "upstream"}))) {
    if (const auto address = address_of(item->text)) out.dns_upstream.push_back(*address);
  }
  // VIPs have their names without being told, in their order and before the site's own records: one that stands elsewhere is such a record.
  auto next = out.vips.begin();
  for (const DocNodePtr& item : items_of(node_in(&file, {"dnsdhcp", "records"}))) {
    const std::string name = text_in(item.get(), {"name"});
    const auto address = address_of(text_in(item.get(), {"address"}));
    const auto vip = std::find_if(next, out.vips.end(), [&](const SiteVip& v) { return v.name == name && address == v.address; });
    if (out.dns_records.empty() && vip != out.vips.end()) {
      next = vip + 1;
      continue;
    }
    const Machine* machine = site.find(name);
    if (address && (machine == nullptr || machine->address() != *address)) out.dns_records.push_back({name, *address});
  }
}

DocNodePtr rendered(const Site& site, const Facts& facts) { return yaml_of(gateway_yaml(with_devices(site, facts))); }

/// `forward` without what the renderer adds by itself, if that comes out the same.
void choose_router(const DocNodePtr& file, const AdoptInput& input, Site& site) {
  for (const bool leave_uplink : {true, false}) {
    site.gateways->router = router_of(*file, input, site, leave_uplink);
    if (!site.gateways->router) return;
    const DocNodePtr ours = rendered(site, input.facts);
    const DocNode* one = node_in(ours.get(), {"router"});
    const DocNode* other = file->find("router");
    if (one != nullptr && other != nullptr && same_value(*one, *other)) return;
  }
}

}  // namespace

DocNodePtr gateway_document(const AdoptInput& input) {
  for (const AdoptTarget& target : input.targets) {
    const auto answer = input.answers.find(target.name);
    const std::string* text = answer == input.answers.end() ? nullptr : answer->second.file(kGatewayFile);
    if (text == nullptr) continue;
    if (DocNodePtr file = yaml_of(*text); file != nullptr && file->kind == DocNode::Kind::kMap) return file;
  }
  return nullptr;
}

std::vector<IpAddress> vips_of(const DocNode* file) {
  std::vector<IpAddress> out;
  const auto add = [&](const std::string& text) {
    if (const auto address = address_of(text)) out.push_back(*address);
  };
  for (const DocNodePtr& vip : items_of(node_in(file, {"vips"}))) add(text_in(vip.get(), {"address"}));
  for (const DocNodePtr& network : items_of(node_in(file, {"dnsdhcp", "networks"}))) {
    add(text_in(network.get(), {"router"}));
    add(text_in(network.get(), {"dns"}));
  }
  return out;
}

void read_gateway_networks(const DocNode& file, const AdoptInput& input, Site& site) {
  const auto vips = vips_of(&file);
  for (const DocNodePtr& node : items_of(node_in(&file, {"cluster", "nodes"}))) {
    const MachineFacts* facts = input.facts.find(text_in(node.get(), {"name"}));
    const DocNode* interfaces = node->find("interfaces");
    for (const DocEntry& entry : facts == nullptr || interfaces == nullptr ? std::vector<DocEntry>{} : interfaces->entries) {
      if (const auto prefix = prefix_at(*facts, entry.value->text, vips)) add_network(site, entry.key, *prefix);
    }
  }
  for (const DocNodePtr& item : items_of(node_in(&file, {"dnsdhcp", "networks"}))) {
    const std::string name = text_in(item.get(), {"name"});
    if (const auto cidr = parse_ip_prefix(text_in(item.get(), {"cidr"}))) add_network(site, name, *cidr);
    Network* network = network_named(site, name);
    if (network == nullptr) continue;
    network->router = address_of(text_in(item.get(), {"router"}));
    network->dns = address_of(text_in(item.get(), {"dns"}));
    const auto& pool = items_of(item->find("pool"));
    const auto first = pool.size() == 2 ? address_of(pool[0]->text) : std::nullopt;
    const auto last = pool.size() == 2 ? address_of(pool[1]->text) : std::nullopt;
    if (first && last) network->pool = config::DhcpPool{*first, *last};
    if (const auto lease = parse_duration(text_in(item.get(), {"lease"}))) network->lease = *lease;
    const std::string mtu = text_in(item.get(), {"mtu"});
    if (!mtu.empty() && mtu.size() < 6 && mtu.find_first_not_of("0123456789") == std::string::npos)
      network->mtu = static_cast<std::uint16_t>(std::stoul(mtu));
  }
}

void read_gateways(const DocNodePtr& file, const AdoptInput& input, Adopted& adopted) {
  Site& site = adopted.site;
  site.gateways.emplace();
  Gateways& out = *site.gateways;
  if (const std::string name = text_in(file.get(), {"cluster", "name"}); !name.empty()) site.name = name;
  if (const std::string profile = text_in(file.get(), {"cluster", "profile"}); !profile.empty()) out.profile = profile;
  const auto& nodes = items_of(node_in(file.get(), {"cluster", "nodes"}));
  for (const DocNodePtr& link : items_of(nodes.empty() ? nullptr : nodes.front()->find("links"))) {
    const auto address = address_of(link->text);
    const std::string network = address ? network_of(site, *address) : std::string();
    if (!network.empty()) out.links.push_back(network);
  }
  if (out.links.empty() && !site.networks.empty()) out.links.push_back(site.networks.front().name);
  for (const DocNodePtr& target : items_of(node_in(file.get(), {"cluster", "tie_break", "targets"}))) {
    if (const auto address = address_of(target->text)) out.tie_break.push_back(*address);
  }
  const auto snat = address_of(text_in(file.get(), {"router", "snat"}));
  for (const DocNodePtr& vip : items_of(file->find("vips"))) {
    if (snat && address_of(text_in(vip.get(), {"address"})) == snat && text_in(vip.get(), {"name"}).ends_with("-snat")) continue;
    if (auto read = vip_of(*file, *vip, site)) out.vips.push_back(std::move(*read));
  }
  read_names(*file, site, out);
  out.ntp_upstream = ntp_upstream(input, site);
  choose_router(file, input, site);
  for (Network& network : site.networks) {
    const bool reached = std::any_of(site.machines.begin(), site.machines.end(),
                                     [&](const Machine& m) { return m.has(Role::kGateway) && m.address_in(network.name) != nullptr; });
    network.external = !reached || (out.router && out.router->uplink == network.name);
  }
  const auto endpoint = parse_host_port(site.kubernetes.endpoint);
  for (const SiteVip& vip : out.vips) {
    if (endpoint && vip.address.to_string() == endpoint->host) site.kubernetes.endpoint = vip.name;
  }
  const DocNodePtr ours = rendered(site, input.facts);
  if (ours == nullptr) return;
  Difference found = difference(ours, file, true);
  out.override_keys = found.over;
  for (const std::string& path : found.lost)
    adopted.left.push_back(
        fmt::format("fairlead.yaml of the gateways: {} is not in it, and the site gives it: the next apply adds it", path));
}

}  // namespace fairlead::bootstrap
