// fairlead: pure
#include "k8s-bootstrap/machines/cloud_init.h"

#include <algorithm>

#include <fmt/format.h>

#include "k8s-bootstrap/machines/vm_names.h"
#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/render/chrony_conf.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNodePtr;

DocNodePtr file(std::string_view path, const std::string& content, const std::string& mode) {
  return std::move(MapBuilder()
                       .add_text("path", std::string(path))
                       .add_text("owner", "root:root")
                       .add_text("permissions", mode)
                       .add_text("content", content))
      .build();
}

DocNodePtr user(const Site& site, const SeedKeys& keys) {
  MapBuilder out;
  out.add_text("name", site.ssh.user);
  if (site.ssh.user != "root") {
    out.add_text("gecos", "Operator of " + site.name).add_text("shell", "/bin/bash");
    out.add_plain("lock_passwd", "true").add_text("sudo", "ALL=(ALL) NOPASSWD:ALL");
  }
  if (!keys.authorized.empty()) out.add("ssh_authorized_keys", texts(keys.authorized));
  return std::move(out).build();
}

std::vector<DocNodePtr> files(const Site& site, const Machine& machine, const SeedKeys& keys) {
  std::vector<DocNodePtr> out;
  if (!keys.user_ca.empty()) {
    out.push_back(file(kUserCa, keys.user_ca + "\n", "0644"));
    // Not the file that `bootstrap apply` writes: that one names a host certificate, which does not exist yet.
    out.push_back(file("/etc/ssh/sshd_config.d/40-fairlead-seed.conf", fmt::format("TrustedUserCAKeys {}\n", kUserCa), "0644"));
  }
  if (const std::string chrony = chrony_conf(site, machine); !chrony.empty())
    out.push_back(file("/etc/chrony/chrony.conf", chrony, "0644"));
  return out;
}

DocNodePtr apt(const Site& site) {
  if (site.mirrors.debian.empty()) return nullptr;
  std::vector<DocNodePtr> primary;
  primary.push_back(std::move(MapBuilder().add("arches", texts({"default"})).add_text("uri", site.mirrors.debian)).build());
  return std::move(MapBuilder().add_list("primary", std::move(primary))).build();
}

std::string user_data(const Site& site, const Machine& machine, const SeedKeys& keys) {
  const bool as_root = site.ssh.user == "root";
  std::vector<DocNodePtr> users;
  users.push_back(user(site, keys));
  MapBuilder out;
  out.add_text("hostname", machine.name).add_text("fqdn", site.fqdn(machine)).add_text("manage_etc_hosts", "localhost");
  out.add_list("users", std::move(users)).add_plain("disable_root", as_root ? "false" : "true").add_plain("ssh_pwauth", "false");
  // The image has none. A changed seed runs all this again, and machines that are known by their host key keep it.
  out.add_plain("ssh_deletekeys", "false");
  out.add_text("timezone", "Etc/UTC").add("apt", apt(site)).add_list("write_files", files(site, machine, keys));
  // sshd was started before its settings were written.
  if (!keys.user_ca.empty()) out.add("runcmd", list({texts({"systemctl", "try-reload-or-restart", "ssh"})}));
  return "#cloud-config\n" + write_yaml(*std::move(out).build());
}

DocNodePtr card(const Site& site, const Machine& machine, const std::string& network, const IpAddress& address,
                const std::vector<SeedRoute>& routes, bool asks_here) {
  const Network& of = *site.network(network);
  MapBuilder out;
  // In quotes: YAML 1.1 takes some MAC addresses for numbers of base 60.
  out.add("match", std::move(MapBuilder().add_text("macaddress", vm_mac(site, machine, network))).build());
  out.add_text("set-name", vm_card(machine, network)).add_plain("dhcp4", "false").add_plain("dhcp6", "false");
  out.add("addresses", texts({fmt::format("{}/{}", address.to_string(), of.cidr.length)}));
  if (of.mtu != 0) out.add_plain("mtu", std::to_string(of.mtu));
  std::vector<DocNodePtr> own;
  for (const SeedRoute& route : routes) {
    if (route.network != network) continue;
    own.push_back(std::move(MapBuilder().add_text("to", route.to).add_text("via", route.via.to_string())).build());
  }
  out.add_list("routes", std::move(own));
  if (asks_here) {
    std::vector<std::string> resolvers;
    for (const IpAddress& resolver : seed_resolvers(site, machine)) resolvers.push_back(resolver.to_string());
    if (!resolvers.empty())
      out.add("nameservers", std::move(MapBuilder().add("addresses", texts(resolvers)).add("search", texts({site.domain}))).build());
  }
  return std::move(out).build();
}

std::string network_config(const Site& site, const Machine& machine) {
  const std::vector<SeedRoute> routes = seed_routes(site, machine);
  MapBuilder cards;
  bool first = true;
  for (const auto& [network, address] : machine.addresses) {
    cards.add(vm_card(machine, network), card(site, machine, network, address, routes, first));
    first = false;
  }
  return write_yaml(*std::move(MapBuilder().add_plain("version", "2").add("ethernets", std::move(cards).build())).build());
}

const Network* own_network(const Site& site, const Machine& machine, bool (*fits)(const Network&)) {
  for (const auto& [name, address] : machine.addresses) {
    const Network* network = site.network(name);
    if (network != nullptr && fits(*network)) return network;
  }
  return nullptr;
}

}  // namespace

std::vector<SeedRoute> seed_routes(const Site& site, const Machine& machine) {
  const Network* outside = own_network(site, machine, [](const Network& n) { return n.external && n.router.has_value(); });
  const Network* inside = own_network(site, machine, [](const Network& n) { return !n.external && n.router.has_value(); });
  std::vector<SeedRoute> out;
  const bool gateway = machine.has(Role::kGateway);
  const Network* way = outside != nullptr ? outside : gateway ? nullptr : inside;
  if (way != nullptr) out.push_back({way->router->is_v4() ? "0.0.0.0/0" : "::/0", *way->router, way->name});
  if (gateway || outside == nullptr || inside == nullptr) return out;
  for (const Network& other : site.networks) {
    if (other.external || machine.address_in(other.name) != nullptr || other.cidr.address.is_v4() != inside->router->is_v4()) continue;
    out.push_back({fmt::format("{}/{}", other.cidr.network().to_string(), other.cidr.length), *inside->router, inside->name});
  }
  return out;
}

std::vector<IpAddress> seed_resolvers(const Site& site, const Machine& machine) {
  const std::vector<IpAddress> world = site.gateways ? site.gateways->dns_upstream : std::vector<IpAddress>{};
  if (machine.has(Role::kGateway)) return world;
  const Network* asked = own_network(site, machine, [](const Network& n) { return n.dns.has_value(); });
  return asked == nullptr ? world : std::vector<IpAddress>{*asked->dns};
}

Seed seed_of(const Site& site, const Machine& machine, const SeedKeys& keys) {
  Seed out;
  out.user_data = user_data(site, machine, keys);
  out.network_config = network_config(site, machine);
  const std::string id = sha256(out.user_data + '\0' + out.network_config).substr(0, 12);
  out.meta_data = write_yaml(
      *std::move(
           MapBuilder().add_text("instance-id", fmt::format("{}-{}", vm_name(site, machine), id)).add_text("local-hostname", machine.name))
           .build());
  return out;
}

}  // namespace fairlead::bootstrap
