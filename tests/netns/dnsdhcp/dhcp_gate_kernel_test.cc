// The gate's text against the real nft.
#include "dnsdhcp/dhcp_gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

#include "dnsdhcp/nft_tool.h"
#include "tests/support/net_namespace.h"

namespace fairlead::dnsdhcp {
namespace {

class DhcpGateTest : public test::NetNamespaceTest {};

/// Networks of both IP versions with and without a router, a VLAN, router advertisements; some with an open gate.
DhcpGate any_gate(std::mt19937& random) {
  const auto one_in = [&](unsigned count) { return random() % count == 0; };
  config::Snapshot site;
  config::DnsDhcp& dnsdhcp = site.dnsdhcp.emplace();
  for (unsigned i = 0; i < random() % 6; ++i) {
    config::DhcpNetwork network;
    const bool v4 = !one_in(3);
    network.interface = fmt::format("eth{}", random() % 4);
    if (one_in(3)) network.vlan = 1 + random() % 4094;
    network.cidr = *parse_ip_prefix(v4 ? fmt::format("10.{}.0.0/16", i) : fmt::format("fd00:{}::/64", i));
    network.dns = *parse_ip_address(v4 ? fmt::format("10.{}.0.1", i) : fmt::format("fd00:{}::1", i));
    if (one_in(2))
      network.router =
          one_in(2) ? network.dns : parse_ip_address(v4 ? fmt::format("10.{}.9.254", i) : fmt::format("fd00:{}::fe", i)).value();
    network.ra = !v4 && one_in(2);
    dnsdhcp.networks.push_back(network);
  }
  DhcpGate gate;
  guard_names(gate, site);
  for (const std::string& device : gate.inside) {
    GateSide& side = one_in(2) ? gate.v4 : gate.v6;
    side.guarded.push_back(device);
    if (one_in(2)) side.open.push_back(device);
  }
  return gate;
}

TEST_F(DhcpGateTest, NftAcceptsTheGateOfAnyModel) {
  const NftTool nft;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto text = render_dhcp_gate(any_gate(random));
    ASSERT_TRUE(text) << text.error().message();
    const auto applied = nft.apply(*text);
    ASSERT_TRUE(applied) << "seed " << seed << ": " << applied.error().message() << "\n" << *text;
  }
  ASSERT_TRUE(nft.apply(render_no_dhcp_gate()));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
