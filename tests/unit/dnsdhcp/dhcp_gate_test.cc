#include "dnsdhcp/dhcp_gate.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

TEST(DhcpGate, ReplacesItsOwnTableAsAWholeAndNamesNoOther) {
  EXPECT_EQ(*render_dhcp_gate({.v4 = {.guarded = {"eth2", "eth1", "eth1"}, .open = {"eth2"}}, .v6 = {}}),
            "add table inet fairlead_dhcp\n"
            "delete table inet fairlead_dhcp\n"
            "table inet fairlead_dhcp {\n"
            "  set guarded4 {\n"
            "    type ifname\n"
            "    elements = { \"eth1\", \"eth2\" }\n"
            "  }\n"
            "  set open4 {\n"
            "    type ifname\n"
            "    elements = { \"eth2\" }\n"
            "  }\n"
            "  chain input {\n"
            "    type filter hook input priority filter - 10; policy accept;\n"
            "    meta nfproto ipv4 udp dport 67 iifname @guarded4 iifname != @open4 counter drop\n"
            "  }\n"
            "}\n");
  EXPECT_EQ(render_no_dhcp_gate(), "add table inet fairlead_dhcp\ndelete table inet fairlead_dhcp\n");
}

TEST(DhcpGate, IsClosedWhereNothingIsOpen) {
  EXPECT_NE(render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {}}, .v6 = {}})->find("set open4 {\n    type ifname\n  }"),
            std::string::npos);
}

TEST(DhcpGate, OfTheTwoNetworksOfAnInterfaceEachHasItsOwn) {
  const std::string text = *render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {}}, .v6 = {.guarded = {"eth1"}, .open = {"eth1"}}});
  EXPECT_NE(text.find("set open4 {\n    type ifname\n  }"), std::string::npos) << text;
  EXPECT_NE(text.find("set open6 {\n    type ifname\n    elements = { \"eth1\" }"), std::string::npos) << text;
  EXPECT_NE(text.find("meta nfproto ipv6 udp dport 547 iifname @guarded6 iifname != @open6 counter drop"), std::string::npos) << text;
}

TEST(DhcpGate, RefusesNamesThatNftWouldReadAsSomethingElse) {
  for (const char* name : {"", "eth*", "eth\"1", "eth 1", "eth\n1", "eth/1", "..", "a-name-of-sixteen"}) {
    EXPECT_FALSE(render_dhcp_gate({.v4 = {.guarded = {name}, .open = {}}, .v6 = {}})) << name;
    EXPECT_FALSE(render_dhcp_gate({.v4 = {}, .v6 = {.guarded = {name}, .open = {}}})) << name;
    EXPECT_FALSE(render_dhcp_gate({.v4 = {}, .v6 = {}, .inside = {name}})) << name;
  }
  EXPECT_TRUE(render_dhcp_gate({.v4 = {.guarded = {"eth0.100", "br-lan", "enp0s31f6@a"}, .open = {}}, .v6 = {}}));
}

config::DhcpNetwork network(const char* cidr, const char* device, const char* router, const char* dns) {
  config::DhcpNetwork out;
  out.interface = device;
  out.cidr = *parse_ip_prefix(cidr);
  if (*router != 0) out.router = *parse_ip_address(router);
  if (*dns != 0) out.dns = *parse_ip_address(dns);
  return out;
}

// dnsmasq answers at a VIP whatever device the question came by: without this a resolver with upstreams is open to the world.
TEST(DhcpGate, NamesAndBootFilesAreForTheNetworksDevicesOnly) {
  config::Snapshot site;
  config::DnsDhcp& dnsdhcp = site.dnsdhcp.emplace();
  dnsdhcp.networks = {network("192.168.1.0/24", "eth1", "192.168.1.254", "192.168.1.1"),
                      network("192.168.2.0/24", "eth2", "192.168.2.1", "192.168.2.1"), network("fd00:1::/64", "eth1", "fd00:1::fe", "")};
  dnsdhcp.networks[1].vlan = 42;
  DhcpGate gate;
  guard_names(gate, site);
  EXPECT_EQ(*render_dhcp_gate(gate),
            "add table inet fairlead_dhcp\n"
            "delete table inet fairlead_dhcp\n"
            "table inet fairlead_dhcp {\n"
            "  set inside {\n"
            "    type ifname\n"
            "    elements = { \"eth1\", \"eth2.42\", \"lo\" }\n"
            "  }\n"
            "  set served4 {\n"
            "    type ipv4_addr\n"
            "    flags interval\n"
            "    elements = { 192.168.1.1, 192.168.1.254, 192.168.2.1 }\n"
            "  }\n"
            "  set served6 {\n"
            "    type ipv6_addr\n"
            "    flags interval\n"
            "    elements = { fd00:1::fe }\n"
            "  }\n"
            "  chain input {\n"
            "    type filter hook input priority filter - 10; policy accept;\n"
            "    iifname != @inside ip daddr @served4 tcp dport 53 counter reject with tcp reset\n"
            "    iifname != @inside ip daddr @served4 udp dport { 53, 69 } counter reject with icmpx admin-prohibited\n"
            "    iifname != @inside ip6 daddr @served6 tcp dport 53 counter reject with tcp reset\n"
            "    iifname != @inside ip6 daddr @served6 udp dport { 53, 69 } counter reject with icmpx admin-prohibited\n"
            "  }\n"
            "}\n");
}

TEST(DhcpGate, WithRouterAdvertisementsEveryAddressOfTheDeviceIsGuarded) {
  config::Snapshot site;
  config::DnsDhcp& dnsdhcp = site.dnsdhcp.emplace();
  dnsdhcp.networks = {network("192.168.1.0/24", "eth1", "192.168.1.254", "192.168.1.1"), network("fd00:1::/64", "eth1", "fd00:1::fe", ""),
                      network("fd00:2::/64", "eth2", "fd00:2::fe", "")};
  dnsdhcp.networks[1].ra = true;
  DhcpGate gate;
  guard_names(gate, site);
  EXPECT_EQ(gate.v4.served, std::vector<IpPrefix>{*parse_ip_prefix("192.168.1.0/24")}) << "dnsmasq serves the gateway's own address, too";
  EXPECT_EQ(gate.v6.served, (std::vector<IpPrefix>{*parse_ip_prefix("fd00:1::/64"), *parse_ip_prefix("fd00:2::fe")}));
}

TEST(DhcpGate, OpensOnlyWhatItGuards) {
  EXPECT_FALSE(render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {"eth2"}}, .v6 = {}}));
  EXPECT_FALSE(render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {}}, .v6 = {.guarded = {}, .open = {"eth1"}}}));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
