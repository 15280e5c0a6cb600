// The NeighbourPort of IPv6. It also joins the solicited-node group of each watched address, so that a standby hears others' probes: at its
// own interface, and by MLD (RFC 3810), without which a switch that snoops does not pass them on.
#pragma once

#include <memory>
#include <vector>

#include "vip/ndp_frame.h"
#include "vip/neighbour_port.h"
#include "vip/packet_socket.h"

namespace fairlead::vip {

class NdpSocket final : public NeighbourPort {
 public:
  /// `listener` and `clock` outlive the port. Announcements say whether this node forwards, as the interface is set then.
  /// Errors: kPermission (CAP_NET_RAW), kUnsupported (no Ethernet), kNotFound.
  [[nodiscard]] static Result<std::unique_ptr<NdpSocket>> open(const LinkState& link, NeighbourListener& listener, const Clock& clock);

  [[nodiscard]] Status watch(const IpAddress& address) override;
  void unwatch(const IpAddress& address) override;
  [[nodiscard]] Status probe(const IpAddress& address, const IpAddress& source) override;
  [[nodiscard]] Status announce(const IpAddress& address) override;
  [[nodiscard]] int fd() const override { return socket_.fd(); }
  [[nodiscard]] Status receive() override;
  [[nodiscard]] Status bind_to(const LinkState& link) override;

 private:
  NdpSocket(PacketSocket socket, Fd memberships, NeighbourListener& listener, const Clock& clock)
      : socket_(std::move(socket)), memberships_(std::move(memberships)), listener_(listener), clock_(clock) {}
  [[nodiscard]] Status join(const IpAddress& address);
  void report(const IpAddress& address);
  void report_anew(const IpAddress& address);
  void tell(const NdpPacket& packet);

  PacketSocket socket_;
  Fd memberships_;  // Receives nothing: the kernel reports its groups to the LAN.
  NeighbourListener& listener_;
  const Clock& clock_;
  std::vector<IpAddress> watched_;  // Sorted.
};

}  // namespace fairlead::vip
