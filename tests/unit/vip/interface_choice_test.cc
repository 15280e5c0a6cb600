#include "vip/interface_choice.h"

#include <gtest/gtest.h>

#include "vip/address_driver.h"

namespace fairlead::vip {
namespace {

IpPrefix prefix(const char* text) { return *parse_ip_prefix(text); }
LinkState link(const char* name, std::uint32_t index, bool loopback = false) {
  return {.name = name, .index = index, .up = true, .carrier = true, .loopback = loopback, .mac = {}};
}
PresentAddress on(std::uint32_t index, const char* text, std::uint8_t protocol = 0) {
  return {.index = index, .device = {}, .address = prefix(text), .remaining = {}, .protocol = protocol};
}

const std::vector<LinkState> kLinks{link("lo", 1, true), link("eth0", 2), link("eth1", 3)};
const IpPrefix kVip = prefix("10.0.0.9/24");

TEST(InterfaceChoice, TakesTheOneThatIsNamed) { EXPECT_EQ(choose_interface("eth1", kVip, kLinks, {})->index, 3U); }

TEST(InterfaceChoice, NamesTheOnesThereAreWhenTheNamedOneIsNot) {
  const auto refused = choose_interface("ens192", kVip, kLinks, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_NE(refused.error().context.find("eth0, eth1"), std::string::npos);
}

TEST(InterfaceChoice, AutoTakesTheOneInTheVipsNetwork) {
  EXPECT_EQ(choose_interface("auto", kVip, kLinks, {on(2, "192.168.1.1/24"), on(3, "10.0.0.1/24")})->name, "eth1");
}

TEST(InterfaceChoice, AutoTakesTheClosestNetwork) {
  EXPECT_EQ(choose_interface("auto", kVip, kLinks, {on(2, "10.1.1.1/8"), on(3, "10.0.0.1/24")})->name, "eth1");
  EXPECT_EQ(choose_interface("auto", kVip, kLinks, {on(3, "10.0.0.1/24"), on(2, "10.1.1.1/8")})->name, "eth1");
}

TEST(InterfaceChoice, AutoIsNotMisledByVipsLoopbackAndHostAddresses) {
  const auto refused = choose_interface(
      "auto", kVip, kLinks, {on(2, "10.0.0.9/24"), on(2, "10.0.0.10/24", kFairleadProtocol), on(1, "10.0.0.1/24"), on(3, "10.0.0.9/32")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
}

TEST(InterfaceChoice, AutoRefusesToGuess) {
  const auto refused = choose_interface("auto", kVip, kLinks, {on(2, "10.0.0.1/24"), on(3, "10.0.0.2/24"), on(2, "10.0.0.3/24")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kConflict);
  EXPECT_NE(refused.error().context.find("eth0, eth1"), std::string::npos);
}

TEST(InterfaceChoice, AutoKeepsTheFamiliesApart) {
  EXPECT_FALSE(choose_interface("auto", prefix("2001:db8::9/64"), kLinks, {on(2, "10.0.0.1/8")}));
  EXPECT_EQ(choose_interface("auto", prefix("2001:db8::9/64"), kLinks, {on(2, "2001:db8::1/64")})->name, "eth0");
}

}  // namespace
}  // namespace fairlead::vip
