// tests/golden/k8s-bootstrap/gateway/NAME.yaml. FL_UPDATE_GOLDEN=1 rewrites them; read the difference.
#include <algorithm>
#include <gtest/gtest.h>

#include "config/derived_vips.h"
#include "config/load.h"
#include "k8s-bootstrap/machines/vm_names.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/render/render.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

/// As expected, and loaded by fairleadd without an error or a warning.
config::Snapshot expect_gateway(const std::string& name, const Site& site) {
  const std::string text = gateway_yaml(site);
  render_test::expect_golden("gateway/" + name, text);
  const auto loaded = config::load_text(text, name, {});
  for (const auto& problem : loaded.problems) ADD_FAILURE() << config::format(problem) << "\n" << text;
  return loaded.snapshot.value_or(config::Snapshot{});
}

TEST(GatewayYaml, OfTheClassicSiteIsTheExpectedOne) {
  const Site site = render_test::classic_site();
  const config::Snapshot snapshot = expect_gateway("classic.yaml", site);
  ASSERT_TRUE(snapshot.cluster);
  EXPECT_TRUE(snapshot.cluster->qdevice) << "the witness";
  EXPECT_FALSE(snapshot.cluster->tie_break) << "has no effect beside a qdevice";
  EXPECT_EQ(config::derived_vips(snapshot).size(), 8U) << "router and resolver of four networks";
}

TEST(GatewayYaml, OfOneGatewayHasNoCluster) {
  Site site = render_test::classic_site();
  render_test::remove(site, "gate-2");
  EXPECT_FALSE(expect_gateway("one-gateway.yaml", site).cluster);
}

TEST(GatewayYaml, OfTwoGatewaysWithoutAWitnessHasATieBreak) {
  Site site = render_test::classic_site();
  render_test::of(site, "bastion").roles = {Role::kBastion};
  const config::Snapshot snapshot = expect_gateway("no-witness.yaml", site);
  ASSERT_TRUE(snapshot.cluster && snapshot.cluster->tie_break);
  EXPECT_FALSE(snapshot.cluster->qdevice);
}

TEST(GatewayYaml, OfThreeGatewaysHasNeither) {
  Site site = render_test::classic_site();
  Machine third = render_test::machine(
      "gate-3", {Role::kGateway},
      {{"uplink", "10.0.2.14"}, {"dmz", "192.168.4.132"}, {"mast", "192.168.1.4"}, {"node", "192.168.2.4"}, {"storage", "192.168.3.4"}});
  third.interfaces = render_test::of(site, "gate-2").interfaces;
  site.machines.push_back(third);
  const auto loaded = config::load_text(gateway_yaml(site), "three", {});
  EXPECT_TRUE(loaded.problems.empty());
  ASSERT_TRUE(loaded.snapshot && loaded.snapshot->cluster);
  EXPECT_FALSE(loaded.snapshot->cluster->qdevice || loaded.snapshot->cluster->tie_break);
}

TEST(GatewayYaml, OfAnIpv6SiteIsTheExpectedOne) { (void)expect_gateway("ipv6.yaml", render_test::ipv6_site()); }

TEST(GatewayYaml, TheUsersKeysAreMergedLast) {
  Site site = render_test::classic_site();
  site.gateways->override_keys = render_test::yaml(
      "{pools: [{name: api, balance: round_robin, health: {interval: 500ms}}], listeners: [{name: api, log: true}], router: null, "
      "cluster: {nodes: [{name: gate-2, id: 7}]}, shutdown_grace: 10s}");
  const config::Snapshot snapshot = expect_gateway("user-keys.yaml", site);
  EXPECT_FALSE(snapshot.router);
  ASSERT_TRUE(snapshot.cluster);
  EXPECT_EQ(snapshot.cluster->nodes[1].id, 7U);
}

TEST(GatewayYaml, NodeIdsStayWhenAGatewayLeaves) {
  Site site = render_test::classic_site();
  const auto ids = [&] {
    std::vector<std::uint32_t> out;
    const auto loaded = config::load_text(gateway_yaml(site), "ids", {});
    for (const auto& node : loaded.snapshot->cluster->nodes) out.push_back(node.id);
    return out;
  };
  Machine third = render_test::of(site, "gate-2");
  third.name = "gate-3";
  for (auto& [network, address] : third.addresses) {
    auto bytes = address.bytes();
    address = IpAddress::v4({bytes[0], bytes[1], bytes[2], static_cast<std::uint8_t>(bytes[3] + 50)});
  }
  site.machines.push_back(third);
  EXPECT_EQ(ids(), (std::vector<std::uint32_t>{1, 2, 3}));
  render_test::remove(site, "gate-1");
  EXPECT_EQ(ids(), (std::vector<std::uint32_t>{2, 3}));
  render_test::of(site, "gate-2").name = "north";
  EXPECT_EQ(ids(), (std::vector<std::uint32_t>{1, 2})) << "by place when a name has no number";
}

TEST(GatewayYaml, TheUsersForwardIsTheLastWordWhenItNamesTheUplink) {
  Site site = render_test::classic_site();
  site.gateways->router->forward = {{"mast", {"node", "uplink"}}};
  const auto loaded = config::load_text(gateway_yaml(site), "forward", {});
  ASSERT_TRUE(loaded.snapshot && loaded.snapshot->router);
  EXPECT_EQ(loaded.snapshot->router->forward, (std::vector<config::ForwardRule>{{"mast", {"node", "uplink"}}}));
}

TEST(GatewayYaml, EveryMachineHasANameInDns) {
  const Site site = render_test::classic_site();
  const auto loaded = config::load_text(gateway_yaml(site), "names", {});
  ASSERT_TRUE(loaded.snapshot && loaded.snapshot->dnsdhcp);
  for (const Machine& machine : site.machines) {
    const auto& records = loaded.snapshot->dnsdhcp->records;
    const bool there = std::any_of(records.begin(), records.end(), [&](const config::DnsRecord& r) { return r.name == machine.name; });
    EXPECT_NE(there, machine.has(Role::kGateway)) << machine.name << ": nodes of the cluster have theirs by themselves";
  }
}

// A machine whose MAC is known has its address from DHCP too, and nobody else gets it.
TEST(GatewayYaml, ReservesTheAddressesOfVms) {
  Site site = render_test::classic_site();
  site.vms = Vms{"libvirt", "base", {}, {}};
  const config::Snapshot snapshot = expect_gateway("vms.yaml", site);
  ASSERT_TRUE(snapshot.dnsdhcp);
  const auto& hosts = snapshot.dnsdhcp->hosts;
  const auto host = [&](const std::string& name) {
    const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const config::DhcpHost& h) { return h.name == name; });
    return found == hosts.end() ? std::string("none") : found->network + " " + found->address.to_string() + " " + found->mac;
  };
  EXPECT_EQ(host("mast-1"), "mast 192.168.1.11 " + vm_mac(site, *site.find("mast-1"), "mast"));
  EXPECT_EQ(host("node-1"), "node 192.168.2.11 " + vm_mac(site, *site.find("node-1"), "node"));
  EXPECT_EQ(host("node-1-storage"), "storage 192.168.3.21 " + vm_mac(site, *site.find("node-1"), "storage"));
  EXPECT_EQ(host("gate-1"), "none") << "they are the servers";
  EXPECT_EQ(host("bastion"), "none") << "its own address is in a network of somebody else's";
}

TEST(GatewayYaml, ReservesTheAddressOfAMachineWithAMac) {
  Site site = render_test::classic_site();
  render_test::of(site, "mast-2").macs = {{"mast", "52:54:00:00:01:02"}};
  site.gateways->dns_records.push_back({"mast-3", render_test::ip("192.168.1.13")});
  render_test::of(site, "mast-3").macs = {{"mast", "52:54:00:00:01:03"}};
  const auto loaded = config::load_text(gateway_yaml(site), "macs", {});
  ASSERT_TRUE(loaded.problems.empty() && loaded.snapshot && loaded.snapshot->dnsdhcp);
  ASSERT_EQ(loaded.snapshot->dnsdhcp->hosts.size(), 1U) << "a record of the site says what mast-3 means";
  EXPECT_EQ(loaded.snapshot->dnsdhcp->hosts[0].name, "mast-2");
}

TEST(GatewayYaml, WithoutGatewaysThereIsNone) {
  Site site = render_test::classic_site();
  site.gateways.reset();
  EXPECT_EQ(gateway_yaml(site), "");
}

TEST(GatewayDevices, AreFoundByTheMachinesAddresses) {
  Site site = render_test::classic_site();
  render_test::of(site, "gate-1").interfaces.clear();
  render_test::of(site, "gate-2").interfaces = {{"mast", "eth9"}};
  EXPECT_EQ(missing_devices(site).size(), 9U) << "five networks of gate-1, four of gate-2";
  Facts facts;
  facts.machines["gate-1"].cards = {{"ens3", "", {"10.0.2.11/24", "fe80::1/64"}},
                                    {"ens4", "", {"192.168.4.130/24"}},
                                    {"ens5", "", {"192.168.1.2/24"}},
                                    {"ens6", "", {"192.168.2.2/24"}},
                                    {"ens7", "", {"192.168.3.2/24"}},
                                    {"lo", "", {"127.0.0.1/8", "nonsense"}}};
  facts.machines["gate-2"].cards = {{"eth1", "", {"192.168.1.3/24", "192.168.2.3/24"}}};

  const Site found = with_devices(site, facts);

  EXPECT_EQ(found.find("gate-1")->interfaces.at("uplink"), "ens3");
  EXPECT_EQ(found.find("gate-1")->interfaces.at("storage"), "ens7");
  EXPECT_EQ(found.find("gate-2")->interfaces.at("mast"), "eth9") << "what the site says stays";
  EXPECT_EQ(found.find("gate-2")->interfaces.at("node"), "eth1");
  EXPECT_EQ(missing_devices(found),
            (std::vector<std::pair<std::string, std::string>>{{"gate-2", "dmz"}, {"gate-2", "storage"}, {"gate-2", "uplink"}}));
  const auto loaded = config::load_text(gateway_yaml(found), "unknown devices", {});
  EXPECT_TRUE(loaded.snapshot) << "to be looked at before the machines were read";
}

}  // namespace
}  // namespace fairlead::bootstrap
