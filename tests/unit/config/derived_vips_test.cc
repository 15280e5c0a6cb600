#include "config/derived_vips.h"

#include <gtest/gtest.h>

#include "config/dhcp_pool.h"
#include "config/print.h"
#include "config/site_names.h"

namespace fairlead::config {
namespace {

IpAddress ip(const char* text) { return *parse_ip_address(text); }

class DerivedVips : public ::testing::Test {
 protected:
  DerivedVips() {
    snapshot.node = "gate-2";
    Node one;
    one.name = "gate-1";
    one.links = {ip("192.168.4.130"), ip("10.0.0.1")};
    one.interfaces = {{"lan", "ens192"}};
    Node two;
    two.name = "gate-2";
    two.links = {ip("192.168.4.131"), ip("10.0.0.2")};
    two.interfaces = {{"lan", "eth0"}};
    snapshot.cluster.emplace().nodes = {one, two};
    Vip api;
    api.name = "api";
    api.group = "gateway";
    api.lease = 3s;
    api.prefer = {"gate-2"};
    api.takeover_probe = false;
    api.requires_listeners = {"kube-api"};
    snapshot.vips.push_back(api);
    DhcpNetwork mast;
    mast.name = "mast";
    mast.interface = "lan";
    mast.cidr = *parse_ip_prefix("192.168.1.0/24");
    mast.router = ip("192.168.1.254");
    mast.dns = ip("192.168.1.1");
    DnsDhcp& dnsdhcp = snapshot.dnsdhcp.emplace();
    dnsdhcp.follows = "gateway";
    dnsdhcp.domain = "Kube.demo";
    dnsdhcp.networks = {mast};
  }
  DhcpNetwork& mast() { return snapshot.dnsdhcp->networks.front(); }
  Snapshot snapshot;
};

TEST_F(DerivedVips, RouterAndDnsOfANetworkAreVipsOfTheGroupInThatNetwork) {
  const std::vector<Vip> vips = derived_vips(snapshot);
  ASSERT_EQ(vips.size(), 2U);
  EXPECT_EQ(vips[0].name, "mast-router");
  EXPECT_EQ(vips[0].address.to_string(), "192.168.1.254/24");
  EXPECT_EQ(vips[1].name, "mast-dns");
  EXPECT_EQ(vips[1].address.to_string(), "192.168.1.1/24");
  for (const Vip& vip : vips) {
    EXPECT_EQ(vip.group, "gateway");
    EXPECT_EQ(vip.interface, "lan");
  }
}

TEST_F(DerivedVips, MoveAsTheFirstVipOfTheGroupDoesAndRequireNothingThemselves) {
  const Vip vip = derived_vips(snapshot).front();
  EXPECT_EQ(vip.lease, Duration(3s));
  EXPECT_EQ(vip.prefer, std::vector<std::string>{"gate-2"});
  EXPECT_FALSE(vip.takeover_probe);
  EXPECT_TRUE(vip.requires_listeners.empty());
  EXPECT_FALSE(vip.preempt) << "the group's own wish is enough";
}

TEST_F(DerivedVips, OneAddressForBothIsOneVip) {
  mast().dns = mast().router;
  const std::vector<Vip> vips = derived_vips(snapshot);
  ASSERT_EQ(vips.size(), 1U);
  EXPECT_EQ(vips[0].name, "mast-router");
}

TEST_F(DerivedVips, AVlanIsADeviceOnTheNodesOwn) {
  mast().vlan = 41;
  EXPECT_EQ(derived_vips(snapshot).front().interface, "eth0.41");
  snapshot.node = "gate-1";
  EXPECT_EQ(network_device(snapshot, mast()), "ens192.41");
  mast().interface = "eth9";
  EXPECT_EQ(network_device(snapshot, mast()), "eth9.41") << "no name of nodes[].interfaces";
}

TEST_F(DerivedVips, AreNotPrinted) { EXPECT_EQ(print(snapshot).find("mast-router"), std::string::npos); }

TEST_F(DerivedVips, ThereAreNoneWithoutDnsdhcp) {
  snapshot.dnsdhcp.reset();
  EXPECT_TRUE(derived_vips(snapshot).empty());
}

TEST_F(DerivedVips, WhoHasNoDnsAsksTheRouter) {
  EXPECT_EQ(resolver_of(mast()), ip("192.168.1.1"));
  mast().dns.reset();
  EXPECT_EQ(resolver_of(mast()), ip("192.168.1.254"));
}

TEST_F(DerivedVips, SiteNamesAreKnownWithAndWithoutTheirDomain) {
  DhcpHost host;
  host.name = "mast-1";
  host.network = "mast";
  host.address = ip("192.168.1.11");
  host.aliases = {"ETCD-1", "registry.example"};
  snapshot.dnsdhcp->hosts = {host};
  snapshot.dnsdhcp->records = {{"api", ip("192.168.4.20")}, {"api", ip("2001:db8::20")}};
  mast().domain = "mast.demo";

  const auto names = site_names(snapshot);

  const auto one = [](const char* text) { return std::vector<IpAddress>{ip(text)}; };
  EXPECT_EQ(names.at("mast-1.mast.demo"), one("192.168.1.11")) << "the network's domain";
  EXPECT_EQ(names.at("mast-1"), one("192.168.1.11"));
  EXPECT_EQ(names.at("etcd-1"), one("192.168.1.11"));
  EXPECT_EQ(names.at("registry.example"), one("192.168.1.11")) << "with dots it stands as it is";
  EXPECT_FALSE(names.contains("registry.example.mast.demo"));
  EXPECT_EQ(names.at("mast-router.mast.demo"), one("192.168.1.254"));
  EXPECT_EQ(names.at("gate-1.kube.demo"), one("192.168.4.130")) << "its first link";
  EXPECT_EQ(names.at("api.kube.demo"), (std::vector<IpAddress>{ip("192.168.4.20"), ip("2001:db8::20")}));
}

TEST_F(DerivedVips, AnyVipHasAName) {
  snapshot.vips.front().name = "Ingress";
  snapshot.vips.front().address = *parse_ip_prefix("192.168.4.20/24");
  const auto names = site_names(snapshot);
  EXPECT_EQ(names.at("ingress.kube.demo"), std::vector{ip("192.168.4.20")});
  EXPECT_EQ(names.at("ingress"), std::vector{ip("192.168.4.20")});
}

TEST_F(DerivedVips, WhatTheSiteSaysOfAVipsNameStands) {
  snapshot.vips.front().address = *parse_ip_prefix("192.168.4.20/24");
  snapshot.dnsdhcp->records = {{"api", ip("192.168.4.99")}};
  EXPECT_EQ(site_names(snapshot).at("api"), std::vector{ip("192.168.4.99")});
}

TEST(DhcpPoolSize, CountsBothEndsAndKnowsItsBound) {
  const auto size = [](const char* first, const char* last) { return addresses_in({ip(first), ip(last)}); };
  EXPECT_EQ(size("10.0.0.5", "10.0.0.5"), 1U);
  EXPECT_EQ(size("10.0.0.250", "10.0.1.5"), 12U);
  EXPECT_EQ(size("0.0.0.0", "255.255.255.255"), 1ULL << 32U);
  EXPECT_EQ(size("2001:db8::1", "2001:db8::1:0"), 0x10000U);
  EXPECT_EQ(size("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"), ~0ULL);
  EXPECT_EQ(size("2001:db8::", "2001:db9::"), ~0ULL);
}

}  // namespace
}  // namespace fairlead::config
