#include "dnsdhcp/dhcp_gate.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

TEST(DhcpGate, ReplacesItsOwnTableAsAWholeAndNamesNoOther) {
  EXPECT_EQ(*render_dhcp_gate({.guarded = {"eth2", "eth1", "eth1"}, .open = {"eth2"}}),
            "add table inet fairlead_dhcp\n"
            "delete table inet fairlead_dhcp\n"
            "table inet fairlead_dhcp {\n"
            "  set guarded {\n"
            "    type ifname\n"
            "    elements = { \"eth1\", \"eth2\" }\n"
            "  }\n"
            "  set open {\n"
            "    type ifname\n"
            "    elements = { \"eth2\" }\n"
            "  }\n"
            "  chain input {\n"
            "    type filter hook input priority filter - 10; policy accept;\n"
            "    udp dport { 67, 547 } iifname @guarded iifname != @open counter drop\n"
            "  }\n"
            "}\n");
  EXPECT_EQ(render_no_dhcp_gate(), "add table inet fairlead_dhcp\ndelete table inet fairlead_dhcp\n");
}

TEST(DhcpGate, IsClosedWhereNothingIsOpen) {
  EXPECT_NE(render_dhcp_gate({.guarded = {"eth1"}, .open = {}})->find("set open {\n    type ifname\n  }"), std::string::npos);
}

TEST(DhcpGate, RefusesNamesThatNftWouldReadAsSomethingElse) {
  for (const char* name : {"", "eth*", "eth\"1", "eth 1", "eth\n1", "eth/1", "..", "a-name-of-sixteen"})
    EXPECT_FALSE(render_dhcp_gate({.guarded = {name}, .open = {}})) << name;
  EXPECT_TRUE(render_dhcp_gate({.guarded = {"eth0.100", "br-lan", "enp0s31f6@a"}, .open = {}}));
}

TEST(DhcpGate, OpensOnlyWhatItGuards) { EXPECT_FALSE(render_dhcp_gate({.guarded = {"eth1"}, .open = {"eth2"}})); }

}  // namespace
}  // namespace fairlead::dnsdhcp
