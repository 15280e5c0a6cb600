// fairlead: pure
// Gateways: links, VIPs, tie break, names, routing.
#include <algorithm>
#include <set>

#include "base/host_name.h"
#include "config/dhcp_pool.h"
#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

constexpr std::uint16_t kApiPort = 6443;

/// Every gateway has an address in `network`.
void in_reach(SiteChecks& checks, const std::string& network, const std::string& path, std::string_view what) {
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    if (!machine.has(Role::kGateway) || machine.address_in(network) != nullptr) continue;
    // What could not be read counts as the first role there is.
    if (!checks.sound(path_of("machines[{}].roles", i)) || !checks.sound(path_of("machines[{}].addresses", i))) continue;
    checks.error(path, fmt::format("{}: gateway {} has no address in network {}", what, machine.name, network),
                 fmt::format("add it to the machine's addresses, as in {}: ...", network));
  }
}

void check_links(SiteChecks& checks, const Gateways& gateways) {
  if (gateways.links.empty() && checks.sound("gateways.links"))
    checks.error("gateways.links", "gateways without a link", "name a network, better two, in which every gateway has an address");
  std::set<std::string> seen;
  for (std::size_t i = 0; i < gateways.links.size(); ++i) {
    const std::string path = path_of("gateways.links[{}]", i);
    if (!checks.sound(path)) continue;
    if (!seen.insert(gateways.links[i]).second) checks.error(path, fmt::format("the link {} twice", gateways.links[i]), "remove one");
    if (checks.network(gateways.links[i], path) != nullptr) in_reach(checks, gateways.links[i], path, "the link");
  }
}

void check_served_networks(SiteChecks& checks) {
  for (std::size_t i = 0; i < checks.site.networks.size(); ++i) {
    const Network& network = checks.site.networks[i];
    if (network.external || (!network.router && !network.dns) || !checks.sound(path_of("networks[{}].name", i))) continue;
    in_reach(checks, network.name, path_of("networks[{}]", i),
             network.router ? "the router is a VIP of the gateways" : "the resolver is a VIP of the gateways");
  }
}

void check_tie_break(SiteChecks& checks, const Gateways& gateways) {
  if (checks.has("gateways.tie_break") && gateways.tie_break.empty() && checks.sound("gateways.tie_break"))
    checks.error("gateways.tie_break", "tie_break without a target", "give the address of a router that is not ours");
  for (std::size_t i = 0; i < gateways.tie_break.size(); ++i) {
    const std::string path = path_of("gateways.tie_break.targets[{}]", i);
    if (!checks.sound(path)) continue;
    checks.host_address(gateways.tie_break[i], path, "the target");
    const UsedAddress* user = checks.user_of(gateways.tie_break[i]);
    if (user != nullptr && user->ours)
      checks.error(path, fmt::format("the target {} is the {}", gateways.tie_break[i].to_string(), user->what),
                   "a target is a router that is not ours: the answer of our own address decides nothing");
  }
}

void check_ports(SiteChecks& checks, const SiteVip& vip, const std::string& of) {
  if (!checks.sound(of + ".listen") || !checks.sound(of + ".to.ports")) return;
  if (vip.listen.empty()) checks.error(of + ".listen", fmt::format("VIP {} listens on no port", vip.name), "give one, as in [6443]");
  if (vip.listen.size() != vip.to_ports.size())
    checks.error(of + ".to.ports",
                 fmt::format("listen and to.ports of VIP {} differ in length: {} and {}", vip.name, vip.listen.size(), vip.to_ports.size()),
                 "one for each: the first of listen goes to the first of to.ports");
  std::set<std::uint16_t> seen;
  for (std::size_t k = 0; k < vip.listen.size(); ++k) {
    const std::string path = path_of("{}.listen[{}]", of, k);
    if (!seen.insert(vip.listen[k]).second) checks.error(path, fmt::format("port {} twice", vip.listen[k]), "remove one");
    if (vip.listen[k] == 22 || vip.listen[k] == 53)
      checks.error(path, fmt::format("port {} is taken on the gateways, by {}", vip.listen[k], vip.listen[k] == 22 ? "sshd" : "DNS"),
                   "choose another");
  }
}

void check_vip(SiteChecks& checks, const SiteVip& vip, const std::string& of) {
  const Network* network = checks.network(vip.network, of + ".network");
  checks.host_address(vip.address, of + ".address", "the VIP");
  checks.take(vip.address, network, "VIP " + vip.name, of + ".address");
  if (network != nullptr) in_reach(checks, vip.network, of + ".network", "VIP " + vip.name);
  check_ports(checks, vip, of);
  if (checks.sound(of + ".to.role") && checks.all_known("machines", checks.site.machines.size(), "roles") &&
      checks.site.with(vip.to_role).empty())
    checks.error(of + ".to.role", fmt::format("no machine of role {}", to_string(vip.to_role)), "VIPs need somewhere to send connections");
  for (const Network& other : checks.site.networks) {
    if (!other.external && (vip.name == other.name + "-router" || vip.name == other.name + "-dns"))
      checks.error(of + ".name", fmt::format("{} is the VIP that network {} gets by itself", vip.name, other.name), "choose another name");
  }
}

void check_vips(SiteChecks& checks, const Gateways& gateways) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < gateways.vips.size(); ++i) {
    names.push_back(gateways.vips[i].name);
    check_vip(checks, gateways.vips[i], path_of("gateways.vips[{}]", i));
  }
  checks.unique(names, "gateways.vips", "VIP");
  std::size_t count = gateways.vips.size();
  for (const Network& network : checks.site.networks) {
    if (!network.external) count += (network.router ? 1U : 0U) + (network.dns && network.dns != network.router ? 1U : 0U);
  }
  if (count > config::kVipsMax)
    checks.error("gateways.vips", fmt::format("with the networks' routers and resolvers there are {} VIPs", count),
                 fmt::format("at most {}", config::kVipsMax));
}

/// kubernetes.endpoint, which is a VIP.
void check_endpoint(SiteChecks& checks, const Gateways& gateways) {
  static const std::string path = "kubernetes.endpoint";
  if (!checks.sound(path) || !checks.all_known("gateways.vips", gateways.vips.size())) return;
  std::vector<std::string> names;
  for (const SiteVip& vip : gateways.vips) names.push_back(vip.name);
  const auto vip =
      std::find_if(gateways.vips.begin(), gateways.vips.end(), [&](const SiteVip& v) { return v.name == checks.site.kubernetes.endpoint; });
  if (checks.site.kubernetes.endpoint.empty())
    return checks.error(path, "endpoint is missing",
                        names.empty() ? "name the VIP of the API servers; gateways.vips has none yet"
                                      : "name the VIP of the API servers, as in " + names.front());
  if (vip == gateways.vips.end())
    return checks.error(path, fmt::format("there is no VIP {}", quoted(checks.site.kubernetes.endpoint)),
                        config::suggest(checks.site.kubernetes.endpoint, names));
  const std::string of = path_of("gateways.vips[{}]", vip - gateways.vips.begin());
  if (!checks.sound(of + ".listen") || !checks.sound(of + ".to")) return;
  if (vip->to_role != Role::kControlPlane)
    return checks.error(of + ".to.role", fmt::format("VIP {} is kubernetes.endpoint and goes to {}", vip->name, to_string(vip->to_role)),
                        "write role: control-plane");
  const auto port = std::find(vip->listen.begin(), vip->listen.end(), kApiPort);
  if (port == vip->listen.end())
    return checks.error(of + ".listen", fmt::format("VIP {} is kubernetes.endpoint and does not listen on 6443", vip->name),
                        "add port 6443 to listen and to to.ports");
  const auto index = static_cast<std::size_t>(port - vip->listen.begin());
  if (index < vip->to_ports.size() && vip->to_ports[index] != kApiPort)
    return checks.error(path_of("{}.to.ports[{}]", of, index),
                        fmt::format("port 6443 of VIP {} goes to port {}", vip->name, vip->to_ports[index]), "API servers listen on 6443");
  if (vip->send_proxy != "off")
    checks.error(of + ".send_proxy", "API servers do not speak the PROXY protocol",
                 "remove send_proxy from the VIP of kubernetes.endpoint");
}

void check_names(SiteChecks& checks, const Gateways& gateways) {
  for (std::size_t i = 0; i < gateways.dns_upstream.size(); ++i) {
    const std::string path = path_of("gateways.dns.upstream[{}]", i);
    if (!checks.sound(path)) continue;
    checks.host_address(gateways.dns_upstream[i], path, "the upstream");
    const UsedAddress* user = checks.user_of(gateways.dns_upstream[i]);
    if (user != nullptr && user->ours)
      checks.error(path,
                   fmt::format("the upstream {} is the {}: a gateway would ask itself", gateways.dns_upstream[i].to_string(), user->what),
                   "give a resolver outside, as in 1.1.1.1");
  }
  for (std::size_t i = 0; i < gateways.dns_records.size(); ++i) {
    const std::string path = path_of("gateways.dns.records[{}]", i);
    if (!checks.sound(path)) continue;
    const DnsRecord& record = gateways.dns_records[i];
    if (parse_ip_address(record.name) || !is_dns_name(record.name) || record.name.ends_with('.'))
      checks.error(path + ".name", fmt::format("{} is no name of the domain name system", quoted(record.name)),
                   "letters, digits and '-', with dots between labels");
    checks.host_address(record.address, path + ".address", "the record");
    const Machine* machine = checks.site.find(record.name);
    if (machine != nullptr &&
        std::none_of(machine->addresses.begin(), machine->addresses.end(), [&](const auto& a) { return a.second == record.address; }))
      checks.error(path + ".name", fmt::format("{} is the name of a machine, with another address", record.name),
                   "each name means one thing");
  }
  for (std::size_t i = 0; i < gateways.ntp_upstream.size(); ++i) {
    const std::string path = path_of("gateways.ntp.upstream[{}]", i);
    if (checks.sound(path) && !parse_ip_address(gateways.ntp_upstream[i]) && !is_dns_name(gateways.ntp_upstream[i]))
      checks.error(path, fmt::format("{} is neither a name nor an address", quoted(gateways.ntp_upstream[i])), "as in pool.ntp.org");
  }
}

void check_forward(SiteChecks& checks, const SiteRouter& router) {
  for (std::size_t i = 0; i < router.forward.size(); ++i) {
    const Forward& rule = router.forward[i];
    const std::string of = path_of("gateways.router.forward[{}]", i);
    const Network* from = checks.network(rule.from, of + ".from");
    if (rule.to.empty() && checks.sound(of + ".to"))
      checks.error(of + ".to", "a rule that leads nowhere", "name a network, or remove the rule");
    for (std::size_t k = 0; k < rule.to.size(); ++k) {
      const std::string path = checks.has(path_of("{}.to[{}]", of, k)) ? path_of("{}.to[{}]", of, k) : of + ".to";
      const Network* to = checks.network(rule.to[k], path);
      if (from == nullptr || to == nullptr) continue;
      if (from == to)
        checks.error(path, fmt::format("from {} to itself", rule.from), "machines of one network reach each other without a gateway");
      if (from->cidr.address.family() != to->cidr.address.family())
        checks.error(path, fmt::format("{} and {} are of different IP versions", rule.from, rule.to[k]), "nothing can pass between them");
    }
    if (from != nullptr && from->name != router.uplink) in_reach(checks, rule.from, of + ".from", "routing");
  }
}

void check_router(SiteChecks& checks, const SiteRouter& router) {
  const Network* uplink = checks.network(router.uplink, "gateways.router.uplink");
  if (uplink != nullptr) {
    if (!uplink->external && checks.sound(path_of("networks[{}].external", checks.index_of(*uplink))))
      checks.error("gateways.router.uplink",
                   fmt::format("the uplink {} is not external: its router would be one of the gateways themselves", uplink->name),
                   "add external: true to that network");
    if (uplink->external && !uplink->router)
      checks.warning("gateways.router.uplink",
                     fmt::format("network {} has no router: the gateways get no default route from the site", uplink->name),
                     "add router to that network, or see that the gateways have one");
    in_reach(checks, router.uplink, "gateways.router.uplink", "the uplink");
  }
  if (router.snat) {
    checks.host_address(*router.snat, "gateways.router.snat", "snat");
    checks.take(*router.snat, uplink, "snat", "gateways.router.snat");
  }
  check_forward(checks, router);
  if (router.sync && !router.snat)
    checks.error("gateways.router.sync",
                 "connections behind masquerade have an address of one gateway, and no other one can go on with them",
                 "give the router an snat address, or leave sync out");
  if (router.sync && checks.site.with(Role::kGateway).size() < 2)
    checks.error("gateways.router.sync", "there is no other gateway whose connection table could be kept like this one's", "leave it out");
}

}  // namespace

void check_site_gateways(SiteChecks& checks) {
  if (!checks.site.gateways) return;
  const Gateways& gateways = *checks.site.gateways;
  check_links(checks, gateways);
  check_served_networks(checks);
  check_vips(checks, gateways);
  if (gateways.router && checks.sound("gateways.router.uplink")) check_router(checks, *gateways.router);
  check_tie_break(checks, gateways);
  check_names(checks, gateways);
  check_endpoint(checks, gateways);
}

}  // namespace fairlead::bootstrap
