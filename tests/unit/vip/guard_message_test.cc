#include "vip/guard_message.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

const LeasedAddress kAddress{.device = "ens192",
                             .index = 3,
                             .address = {IpAddress::v4({192, 168, 4, 20}), 24},
                             .lease = std::chrono::seconds(2),
                             .route = SourceRoute{IpAddress::v4({192, 168, 4, 254}), 1200}};

std::vector<GuardOrder> orders() {
  LeasedAddress six = kAddress;
  six.address = {*parse_ip_address("2001:db8::9"), 64};
  six.route.reset();
  return {GuardSetup{.node = NodeId{2}, .hang = std::chrono::seconds(1)},
          GuardHold{.serial = 1, .vip = "api", .epoch = 7, .incarnation = ~0ULL, .address = kAddress},
          GuardHold{.serial = 2, .vip = "", .epoch = 0, .incarnation = 0, .address = six}, GuardDrop{.serial = 3, .vip = "api", .epoch = 7},
          GuardGoodbye{}};
}
std::vector<GuardWord> words() { return {GuardReady{""}, GuardReady{"lock memory: Operation not permitted (EPERM)"}, GuardAck{99}}; }

TEST(GuardMessage, ReadsWhatItWrote) {
  for (const GuardOrder& order : orders()) EXPECT_EQ(parse_guard_order(build_guard_order(order)), order);
  for (const GuardWord& word : words()) EXPECT_EQ(parse_guard_word(build_guard_word(word)), word);
}

TEST(GuardMessage, IsNothingWhenCutShortOrTooLongOrOfAnotherKind) {
  for (const GuardOrder& order : orders()) {
    GuardBytes bytes = build_guard_order(order);
    for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_guard_order(std::span(bytes).first(n))) << n;
    EXPECT_FALSE(parse_guard_word(bytes));
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(parse_guard_order(bytes));
  }
}

TEST(GuardMessage, FitsWhateverTheNames) {
  const GuardHold hold{.serial = 1,
                       .vip = std::string(5000, 'v'),
                       .epoch = 7,
                       .incarnation = 1,
                       .address = {.device = std::string(5000, 'd'), .index = 1, .address = kAddress.address, .lease = {}}};
  const GuardBytes bytes = build_guard_order(hold);
  EXPECT_LE(bytes.size(), kGuardMessageBytesMax);
  EXPECT_TRUE(parse_guard_order(bytes));
}

}  // namespace
}  // namespace fairlead::vip
