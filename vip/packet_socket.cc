#include "vip/packet_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace fairlead::vip {
namespace {

constexpr std::size_t kFrameBytesMax = 512;  // Both protocols need 86; neighbour discovery may carry options.

sockaddr_ll link_address(const LinkState& link, std::uint16_t ether_type) {
  sockaddr_ll out{};
  out.sll_family = AF_PACKET;
  out.sll_protocol = htons(ether_type);
  out.sll_ifindex = static_cast<int>(link.index);
  return out;
}

}  // namespace

Result<PacketSocket> PacketSocket::open(std::uint16_t ether_type) {
  // Protocol 0: nothing is received before bind(), so that nothing passes a filter that is not there yet.
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    Error error = errno_error("packet socket");
    if (error.code == Errc::kPermission) error.context += " (fairleadd needs CAP_NET_RAW)";
    return error;
  }
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0)
    return errno_error("packet socket: PACKET_IGNORE_OUTGOING");
  return PacketSocket(std::move(fd), ether_type);
}

Error PacketSocket::failed(const std::string& what, int sys_errno) const {
  Error error = errno_error(what + " on " + link_.name, sys_errno);
  if (sys_errno == ENXIO || sys_errno == ENODEV) {
    error.code = Errc::kNotFound;
    error.context += " (the interface is gone)";
  } else if (sys_errno == ENETDOWN) {
    error.code = Errc::kUnavailable;
    error.context += " (the interface is down)";
  }
  return error;
}

Status PacketSocket::bind_to(const LinkState& link) {
  if (!link.mac)
    return Error{Errc::kUnsupported, link.name + " is no Ethernet interface: addresses on it can be neither probed nor announced"};
  link_ = link;
  mac_ = *link.mac;
  const sockaddr_ll address = link_address(link, ether_type_);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return failed("bind packet socket", errno);
  return {};
}

Status PacketSocket::set_filter(Filter filter) {
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) return failed("attach filter", errno);
  return {};
}

Status PacketSocket::join(const MacAddress& group, bool joined) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(link_.index);
  request.mr_type = PACKET_MR_MULTICAST;
  request.mr_alen = 6;
  std::memcpy(request.mr_address, group.bytes.data(), group.bytes.size());
  const int option = joined ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP;
  if (::setsockopt(fd_.get(), SOL_PACKET, option, &request, sizeof request) < 0) return failed("join " + group.to_string(), errno);
  return {};
}

Status PacketSocket::send(ConstBytes frame, const std::string& what) {
  const sockaddr_ll address = link_address(link_, ether_type_);
  if (::sendto(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return failed(what, errno);
  return {};
}

Status PacketSocket::receive(int limit, const std::function<void(ConstBytes)>& use) {
  std::array<std::byte, kFrameBytesMax> buffer{};
  for (int n = 0; n < limit; ++n) {
    const auto got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0) {
      use(ConstBytes(buffer).first(static_cast<std::size_t>(got)));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
    if (errno == EINTR) continue;
    return failed("receive", errno);
  }
  return {};
}

}  // namespace fairlead::vip
