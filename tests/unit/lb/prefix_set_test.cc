#include "lb/prefix_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

IpPrefix prefix(std::string_view text) { return parse_ip_prefix(text).value(); }
IpAddress address(std::string_view text) { return parse_ip_address(text).value(); }

TEST(PrefixSet, IsEmptyWithoutPrefixes) {
  EXPECT_TRUE(PrefixSet().empty());
  EXPECT_FALSE(PrefixSet().contains(address("10.0.0.1")));
  EXPECT_FALSE(PrefixSet({prefix("::/0")}).empty());
}

TEST(PrefixSet, KnowsTheEdgesOfANetwork) {
  const PrefixSet set{prefix("10.1.2.3/16"), prefix("2001:db8::/33")};

  EXPECT_TRUE(set.contains(address("10.1.0.0")));
  EXPECT_TRUE(set.contains(address("10.1.255.255")));
  EXPECT_FALSE(set.contains(address("10.0.255.255")));
  EXPECT_FALSE(set.contains(address("10.2.0.0")));
  EXPECT_TRUE(set.contains(address("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(set.contains(address("2001:db8:8000::")));
}

TEST(PrefixSet, KeepsTheFamiliesApart) {
  EXPECT_FALSE(PrefixSet({prefix("0.0.0.0/0")}).contains(address("::1")));
  EXPECT_FALSE(PrefixSet({prefix("::/0")}).contains(address("1.2.3.4")));
}

TEST(PrefixSet, TreatsMappedAddressesAsIpv4) {
  EXPECT_TRUE(PrefixSet({prefix("10.0.0.0/8")}).contains(address("::ffff:10.9.9.9")));
  EXPECT_TRUE(PrefixSet({prefix("::ffff:10.0.0.0/104")}).contains(address("10.9.9.9")));
}

TEST(PrefixSet, HoldsEverythingAndSingleAddresses) {
  EXPECT_TRUE(PrefixSet({prefix("0.0.0.0/0")}).contains(address("255.255.255.255")));
  EXPECT_TRUE(PrefixSet({prefix("::/0")}).contains(address("ffff::ffff")));
  const PrefixSet one{prefix("10.0.0.7"), prefix("::7")};
  EXPECT_TRUE(one.contains(address("10.0.0.7")));
  EXPECT_FALSE(one.contains(address("10.0.0.8")));
  EXPECT_TRUE(one.contains(address("::7")));
  EXPECT_FALSE(one.contains(address("::6")));
}

RC_GTEST_PROP(PrefixSetProperty, AgreesWithAskingEachPrefix, ()) {
  const bool v6 = *rc::gen::arbitrary<bool>();
  // Few distinct bytes, so that networks nest and touch.
  const auto any_address = [v6] {
    std::array<std::uint8_t, 16> bytes{0x20, 1};
    for (std::size_t i = 0; i < 16; ++i) bytes[i] = *rc::gen::elementOf(std::vector<std::uint8_t>{0, 1, 127, 128, 255});
    if (v6) bytes[0] = 0x20;
    return v6 ? IpAddress::v6(bytes) : IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  };
  std::vector<IpPrefix> prefixes;
  const auto count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) prefixes.push_back({any_address(), static_cast<std::uint8_t>(*rc::gen::inRange(0, v6 ? 129 : 33))});
  const PrefixSet set(prefixes);
  for (int i = 0; i < 50; ++i) {
    const IpAddress asked = any_address();
    bool expected = false;
    for (const IpPrefix& p : prefixes) expected = expected || p.contains(asked);
    RC_ASSERT(set.contains(asked) == expected);
  }
}

}  // namespace
}  // namespace fairlead::lb
