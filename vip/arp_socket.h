// The NeighbourPort of IPv4.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "vip/arp_frame.h"
#include "vip/neighbour_port.h"
#include "vip/packet_socket.h"

namespace fairlead::vip {

class ArpSocket final : public NeighbourPort {
 public:
  /// `listener` and `clock` outlive the port. Errors: kPermission (CAP_NET_RAW), kUnsupported (no Ethernet), kNotFound.
  [[nodiscard]] static Result<std::unique_ptr<ArpSocket>> open(const LinkState& link, NeighbourListener& listener, const Clock& clock);

  [[nodiscard]] Status watch(const IpAddress& address) override;
  void unwatch(const IpAddress& address) override;
  /// Instead of single addresses: reports what is said by any from `first` to `last`; who probes for one is not reported.
  /// Errors: kInvalidArgument, the kernel's. After an error nothing is watched.
  [[nodiscard]] Status watch_range(const IpAddress& first, const IpAddress& last);
  [[nodiscard]] Status probe(const IpAddress& address, const IpAddress& source) override;
  [[nodiscard]] Status announce(const IpAddress& address) override;
  [[nodiscard]] int fd() const override { return socket_.fd(); }
  [[nodiscard]] Status receive() override;
  [[nodiscard]] Status bind_to(const LinkState& link) override { return socket_.bind_to(link); }

 private:
  ArpSocket(PacketSocket socket, NeighbourListener& listener, const Clock& clock)
      : socket_(std::move(socket)), listener_(listener), clock_(clock) {}
  void tell(const ArpPacket& packet);

  PacketSocket socket_;
  NeighbourListener& listener_;
  const Clock& clock_;
  std::vector<IpAddress> watched_;  // Sorted.
  std::optional<std::pair<IpAddress, IpAddress>> range_;
};

}  // namespace fairlead::vip
