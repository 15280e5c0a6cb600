// Sites for the renderers' tests: the classic one (two gateways, a witness, three control planes, three workers, storage), and what makes
// others of it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "config/parse.h"
#include "generated/source_dir.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap::render_test {

inline IpAddress ip(const std::string& text) { return *parse_ip_address(text); }
inline IpPrefix cidr(const std::string& text) { return *parse_ip_prefix(text); }

inline config::DocNodePtr yaml(const std::string& text) {
  auto parsed = config::parse(text, "test");
  for (const auto& problem : parsed.problems) ADD_FAILURE() << config::format(problem);
  return parsed.document ? parsed.document->root : nullptr;
}

inline Machine machine(std::string name, std::vector<Role> roles, std::vector<std::pair<std::string, std::string>> addresses) {
  Machine out;
  out.name = std::move(name);
  out.roles = std::move(roles);
  for (auto& [network, address] : addresses) out.addresses.emplace_back(network, ip(address));
  return out;
}

inline Network network(std::string name, const std::string& net, const std::string& router, const std::string& dns) {
  Network out;
  out.name = std::move(name);
  out.cidr = cidr(net);
  if (!router.empty()) out.router = ip(router);
  if (!dns.empty()) out.dns = ip(dns);
  return out;
}

inline std::vector<Network> classic_networks() {
  std::vector<Network> out{
      network("uplink", "10.0.2.0/24", "10.0.2.1", ""), network("dmz", "192.168.4.0/24", "192.168.4.254", "192.168.4.1"),
      network("mast", "192.168.1.0/24", "192.168.1.254", "192.168.1.1"), network("node", "192.168.2.0/24", "192.168.2.254", "192.168.2.1"),
      network("storage", "192.168.3.0/24", "192.168.3.254", "192.168.3.1")};
  out[0].external = true;
  out[3].pool = config::DhcpPool{ip("192.168.2.130"), ip("192.168.2.250")};
  out[3].lease = std::chrono::hours(12);
  return out;
}

inline Gateways classic_gateways() {
  Gateways out;
  out.links = {"dmz", "mast"};
  out.tie_break = {ip("10.0.2.1")};
  out.vips = {{"api", ip("192.168.4.20"), "dmz", {6443}, Role::kControlPlane, {6443}, "off"},
              {"web", ip("192.168.4.21"), "dmz", {80, 443}, Role::kWorker, {30080, 30443}, "v2"}};
  out.dns_upstream = {ip("1.1.1.1"), ip("9.9.9.9")};
  out.dns_records = {{"api", ip("192.168.4.20")}};
  out.ntp_upstream = {"pool.ntp.org"};
  out.router =
      SiteRouter{"uplink", ip("10.0.2.10"), true, {{"dmz", {"mast", "node", "storage"}}, {"mast", {"node"}}, {"node", {"mast", "dmz"}}}};
  return out;
}

/// The gateways' devices are in the site, as with_devices puts them there.
inline Site classic_site() {
  Site site;
  site.name = "demo";
  site.domain = "kube.demo";
  site.state_dir = "./demo.state";
  site.versions.kubernetes = "1.36.4";
  site.versions.containerd = Containerd{"2.3.4", RuntimeSource::kUpstream, ""};
  site.networks = classic_networks();
  const auto gate = [](const std::string& n) {
    const int k = n == "1" ? 0 : 1;
    Machine out = machine("gate-" + n, {Role::kGateway},
                          {{"uplink", "10.0.2.1" + n},
                           {"dmz", "192.168.4.13" + std::to_string(k)},
                           {"mast", "192.168.1." + std::to_string(k + 2)},
                           {"node", "192.168.2." + std::to_string(k + 2)},
                           {"storage", "192.168.3." + std::to_string(k + 2)}});
    out.interfaces = {{"uplink", "ens3"}, {"dmz", "ens4"}, {"mast", "ens5"}, {"node", "ens6"}, {"storage", "ens7"}};
    return out;
  };
  site.machines = {gate("1"), gate("2"),
                   machine("bastion", {Role::kBastion, Role::kWitness}, {{"uplink", "10.0.2.13"}, {"dmz", "192.168.4.140"}})};
  for (const std::string n : {"1", "2", "3"})
    site.machines.push_back(machine("mast-" + n, {Role::kControlPlane}, {{"mast", "192.168.1.1" + n}}));
  for (const std::string n : {"1", "2", "3"})
    site.machines.push_back(machine("node-" + n, {Role::kWorker}, {{"node", "192.168.2.1" + n}, {"storage", "192.168.3.2" + n}}));
  for (const std::string n : {"1", "2", "3"})
    site.machines.push_back(machine("stor-" + n, {Role::kStorage}, {{"storage", "192.168.3.1" + n}}));
  site.gateways = classic_gateways();
  site.kubernetes.endpoint = "api";
  site.kubernetes.pods = cidr("10.244.0.0/16");
  site.kubernetes.services = cidr("10.96.0.0/12");
  return site;
}

inline Machine& of(Site& site, const std::string& name) {
  for (Machine& machine : site.machines) {
    if (machine.name == name) return machine;
  }
  ADD_FAILURE() << "no machine " << name;
  return site.machines.front();
}

inline void remove(Site& site, const std::string& name) {
  std::erase_if(site.machines, [&](const Machine& machine) { return machine.name == name; });
}

/// Two gateways, a control plane and a worker; every address is IPv6.
inline Site ipv6_site() {
  Site site = classic_site();
  site.networks = {network("world", "2001:db8:9::/64", "2001:db8:9::1", ""), network("lan", "fd00:1::/64", "fd00:1::ff", "fd00:1::53")};
  site.networks[0].external = true;
  site.machines = {machine("gate-1", {Role::kGateway}, {{"world", "2001:db8:9::11"}, {"lan", "fd00:1::2"}}),
                   machine("gate-2", {Role::kGateway}, {{"world", "2001:db8:9::12"}, {"lan", "fd00:1::3"}}),
                   machine("mast-1", {Role::kControlPlane}, {{"lan", "fd00:1::11"}}),
                   machine("node-1", {Role::kWorker}, {{"lan", "fd00:1::21"}})};
  for (Machine& m : site.machines) {
    if (m.has(Role::kGateway)) m.interfaces = {{"world", "ens3"}, {"lan", "ens4"}};
  }
  Gateways& gateways = *site.gateways;
  gateways.links = {"lan"};
  gateways.tie_break = {ip("2001:db8:9::1")};
  gateways.vips = {{"api", ip("fd00:1::20"), "lan", {6443}, Role::kControlPlane, {6443}, "off"}};
  gateways.dns_upstream = {ip("2606:4700:4700::1111")};
  gateways.dns_records = {};
  gateways.router = SiteRouter{"world", std::nullopt, false, {}};
  site.kubernetes.pods = cidr("fd00:10:244::/56");
  site.kubernetes.services = cidr("fd00:10:96::/112");
  return site;
}

/// External etcd on three machines, and the rest of the classic site.
inline Site external_etcd_site() {
  Site site = classic_site();
  site.kubernetes.etcd = EtcdPlace::kExternal;
  for (const std::string n : {"1", "2", "3"}) site.machines.push_back(machine("etcd-" + n, {Role::kEtcd}, {{"mast", "192.168.1.2" + n}}));
  return site;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// tests/golden/k8s-bootstrap/NAME. FL_UPDATE_GOLDEN=1 rewrites it; read the difference.
inline void expect_golden(const std::string& name, const std::string& text) {
  SCOPED_TRACE(name);
  const auto path = std::filesystem::path(FL_SOURCE_DIR) / "tests/golden/k8s-bootstrap" / name;
  if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  EXPECT_EQ(text, read_text(path));
}

}  // namespace fairlead::bootstrap::render_test
