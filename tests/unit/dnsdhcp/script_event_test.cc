#include "dnsdhcp/script_event.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string_view>;

constexpr Instant kNow(Duration(std::chrono::hours(1)));
const WallTime kWall(std::chrono::seconds(1'700'000'000));

Result<ScriptCall> call(const Words& words, const Words& environment = {}) {
  return parse_script_message(build_script_message(words, environment));
}
ScriptEvent event(const Words& words, const Words& environment = {}) {
  const auto parsed = call(words, environment);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().context);
  return parsed ? std::get<ScriptEvent>(*parsed) : ScriptEvent{};
}
IpAddress ip(const char* text) { return *parse_ip_address(text); }

TEST(ScriptEvent, IsWhatDnsmasqToldTheScript) {
  const ScriptEvent e = event({"add", "52:54:00:00:01:01", "192.168.1.101", "mast-1"},
                              {"DNSMASQ_INTERFACE=eth1", "DNSMASQ_LEASE_EXPIRES=1700043200", "DNSMASQ_TIME_REMAINING=43200",
                               "DNSMASQ_CLIENT_ID=01:52:54:00:00:01:01", "DNSMASQ_TAGS=known lan eth1", "DNSMASQ_SUPPLIED_HOSTNAME=mast-1",
                               "DNSMASQ_DOMAIN=kube.demo", "HOME=/", "PATH=/usr/bin"});
  EXPECT_EQ(e.action, ScriptAction::kAdd);
  EXPECT_EQ(e.address, ip("192.168.1.101"));
  EXPECT_EQ(e.hardware.mac()->to_string(), "52:54:00:00:01:01");
  EXPECT_EQ(e.name, "mast-1");
  EXPECT_EQ(e.wish, "mast-1");
  EXPECT_EQ(e.domain, "kube.demo");
  EXPECT_EQ(e.client_id, "01:52:54:00:00:01:01");
  EXPECT_EQ(e.interface, "eth1");
  EXPECT_EQ(e.tags, (std::vector<std::string>{"known", "lan", "eth1"}));
  EXPECT_EQ(e.seconds_left, 43200U);
  EXPECT_FALSE(e.forever);
}

TEST(ScriptEvent, TellsARenamedLeaseFromItsOldName) {
  const ScriptEvent e = event({"old", "52:54:00:00:01:01", "192.168.1.101"}, {"DNSMASQ_OLD_HOSTNAME=mast-1", "DNSMASQ_TIME_REMAINING=5"});
  EXPECT_EQ(e.action, ScriptAction::kOld);
  EXPECT_EQ(e.name, "");
  EXPECT_EQ(e.old_name, "mast-1");
}

TEST(ScriptEvent, KnowsLeasesWithoutEndAndEndsOfLeases) {
  EXPECT_TRUE(event({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_LEASE_EXPIRES=0", "DNSMASQ_TIME_REMAINING=2594967296"}).forever);
  EXPECT_TRUE(event({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_LEASE_LENGTH=4294967295"}).forever);
  EXPECT_EQ(event({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_LEASE_LENGTH=60"}).seconds_left, 60U);
  EXPECT_EQ(event({"old", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_LEASE_EXPIRES=1"}).seconds_left, 0U) << "dnsmasq leaves a zero out";
  const ScriptEvent gone = event({"del", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_LEASE_EXPIRES=0"});
  EXPECT_FALSE(gone.forever);
  EXPECT_EQ(gone.seconds_left, std::nullopt);
}

TEST(ScriptEvent, TakesOtherLinksThanEthernetAndClientsWithoutAnAddressOfTheLink) {
  const ScriptEvent infiniband = event({"add", "20-80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03", "10.0.0.1"});
  EXPECT_EQ(infiniband.hardware.type, 32);
  EXPECT_EQ(infiniband.hardware.bytes.size(), 16U);
  EXPECT_EQ(infiniband.hardware.mac(), std::nullopt);
  EXPECT_EQ(event({"add", "00-", "10.0.0.1"}, {"DNSMASQ_CLIENT_ID=ff:01"}).hardware.mac(), std::nullopt);
  EXPECT_EQ(event({"add", "06-52:54:00:00:01:01", "10.0.0.1"}).hardware.mac(), std::nullopt) << "IEEE 802, not Ethernet";
}

TEST(ScriptEvent, TakesIpv6ByItsDuid) {
  const ScriptEvent e = event({"add", "00:01:00:01:2b:00:00:01:52:54:00:00:01:01", "2001:db8::101", "mast-1"},
                              {"DNSMASQ_IAID=T305419896", "DNSMASQ_SERVER_DUID=00:01", "DNSMASQ_TIME_REMAINING=60"});
  EXPECT_EQ(e.duid, "00:01:00:01:2b:00:00:01:52:54:00:00:01:01");
  EXPECT_EQ(e.iaid, 305419896U);
  EXPECT_TRUE(e.temporary);
  EXPECT_TRUE(e.hardware.bytes.empty());
  EXPECT_FALSE(call({"add", "00:01", "2001:db8::101"})) << "without its IAID it is nobody's";
}

TEST(ScriptEvent, OfOtherKindsAreNothingOfOurs) {
  EXPECT_EQ(*call({"init"}), ScriptCall(ScriptInit{}));
  EXPECT_EQ(*call({"tftp", "1024", "192.168.1.101", "/srv/tftp/boot"}), ScriptCall(ScriptOther{"tftp"}));
  EXPECT_EQ(*call({"arp-add", "52:54:00:00:01:01", "10.0.0.1"}), ScriptCall(ScriptOther{"arp-add"}));
  for (const char* told : {"add", "old", "del", "init"}) EXPECT_TRUE(is_told(told));
  for (const char* other : {"tftp", "arp-add", "arp-del", "relay-snoop", ""}) EXPECT_FALSE(is_told(other));
}

TEST(ScriptEvent, RefusesWhatIsNotOneAndSaysWhy) {
  const std::vector<std::pair<Words, std::string>> cases{
      {{"add", "52:54:00:00:01:01"}, "not three or four words"},
      {{"add", "52:54:00:00:01:0", "10.0.0.1"}, "'52:54:00:00:01:0' is not a hardware address"},
      {{"add", "52:54:00:00:01:01:", "10.0.0.1"}, "is not a hardware address"},
      {{"add", "52:54:00:00:01:01", "10.0.0"}, "'10.0.0' is not an address"},
      {{"add", "52:54:00:00:01:01", "10.0.0.1", "a b"}, "'a b' is not a host's name"},
      {{"add", "52:54:00:00:01:01", "10.0.0.1", "a\n1 2 3 4"}, "'a?1 2 3 4' is not a host's name"},
      {{"add", "52:54:00:00:01:01", "10.0.0.1", "a", "b"}, "not three or four words"},
      {{"add", "0:1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:10", "10.0.0.1"}, "is not a hardware address"}};
  for (const auto& [words, why] : cases) {
    const auto parsed = call(words);
    ASSERT_FALSE(parsed) << why;
    EXPECT_NE(parsed.error().context.find(why), std::string::npos) << parsed.error().context;
  }
  EXPECT_FALSE(call({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_TIME_REMAINING=-1"}));
  EXPECT_FALSE(call({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_TIME_REMAINING=4294967296"}));
  EXPECT_FALSE(call({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_CLIENT_ID=01:zz"}));
  EXPECT_FALSE(call({"add", "52:54:00:00:01:01", "10.0.0.1"}, {"DNSMASQ_INTERFACE=a-name-of-sixteen"}));
}

TEST(ScriptEvent, IsRefusedWhenItsMessageIsCutShortOrOfAnotherVersion) {
  const std::string whole = build_script_message(Words{"add", "52:54:00:00:01:01", "10.0.0.1"}, Words{"DNSMASQ_TIME_REMAINING=60"});
  const std::size_t without_environment = whole.find("DNSMASQ");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    if (n == without_environment) continue;
    EXPECT_FALSE(parse_script_message(std::string_view(whole).substr(0, n))) << n;
  }
  std::string newer = whole;
  newer[newer.find('1')] = '2';
  EXPECT_NE(parse_script_message(newer).error().context.find("another version"), std::string::npos);
  EXPECT_FALSE(parse_script_message(std::string(kScriptMessageBytesMax + 1, '\0')));
}

TEST(ScriptEvent, MessagesStayWithinTheirBoundWhateverTheEnvironment) {
  const std::string huge = "DNSMASQ_TAGS=" + std::string(100'000, 't');
  const std::string long_one = "DNSMASQ_TAGS=" + std::string(900, 't');
  const Words many(100, long_one);
  EXPECT_EQ(event({"add", "52:54:00:00:01:01", "10.0.0.1"}, {huge, "DNSMASQ_TIME_REMAINING=60"}).seconds_left, 60U);
  EXPECT_LE(build_script_message(Words{"init"}, many).size(), kScriptMessageBytesMax);
}

Lease lease(const char* address, const char* name, Duration left) {
  Lease out;
  out.network = "mast";
  out.address = ip(address);
  out.mac = *parse_mac_address("52:54:00:00:01:01");
  out.name = name;
  out.client_id = "01:52:54:00:00:01:01";
  out.expires = kNow + left;
  return out;
}

TEST(LeaseLines, AreDnsmasqsLeaseFileInWallTime) {
  std::vector<Lease> leases{lease("10.0.0.9", "mast-1", 90s), lease("10.0.0.2", "", 1500ms), lease("10.0.0.3", "no-end", 0s)};
  leases[1].client_id = "";
  leases[2].expires = Instant::max();
  EXPECT_EQ(lease_lines(leases, kWall, kNow),
            "1700000090 52:54:00:00:01:01 10.0.0.9 mast-1 01:52:54:00:00:01:01\n"
            "1700000002 52:54:00:00:01:01 10.0.0.2 * *\n"
            "0 52:54:00:00:01:01 10.0.0.3 no-end 01:52:54:00:00:01:01\n");
}

TEST(LeaseLines, KeepTheirOrderSoThatTheFenceStaysFirst) {
  const std::vector<Lease> leases{lease("127.0.0.67", "", 60s), lease("192.168.1.5", "", 60s), lease("10.0.0.9", "", 60s)};
  EXPECT_EQ(lease_lines(leases, kWall, kNow),
            "1700000060 52:54:00:00:01:01 127.0.0.67 * 01:52:54:00:00:01:01\n"
            "1700000060 52:54:00:00:01:01 192.168.1.5 * 01:52:54:00:00:01:01\n"
            "1700000060 52:54:00:00:01:01 10.0.0.9 * 01:52:54:00:00:01:01\n");
}

TEST(LeaseLines, OfIpv6NameTheIaidAndTheDuid) {
  std::vector<Lease> leases{lease("2001:db8::1", "six", 60s), lease("2001:db8::2", "", 60s), lease("2001:db8::3", "nobody", 60s)};
  leases[0].iaid = 305419896;
  leases[1].iaid = 7;
  leases[1].temporary = true;
  leases[2].client_id = "";
  EXPECT_EQ(lease_lines(leases, kWall, kNow),
            "1700000060 305419896 2001:db8::1 six 01:52:54:00:00:01:01\n"
            "1700000060 T7 2001:db8::2 * 01:52:54:00:00:01:01\n");
}

TEST(LeaseLines, LeaveOutWhatIsOverGivenBackOrNotToBeKept) {
  std::vector<Lease> leases{lease("10.0.0.1", "over", 0s), lease("10.0.0.2", "back", 60s), lease("2001:db8::1", "over", 0s),
                            lease("10.0.0.3", "first", 60s), lease("10.0.0.3", "second", 60s)};
  leases[1].state = LeaseState::kReleased;
  EXPECT_EQ(lease_lines(leases, kWall, kNow), "1700000060 52:54:00:00:01:01 10.0.0.3 second 01:52:54:00:00:01:01\n");
}

TEST(LeaseLines, NeverHaveMoreWordsOrLinesThanTheyShould) {
  std::vector<Lease> leases{lease("10.0.0.1", "a b\n1 2 3 4 5", 60s)};
  leases[0].client_id = "x\ny";
  EXPECT_EQ(lease_lines(leases, kWall, kNow), "1700000060 52:54:00:00:01:01 10.0.0.1 * *\n");
}

}  // namespace
}  // namespace fairlead::dnsdhcp
