// fairlead: pure
// The gateways' fairlead.yaml. What the site leaves open is decided here:
//   - Node ids are the numbers at the ends of the gateways' names when all have one and no two the same, so that a gateway that leaves does
//     not change another's id; else their places in the site.
//   - A witness is the cluster's qdevice when the gateways are even in number; tie_break then has no effect and is left out, as it is with
//     three gateways and more.
//   - One gateway alone has no cluster: Corosync has nothing to do there.
//   - All VIPs are of the group `gateway`. The router's snat address becomes a VIP of the uplink.
//   - A machine whose MAC is known (a VM of ours, or one with `mac`) has its address reserved: NAME in the network of its own address,
//     NAME-NETWORK in the others. One without is a record, likewise one whose own address is in no network of ours.
//   - Every served network may open connections to the uplink (nodes fetch images), unless the site's own `forward` says who may.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/units.h"
#include "k8s-bootstrap/machines/vm_names.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNodePtr;

constexpr std::string_view kGroup = "gateway";
constexpr std::uint16_t kApiPort = 6443;

class GatewayText {
 public:
  explicit GatewayText(const Site& site) : site_(site), gateways_(*site.gateways), nodes_(site.with(Role::kGateway)) {}

  [[nodiscard]] std::string write() const {
    MapBuilder out;
    out.add_text("apiVersion", "fairlead/v1").add_text("kind", "Gateway").add("cluster", cluster());
    out.add_list("vips", vips()).add_list("listeners", listeners()).add_list("pools", pools());
    out.add("dnsdhcp", dnsdhcp()).add("router", router());
    const std::string head = fmt::format(
        "# Written by fairlead bootstrap from the site {}, the same on every gateway: change the site (gateways, gateways.override), not "
        "this.\n",
        site_.name);
    return head + write_yaml(*merge(std::move(out).build(), gateways_.override_keys));
  }

 private:
  // ---- cluster ----
  [[nodiscard]] std::vector<unsigned> node_ids() const {
    std::vector<unsigned> ids;
    for (const Machine* node : nodes_) {
      const std::size_t digits = node->name.find_last_not_of("0123456789") + 1;
      const std::string number = node->name.substr(digits);
      ids.push_back(number.empty() || number.size() > 6 ? 0 : static_cast<unsigned>(std::stoul(number)));
    }
    const std::set<unsigned> different(ids.begin(), ids.end());
    if (different.size() == ids.size() && !different.contains(0)) return ids;
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<unsigned>(i + 1);
    return ids;
  }

  /// Every gateway says which device it is.
  [[nodiscard]] bool is_mapped(const std::string& network) const {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](const Machine* n) { return n->interfaces.contains(network); });
  }

  /// What vips, networks and router call the network's device.
  [[nodiscard]] std::string interface_of(const std::string& network) const {
    if (nodes_.size() != 1) return network;
    const auto device = nodes_.front()->interfaces.find(network);
    return device == nodes_.front()->interfaces.end() ? network : device->second;
  }

  [[nodiscard]] DocNodePtr interfaces_of(const Machine& node) const {
    MapBuilder out;
    for (const Network& network : site_.networks) {
      if (is_mapped(network.name)) out.add_text(network.name, node.interfaces.at(network.name));
    }
    return out.empty() ? nullptr : std::move(out).build();
  }

  [[nodiscard]] DocNodePtr cluster() const {
    if (nodes_.size() < 2) return nullptr;
    const std::vector<unsigned> ids = node_ids();
    std::vector<DocNodePtr> nodes;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      std::vector<std::string> links;
      for (const std::string& network : gateways_.links) {
        if (const IpAddress* address = nodes_[i]->address_in(network)) links.push_back(address->to_string());
      }
      if (links.empty()) links.push_back(nodes_[i]->address().to_string());
      nodes.push_back(std::move(MapBuilder()
                                    .add_text("name", nodes_[i]->name)
                                    .add_plain("id", std::to_string(ids[i]))
                                    .add("links", texts(links))
                                    .add("interfaces", interfaces_of(*nodes_[i])))
                          .build());
    }
    MapBuilder out;
    out.add_text("name", site_.name).add_text("profile", gateways_.profile).add_list("nodes", std::move(nodes));
    const DocNodePtr third_vote = qdevice();
    if (third_vote == nullptr && nodes_.size() == 2) out.add("tie_break", tie_break());
    out.add("qdevice", third_vote);
    return std::move(out).build();
  }

  [[nodiscard]] DocNodePtr tie_break() const {
    if (gateways_.tie_break.empty()) return nullptr;
    std::vector<std::string> targets;
    for (const IpAddress& address : gateways_.tie_break) targets.push_back(address.to_string());
    return std::move(MapBuilder().add("targets", texts(targets))).build();
  }

  [[nodiscard]] DocNodePtr qdevice() const {
    const std::vector<const Machine*> witnesses = site_.with(Role::kWitness);
    if (witnesses.empty() || nodes_.size() % 2 != 0) return nullptr;
    const Machine& witness = *witnesses.front();
    const IpAddress* host = &witness.address();
    for (auto network = gateways_.links.rbegin(); network != gateways_.links.rend(); ++network) {
      if (const IpAddress* there = witness.address_in(*network)) host = there;
    }
    return std::move(MapBuilder().add_text("host", host->to_string())).build();
  }

  // ---- vips, listeners, pools ----
  /// "api", or "web-80" when the VIP has several listeners.
  [[nodiscard]] static std::string listener_name(const SiteVip& vip, std::size_t i) {
    return vip.listen.size() == 1 ? vip.name : fmt::format("{}-{}", vip.name, vip.listen[i]);
  }

  [[nodiscard]] DocNodePtr vip(const std::string& name, const IpAddress& address, const std::string& network,
                               const std::vector<std::string>& needed) const {
    const Network* found = site_.network(network);
    const int length = found == nullptr ? address.bits() : found->cidr.length;
    MapBuilder out;
    out.add_text("name", name).add_text("address", fmt::format("{}/{}", address.to_string(), length));
    if (is_mapped(network)) out.add_text("interface", interface_of(network));
    out.add_text("group", std::string(kGroup));
    if (!needed.empty()) out.add("requires", texts(needed));
    return std::move(out).build();
  }

  [[nodiscard]] std::vector<DocNodePtr> vips() const {
    std::vector<DocNodePtr> out;
    for (const SiteVip& v : gateways_.vips) {
      std::vector<std::string> needed;
      for (std::size_t i = 0; i < v.listen.size(); ++i) needed.push_back(listener_name(v, i));
      out.push_back(vip(v.name, v.address, v.network, needed));
    }
    if (gateways_.router && gateways_.router->snat) {
      const IpAddress& snat = *gateways_.router->snat;
      const bool there = std::any_of(gateways_.vips.begin(), gateways_.vips.end(), [&](const SiteVip& v) { return v.address == snat; });
      if (!there) out.push_back(vip(gateways_.router->uplink + "-snat", snat, gateways_.router->uplink, {}));
    }
    return out;
  }

  [[nodiscard]] std::vector<DocNodePtr> listeners() const {
    std::vector<DocNodePtr> out;
    for (const SiteVip& v : gateways_.vips) {
      for (std::size_t i = 0; i < v.listen.size(); ++i) {
        out.push_back(std::move(MapBuilder()
                                    .add_text("name", listener_name(v, i))
                                    .add("bind", texts({Endpoint{v.address, v.listen[i]}.to_string()}))
                                    .add_text("pool", listener_name(v, i)))
                          .build());
      }
    }
    return out;
  }

  [[nodiscard]] DocNodePtr health(const SiteVip& v, std::uint16_t port) const {
    if (v.to_role != Role::kControlPlane || port != kApiPort) return nullptr;  // tcp is the default.
    return std::move(MapBuilder().add_text("type", "https").add_text("path", "/readyz").add_text("ca", "/etc/fairlead/ca.crt")).build();
  }

  [[nodiscard]] std::vector<DocNodePtr> pools() const {
    std::vector<DocNodePtr> out;
    for (const SiteVip& v : gateways_.vips) {
      for (std::size_t i = 0; i < v.listen.size(); ++i) {
        const std::uint16_t port = i < v.to_ports.size() ? v.to_ports[i] : v.listen[i];
        std::vector<DocNodePtr> servers;
        for (const Machine* machine : site_.with(v.to_role)) {
          servers.push_back(
              std::move(MapBuilder().add_text("name", machine->name).add_text("address", Endpoint{machine->address(), port}.to_string()))
                  .build());
        }
        MapBuilder pool;
        pool.add_text("name", listener_name(v, i));
        if (v.send_proxy != "off") pool.add_text("send_proxy", v.send_proxy);
        out.push_back(std::move(pool.add("health", health(v, port)).add_list("servers", std::move(servers))).build());
      }
    }
    return out;
  }

  // ---- dnsdhcp, router ----
  [[nodiscard]] DocNodePtr network(const Network& n) const {
    MapBuilder out;
    out.add_text("name", n.name).add_text("interface", interface_of(n.name)).add_text("cidr", n.cidr.to_string());
    if (n.router) out.add_text("router", n.router->to_string());
    if (n.dns) out.add_text("dns", n.dns->to_string());
    if (n.pool) out.add("pool", texts({n.pool->first.to_string(), n.pool->last.to_string()}));
    if (n.lease) out.add_plain("lease", format_duration(*n.lease));
    if (!gateways_.ntp_upstream.empty()) out.add_text("ntp", (n.router ? *n.router : *n.dns).to_string());
    // An IPv6 network tells its MTU by router advertisements, which two gateways do not send.
    if (n.mtu != 0 && n.cidr.address.is_v4()) out.add_plain("mtu", std::to_string(n.mtu));
    return std::move(out).build();
  }

  [[nodiscard]] std::vector<DocNodePtr> records() const {
    std::vector<DocNodePtr> out;
    std::set<std::string> names;
    const auto add = [&](const std::string& name, const IpAddress& address) {
      out.push_back(std::move(MapBuilder().add_text("name", name).add_text("address", address.to_string())).build());
    };
    for (const DnsRecord& record : gateways_.dns_records) names.insert(record.name);
    for (const Machine& machine : site_.machines) {
      // A cluster's nodes have their names without being told.
      const bool named = machine.has(Role::kGateway) && nodes_.size() > 1;
      if (!named && !is_host(machine.name) && names.insert(machine.name).second) add(machine.name, machine.address());
    }
    for (const SiteVip& v : gateways_.vips) {
      if (names.insert(v.name).second) add(v.name, v.address);
    }
    for (const DnsRecord& record : gateways_.dns_records) add(record.name, record.address);
    return out;
  }

  struct Host {
    std::string name;
    std::string network;
    std::string mac;
    IpAddress address;
  };
  [[nodiscard]] std::vector<Host> hosts() const {
    std::set<std::string> taken;
    for (const DnsRecord& record : gateways_.dns_records) taken.insert(record.name);
    for (const SiteVip& v : gateways_.vips) taken.insert(v.name);
    const std::set<std::string> spoken_for = taken;  // A record of the site's says what its name means.
    for (const Machine& machine : site_.machines) taken.insert(machine.name);
    std::vector<Host> out;
    for (const Machine& machine : site_.machines) {
      if (machine.has(Role::kGateway)) continue;  // They are the DHCP servers.
      for (const Network* network : served_networks(site_)) {
        const IpAddress* address = machine.address_in(network->name);
        const std::string mac = address == nullptr || !address->is_v4() ? std::string() : mac_of(site_, machine, network->name);
        if (mac.empty()) continue;
        const bool own = *address == machine.address();
        const std::string name = own ? machine.name : machine.name + "-" + network->name;
        if (own ? !spoken_for.contains(name) : taken.insert(name).second) out.push_back({name, network->name, mac, *address});
      }
    }
    return out;
  }
  [[nodiscard]] bool is_host(const std::string& name) const {
    const std::vector<Host> all = hosts();
    return std::any_of(all.begin(), all.end(), [&](const Host& host) { return host.name == name; });
  }
  [[nodiscard]] std::vector<DocNodePtr> host_nodes() const {
    std::vector<DocNodePtr> out;
    for (const Host& host : hosts()) {
      out.push_back(std::move(MapBuilder()
                                  .add_text("name", host.name)
                                  .add_text("network", host.network)
                                  .add_text("mac", host.mac)
                                  .add_text("address", host.address.to_string()))
                        .build());
    }
    return out;
  }

  [[nodiscard]] DocNodePtr dnsdhcp() const {
    std::vector<DocNodePtr> networks;
    for (const Network* n : served_networks(site_)) networks.push_back(network(*n));
    if (networks.empty()) return nullptr;
    std::vector<std::string> upstream;
    for (const IpAddress& address : gateways_.dns_upstream) upstream.push_back(address.to_string());
    MapBuilder out;
    out.add_text("follows", std::string(kGroup)).add_text("domain", site_.domain);
    if (!upstream.empty()) out.add("upstream", texts(upstream));
    return std::move(out.add_list("networks", std::move(networks)).add_list("hosts", host_nodes()).add_list("records", records())).build();
  }

  [[nodiscard]] DocNodePtr router() const {
    if (!gateways_.router) return nullptr;
    const SiteRouter& router = *gateways_.router;
    MapBuilder out;
    out.add_text("uplink", interface_of(router.uplink));
    if (router.snat) {
      out.add_text("snat", router.snat->to_string());
    } else {
      out.add_plain("masquerade", "true");
    }
    if (router.sync && site_.with(Role::kGateway).size() > 1) out.add_plain("sync", "true");
    return std::move(out.add_list("forward", forward(router))).build();
  }

  [[nodiscard]] std::vector<DocNodePtr> forward(const SiteRouter& router) const {
    std::vector<Forward> rules = router.forward;
    bool says_uplink = false;
    const auto name = [&](std::string& network) {
      if (network == router.uplink) network = "uplink";
      says_uplink = says_uplink || network == "uplink";
    };
    for (Forward& rule : rules) {
      name(rule.from);
      for (std::string& to : rule.to) name(to);
    }
    for (const Network* network : says_uplink ? std::vector<const Network*>{} : served_networks(site_)) {
      const auto own = std::find_if(rules.begin(), rules.end(), [&](const Forward& rule) { return rule.from == network->name; });
      if (own != rules.end()) {
        own->to.emplace_back("uplink");
      } else {
        rules.push_back({network->name, {"uplink"}});
      }
    }
    std::vector<DocNodePtr> out;
    out.reserve(rules.size());
    for (const Forward& rule : rules) out.push_back(std::move(MapBuilder().add_text("from", rule.from).add("to", texts(rule.to))).build());
    return out;
  }

  const Site& site_;
  const Gateways& gateways_;
  std::vector<const Machine*> nodes_;
};

}  // namespace

std::string gateway_yaml(const Site& site) { return site.gateways ? GatewayText(site).write() : std::string(); }

}  // namespace fairlead::bootstrap
