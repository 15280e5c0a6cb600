#include "vip/ndp_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <span>
#include <sys/socket.h>

#include "base/atomic_file.h"

namespace fairlead::vip {
namespace {

constexpr std::uint32_t kNextHeaderAt = 20;
constexpr std::uint32_t kTypeAt = 54;
constexpr std::uint32_t kTargetEndAt = 74;  // Its last four bytes; parse_ndp_frame() and tell() look at the others.

std::uint32_t last_word_of(const IpAddress& address) {
  const auto& b = address.bytes();
  return std::uint32_t{b[12]} << 24 | std::uint32_t{b[13]} << 16 | std::uint32_t{b[14]} << 8 | b[15];
}

Filter filter_for(const std::vector<IpAddress>& watched) {
  const auto n = static_cast<std::uint8_t>(watched.size());
  const auto refuse = [n](int behind) { return static_cast<std::uint8_t>(n + behind); };
  Filter out;
  out.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kNextHeaderAt));
  out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, refuse(4)));
  out.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kTypeAt));
  out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 1, 0));
  out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, refuse(1)));
  out.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kTargetEndAt));
  for (std::uint8_t i = 0; i < n; ++i)
    out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, last_word_of(watched[i]), static_cast<std::uint8_t>(n - i), 0));
  out.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  out.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffff));
  return out;
}

/// What the kernel's own advertisements say. Read each time, for it may change at any moment; procfs does not block (R22).
bool forwards(const std::string& device) {
  const auto text = read_small_file("/proc/sys/net/ipv6/conf/" + device + "/forwarding");
  return text && *text && (*text)->starts_with("1");
}

ipv6_mreq group_of(const IpAddress& address, const LinkState& link) {
  const IpAddress group = solicited_node_group(address);
  ipv6_mreq out{};
  std::memcpy(&out.ipv6mr_multiaddr, group.bytes().data(), sizeof out.ipv6mr_multiaddr);
  out.ipv6mr_interface = link.index;
  return out;
}

}  // namespace

Result<std::unique_ptr<NdpSocket>> NdpSocket::open(const LinkState& link, NeighbourListener& listener, const Clock& clock) {
  auto socket = PacketSocket::open(kEtherTypeIpv6);
  if (!socket) return socket.error();
  if (auto status = socket->set_filter(filter_for({})); !status) return status.error();
  if (auto status = socket->bind_to(link); !status) return status.error();
  Fd memberships(::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!memberships.valid()) return errno_error("socket for IPv6 groups");
  return std::unique_ptr<NdpSocket>(new NdpSocket(std::move(*socket), std::move(memberships), listener, clock));
}

Status NdpSocket::join(const IpAddress& address) {
  if (auto status = socket_.join(group_mac(solicited_node_group(address)), true); !status) return status;
  report(address);
  return {};
}

/// Tried again with every watch() and bind_to(), in vain for one that is reported. Without it a switch that snoops keeps others' probes
/// from us: worse than with it, and no reason to hold no address. So it is no error.
void NdpSocket::report(const IpAddress& address) {
  const ipv6_mreq group = group_of(address, socket_.link());
  (void)::setsockopt(memberships_.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group);
}

/// Of an interface that lost IPv6 and has it again the kernel remembers a membership that reports nothing.
void NdpSocket::report_anew(const IpAddress& address) {
  const ipv6_mreq group = group_of(address, socket_.link());
  (void)::setsockopt(memberships_.get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &group, sizeof group);
  report(address);
}

Status NdpSocket::watch(const IpAddress& address) {
  if (address.is_v4() || address.is_unspecified())
    return Error{Errc::kInvalidArgument, address.to_string() + " cannot be watched by neighbour discovery"};
  const auto at = std::lower_bound(watched_.begin(), watched_.end(), address);
  if (at != watched_.end() && *at == address) {
    report(address);
    return {};
  }
  if (watched_.size() == kWatchedAddressesMax)
    return Error{Errc::kLimitExceeded, "watch " + address.to_string() + ": " + std::to_string(kWatchedAddressesMax) + " addresses already"};
  const auto inserted = watched_.insert(at, address);
  auto status = socket_.set_filter(filter_for(watched_));
  if (status) status = join(address);
  if (!status) watched_.erase(inserted);
  return status;
}

void NdpSocket::unwatch(const IpAddress& address) {
  const auto at = std::lower_bound(watched_.begin(), watched_.end(), address);
  if (at == watched_.end() || *at != address) return;
  watched_.erase(at);
  (void)socket_.set_filter(filter_for(watched_));  // With the old one too much comes, which tell() leaves out.
  (void)socket_.join(group_mac(solicited_node_group(address)), false);
  const bool shared = std::any_of(watched_.begin(), watched_.end(),
                                  [&](const IpAddress& other) { return solicited_node_group(other) == solicited_node_group(address); });
  if (shared) return;
  const ipv6_mreq group = group_of(address, socket_.link());
  (void)::setsockopt(memberships_.get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &group, sizeof group);
}

Status NdpSocket::probe(const IpAddress& address, const IpAddress& source) {
  if (address.is_v4()) return Error{Errc::kInvalidArgument, "probe " + address.to_string() + ": no IPv6 address"};
  const IpAddress from = source.is_unspecified() ? IpAddress::any(IpAddress::Family::kV6) : source;
  if (from.is_v4())
    return Error{Errc::kInvalidArgument, "probe " + address.to_string() + " from " + source.to_string() + ": no IPv6 address"};
  const NdpFrame frame = build_neighbour_solicitation(socket_.mac(), from, address);
  return socket_.send(std::span(frame.begin(), frame.size()), "probe " + address.to_string());
}

Status NdpSocket::announce(const IpAddress& address) {
  if (address.is_v4()) return Error{Errc::kInvalidArgument, "announce " + address.to_string() + ": no IPv6 address"};
  const NdpFrame frame = build_neighbour_announcement(socket_.mac(), address, forwards(socket_.link().name));
  return socket_.send(std::span(frame.begin(), frame.size()), "announce " + address.to_string());
}

Status NdpSocket::receive() {
  return socket_.receive(kFramesPerTurn, [this](ConstBytes frame) {
    if (const auto packet = parse_ndp_frame(frame)) tell(*packet);
  });
}

Status NdpSocket::bind_to(const LinkState& link) {
  if (auto status = socket_.bind_to(link); !status) return status;
  // The groups belonged to the interface that went away; on the same one, joining twice is counted twice and harmless.
  for (const IpAddress& address : watched_) {
    if (auto status = join(address); !status) return status;
    report_anew(address);
  }
  return {};
}

void NdpSocket::tell(const NdpPacket& packet) {
  if (!std::binary_search(watched_.begin(), watched_.end(), packet.target)) return;
  const MacAddress mac = packet.link_layer.value_or(packet.link_source);
  NeighbourEvent event{.kind = NeighbourEventKind::kClaim, .address = packet.target, .mac = mac, .when = clock_.now()};
  if (packet.type == NdpType::kAdvertisement && packet.solicited && packet.link_destination == socket_.mac()) {
    event.kind = NeighbourEventKind::kAnswer;
  } else {
    // A switch or bridge sent our own words back; or clients resolve the address. A solicitation *from* it would claim it, and Linux sends
    // none without announcing too.
    if (mac == socket_.mac() || (packet.type == NdpType::kSolicitation && !packet.is_probe())) return;
    if (packet.is_probe()) event.kind = NeighbourEventKind::kProbe;
  }
  listener_.on_neighbour(event);
}

}  // namespace fairlead::vip
