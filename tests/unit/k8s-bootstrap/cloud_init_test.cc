// tests/golden/k8s-bootstrap/seed/MACHINE/*. tests/e2e/test_machine_seeds.py gives these files to Debian's cloud-init.
#include "k8s-bootstrap/machines/cloud_init.h"

#include <algorithm>

#include "k8s-bootstrap/machines/vm_names.h"
#include "vm_site.h"

namespace fairlead::bootstrap {
namespace {

using vm_test::keys;
using vm_test::vm_site;

TEST(CloudInit, OfTheClassicSiteIsTheExpectedOneForEveryRole) {
  const Site site = vm_site("libvirt");
  for (const std::string name : {"gate-1", "bastion", "mast-1", "node-1", "stor-1"}) {
    const Seed seed = seed_of(site, *site.find(name), keys());
    render_test::expect_golden("seed/" + name + "/user-data", seed.user_data);
    render_test::expect_golden("seed/" + name + "/meta-data", seed.meta_data);
    render_test::expect_golden("seed/" + name + "/network-config", seed.network_config);
  }
}

TEST(CloudInit, OfAnIpv6SiteWithRootAndAMirrorIsTheExpectedOne) {
  Site site = render_test::ipv6_site();
  site.vms = Vms{"qemu", "base", {}, {}};
  site.mirrors.debian = "http://mirror.kube.demo/debian";
  site.networks[1].mtu = 9000;
  for (const std::string name : {"gate-1", "mast-1"}) {
    SeedKeys without = keys();
    without.user_ca.clear();
    const Seed seed = seed_of(site, *site.find(name), without);
    render_test::expect_golden("seed/ipv6-" + name + "/user-data", seed.user_data);
    render_test::expect_golden("seed/ipv6-" + name + "/meta-data", seed.meta_data);
    render_test::expect_golden("seed/ipv6-" + name + "/network-config", seed.network_config);
  }
}

// CI1, and defect 1 of the system this replaces: its user-data had keys in it.
TEST(CloudInit, HoldsNoSecret) {
  const Site site = vm_site("libvirt");
  for (const Machine& machine : site.machines) {
    const Seed seed = seed_of(site, machine, keys());
    for (const std::string& text : {seed.user_data, seed.meta_data, seed.network_config}) {
      for (const char* word : {"PRIVATE", "passwd:", "password", "token", "ed25519_private"}) {
        const bool locked = std::string_view(word) == "passwd:" && text.find("lock_passwd: true") != std::string::npos;
        EXPECT_TRUE(locked || text.find(word) == std::string::npos) << machine.name << ": " << word << "\n" << text;
      }
    }
  }
}

// CI2
TEST(CloudInit, InstanceIdChangesExactlyWithTheContent) {
  Site site = vm_site("libvirt");
  const auto id = [&](const std::string& name, const SeedKeys& with) { return seed_of(site, *site.find(name), with).meta_data; };
  const std::string before = id("mast-1", keys());
  const std::string node_before = id("node-1", keys());
  EXPECT_EQ(id("mast-1", keys()), before);
  SeedKeys more = keys();
  more.authorized.push_back("ssh-ed25519 AAAA bert@laptop");
  EXPECT_NE(id("mast-1", more), before);
  for (auto& [network, address] : render_test::of(site, "mast-1").addresses) address = render_test::ip("192.168.1.77");
  EXPECT_NE(id("mast-1", keys()), before);
  EXPECT_EQ(id("node-1", keys()), node_before) << "of another machine";
}

// CI3, and defect 4: prefix lengths come from the network.
TEST(CloudInit, CardsAreFoundByTheirMacAndStatic) {
  const Site site = vm_site("libvirt");
  for (const Machine& machine : site.machines) {
    const Seed seed = seed_of(site, machine, keys());
    for (const auto& [network, address] : machine.addresses) {
      EXPECT_NE(seed.network_config.find(vm_mac(site, machine, network)), std::string::npos) << machine.name;
      EXPECT_NE(seed.network_config.find(address.to_string() + "/24"), std::string::npos) << machine.name;
    }
    EXPECT_EQ(seed.network_config.find("dhcp4: true"), std::string::npos);
  }
}

TEST(CloudInit, RoutesLeadOutOncePerMachineAndInsideByTheGateways) {
  const Site site = vm_site("libvirt");
  const auto routes = [&](const std::string& name) { return seed_routes(site, *site.find(name)); };
  using render_test::ip;
  EXPECT_EQ(routes("gate-1"), (std::vector<SeedRoute>{{"0.0.0.0/0", ip("10.0.2.1"), "uplink"}})) << "it is in every network itself";
  EXPECT_EQ(routes("mast-1"), (std::vector<SeedRoute>{{"0.0.0.0/0", ip("192.168.1.254"), "mast"}}));
  EXPECT_EQ(routes("node-1"), (std::vector<SeedRoute>{{"0.0.0.0/0", ip("192.168.2.254"), "node"}})) << "none by the storage network";
  EXPECT_EQ(routes("bastion"), (std::vector<SeedRoute>{{"0.0.0.0/0", ip("10.0.2.1"), "uplink"},
                                                       {"192.168.1.0/24", ip("192.168.4.254"), "dmz"},
                                                       {"192.168.2.0/24", ip("192.168.4.254"), "dmz"},
                                                       {"192.168.3.0/24", ip("192.168.4.254"), "dmz"}}));
}

TEST(CloudInit, GatewaysAskTheWorldForNamesAndOthersTheGateways) {
  const Site site = vm_site("libvirt");
  using render_test::ip;
  EXPECT_EQ(seed_resolvers(site, *site.find("gate-2")), (std::vector<IpAddress>{ip("1.1.1.1"), ip("9.9.9.9")}));
  EXPECT_EQ(seed_resolvers(site, *site.find("node-1")), std::vector<IpAddress>{ip("192.168.2.1")});
  EXPECT_EQ(seed_resolvers(site, *site.find("bastion")), std::vector<IpAddress>{ip("192.168.4.1")});
}

}  // namespace
}  // namespace fairlead::bootstrap
