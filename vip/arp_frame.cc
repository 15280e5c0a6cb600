// fairlead: pure
#include "vip/arp_frame.h"

namespace fairlead::vip {
namespace {

constexpr std::uint16_t kHardwareEthernet = 1;
constexpr std::uint16_t kProtocolIpv4 = 0x0800;
// Offsets in the frame.
constexpr std::size_t kHardware = 14;
constexpr std::size_t kProtocol = 16;
constexpr std::size_t kHardwareSize = 18;
constexpr std::size_t kProtocolSize = 19;
constexpr std::size_t kOperation = 20;
constexpr std::size_t kSenderMac = 22;
constexpr std::size_t kSender = 28;
constexpr std::size_t kTargetMac = 32;
constexpr std::size_t kTarget = 38;

}  // namespace

ArpFrame build_arp_frame(const ArpPacket& packet) {
  FL_ASSERT(packet.sender.is_v4() && packet.target.is_v4());
  ArpFrame frame{};
  put_ethernet_header(frame, packet.link_destination, packet.link_source, kEtherTypeArp);
  put16(frame, kHardware, kHardwareEthernet);
  put16(frame, kProtocol, kProtocolIpv4);
  put8(frame, kHardwareSize, 6);
  put8(frame, kProtocolSize, 4);
  put16(frame, kOperation, static_cast<std::uint16_t>(packet.operation));
  put_bytes(frame, kSenderMac, packet.sender_mac.bytes);
  put_address(frame, kSender, packet.sender);
  put_bytes(frame, kTargetMac, packet.target_mac.bytes);
  put_address(frame, kTarget, packet.target);
  return frame;
}

ArpFrame build_arp_request(const MacAddress& own, const IpAddress& source, const IpAddress& target) {
  return build_arp_frame({.link_destination = MacAddress::broadcast(),
                          .link_source = own,
                          .operation = ArpOperation::kRequest,
                          .sender_mac = own,
                          .sender = source,
                          .target_mac = {},
                          .target = target});
}

ArpFrame build_arp_announcement(const MacAddress& own, const IpAddress& address, ArpOperation form) {
  return build_arp_frame({.link_destination = MacAddress::broadcast(),
                          .link_source = own,
                          .operation = form,
                          .sender_mac = own,
                          .sender = address,
                          .target_mac = form == ArpOperation::kReply ? own : MacAddress{},
                          .target = address});
}

std::optional<ArpPacket> parse_arp_frame(ConstBytes frame) {
  if (frame.size() < kArpFrameSize || get16(frame, 12) != kEtherTypeArp) return std::nullopt;
  if (get16(frame, kHardware) != kHardwareEthernet || get16(frame, kProtocol) != kProtocolIpv4) return std::nullopt;
  if (get8(frame, kHardwareSize) != 6 || get8(frame, kProtocolSize) != 4) return std::nullopt;
  const std::uint16_t operation = get16(frame, kOperation);
  if (operation != 1 && operation != 2) return std::nullopt;
  return ArpPacket{.link_destination = get_mac(frame, 0),
                   .link_source = get_mac(frame, 6),
                   .operation = ArpOperation{operation},
                   .sender_mac = get_mac(frame, kSenderMac),
                   .sender = IpAddress::v4(get_array<4>(frame, kSender)),
                   .target_mac = get_mac(frame, kTargetMac),
                   .target = IpAddress::v4(get_array<4>(frame, kTarget))};
}

}  // namespace fairlead::vip
