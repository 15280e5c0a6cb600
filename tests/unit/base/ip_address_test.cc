#include "base/ip_address.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <set>
#include <unordered_set>

namespace fairlead {
namespace {

rc::Gen<IpAddress> any_address() {
  return rc::gen::map(rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::arbitrary<std::array<std::uint8_t, 16>>()), [](const auto& p) {
    return p.first ? IpAddress::v4({p.second[0], p.second[1], p.second[2], p.second[3]}) : IpAddress::v6(p.second);
  });
}

TEST(IpAddressTest, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(parse_ip_address("192.168.4.20")->to_string(), "192.168.4.20");
  EXPECT_EQ(parse_ip_address("2001:DB8:0:0::1")->to_string(), "2001:db8::1");
  EXPECT_TRUE(parse_ip_address("::ffff:1.2.3.4")->unmapped() == *parse_ip_address("1.2.3.4"));
}

TEST(IpAddressTest, RefusesWhatIsNoAddress) {
  for (const std::string text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/24", "::1%lo", "[::1]",
                                 "localhost", ":::", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_FALSE(parse_ip_address(text)) << text;
  }
  EXPECT_FALSE(parse_ip_address(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddressTest, KnowsItsKinds) {
  EXPECT_TRUE(parse_ip_address("127.9.9.9")->is_loopback());
  EXPECT_TRUE(parse_ip_address("::1")->is_loopback());
  EXPECT_FALSE(parse_ip_address("::2")->is_loopback());
  EXPECT_TRUE(parse_ip_address("239.1.1.1")->is_multicast());
  EXPECT_TRUE(parse_ip_address("ff02::1")->is_multicast());
  EXPECT_TRUE(parse_ip_address("0.0.0.0")->is_unspecified());
  EXPECT_NE(IpAddress::any(IpAddress::Family::kV4), IpAddress::any(IpAddress::Family::kV6));
}

TEST(IpAddressTest, EveryAddressReadsBackAsItWasWritten) {
  rc::check([] {
    const auto address = *any_address();
    RC_ASSERT(*parse_ip_address(address.to_string()) == address);
    RC_ASSERT(hash_of(*parse_ip_address(address.to_string())) == hash_of(address));
  });
}

TEST(IpAddressTest, EveryEndpointReadsBackAsItWasWritten) {
  rc::check([](std::uint16_t port) {
    const Endpoint endpoint{*any_address(), port};
    RC_ASSERT(*parse_endpoint(endpoint.to_string()) == endpoint);
    const auto host = parse_host_port(endpoint.to_string());
    RC_ASSERT(host.has_value());
    RC_ASSERT(host->port == port);
    RC_ASSERT(to_string(*host) == endpoint.to_string());
  });
}

TEST(IpPrefixTest, EveryPrefixReadsBackAndHoldsItsOwnNetwork) {
  rc::check([] {
    const auto address = *any_address();
    const auto length = *rc::gen::inRange(0, address.bits() + 1);
    const IpPrefix prefix{address, static_cast<std::uint8_t>(length)};
    RC_ASSERT(*parse_ip_prefix(prefix.to_string()) == prefix);
    RC_ASSERT(prefix.contains(address));
    RC_ASSERT(prefix.contains(prefix.network()));
    RC_ASSERT((IpPrefix{prefix.network(), prefix.length}.network() == prefix.network()));
  });
}

TEST(IpPrefixTest, ContainsExactlyWhatSharesItsFirstBits) {
  rc::check([] {
    const auto a = *any_address();
    const auto b = *any_address();
    const auto length = *rc::gen::inRange(0, a.bits() + 1);
    bool same = a.family() == b.family();
    for (int bit = 0; same && bit < length; ++bit) {
      const auto at = static_cast<std::size_t>(bit / 8);
      same = ((a.bytes()[at] ^ b.bytes()[at]) & (0x80 >> (bit % 8))) == 0;
    }
    RC_ASSERT((IpPrefix{a, static_cast<std::uint8_t>(length)}.contains(b) == same));
  });
}

TEST(IpPrefixTest, ComputesNetworkAndBroadcast) {
  const auto prefix = *parse_ip_prefix("192.168.4.20/24");
  EXPECT_EQ(prefix.network().to_string(), "192.168.4.0");
  EXPECT_EQ(prefix.broadcast()->to_string(), "192.168.4.255");
  EXPECT_EQ(parse_ip_prefix("10.1.2.3/12")->broadcast()->to_string(), "10.15.255.255");
  EXPECT_EQ(parse_ip_prefix("10.0.0.0/0")->broadcast()->to_string(), "255.255.255.255");
  EXPECT_FALSE(parse_ip_prefix("10.0.0.0/31")->broadcast());
  EXPECT_FALSE(parse_ip_prefix("10.0.0.1/32")->broadcast());
  EXPECT_FALSE(parse_ip_prefix("2001:db8::1/64")->broadcast());
  EXPECT_EQ(parse_ip_prefix("10.0.0.1")->length, 32);
  EXPECT_EQ(parse_ip_prefix("::1")->length, 128);
}

TEST(IpPrefixTest, RefusesWhatIsNoPrefix) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "::/129", "/8"})
    EXPECT_FALSE(parse_ip_prefix(text)) << text;
}

TEST(EndpointTest, RefusesWhatIsNoEndpoint) {
  for (const char* text :
       {"", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:080", "::1:80", "[::1]", "[::1]80", "[::1:80", "host:80", "1.2.3.4:+1"})
    EXPECT_FALSE(parse_endpoint(text)) << text;
}

TEST(HostPortTest, TakesNamesAndAddresses) {
  EXPECT_EQ(*parse_host_port("mast-1.kube.demo:6443"), (HostPort{"mast-1.kube.demo", 6443}));
  EXPECT_EQ(*parse_host_port("[2001:db8::1]:6443"), (HostPort{"2001:db8::1", 6443}));
  for (const char* text : {":80", "1.2.3:80", "ho st:80", "host", "host:", "host:x", "a/b:1"}) EXPECT_FALSE(parse_host_port(text)) << text;
  EXPECT_FALSE(parse_host_port(std::string(254, 'a') + ":1"));
}

TEST(IpAddressTest, AnyTextIsAnAnswerAndNoCrash) {
  rc::check([](const std::string& text) {
    (void)parse_ip_address(text);
    (void)parse_ip_prefix(text);
    (void)parse_endpoint(text);
    (void)parse_host_port(text);
  });
}

TEST(IpAddressTest, HashesNeighboursApart) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 65536; ++i)
    seen.insert(hash_of(IpAddress::v4({10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)})));
  EXPECT_EQ(seen.size(), 65536U);
  EXPECT_NE(hash_of(*parse_ip_address("1.2.3.4")), hash_of(*parse_ip_address("102:304::")));
  EXPECT_NE(hash_of(*parse_ip_address("1.2.3.4"), 1), hash_of(*parse_ip_address("1.2.3.4"), 2));
  EXPECT_EQ((std::unordered_set<Endpoint>{*parse_endpoint("1.2.3.4:5"), *parse_endpoint("1.2.3.4:5")}.size()), 1U);
}

}  // namespace
}  // namespace fairlead
