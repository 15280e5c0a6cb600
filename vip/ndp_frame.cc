// fairlead: pure
#include "vip/ndp_frame.h"

#include <array>

namespace fairlead::vip {
namespace {

constexpr std::uint8_t kNextHeaderIcmpv6 = 58;
constexpr std::uint8_t kHopLimit = 255;
constexpr std::size_t kIcmpSize = 24;   // Type, code, checksum, flags, target.
constexpr std::size_t kOptionSize = 8;  // A link-layer address.
constexpr std::uint8_t kSourceLinkLayer = 1;
constexpr std::uint8_t kTargetLinkLayer = 2;
// Offsets in the frame.
constexpr std::size_t kPayloadLength = 18;
constexpr std::size_t kNextHeader = 20;
constexpr std::size_t kHops = 21;
constexpr std::size_t kSource = 22;
constexpr std::size_t kDestination = 38;
constexpr std::size_t kIcmp = 54;
constexpr std::size_t kChecksum = kIcmp + 2;
constexpr std::size_t kFlags = kIcmp + 4;
constexpr std::size_t kTarget = kIcmp + 8;
constexpr std::size_t kOptions = kIcmp + kIcmpSize;
static_assert(kOptions + kOptionSize == kNdpFrameSizeMax);

// Over the pseudo header (RFC 8200 8.1) and the message; 0 for a message whose checksum field is right.
std::uint16_t icmp_checksum(ConstBytes frame, std::size_t icmp_size) {
  std::uint32_t sum = kNextHeaderIcmpv6 + static_cast<std::uint32_t>(icmp_size);
  const auto add = [&](std::size_t from, std::size_t size) {
    for (std::size_t at = from; at + 1 < from + size; at += 2) sum += get16(frame, at);
    if (size % 2 != 0) sum += static_cast<std::uint32_t>(get8(frame, from + size - 1)) << 8;
  };
  add(kSource, 32);
  add(kIcmp, icmp_size);
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

bool has_right_shape(ConstBytes frame) {
  if (frame.size() < kOptions || get16(frame, 12) != kEtherTypeIpv6) return false;
  if (get8(frame, kEthernetHeaderSize) >> 4 != 6 || get8(frame, kNextHeader) != kNextHeaderIcmpv6) return false;
  if (get8(frame, kHops) != kHopLimit || get8(frame, kIcmp + 1) != 0) return false;
  const std::size_t size = get16(frame, kPayloadLength);
  if (size < kIcmpSize || kIcmp + size > frame.size()) return false;
  return icmp_checksum(frame, size) == 0;
}

// False: an option without length, which makes the whole packet invalid.
bool read_options(ConstBytes options, std::uint8_t wanted, std::optional<MacAddress>& link_layer) {
  while (options.size() >= 2) {
    const std::size_t size = std::size_t{get8(options, 1)} * 8;
    if (size == 0 || size > options.size()) return false;
    if (get8(options, 0) == wanted && !link_layer) link_layer = get_mac(options, 2);
    options = options.subspan(size);
  }
  return options.empty();
}

}  // namespace

IpAddress solicited_node_group(const IpAddress& address) {
  const auto& b = address.bytes();
  return IpAddress::v6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, b[13], b[14], b[15]});
}

MacAddress group_mac(const IpAddress& group) {
  const auto& b = group.bytes();
  return {{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

NdpFrame build_ndp_frame(const NdpPacket& packet) {
  FL_ASSERT(!packet.source.is_v4() && !packet.destination.is_v4() && !packet.target.is_v4());
  std::array<std::byte, kNdpFrameSizeMax> bytes{};
  const MutableBytes frame(bytes);
  const std::size_t icmp_size = kIcmpSize + (packet.link_layer ? kOptionSize : 0);
  const bool advertisement = packet.type == NdpType::kAdvertisement;
  put_ethernet_header(frame, packet.link_destination, packet.link_source, kEtherTypeIpv6);
  put8(frame, kEthernetHeaderSize, 0x60);
  put16(frame, kPayloadLength, static_cast<std::uint16_t>(icmp_size));
  put8(frame, kNextHeader, kNextHeaderIcmpv6);
  put8(frame, kHops, kHopLimit);
  put_address(frame, kSource, packet.source);
  put_address(frame, kDestination, packet.destination);
  put8(frame, kIcmp, static_cast<std::uint8_t>(packet.type));
  if (advertisement)
    put8(frame, kFlags,
         static_cast<std::uint8_t>((packet.router ? 0x80 : 0) | (packet.solicited ? 0x40 : 0) | (packet.override_entry ? 0x20 : 0)));
  put_address(frame, kTarget, packet.target);
  if (packet.link_layer) {
    put8(frame, kOptions, advertisement ? kTargetLinkLayer : kSourceLinkLayer);
    put8(frame, kOptions + 1, 1);
    put_bytes(frame, kOptions + 2, packet.link_layer->bytes);
  }
  put16(frame, kChecksum, icmp_checksum(frame, icmp_size));
  NdpFrame out;
  for (std::size_t i = 0; i < kIcmp + icmp_size; ++i) out.push_back(bytes[i]);
  return out;
}

NdpFrame build_neighbour_solicitation(const MacAddress& own, const IpAddress& source, const IpAddress& target) {
  const IpAddress group = solicited_node_group(target);
  NdpPacket packet{.link_destination = group_mac(group), .link_source = own, .source = source, .destination = group, .target = target};
  if (!source.is_unspecified()) packet.link_layer = own;  // RFC 4861 4.3: not with the unspecified address.
  return build_ndp_frame(packet);
}

NdpFrame build_neighbour_announcement(const MacAddress& own, const IpAddress& address, bool router) {
  const IpAddress all_nodes = IpAddress::v6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  return build_ndp_frame({.link_destination = group_mac(all_nodes),
                          .link_source = own,
                          .source = address,
                          .destination = all_nodes,
                          .type = NdpType::kAdvertisement,
                          .router = router,
                          .solicited = false,
                          .override_entry = true,
                          .target = address,
                          .link_layer = own});
}

std::optional<NdpPacket> parse_ndp_frame(ConstBytes frame) {
  if (!has_right_shape(frame)) return std::nullopt;
  NdpPacket out{.link_destination = get_mac(frame, 0),
                .link_source = get_mac(frame, 6),
                .source = IpAddress::v6(get_array<16>(frame, kSource)),
                .destination = IpAddress::v6(get_array<16>(frame, kDestination)),
                .target = IpAddress::v6(get_array<16>(frame, kTarget))};
  if (out.target.is_multicast()) return std::nullopt;
  const ConstBytes options = frame.subspan(kOptions, get16(frame, kPayloadLength) - kIcmpSize);
  const std::uint8_t type = get8(frame, kIcmp);
  if (type == static_cast<std::uint8_t>(NdpType::kAdvertisement)) {
    out.type = NdpType::kAdvertisement;
    const std::uint8_t flags = get8(frame, kFlags);
    out.router = (flags & 0x80) != 0;
    out.solicited = (flags & 0x40) != 0;
    out.override_entry = (flags & 0x20) != 0;
    if (out.solicited && out.destination.is_multicast()) return std::nullopt;
    if (!read_options(options, kTargetLinkLayer, out.link_layer)) return std::nullopt;
  } else if (type == static_cast<std::uint8_t>(NdpType::kSolicitation)) {
    if (!read_options(options, kSourceLinkLayer, out.link_layer)) return std::nullopt;
    if (out.source.is_unspecified() && out.link_layer) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return out;
}

}  // namespace fairlead::vip
