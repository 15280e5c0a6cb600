#include "vip/arp_socket.h"

#include <algorithm>

namespace fairlead::vip {
namespace {

constexpr std::uint32_t kSenderAt = 28;
constexpr std::uint32_t kTargetAt = 38;

std::uint32_t word_of(const IpAddress& address) {
  const auto& b = address.bytes();
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

// Passes what is said by a watched address, and probes for one. What clients ask about it is the kernel's business.
Filter filter_for(const std::vector<IpAddress>& watched) {
  const auto n = static_cast<std::uint8_t>(watched.size());
  Filter out;
  out.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSenderAt));
  // Behind the n comparisons of the sender stand: 0.0.0.0?, load target, n comparisons, refuse, accept.
  for (std::uint8_t i = 0; i < n; ++i)
    out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_of(watched[i]), static_cast<std::uint8_t>(n - 1 - i + n + 3), 0));
  out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, static_cast<std::uint8_t>(n + 1)));
  out.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kTargetAt));
  for (std::uint8_t i = 0; i < n; ++i)
    out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_of(watched[i]), static_cast<std::uint8_t>(n - 1 - i + 1), 0));
  out.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  out.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffff));
  return out;
}
static_assert(2 * kWatchedAddressesMax + 3 < 256, "a jump of the filter has eight bits");

}  // namespace

Result<std::unique_ptr<ArpSocket>> ArpSocket::open(const LinkState& link, NeighbourListener& listener, const Clock& clock) {
  auto socket = PacketSocket::open(kEtherTypeArp);
  if (!socket) return socket.error();
  if (auto status = socket->set_filter(filter_for({})); !status) return status.error();
  if (auto status = socket->bind_to(link); !status) return status.error();
  return std::unique_ptr<ArpSocket>(new ArpSocket(std::move(*socket), listener, clock));
}

Status ArpSocket::watch(const IpAddress& address) {
  if (!address.is_v4() || address.is_unspecified()) return Error{Errc::kInvalidArgument, address.to_string() + " cannot be watched by ARP"};
  const auto at = std::lower_bound(watched_.begin(), watched_.end(), address);
  if (at != watched_.end() && *at == address) return {};
  if (watched_.size() == kWatchedAddressesMax)
    return Error{Errc::kLimitExceeded, "watch " + address.to_string() + ": " + std::to_string(kWatchedAddressesMax) + " addresses already"};
  const auto inserted = watched_.insert(at, address);
  auto status = socket_.set_filter(filter_for(watched_));
  if (!status) watched_.erase(inserted);
  return status;
}

void ArpSocket::unwatch(const IpAddress& address) {
  const auto at = std::lower_bound(watched_.begin(), watched_.end(), address);
  if (at == watched_.end() || *at != address) return;
  watched_.erase(at);
  (void)socket_.set_filter(filter_for(watched_));  // With the old one too much comes, which tell() leaves out.
}

Status ArpSocket::watch_range(const IpAddress& first, const IpAddress& last) {
  if (!first.is_v4() || !last.is_v4() || last < first)
    return Error{Errc::kInvalidArgument, first.to_string() + " to " + last.to_string() + " cannot be watched by ARP"};
  watched_.clear();
  range_.reset();
  const Filter filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSenderAt), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, word_of(first), 0, 1),
                      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, word_of(last), 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                      BPF_STMT(BPF_RET | BPF_K, 0xffff)};
  if (auto status = socket_.set_filter(filter); !status) return status;
  range_ = {first, last};
  return {};
}

Status ArpSocket::probe(const IpAddress& address, const IpAddress& source) {
  if (!address.is_v4() || !source.is_v4()) return Error{Errc::kInvalidArgument, "probe " + address.to_string() + ": no IPv4 address"};
  return socket_.send(build_arp_request(socket_.mac(), source, address), "probe " + address.to_string());
}

Status ArpSocket::announce(const IpAddress& address) {
  if (!address.is_v4()) return Error{Errc::kInvalidArgument, "announce " + address.to_string() + ": no IPv4 address"};
  const std::string what = "announce " + address.to_string();
  if (auto s = socket_.send(build_arp_announcement(socket_.mac(), address, ArpOperation::kRequest), what); !s) return s;
  return socket_.send(build_arp_announcement(socket_.mac(), address, ArpOperation::kReply), what);
}

Status ArpSocket::receive() {
  return socket_.receive(kFramesPerTurn, [this](ConstBytes frame) {
    if (const auto packet = parse_arp_frame(frame)) tell(*packet);
  });
}

void ArpSocket::tell(const ArpPacket& packet) {
  const bool probe = packet.is_probe();
  const IpAddress& address = probe ? packet.target : packet.sender;
  const bool in_range = range_ && !probe && range_->first <= address && address <= range_->second;
  if (!in_range && !std::binary_search(watched_.begin(), watched_.end(), address)) return;
  NeighbourEvent event{.kind = NeighbourEventKind::kClaim, .address = address, .mac = packet.sender_mac, .when = clock_.now()};
  if (packet.operation == ArpOperation::kReply && packet.link_destination == socket_.mac()) {
    event.kind = NeighbourEventKind::kAnswer;
  } else if (packet.sender_mac == socket_.mac()) {
    return;  // A switch or bridge sent our own words back.
  } else if (probe) {
    event.kind = NeighbourEventKind::kProbe;
  }
  listener_.on_neighbour(event);
}

}  // namespace fairlead::vip
