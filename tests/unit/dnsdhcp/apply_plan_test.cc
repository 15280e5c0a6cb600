#include "dnsdhcp/apply_plan.h"

#include <gtest/gtest.h>

#include "tests/unit/dnsdhcp/any_site.h"

namespace fairlead::dnsdhcp {
namespace {

class ApplyPlanTest : public ::testing::Test {
 protected:
  ApplyPlanTest() {
    running.conf = "domain-needed\n";
    running.hosts = {{"mast.net", "192.168.1.11 mast-1\n"}, {"other.names", "192.168.4.20 api\n"}};
    running.dhcp_hosts = {{"mast-1", "52:54:00:00:01:01,192.168.1.11,mast-1\n"}};
    wanted = running;
  }
  ApplyPlan plan() const { return plan_apply(running, wanted); }

  Rendered running;
  Rendered wanted;
};

TEST_F(ApplyPlanTest, NothingIsDoneForWhatIsTheSame) { EXPECT_TRUE(plan().is_empty()); }

TEST_F(ApplyPlanTest, NamesNeedTheirFileOnly) {
  wanted.hosts["mast.net"] = "192.168.1.11 mast-1 etcd-1\n";
  wanted.hosts["node.net"] = "192.168.2.1 node-dns\n";
  wanted.hosts.erase("other.names");
  EXPECT_EQ(plan(), (ApplyPlan{{"hosts/other.names"},
                               {{"hosts/mast.net", "192.168.1.11 mast-1 etcd-1\n"}, {"hosts/node.net", "192.168.2.1 node-dns\n"}},
                               DnsmasqAction::kNone}));
}

TEST_F(ApplyPlanTest, ANewMachineNeedsItsFileOnly) {
  wanted.dhcp_hosts["mast-2"] = "52:54:00:00:01:02,192.168.1.12,mast-2\n";
  EXPECT_EQ(plan(), (ApplyPlan{{}, {{"dhcp-hosts/mast-2", "52:54:00:00:01:02,192.168.1.12,mast-2\n"}}, DnsmasqAction::kNone}));
}

TEST_F(ApplyPlanTest, AMachineThatWentNeedsASignalBecauseDnsmasqKeepsIt) {
  wanted.dhcp_hosts.clear();
  EXPECT_EQ(plan(), (ApplyPlan{{"dhcp-hosts/mast-1"}, {}, DnsmasqAction::kReload}));
}

TEST_F(ApplyPlanTest, AMachineThatChangedNeedsASignalBecauseItsOldAddressWouldStayTaken) {
  wanted.dhcp_hosts["mast-1"] = "52:54:00:00:01:01,192.168.1.13,mast-1\n";
  EXPECT_EQ(plan().action, DnsmasqAction::kReload);
}

TEST_F(ApplyPlanTest, ALineOfTheConfigurationNeedsARestartAndNoSignalBeside) {
  wanted.conf += "bogus-priv\n";
  wanted.dhcp_hosts.clear();
  const ApplyPlan out = plan();
  EXPECT_EQ(out.action, DnsmasqAction::kRestart);
  EXPECT_EQ(out.writes, (std::vector<FileWrite>{{"dnsmasq.conf", wanted.conf}}));
  EXPECT_EQ(out.removals, std::vector<std::string>{"dhcp-hosts/mast-1"});
}

TEST_F(ApplyPlanTest, WithoutAnythingRunningEverythingIsWritten) {
  const ApplyPlan out = plan_apply(std::nullopt, wanted);
  EXPECT_EQ(out.writes.size(), 4U);
  EXPECT_TRUE(out.removals.empty());
  EXPECT_EQ(out.action, DnsmasqAction::kRestart);
}

// From the model on: a machine more or less changes no line of dnsmasq.conf.
TEST(ApplyPlanOfSites, MachinesThatComeGoAndChangeNeedNoRestart) {
  const RenderPlace place{"/d", "/s", "", "", true};
  config::Snapshot site;
  config::DnsDhcp& dnsdhcp = site.dnsdhcp.emplace();
  config::DhcpNetwork network;
  network.name = "mast";
  network.interface = "eth1";
  network.cidr = *parse_ip_prefix("192.168.1.0/24");
  network.dns = *parse_ip_address("192.168.1.1");
  network.pool = config::DhcpPool{*parse_ip_address("192.168.1.100"), *parse_ip_address("192.168.1.200")};
  dnsdhcp.networks = {network};
  const auto host = [](const char* name, const char* mac, const char* address) {
    config::DhcpHost out;
    out.name = name;
    out.network = "mast";
    out.mac = mac;
    out.address = *parse_ip_address(address);
    return out;
  };
  dnsdhcp.hosts = {host("mast-1", "52:54:00:00:01:01", "192.168.1.11")};
  const auto before = *render(site, place);
  const auto after = [&](std::vector<config::DhcpHost> hosts) {
    dnsdhcp.hosts = std::move(hosts);
    return plan_apply(before, *render(site, place));
  };
  const auto one = dnsdhcp.hosts.front();
  EXPECT_EQ(after({one, host("mast-2", "52:54:00:00:01:02", "192.168.1.12")}).action, DnsmasqAction::kNone);
  auto renamed = one;
  renamed.aliases = {"etcd-1"};
  EXPECT_EQ(after({renamed}).action, DnsmasqAction::kNone);
  EXPECT_EQ(after({host("mast-1", "52:54:00:00:01:09", "192.168.1.11")}).action, DnsmasqAction::kReload);
  EXPECT_EQ(after({}).action, DnsmasqAction::kReload);
}

/// The files after a plan.
std::map<std::string, std::string> after(const Rendered& before, const ApplyPlan& plan) {
  std::map<std::string, std::string> out{{"dnsmasq.conf", before.conf}};
  for (const auto& [name, text] : before.hosts) out["hosts/" + name] = text;
  for (const auto& [name, text] : before.dhcp_hosts) out["dhcp-hosts/" + name] = text;
  for (const std::string& path : plan.removals) EXPECT_EQ(out.erase(path), 1U) << path;
  for (const FileWrite& file : plan.writes) out[file.path] = file.text;
  return out;
}

TEST(ApplyPlanProperty, LeadsFromAnySiteToAnyOtherAndIsEmptyThen) {
  EXPECT_TRUE(rc::check("files after the plan are the wanted ones", [] {
    const RenderPlace place{"/d", "/s", "", "", true};
    const auto a = render(testing::any_site(), place);
    const auto b = render(testing::any_site(), place);
    RC_ASSERT(a.has_value() && b.has_value());
    const ApplyPlan plan = plan_apply(*a, *b);
    RC_ASSERT(after(*a, plan) == after(*b, {}));
    RC_ASSERT(plan_apply(*b, *b).is_empty());
    RC_ASSERT(a->conf == b->conf || plan.action == DnsmasqAction::kRestart);
  }));
}

}  // namespace
}  // namespace fairlead::dnsdhcp
