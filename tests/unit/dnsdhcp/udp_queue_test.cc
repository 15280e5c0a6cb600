#include "dnsdhcp/udp_queue.h"

#include <gtest/gtest.h>

namespace fairlead::dnsdhcp {
namespace {

TEST(UdpQueue, IsTheSumOfAllSocketsOfThePort) {
  constexpr std::string_view kText =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
      "  100: 00000000:0043 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 1234 2 0 0\n"
      "  101: 0100007F:0043 00000000:0000 07 00000000:00000010 00:00000000 00000000     0        0 1235 2 0 0\n"
      "  102: 00000000:0044 00000000:0000 07 00000000:00000500 00:00000000 00000000     0        0 1236 2 0 0\n";
  EXPECT_EQ(udp_queue_of(kText, 67), 0x310U);
  EXPECT_EQ(udp_queue_of(kText, 53), 0U);
}

TEST(UdpQueue, ABoundSocketIsFoundByItsAddressOrByAll) {
  constexpr std::string_view kText =
      "  100: 01094D0A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1234 2 0 0\n"
      "  101: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1235 2 0 0\n";
  const auto address = [](const char* text) { return parse_ip_address(text).value(); };
  EXPECT_TRUE(udp_is_bound(kText, address("10.77.9.1"), 53));
  EXPECT_FALSE(udp_is_bound(kText, address("10.77.9.254"), 53));
  EXPECT_TRUE(udp_is_bound(kText, address("10.77.9.254"), 67));
  EXPECT_FALSE(udp_is_bound_to_all(kText, 53));
  EXPECT_TRUE(udp_is_bound_to_all(kText, 67));
  EXPECT_FALSE(udp_is_bound_to_all("", 53));
}

TEST(UdpQueue, AnyTextDoes) {
  EXPECT_EQ(udp_queue_of("", 67), 0U);
  EXPECT_EQ(udp_queue_of("1: :0043 a b :zz\n x\n\n", 67), 0U);
  EXPECT_EQ(udp_queue_of("1: :0043 a b c:7", 67), 7U);
}

}  // namespace
}  // namespace fairlead::dnsdhcp
