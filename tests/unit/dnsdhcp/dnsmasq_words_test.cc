#include "dnsdhcp/dnsmasq_words.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

std::string output(const std::string& version,
                   const std::string& options = "IPv6 GNU-getopt DBus no-UBus DHCP DHCPv6 no-Lua TFTP inotify dumpfile") {
  return "Dnsmasq version " + version + "  Copyright (c) 2000-2024 Simon Kelley\nCompile time options: " + options +
         "\n\nThis software comes\n";
}

TEST(DnsmasqVersion, IsTakenFromTheOneThatIsNeededOn) {
  for (const char* good : {"2.88", "2.90", "2.91", "2.100", "3.0", "2.92rc1", "2.90-4~deb12u2"})
    EXPECT_EQ(*check_dnsmasq(output(good)), good);
  for (const char* old : {"2.85", "2.9", "1.99"}) {
    const auto checked = check_dnsmasq(output(old));
    ASSERT_FALSE(checked) << old;
    EXPECT_EQ(checked.error().code, Errc::kUnsupported);
    EXPECT_NE(checked.error().context.find("too old"), std::string::npos);
  }
}

TEST(DnsmasqVersion, TellsWhatItIsMadeWithout) {
  EXPECT_NE(check_dnsmasq(output("2.90", "IPv6 no-DBus DHCP inotify")).error().context.find("without D-Bus"), std::string::npos);
  EXPECT_NE(check_dnsmasq(output("2.90", "IPv6 DBus no-DHCP inotify")).error().context.find("without DHCP"), std::string::npos);
  EXPECT_TRUE(check_dnsmasq(output("2.90", "IPv6 DBus DHCP no-DHCPv6 inotify"))) << "another option";
}

TEST(DnsmasqVersion, IsNotReadOutOfOtherPrograms) {
  for (const char* text : {"", "Dnsmasq", "Dnsmasq version ", "Dnsmasq version x.y", "Dnsmasq version 2", "BusyBox version 2.90",
                           "Dnsmasq version 99999999999.1"})
    EXPECT_FALSE(check_dnsmasq(text)) << text;
}

TEST(DnsmasqLine, IsReadWithoutTimeAndProcess) {
  EXPECT_EQ(read_dnsmasq_line("Nov 27 13:00:00 dnsmasq-dhcp[812]: DHCPACK(eth1) 192.168.1.101").text, "DHCPACK(eth1) 192.168.1.101");
  EXPECT_EQ(read_dnsmasq_line("dnsmasq: started, version 2.90 cachesize 150").text, "started, version 2.90 cachesize 150");
  EXPECT_EQ(read_dnsmasq_line("\x1b[31m\xc3\xa4").text, "?[31m\xc3\xa4");
  EXPECT_EQ(read_dnsmasq_line(std::string(5000, 'x')).text.size(), kDnsmasqLineMax);
}

TEST(DnsmasqLine, SpeaksOfTrouble) {
  EXPECT_TRUE(read_dnsmasq_line("dnsmasq: bad option at line 3 of /x.conf, cannot go on").trouble);
  EXPECT_TRUE(read_dnsmasq_line("dnsmasq[1]: failed to send packet: Operation not permitted").trouble);
  EXPECT_FALSE(read_dnsmasq_line("dnsmasq[1]: started, version 2.90 cachesize 150").trouble);
}

TEST(DnsmasqLine, NamesThePortThatIsTaken) {
  const auto dns = read_dnsmasq_line("\ndnsmasq: failed to create listening socket for 192.168.1.1: Address already in use").taken;
  EXPECT_EQ(dns, (Endpoint{*parse_ip_address("192.168.1.1"), 53}));
  EXPECT_EQ(read_dnsmasq_line("dnsmasq: failed to create listening socket for port 53: Address already in use").taken, (Endpoint{{}, 53}));
  EXPECT_EQ(read_dnsmasq_line("dnsmasq: failed to bind DHCP server socket: Address already in use").taken, (Endpoint{{}, 67}));
  EXPECT_EQ(read_dnsmasq_line("dnsmasq: failed to bind DHCPv6 server socket: Address already in use").taken->port, 547);
  EXPECT_EQ(read_dnsmasq_line("dnsmasq: failed to bind DHCP server socket: Permission denied").taken, std::nullopt);
}

TEST(DnsmasqExit, SaysWhatItsNumberMeans) {
  EXPECT_EQ(describe_exit(2, "failed to bind"), "exit code 2 (no access to the network): failed to bind");
  EXPECT_EQ(describe_exit(11, ""), "exit code 11 (the leases could not be read)");
  EXPECT_EQ(describe_exit(0, ""), "exit code 0");
}

}  // namespace
}  // namespace fairlead::dnsdhcp
