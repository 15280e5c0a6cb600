// fairlead: pure
// What the node says to its LAN about addresses, and what the LAN says: ARP for IPv4, neighbour discovery for IPv6. One port per interface
// and protocol; `ArpSocket` and `NdpSocket` implement it, a fake does in tests.
//
// It reports, and decides nothing. In particular:
//   - an answer comes with whatever MAC it named: the holder's, the router's own (proxy ARP), another interface of this very node
//   - a probe of IPv6 from :: is answered to all nodes, which no one can tell from an announcement: while probing, take a claim for an
//     answer too
//   - frames that this host sends itself are not reported
// Threading: one thread. Limits: kWatchedAddressesMax per port; at most kFramesPerTurn frames per receive(), the rest stay in the kernel.
#pragma once

#include <cstdint>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/result.h"
#include "base/time.h"
#include "vip/link_state.h"

namespace fairlead::vip {

inline constexpr std::size_t kWatchedAddressesMax = 126;  ///< VIPs, their gateways and tie-break targets; what a socket's filter can hold.
inline constexpr int kFramesPerTurn = 64;

enum class NeighbourEventKind : std::uint8_t {
  kAnswer,  ///< Somebody answered this node, and nobody else, that it has `address`.
  kClaim,   ///< Another MAC than this interface's told everybody, or used the address as its own.
  kProbe,   ///< Another MAC asks, without claiming it, whether anybody has `address` (another node before it takes it, R13).
};
struct NeighbourEvent {
  NeighbourEventKind kind{};
  IpAddress address;
  MacAddress mac;
  Instant when;
  bool operator==(const NeighbourEvent&) const = default;
};

/// Called inside receive(). It may watch, unwatch, probe and announce; it must not destroy the port.
class NeighbourListener {
 public:
  virtual ~NeighbourListener() = default;
  virtual void on_neighbour(const NeighbourEvent& event) = 0;
};

class NeighbourPort {
 public:
  virtual ~NeighbourPort() = default;

  /// Reports what concerns `address` from now on. Twice is once.
  /// Errors: kLimitExceeded, kInvalidArgument (the other protocol's address), the kernel's. After an error it is not watched.
  [[nodiscard]] virtual Status watch(const IpAddress& address) = 0;
  virtual void unwatch(const IpAddress& address) = 0;

  /// Asks once who has `address`. Without `source` (unspecified) nobody learns anything from the question; a tie-break target may
  /// need one to answer to. Errors: kUnavailable (interface down), kNotFound (interface gone), kLimitExceeded (queue full).
  [[nodiscard]] virtual Status probe(const IpAddress& address, const IpAddress& source) = 0;
  /// Tells everybody once that `address` is here: in both forms of ARP, or as an unsolicited advertisement. Errors: as probe().
  [[nodiscard]] virtual Status announce(const IpAddress& address) = 0;

  /// Readable when receive() has something to do.
  [[nodiscard]] virtual int fd() const = 0;
  /// Hands on what has come. Errors: kUnavailable when the interface went down (it works again when that is up), kNotFound when it is
  /// gone: bind_to() it when it is back.
  [[nodiscard]] virtual Status receive() = 0;
  /// The interface came back with another index, or has another MAC. Errors: as open().
  [[nodiscard]] virtual Status bind_to(const LinkState& link) = 0;
};

}  // namespace fairlead::vip
