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
  }
  EXPECT_TRUE(render_dhcp_gate({.v4 = {.guarded = {"eth0.100", "br-lan", "enp0s31f6@a"}, .open = {}}, .v6 = {}}));
}

TEST(DhcpGate, OpensOnlyWhatItGuards) {
  EXPECT_FALSE(render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {"eth2"}}, .v6 = {}}));
  EXPECT_FALSE(render_dhcp_gate({.v4 = {.guarded = {"eth1"}, .open = {}}, .v6 = {.guarded = {}, .open = {"eth1"}}}));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
