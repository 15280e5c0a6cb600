// fairlead: pure
// Ethernet frames of ARP (RFC 826) as this node sends and reads them: probes (RFC 5227 2.1.1), requests, announcements.
//
// Two forms announce an address, since some receivers believe only one of them. Both name it as sender and as target:
//   request form   RFC 5227 2.3; what most stacks listen to
//   reply form     the target hardware address is the sender's: Linux takes a reply for gratuitous only then (net/ipv4/arp.c)
// A probe has 0.0.0.0 as sender, so that no receiver learns anything from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "vip/frame_bytes.h"

namespace fairlead::vip {

enum class ArpOperation : std::uint16_t { kRequest = 1, kReply = 2 };

struct ArpPacket {
  MacAddress link_destination;
  MacAddress link_source;
  ArpOperation operation = ArpOperation::kRequest;
  MacAddress sender_mac;
  IpAddress sender;
  MacAddress target_mac;
  IpAddress target;

  /// Asks whether anybody has `target`, and claims nothing.
  [[nodiscard]] bool is_probe() const { return operation == ArpOperation::kRequest && sender.is_unspecified(); }
  bool operator==(const ArpPacket&) const = default;
};

inline constexpr std::size_t kArpFrameSize = 42;
using ArpFrame = std::array<std::byte, kArpFrameSize>;

/// Any packet as a frame. Addresses must be IPv4.
[[nodiscard]] ArpFrame build_arp_frame(const ArpPacket& packet);

/// Who has `target`? Broadcast. `source` 0.0.0.0 makes it a probe.
[[nodiscard]] ArpFrame build_arp_request(const MacAddress& own, const IpAddress& source, const IpAddress& target);
/// `address` is at `own`. Broadcast, in one of the two forms.
[[nodiscard]] ArpFrame build_arp_announcement(const MacAddress& own, const IpAddress& address, ArpOperation form);

/// Nothing for whatever is not ARP of Ethernet and IPv4, a request or a reply, and whole. Padding behind it is ignored.
[[nodiscard]] std::optional<ArpPacket> parse_arp_frame(ConstBytes frame);

}  // namespace fairlead::vip
