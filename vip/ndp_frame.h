// fairlead: pure
// Ethernet frames of IPv6 neighbour discovery (RFC 4861, 4862): solicitations and advertisements, checksum included.
//
// An announcement is an unsolicited advertisement to all nodes with the override flag (RFC 4861 7.2.6). A probe is a solicitation from ::
// to the solicited-node group (RFC 4862 5.4.2): whoever has the address answers to all nodes. With a source it is an ordinary
// solicitation and is answered to that source alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bounded_vector.h"
#include "base/ip_address.h"
#include "base/mac_address.h"
#include "vip/frame_bytes.h"

namespace fairlead::vip {

enum class NdpType : std::uint8_t { kSolicitation = 135, kAdvertisement = 136 };

struct NdpPacket {
  MacAddress link_destination;
  MacAddress link_source;
  IpAddress source = IpAddress::any(IpAddress::Family::kV6);
  IpAddress destination = IpAddress::any(IpAddress::Family::kV6);
  NdpType type = NdpType::kSolicitation;
  // Of advertisements.
  bool router = false;
  bool solicited = false;
  bool override_entry = false;
  IpAddress target = IpAddress::any(IpAddress::Family::kV6);
  /// The source's (solicitation) or the target's (advertisement) address, when the option is there.
  std::optional<MacAddress> link_layer{};

  /// Asks whether anybody has `target`, and claims nothing.
  [[nodiscard]] bool is_probe() const { return type == NdpType::kSolicitation && source.is_unspecified(); }
  bool operator==(const NdpPacket&) const = default;
};

inline constexpr std::size_t kNdpFrameSizeMax = 86;
using NdpFrame = BoundedVector<std::byte, kNdpFrameSizeMax>;

/// Any packet as a frame. Addresses must be IPv6.
[[nodiscard]] NdpFrame build_ndp_frame(const NdpPacket& packet);

/// Who has `target`? `source` :: makes it a probe.
[[nodiscard]] NdpFrame build_neighbour_solicitation(const MacAddress& own, const IpAddress& source, const IpAddress& target);
/// `address` is at `own`. `router`: this node forwards; hosts drop a default router that stops saying so (RFC 4861 7.2.5).
[[nodiscard]] NdpFrame build_neighbour_announcement(const MacAddress& own, const IpAddress& address, bool router);

/// ff02::1:ffXX:XXXX and the Ethernet group of an IPv6 multicast address (RFC 2464 7).
[[nodiscard]] IpAddress solicited_node_group(const IpAddress& address);
[[nodiscard]] MacAddress group_mac(const IpAddress& group);

/// Nothing for whatever RFC 4861 7.1 tells to discard: no solicitation or advertisement, hop limit below 255, wrong checksum or length,
/// an empty option, a group as target. Extension headers are not followed: nobody sends them with these.
[[nodiscard]] std::optional<NdpPacket> parse_ndp_frame(ConstBytes frame);

}  // namespace fairlead::vip
