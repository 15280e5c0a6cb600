// tests/golden/conntrackd/NAME.yaml -> NAME.conf. FL_UPDATE_GOLDEN=1 rewrites what is expected; read the difference.
#include "dnsdhcp/conntrackd_conf.h"
#include "generated/source_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "config/load.h"

namespace fairlead::dnsdhcp {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(FL_SOURCE_DIR) / "tests/golden/conntrackd";
const ConntrackdPaths kPaths{.lock = "/var/lib/fairlead/sync/lock", .socket = "/run/fairlead/conntrackd.sock"};

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

config::Snapshot site(const std::string& name) {
  const auto loaded = config::load_text(read_text(kGolden / (name + ".yaml")), name, {});
  for (const auto& problem : loaded.problems) {
    if (problem.severity == config::Severity::kError) ADD_FAILURE() << config::format(problem);
  }
  return loaded.snapshot.value_or(config::Snapshot{});
}

IpAddress ip(const std::string& text) { return *parse_ip_address(text); }

MachineAddresses machine() {
  return {{ip("127.0.0.1"), "lo"},      {ip("::1"), "lo"},           {ip("192.168.4.130"), "eth0"},
          {ip("10.9.0.1"), "eth5"},     {ip("fd00:9::1"), "eth5"},   {ip("192.168.1.252"), "eth1"},
          {ip("203.0.113.11"), "eth9"}, {ip("192.168.4.20"), "eth0"}};
}

std::string rendered(const config::Snapshot& snapshot, const MachineAddresses& addresses = machine(),
                     const ConntrackdPaths& paths = kPaths) {
  const auto conf = render_conntrackd_conf(snapshot, addresses, paths);
  return conf ? *conf : "error: " + conf.error().message();
}

TEST(ConntrackdConf, IsTheExpectedOne) {
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    auto expected = entry.path();
    expected.replace_extension(".conf");
    const std::string conf = rendered(site(entry.path().stem().string()));
    if (std::getenv("FL_UPDATE_GOLDEN") != nullptr) std::ofstream(expected) << conf;
    EXPECT_EQ(conf, read_text(expected)) << expected;
  }
  EXPECT_EQ(seen, 2);
}

TEST(ConntrackdConf, ThePairTalksToEachOtherAndThreeToAGroupOfTheirOwn) {
  auto other = site("pair");
  other.node = "gate-2";
  const std::string there = rendered(other, {{ip("192.168.4.131"), "eth0"}, {ip("10.9.0.2"), "eth5"}});
  EXPECT_NE(there.find("IPv4_address 192.168.4.131\n\t\tIPv4_Destination_Address 192.168.4.130\n"), std::string::npos) << there;
  auto three = site("three");
  const std::string one = rendered(three);
  three.cluster->name = "another";
  EXPECT_NE(rendered(three), one) << "another cluster of the same network has another group";
  EXPECT_NE(sync_group(""), 0);
}

TEST(ConntrackdConf, IgnoresWhatIsTheGatewaysOwnAndNoMachineInside) {
  const std::string conf = rendered(site("pair"));
  for (const char* own : {"192.168.4.20", "203.0.113.9", "192.168.1.254", "192.168.1.1", "192.168.1.252", "203.0.113.11", "192.168.4.131"})
    EXPECT_NE(conf.find("\t\t\tIPv4_address " + std::string(own) + "\n"), std::string::npos) << own;
  EXPECT_EQ(conf.find("192.168.1.0"), std::string::npos);
}

TEST(ConntrackdConf, ManyAddressesAreFilteredByConntrackdItself) {
  MachineAddresses many = machine();
  for (std::uint8_t i = 0; i < 120; ++i) many.emplace(IpAddress::v4({10, 1, 1, i}), "eth7");
  EXPECT_NE(rendered(site("pair")).find("Filter From Kernelspace"), std::string::npos);
  EXPECT_NE(rendered(site("pair"), many).find("Filter From Userspace"), std::string::npos);
}

TEST(ConntrackdConf, WhatConntrackdCannotReadIsAnError) {
  for (const char* device : {"0eth", "bond0:1", "x@y", "a b", "wan+", "}"}) {
    MachineAddresses odd = machine();
    odd[ip("192.168.4.130")] = device;
    EXPECT_NE(rendered(site("pair"), odd).find("cannot take the device name '" + std::string(device)), std::string::npos) << device;
  }
  EXPECT_EQ(rendered(site("pair"), {{ip("192.168.4.130"), "eth0"}}),
            "error: no device has 10.9.0.1, the address of this node's Corosync link 1");
  EXPECT_NE(rendered(site("pair"), machine(), {"/a b/lock", "/s"}).find("cannot take the path '/a b/lock'"), std::string::npos);
  EXPECT_NE(rendered(site("pair"), machine(), {"/l", "/" + std::string(kConntrackdPathMax, 'x')}).find("cannot take the path"),
            std::string::npos);
  auto nobody = site("pair");
  nobody.node = "gate-9";
  EXPECT_EQ(rendered(nobody), "error: node 'gate-9' is not in cluster.nodes");
}

}  // namespace
}  // namespace fairlead::dnsdhcp
