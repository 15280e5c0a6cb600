// What a lab is made of, without making one.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "lab/lab_files.h"
#include "lab/lab_plan.h"

namespace fairlead::lab {
namespace {

LabPlan planned(const LabOptions& options = {}) {
  auto plan = plan_lab(options);
  EXPECT_TRUE(plan) << plan.error().message();
  return *plan;
}
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
std::string file_of(const LabPlan& plan, std::string_view node, std::string_view path) {
  for (const LabFile& file : plan.find(node)->files) {
    if (file.path == path) return file.text;
  }
  return "no such file";
}

TEST(LabPlanTest, HasTheNodesThatWereAskedForAndARouter) {
  const LabPlan plan = planned();
  EXPECT_EQ(plan.names(),
            (std::vector<std::string>{"router", "mast-1", "mast-2", "mast-3", "gate-1", "gate-2", "gate-3", "client", "switch"}));
  EXPECT_EQ(plan.find("nobody"), nullptr);
  const LabPlan large = planned({.name = "big", .nodes = kGatewaysMax, .backends = kBackendsMax, .clients = kClientsMax});
  EXPECT_EQ(large.nodes.size(), 1 + kGatewaysMax + kBackendsMax + kClientsMax);
  EXPECT_NE(large.find("client-40"), nullptr);
}

TEST(LabPlanTest, NoAddressNoMacAndNoPortIsThereTwiceAndPortsFitTheKernel) {
  const LabPlan plan = planned({.nodes = kGatewaysMax, .backends = kBackendsMax, .clients = kClientsMax, .dhcp = true});
  std::set<std::string> seen{std::string(kVip), "192.168.1.1",   "192.168.1.254", "192.168.2.1",
                             "192.168.2.254",   "192.168.1.199", "192.168.2.229"};
  for (const LabNode& node : plan.nodes) {
    for (const LabLink& link : node.links) {
      EXPECT_TRUE(link.address.empty() || seen.insert(link.address).second) << link.address;
      EXPECT_TRUE(seen.insert(link.mac).second) << link.mac;
      EXPECT_TRUE(seen.insert(link.port).second) << link.port;
      EXPECT_LT(link.port.size(), 16U) << link.port;
      EXPECT_NE(std::find(plan.bridges.begin(), plan.bridges.end(), link.bridge), plan.bridges.end()) << link.bridge;
    }
  }
}

TEST(LabPlanTest, TheRingHasALinkOfItsOwnUnlessOneLinkIsWanted) {
  const LabPlan two = planned();
  EXPECT_EQ(two.find("gate-1")->links.size(), 2U);
  EXPECT_TRUE(contains(file_of(two, "gate-1", "/etc/fairlead/fairlead.yaml"), "links: [10.99.0.1]"));

  const LabPlan one = planned({.one_link = true});
  EXPECT_EQ(one.find("gate-1")->links.size(), 1U);
  EXPECT_EQ(one.bridges, (std::vector<std::string>{"lan", "mast"}));
  EXPECT_TRUE(contains(file_of(one, "gate-1", "/etc/fairlead/fairlead.yaml"), "links: [192.168.4.131]"));
}

TEST(LabPlanTest, TwoGatewaysBreakTiesByTheRouterAndOneHasNoCluster) {
  EXPECT_TRUE(contains(file_of(planned({.nodes = 2}), "gate-2", "/etc/fairlead/fairlead.yaml"), "tie_break: {targets: [192.168.4.254]}"));
  EXPECT_FALSE(contains(file_of(planned(), "gate-2", "/etc/fairlead/fairlead.yaml"), "tie_break"));
  EXPECT_FALSE(contains(file_of(planned({.nodes = 1}), "gate-1", "/etc/fairlead/fairlead.yaml"), "cluster"));
}

TEST(LabPlanTest, AThirdVoteTakesThePlaceOfTheTieBreak) {
  const LabPlan plan = planned({.nodes = 2, .qdevice = true});
  const std::string file = file_of(plan, "gate-2", "/etc/fairlead/fairlead.yaml");
  EXPECT_TRUE(contains(file, "qdevice: {host: 192.168.4.120, tls: off}"));
  EXPECT_FALSE(contains(file, "tie_break"));
  EXPECT_EQ(plan.find("qnetd")->role, Role::kQnetd);
  EXPECT_EQ(plan.find("gate-1")->programs.front().name, "qdevice");
  EXPECT_FALSE(plan_lab({.nodes = 1, .qdevice = true}));
}

TEST(LabPlanTest, GatewaysHaveTheSameFileButForTheirName) {
  const LabPlan plan = planned({.profile = "fast"});
  std::string second = file_of(plan, "gate-2", "/etc/fairlead/fairlead.yaml");
  for (auto at = second.find("gate-2 of"); at != std::string::npos; at = second.find("gate-2 of")) second.replace(at, 6, "gate-1");
  const auto node = second.find("node: gate-2");
  ASSERT_NE(node, std::string::npos);
  second.replace(node, 12, "node: gate-1");
  EXPECT_EQ(second, file_of(plan, "gate-1", "/etc/fairlead/fairlead.yaml"));
  EXPECT_TRUE(contains(second, "profile: fast"));
}

TEST(LabPlanTest, ServersAreForTheVipToo) {
  const LabPlan plan = planned();
  EXPECT_EQ(certificate_names(*plan.find("mast-2")), "IP:192.168.1.12,IP:192.168.4.20,DNS:mast-2,DNS:api");
  EXPECT_TRUE(contains(file_of(plan, "mast-2", "/etc/lab/nginx.conf"), "listen 192.168.1.12:6443 ssl"));
  EXPECT_TRUE(contains(file_of(plan, "client", "/etc/hosts"), "192.168.4.20 api\n"));
  EXPECT_TRUE(contains(file_of(plan, "client", "/etc/hosts"), "192.168.4.133 gate-3\n"));
}

TEST(LabPlanTest, WithDhcpTheGatewaysAreInEveryNetworkAndMachinesHaveNoAddress) {
  LabPlan plan = planned({.nodes = 2, .backends = 1, .dhcp = true});
  EXPECT_EQ(plan.bridges, (std::vector<std::string>{"lan", "mast", "node", "ring"}));
  EXPECT_EQ(plan.find("router")->links.size(), 1U) << "the gateways are the way to mast";
  EXPECT_EQ(plan.find("gate-2")->links[1].address, "192.168.1.232");
  EXPECT_EQ(plan.find("gate-2")->links[2].address, "192.168.2.232");

  const LabNode& machine = *plan.find("machine-2");
  EXPECT_EQ(machine.role, Role::kMachine);
  EXPECT_EQ(node_commands(machine), "link set dev lo up\nlink set dev node up\n");
  EXPECT_TRUE(contains(file_of(plan, "machine-2", "/etc/udhcpc/default.script"), "#!/bin/sh"));
  EXPECT_FALSE(contains(file_of(plan, "client", "/etc/hosts"), "machine-2"));

  const std::string file = file_of(plan, "gate-1", "/etc/fairlead/fairlead.yaml");
  EXPECT_TRUE(contains(file, "links: [10.99.0.1]"));
  EXPECT_TRUE(contains(file, "group: gateway"));
  EXPECT_TRUE(contains(file, "{name: mast-1, network: mast, mac: \"02:fa:00:00:01:0b\", address: 192.168.1.11}"));
  EXPECT_TRUE(contains(file, "router:\n  uplink: lan"));
  EXPECT_FALSE(contains(file_of(planned(), "gate-1", "/etc/fairlead/fairlead.yaml"), "group"));
  EXPECT_EQ(planned().find("machine-1"), nullptr);
  EXPECT_TRUE(
      contains(file_of(planned({.one_link = true, .dhcp = true}), "gate-1", "/etc/fairlead/fairlead.yaml"), "links: [192.168.4.131]"));
}

TEST(LabPlanTest, CorosyncStartsBeforeTheDaemonAndOnlyInAClusterOfSeveral) {
  LabPlan plan = planned();
  add_corosync(plan, "the text");
  ASSERT_EQ(plan.find("gate-1")->programs.size(), 2U);
  EXPECT_EQ(plan.find("gate-1")->programs.front().name, "corosync");
  EXPECT_EQ(file_of(plan, "gate-3", "/etc/corosync/corosync.conf"), "the text");
  EXPECT_TRUE(plan.find("client")->programs.empty());
  LabPlan alone = planned({.nodes = 1});
  add_corosync(alone, "the text");
  EXPECT_EQ(alone.find("gate-1")->programs.size(), 1U);
}

TEST(LabPlanTest, CommandsForIpMakePortsOfTheNodesOwnNamespace) {
  const LabPlan plan = planned();
  const LabNode& gate = *plan.find("gate-1");
  EXPECT_EQ(port_commands(gate, 4711),
            "link add name gate-1-lan type veth peer name lan address 02:fa:00:00:04:83 netns 4711\n"
            "link set dev gate-1-lan master lan up\n"
            "link add name gate-1-ring type veth peer name ring address 02:fa:00:00:63:01 netns 4711\n"
            "link set dev gate-1-ring master ring up\n");
  EXPECT_EQ(ports_up_commands(gate), "link set dev gate-1-lan master lan up\nlink set dev gate-1-ring master ring up\n");
  EXPECT_EQ(unplug_commands(gate), "link del dev gate-1-lan\nlink del dev gate-1-ring\n");
  EXPECT_TRUE(contains(node_commands(gate), "addr replace 192.168.4.131/24 dev lan\n"));
  EXPECT_TRUE(contains(node_commands(gate), "route replace default via 192.168.4.254\n"));
  EXPECT_FALSE(contains(node_commands(*plan.find("router")), "route"));
}

TEST(LabPlanTest, WhatCannotBeIsRefusedWithWhatCan) {
  const auto refused = [](LabOptions options) {
    const auto plan = plan_lab(options);
    return plan ? std::string("not refused") : plan.error().context;
  };
  EXPECT_EQ(refused({.nodes = 0}), "--nodes 0: 1 to 16 are possible");
  EXPECT_EQ(refused({.nodes = 17}), "--nodes 17: 1 to 16 are possible");
  EXPECT_EQ(refused({.backends = 41}), "--backends 41: 1 to 40 are possible");
  EXPECT_EQ(refused({.clients = 0}), "--clients 0: 1 to 40 are possible");
  EXPECT_EQ(refused({.profile = "min"}), "--profile min: vm and fast are possible");
  for (const char* name : {"", "..", "a/b", "a b", "twenty-five-letters-long-x"})
    EXPECT_TRUE(contains(refused({.name = name}), "1 to 24 letters")) << name;
}

}  // namespace
}  // namespace fairlead::lab
