// The expected bytes were captured from Linux 6.18 (veth, tcpdump -xx) where they are not written out of the RFCs.
#include "vip/ndp_frame.h"

#include <gtest/gtest.h>
#include <span>

#include "tests/support/frame_text.h"

namespace fairlead::vip {
namespace {

using test::from_hex;
using test::squeeze;
using test::to_hex;

const MacAddress kA{{2, 0, 0, 0, 0, 0x0a}};
const MacAddress kB{{2, 0, 0, 0, 0, 0x0b}};
const IpAddress kIpA = *parse_ip_address("2001:db8::1");
const IpAddress kIpB = *parse_ip_address("2001:db8::2");

constexpr const char* kLinuxSolicitation =
    "3333ff000002 02000000000a 86dd 6000 0000 0020 3aff 20010db8000000000000000000000001 ff0200000000000000000001ff000002"
    "8700 1c1e 00000000 20010db8000000000000000000000002 0101 02000000000a";
constexpr const char* kLinuxAdvertisement =
    "02000000000a 02000000000b 86dd 6000 0000 0020 3aff 20010db8000000000000000000000002 20010db8000000000000000000000001"
    "8800 8a68 60000000 20010db8000000000000000000000002 0201 02000000000b";
// Duplicate address detection with the nonce option of RFC 7527.
constexpr const char* kLinuxDad =
    "3333ff000002 02000000000b 86dd 6000 0000 0020 3aff 00000000000000000000000000000000 ff0200000000000000000001ff000002"
    "8700 6f15 00000000 20010db8000000000000000000000002 0e01 39827a4d1bfd";
constexpr const char* kLinuxRouterSolicitation =
    "333300000002 02000000000a 86dd 6000 0000 0010 3aff fe8000000000000000 00ff fe00000a ff020000000000000000000000000002"
    "8500 7b1a 00000000 0101 02000000000a";

std::span<const std::byte> view(const NdpFrame& frame) { return {frame.begin(), frame.size()}; }

TEST(NdpFrame, SolicitsAsLinuxDoes) { EXPECT_EQ(to_hex(view(build_neighbour_solicitation(kA, kIpA, kIpB))), squeeze(kLinuxSolicitation)); }

TEST(NdpFrame, ProbesFromTheUnspecifiedAddressWithoutOption) {
  const NdpFrame probe = build_neighbour_solicitation(kA, IpAddress::any(IpAddress::Family::kV6), kIpB);
  EXPECT_EQ(probe.size(), 78U);
  const auto read = parse_ndp_frame(view(probe));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_probe());
  EXPECT_EQ(read->target, kIpB);
  EXPECT_EQ(read->destination.to_string(), "ff02::1:ff00:2");
  EXPECT_EQ(read->link_destination.to_string(), "33:33:ff:00:00:02");
}

TEST(NdpFrame, AnnouncesToAllNodesWithTheOverrideFlag) {
  const auto read = parse_ndp_frame(view(build_neighbour_announcement(kB, kIpB, /*router=*/true)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->link_destination.to_string(), "33:33:00:00:00:01");
  EXPECT_EQ(read->destination.to_string(), "ff02::1");
  EXPECT_EQ(read->source, kIpB);
  EXPECT_EQ(read->target, kIpB);
  EXPECT_EQ(read->link_layer, kB);
  EXPECT_TRUE(read->override_entry);
  EXPECT_TRUE(read->router);
  EXPECT_FALSE(read->solicited);
}

TEST(NdpFrame, ReadsAnAdvertisementAndWritesTheSameBytes) {
  const auto read = parse_ndp_frame(from_hex(kLinuxAdvertisement));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->type, NdpType::kAdvertisement);
  EXPECT_TRUE(read->solicited);
  EXPECT_TRUE(read->override_entry);
  EXPECT_FALSE(read->router);
  EXPECT_EQ(read->target, kIpB);
  EXPECT_EQ(read->link_layer, kB);
  EXPECT_EQ(to_hex(view(build_ndp_frame(*read))), squeeze(kLinuxAdvertisement));
}

TEST(NdpFrame, ReadsAProbeOfLinuxAndSkipsOptionsItDoesNotKnow) {
  const auto read = parse_ndp_frame(from_hex(kLinuxDad));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_probe());
  EXPECT_EQ(read->link_layer, std::nullopt);
}

TEST(NdpFrame, IsNothingWhenCutShortAnywhere) {
  const auto whole = from_hex(kLinuxAdvertisement);
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_ndp_frame(std::span(whole).first(n))) << n;
}

TEST(NdpFrame, IsNothingWhenAnyByteUnderTheChecksumIsWrong) {
  const auto whole = from_hex(kLinuxAdvertisement);
  for (std::size_t at = 22; at < whole.size(); ++at) {
    auto wrong = whole;
    wrong[at] ^= std::byte{0x10};
    EXPECT_FALSE(parse_ndp_frame(wrong)) << at;
  }
}

TEST(NdpFrame, DiscardsWhatRfc4861TellsTo) {
  EXPECT_FALSE(parse_ndp_frame(from_hex(kLinuxRouterSolicitation)));

  auto forwarded = from_hex(kLinuxAdvertisement);
  forwarded[21] = std::byte{254};  // A router has passed it on: it may come from anywhere.
  EXPECT_FALSE(parse_ndp_frame(forwarded));

  NdpPacket packet = *parse_ndp_frame(from_hex(kLinuxAdvertisement));
  packet.target = *parse_ip_address("ff02::1");
  EXPECT_FALSE(parse_ndp_frame(view(build_ndp_frame(packet))));

  packet = *parse_ndp_frame(from_hex(kLinuxAdvertisement));
  packet.destination = *parse_ip_address("ff02::1");  // Solicited and to a group.
  EXPECT_FALSE(parse_ndp_frame(view(build_ndp_frame(packet))));

  packet = *parse_ndp_frame(from_hex(kLinuxSolicitation));
  packet.source = IpAddress::any(IpAddress::Family::kV6);  // With the option.
  EXPECT_FALSE(parse_ndp_frame(view(build_ndp_frame(packet))));
}

TEST(NdpFrame, IgnoresPaddingBehindTheMessage) {
  auto padded = from_hex(kLinuxAdvertisement);
  padded.resize(120, std::byte{0xee});
  EXPECT_TRUE(parse_ndp_frame(padded));
}

}  // namespace
}  // namespace fairlead::vip
