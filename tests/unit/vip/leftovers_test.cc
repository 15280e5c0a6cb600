#include "vip/leftovers.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

IpPrefix prefix(const char* text) { return *parse_ip_prefix(text); }
PresentAddress on(std::uint32_t index, const char* device, const char* address, std::uint8_t protocol, bool lives) {
  return {.index = index,
          .device = device,
          .address = prefix(address),
          .remaining = lives ? std::optional<Duration>(std::chrono::seconds(2)) : std::nullopt,
          .protocol = protocol};
}
const Journal kJournal{.boot_id = "0f7c2b9e-1111",
                       .addresses = {{"eth0", 2, prefix("192.168.4.20/24")}, {"eth0.100", 7, prefix("2001:db8::9/64")}},
                       .settings = {{"eth0", "arp_ignore", "0"}, {"eth0", "promote_secondaries", "0"}}};

TEST(Journal, ReadsWhatItWrote) {
  EXPECT_EQ(*parse_journal(render_journal(kJournal)), kJournal);
  const Journal empty{.boot_id = "b", .addresses = {}, .settings = {}};
  EXPECT_EQ(*parse_journal(render_journal(empty)), empty);
}

TEST(Journal, IsRefusedWhenCutShortAnywhere) {
  const std::string whole = render_journal(kJournal);
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_journal(std::string_view(whole).substr(0, n))) << n;
}

TEST(Journal, IsRefusedWhenALineIsNoneOfIts) {
  for (const char* line : {"address eth0 2 192.168.4.20/33", "address eth0 x 192.168.4.20/24", "address ../x 2 192.168.4.20/24",
                           "setting eth0 ../../kernel/core_pattern 1", "setting eth0 arp_ignore 0;1", "setting .. arp_ignore 0",
                           "address eth0 2", "", "end", "something else"}) {
    const std::string text = std::string("fairlead-vips 1\nboot b\n") + line + "\nend\n";
    EXPECT_FALSE(parse_journal(text)) << line;
  }
  EXPECT_FALSE(parse_journal("fairlead-vips 2\nboot b\nend\n"));
  EXPECT_FALSE(parse_journal("fairlead-vips 1\nend\n"));  // Of no boot.
}

TEST(Leftovers, WhatCarriesOurMarkIsOurs) {
  const auto left =
      plan_leftovers({on(2, "eth0", "10.0.0.9/24", kFairleadProtocol, true), on(2, "eth0", "10.0.0.1/24", 0, false)}, {}, "b", {});
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].address, prefix("10.0.0.9/24"));
}

TEST(Leftovers, WhatThisLifeHoldsIsNotLeft) {
  const LeasedAddress held{.device = "eth0", .index = 2, .address = prefix("10.0.0.9/24"), .lease = std::chrono::seconds(2)};
  EXPECT_TRUE(plan_leftovers({on(2, "eth0", "10.0.0.9/24", kFairleadProtocol, true)}, {}, "b", {held}).empty());
}

TEST(Leftovers, WithoutMarksTheJournalOfThisBootTells) {
  const auto left =
      plan_leftovers({on(2, "eth0", "192.168.4.20/24", 0, true), on(2, "eth0", "192.168.4.21/24", 0, true)}, kJournal, "0f7c2b9e-1111", {});
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].address, prefix("192.168.4.20/24"));
}

TEST(Leftovers, AnAddressWeDidNotAddStays) {
  const std::string boot = "0f7c2b9e-1111";
  const auto left = [&](const std::vector<PresentAddress>& present, const std::string& boot_id) {
    return plan_leftovers(present, kJournal, boot_id, {}).size();
  };
  EXPECT_EQ(left({on(2, "eth0", "192.168.4.20/24", 0, true)}, "another-boot"), 0U);
  EXPECT_EQ(left({on(2, "eth0", "192.168.4.20/24", 0, true)}, ""), 0U);
  EXPECT_EQ(left({on(2, "eth0", "192.168.4.20/24", 0, false)}, boot), 0U);  // For ever: an operator's.
  EXPECT_EQ(left({on(3, "eth0", "192.168.4.20/24", 0, true)}, boot), 0U);   // Another interface of that name.
  EXPECT_EQ(left({on(2, "eth0", "192.168.4.20/32", 0, true)}, boot), 0U);
  // This kernel shows marks, so what has none was added by somebody else.
  EXPECT_EQ(left({on(2, "eth0", "192.168.4.20/24", 0, true), on(1, "lo", "127.0.0.1/8", 1, false)}, boot), 0U);
}

}  // namespace
}  // namespace fairlead::vip
