#include <gtest/gtest.h>

#include "config/load.h"

namespace fairlead::config {
namespace {

constexpr std::string_view kFile = R"(
apiVersion: fairlead/v1
node: gate-1
cluster:
  name: site
  nodes:
    - {name: gate-1, id: 1, links: [192.168.4.130]}
    - {name: gate-2, id: 2, links: [192.168.4.131]}
    - {name: gate-3, id: 3, links: [192.168.4.132]}
vips:
  - {name: api, address: 192.168.4.20/24, interface: eth0, group: gateway}
listeners: [{name: api, bind: ["192.168.4.20:6443"], pool: masters, max_connections: 10}]
pools: [{name: masters, servers: [{name: one, address: "192.168.1.11:6443"}]}]
dnsdhcp:
  follows: gateway
  upstream: [192.0.2.53]
  networks:
    - {name: mast, interface: eth1, cidr: 192.168.1.0/24, router: 192.168.1.254, dns: 192.168.1.1}
    - {name: node, interface: eth2, cidr: 192.168.2.0/24, router: 192.168.2.254}
)";

std::vector<std::string> warnings(std::vector<IpAddress> resolvers, std::string_view host = "") {
  Environment environment;
  environment.host_name = host;
  environment.resolvers = std::move(resolvers);
  std::string text(kFile);
  if (!host.empty()) text.erase(text.find("node: gate-1\n"), std::string_view("node: gate-1\n").size());
  std::vector<std::string> out;
  for (const Problem& problem : load_text(text, "f", environment).problems) {
    if (problem.message.find("/etc/resolv.conf") != std::string::npos) out.push_back(format(problem));
  }
  return out;
}
IpAddress ip(const char* text) { return *parse_ip_address(text); }

TEST(CheckResolvers, AGatewayThatAsksItsOwnSiteIsToldSo) {
  const auto dns = warnings({ip("192.0.2.53"), ip("192.168.1.1")});
  ASSERT_EQ(dns.size(), 1U);
  EXPECT_TRUE(dns[0].starts_with("f:18:")) << dns[0];
  EXPECT_NE(dns[0].find("warning: this gateway asks 192.168.1.1 for names"), std::string::npos) << dns[0];
  EXPECT_EQ(warnings({ip("192.168.2.254")}).size(), 1U) << "a router's address answers DNS where there is no other";
}

TEST(CheckResolvers, OneThatAsksElsewhereAndAMachineThatIsNoGatewayAreNot) {
  EXPECT_TRUE(warnings({}).empty());
  EXPECT_TRUE(warnings({ip("192.0.2.53"), ip("192.168.1.2")}).empty());
  EXPECT_TRUE(warnings({ip("192.168.1.1")}, "laptop").empty());
  EXPECT_EQ(warnings({ip("192.168.1.1")}, "gate-2").size(), 1U);
}

TEST(CheckResolvers, AGatewayWhoseAddressInItsOwnNetworkComesFromDhcpIsToldSo) {
  const auto lent = [](const char* device, const char* address) {
    Environment environment;
    environment.lent_addresses = {{device, ip(address)}};
    std::vector<std::string> out;
    for (const Problem& problem : load_text(kFile, "f", environment).problems) {
      if (problem.message.find("comes from DHCP") != std::string::npos) out.push_back(format(problem));
    }
    return out;
  };
  const auto told = lent("eth2", "192.168.2.77");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("this gateway's address 192.168.2.77 on eth2"), std::string::npos) << told[0];
  EXPECT_TRUE(lent("eth2", "192.168.2.254").empty()) << "a virtual one has a lifetime, too";
  EXPECT_TRUE(lent("eth0", "192.168.2.77").empty());
  EXPECT_TRUE(lent("eth2", "10.0.2.15").empty()) << "an uplink may be lent";
}

}  // namespace
}  // namespace fairlead::config
