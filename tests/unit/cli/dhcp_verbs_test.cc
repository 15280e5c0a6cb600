// dhcp and dns: what they print, what they ask, how they fail.
#include <boost/json.hpp>

#include "tests/unit/cli/cli_fixture.h"

namespace fairlead::cli {
namespace {

class DhcpVerbsTest : public CliTest {
 protected:
  DhcpVerbsTest() {
    node.set_report(testing::sample_cluster_report());
    node.set_config(testing::sample_dhcp_yaml());
  }
  [[nodiscard]] bool before(const std::string& first, const std::string& second) const {
    const auto at = out.str().find(first);
    return at != std::string::npos && at < out.str().find(second);
  }
};

DnsAnswer found(std::vector<std::string> records, double ms = 0.8) {
  return {.result = DnsResult::kAnswer, .records = std::move(records), .detail = {}, .took_ms = ms};
}
const DnsAnswer kSilent{.result = DnsResult::kTimeout, .records = {}, .detail = "no answer", .took_ms = 2000};
const DnsAnswer kUnknown{.result = DnsResult::kNoName, .records = {}, .detail = {}, .took_ms = 0.4};

TEST_F(DhcpVerbsTest, LeasesStandInTheOrderOfTheirAddresses) {
  ASSERT_EQ(run({"dhcp", "leases"}), kExitDone) << err.str();
  for (const char* text : {"192.168.1.101  52:54:00:00:01:65  laptop", "held", "11h58m", "gate-1", "reserved"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  EXPECT_TRUE(before("192.168.1.11 ", "192.168.1.101 ")) << out.str();
  EXPECT_FALSE(printed("released"));
  ASSERT_EQ(run({"dhcp", "leases", "--released"}), kExitDone);
  EXPECT_TRUE(printed("192.168.1.100")) << out.str();
  ASSERT_EQ(run({"dhcp", "leases", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at_pointer("/leases/0/sequence").to_number<int>(), 12);
}

TEST_F(DhcpVerbsTest, AListThatIsCutSaysSo) {
  ASSERT_EQ(run({"dhcp", "leases", "--limit", "1"}), kExitDone);
  EXPECT_TRUE(printed("laptop"));
  EXPECT_FALSE(printed("mast-1"));
  EXPECT_TRUE(complained("cut at 1")) << err.str();
}

TEST_F(DhcpVerbsTest, FiltersAreCheckedBeforeAnythingIsAsked) {
  EXPECT_EQ(run({"dhcp", "leases", "--mac", "52:54"}), kExitUsage);
  EXPECT_TRUE(complained("--mac: '52:54' is not a MAC address")) << err.str();
  EXPECT_EQ(run({"dhcp", "leases", "--address", "mast-1"}), kExitUsage);
  EXPECT_EQ(run({"dhcp", "leases", "--network", "mats"}), kExitFailed);
  EXPECT_TRUE(complained("no network 'mats' (there are: mast, node)")) << err.str();
  ASSERT_EQ(run({"dhcp", "leases", "--name", "laptop", "--mac", "52:54:00:00:01:65", "--address", "192.168.1.101", "--network", "mast"}),
            kExitDone);
  EXPECT_TRUE(printed("laptop"));
}

TEST_F(DhcpVerbsTest, WatchedLeasesArePrintedAnewWhenOneComesNotWhenTimeGoes) {
  int turn = 0;
  pauses = 3;
  on_pause = [&] {
    auto leases = testing::sample_leases();
    leases[0].seconds_left -= static_cast<std::uint32_t>(++turn);
    if (turn == 3) leases[0].name = "another";
    node.set_leases(leases);
  };
  ASSERT_EQ(run({"dhcp", "leases", "--watch"}), kExitDone);
  std::size_t blocks = 0;
  for (auto at = out.str().find("--- "); at != std::string::npos; at = out.str().find("--- ", at + 1)) ++blocks;
  EXPECT_EQ(blocks, 2U) << out.str();
}

TEST_F(DhcpVerbsTest, ReservationsComeFromTheConfiguration) {
  ASSERT_EQ(run({"dhcp", "reservations"}), kExitDone) << err.str();
  EXPECT_TRUE(printed("mast-1  192.168.1.11  52:54:00:00:01:01  mast     etcd-1")) << out.str();
  ASSERT_EQ(run({"dhcp", "reservations", "--network", "node"}), kExitDone);
  EXPECT_FALSE(printed("mast-1"));
  EXPECT_TRUE(printed("node-1"));
}

TEST_F(DhcpVerbsTest, AReleaseIsAskedForOnATerminal) {
  EXPECT_EQ(run({"dhcp", "release", "mast-1"}), kExitUsage);
  interactive = true;
  typed = "n";
  EXPECT_EQ(run({"dhcp", "release", "192.168.1.101"}), kExitFailed);
  EXPECT_TRUE(node.commands().empty());
  typed = "y";
  ASSERT_EQ(run({"dhcp", "release", "192.168.1.101"}), kExitDone) << err.str();
  EXPECT_EQ(node.commands(), std::vector<std::string>{"dhcp release 192.168.1.101"});
  ASSERT_EQ(run({"--yes", "dhcp", "release", "192.168.1.102", "--force"}), kExitDone) << err.str();
  EXPECT_EQ(node.commands().back(), "dhcp release 192.168.1.102 force");
}

TEST_F(DhcpVerbsTest, WithoutDnsdhcpEveryVerbSaysSo) {
  node.set_report(testing::sample_report());
  for (const auto& verb : {std::vector<std::string>{"dhcp", "leases"},
                           {"dhcp", "leases", "--watch"},
                           {"dhcp", "reservations"},
                           {"dhcp", "release", "192.168.1.101"},
                           {"dns", "status"},
                           {"dns", "resolve", "mast-1"}}) {
    EXPECT_EQ(run(verb), kExitFailed) << verb[1];
    EXPECT_TRUE(complained("no dnsdhcp is in the configuration")) << err.str();
  }
}

TEST_F(DhcpVerbsTest, DnsStatusNamesServersQueriesAndUpstreams) {
  ASSERT_EQ(run({"dns", "status"}), kExitDone) << err.str();
  for (const char* text : {"ready for 2h03m, version 2.90, pid 815, 1 restart", "kube.demo", "1.1.1.1, 2606:4700:4700::1111",
                           "3405 answered here, 1200 forwarded, 7 of them without an answer", "room for 1000", "192.168.1.1", "nowhere"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
  auto report = testing::sample_cluster_report();
  report.dhcp->dnsmasq = {admin::DnsmasqState::kFailed, 0, "", 3, 5, "port 53 of 192.168.1.1 is taken by named (pid 12)"};
  report.dhcp->counters.reset();
  node.set_report(report);
  ASSERT_EQ(run({"dns", "status"}), kExitDone);
  EXPECT_TRUE(printed("failed for 3s, 5 restarts\n          port 53 of 192.168.1.1 is taken by named (pid 12)\n")) << out.str();
  EXPECT_FALSE(printed("queries"));
}

TEST_F(DhcpVerbsTest, StatusHasThePoolsAndTheLeaseBook) {
  ASSERT_EQ(run({"status"}), kExitDone) << err.str();
  for (const char* text :
       {"93 of 100 (93 %)", "2 found in use", "there is no device eth2", "96 held, 4 released", "1 conflicts", "2 damaged lines"})
    EXPECT_TRUE(printed(text)) << text << "\n" << out.str();
}

TEST_F(DhcpVerbsTest, EveryDnsAddressOfTheSiteIsAskedForAShortName) {
  dns_said = {found({"192.168.1.11"}), found({"192.168.1.11"}, 1.26)};
  ASSERT_EQ(run({"dns", "resolve", "mast-1"}), kExitDone) << err.str();
  EXPECT_EQ(asked_question.name, "mast-1.kube.demo");
  EXPECT_EQ(asked_question.type, DnsType::kA);
  ASSERT_EQ(asked_servers.size(), 2U);
  EXPECT_EQ(asked_servers[1].to_string(), "192.168.2.1:53");
  EXPECT_TRUE(printed("mast     192.168.1.1  gate-1   192.168.1.11  0.8")) << out.str();
  EXPECT_TRUE(printed("1.3"));
  ASSERT_EQ(run({"dns", "resolve", "mast-1", "--json"}), kExitDone);
  EXPECT_EQ(boost::json::parse(out.str()).at_pointer("/answers/1/records/0"), "192.168.1.11");
}

TEST_F(DhcpVerbsTest, NamesWithDotsAreWholeAndAddressesAreAskedForTheirName) {
  dns_said = {found({"x."}), found({"x."})};
  for (const auto& [typed_name, asked] :
       {std::pair{"www.example.net", "www.example.net"}, {"mast-1.", "mast-1"}, {"192.168.1.11", "11.1.168.192.in-addr.arpa"}}) {
    ASSERT_EQ(run({"dns", "resolve", typed_name}), kExitDone) << err.str();
    EXPECT_EQ(asked_question.name, asked);
  }
  EXPECT_EQ(asked_question.type, DnsType::kPtr);
  ASSERT_EQ(run({"dns", "resolve", "mast-1", "--type", "aaaa"}), kExitDone);
  EXPECT_EQ(asked_question.type, DnsType::kAaaa);
  EXPECT_EQ(run({"dns", "resolve", "192.168.1.11", "--type", "A"}), kExitUsage);
  EXPECT_EQ(run({"dns", "resolve", "mast-1", "--type", "MX"}), kExitUsage);
  EXPECT_EQ(run({"dns", "resolve", std::string(300, 'a')}), kExitUsage);
  EXPECT_EQ(run({"dns", "resolve", ""}), kExitUsage);
}

TEST_F(DhcpVerbsTest, AnythingButTheSameAnswerOfAllIsAFailure) {
  dns_said = {found({"192.168.1.11"}), kSilent};
  EXPECT_EQ(run({"dns", "resolve", "mast-1"}), kExitFailed);
  EXPECT_TRUE(printed("no answer")) << out.str();
  EXPECT_TRUE(complained("1 of 2 servers did not answer")) << err.str();
  dns_said = {found({"192.168.1.11"}), found({"192.168.1.12"})};
  EXPECT_EQ(run({"dns", "resolve", "mast-1"}), kExitFailed);
  EXPECT_TRUE(complained("do not agree")) << err.str();
  dns_said = {kUnknown, kUnknown};
  EXPECT_EQ(run({"dns", "resolve", "mast-1"}), kExitFailed);
  EXPECT_TRUE(complained("no server knows a record A of mast-1.kube.demo")) << err.str();
  dns_said = {found({"192.168.1.11"}), kUnknown};
  EXPECT_EQ(run({"dns", "resolve", "mast-1"}), kExitFailed);
  EXPECT_TRUE(complained("1 of 2 servers know no record A of mast-1.kube.demo")) << err.str();
}

TEST_F(DhcpVerbsTest, AServerOfOnesOwnIsAskedWithoutTheDaemon) {
  reachable = false;
  dns_said = {found({"192.0.2.7"}), found({"192.0.2.7"})};
  ASSERT_EQ(run({"dns", "resolve", "mast-1", "--at", "127.0.0.1:5300", "--at", "::1"}), kExitDone) << err.str();
  ASSERT_EQ(asked_servers.size(), 2U);
  EXPECT_EQ(asked_servers[0].to_string(), "127.0.0.1:5300");
  EXPECT_EQ(asked_servers[1].to_string(), "[::1]:53");
  EXPECT_EQ(asked_question.name, "mast-1") << "no domain is known";
  EXPECT_EQ(run({"dns", "resolve", "mast-1", "--at", "gate-1"}), kExitUsage);
  EXPECT_EQ(run({"dns", "resolve", "mast-1"}), kExitUnreachable);
}

}  // namespace
}  // namespace fairlead::cli
