// The expected bytes were captured from Linux 6.18 (veth, tcpdump -xx) where they are not written out of the RFCs.
#include "vip/arp_frame.h"

#include <gtest/gtest.h>

#include "tests/support/frame_text.h"

namespace fairlead::vip {
namespace {

using test::from_hex;
using test::squeeze;
using test::to_hex;

const MacAddress kA{{2, 0, 0, 0, 0, 0x0a}};
const MacAddress kB{{2, 0, 0, 0, 0, 0x0b}};
const IpAddress kIpA = IpAddress::v4({192, 0, 2, 1});
const IpAddress kIpB = IpAddress::v4({192, 0, 2, 2});

// Linux asking.
constexpr const char* kLinuxRequest = "ffffffffffff 02000000000a 0806 0001 0800 06 04 0001 02000000000a c0000201 000000000000 c0000202";
// Linux answering.
constexpr const char* kLinuxReply = "02000000000a 02000000000b 0806 0001 0800 06 04 0002 02000000000b c0000202 02000000000a c0000201";
// Linux announcing (arp_notify): RFC 5227 2.3.
constexpr const char* kLinuxAnnouncement =
    "ffffffffffff 02000000000b 0806 0001 0800 06 04 0001 02000000000b c0000202 000000000000 c0000202";

TEST(ArpFrame, AsksAsLinuxDoes) { EXPECT_EQ(to_hex(build_arp_request(kA, kIpA, kIpB)), squeeze(kLinuxRequest)); }

TEST(ArpFrame, AnnouncesInRequestFormAsLinuxDoes) {
  EXPECT_EQ(to_hex(build_arp_announcement(kB, kIpB, ArpOperation::kRequest)), squeeze(kLinuxAnnouncement));
}

TEST(ArpFrame, AnnouncesInReplyFormWithItselfAsTargetSinceLinuxBelievesNoOther) {
  EXPECT_EQ(to_hex(build_arp_announcement(kB, kIpB, ArpOperation::kReply)),
            squeeze("ffffffffffff 02000000000b 0806 0001 0800 06 04 0002 02000000000b c0000202 02000000000b c0000202"));
}

TEST(ArpFrame, ProbesWithoutClaimingAnything) {  // RFC 5227 2.1.1: sender 0.0.0.0, target hardware address zero.
  const ArpFrame probe = build_arp_request(kA, IpAddress{}, kIpB);
  EXPECT_EQ(to_hex(probe), squeeze("ffffffffffff 02000000000a 0806 0001 0800 06 04 0001 02000000000a 00000000 000000000000 c0000202"));
  EXPECT_TRUE(parse_arp_frame(probe)->is_probe());
}

TEST(ArpFrame, ReadsAReply) {
  const auto reply = parse_arp_frame(from_hex(kLinuxReply));
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply, (ArpPacket{.link_destination = kA,
                               .link_source = kB,
                               .operation = ArpOperation::kReply,
                               .sender_mac = kB,
                               .sender = kIpB,
                               .target_mac = kA,
                               .target = kIpA}));
  EXPECT_FALSE(reply->is_probe());
}

TEST(ArpFrame, IgnoresPaddingToTheShortestEthernetFrame) {
  auto padded = from_hex(kLinuxReply);
  padded.resize(60, std::byte{0xee});
  EXPECT_EQ(parse_arp_frame(padded), parse_arp_frame(from_hex(kLinuxReply)));
}

TEST(ArpFrame, IsNothingWhenCutShortAnywhere) {
  const auto whole = from_hex(kLinuxReply);
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_arp_frame(std::span(whole).first(n))) << n;
}

TEST(ArpFrame, IsNothingWhenItIsNotArpOfEthernetAndIpv4) {
  struct Change {
    std::size_t at;
    int value;
    const char* what;
  };
  for (const Change& change : {Change{13, 0x00, "ethertype IPv4"}, Change{15, 6, "hardware IEEE 802"}, Change{16, 0x86, "protocol"},
                               Change{18, 8, "hardware size"}, Change{19, 16, "protocol size"}, Change{21, 3, "operation RARP"},
                               Change{21, 0, "operation 0"}, Change{20, 1, "operation 257"}}) {
    auto frame = from_hex(kLinuxRequest);
    frame[change.at] = static_cast<std::byte>(change.value);
    EXPECT_FALSE(parse_arp_frame(frame)) << change.what;
  }
}

}  // namespace
}  // namespace fairlead::vip
