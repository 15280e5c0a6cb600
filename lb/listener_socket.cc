#include "lb/listener_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <vector>

#include "base/sockaddr.h"

namespace fairlead::lb {
namespace {

constexpr int kIpLocalPortRange = 51;  ///< IP_LOCAL_PORT_RANGE, which older headers lack. For IPv6 sockets too.
constexpr int kBacklog = 4096;         ///< Bounded by net.core.somaxconn.

[[nodiscard]] bool set_option(int fd, int level, int name, int value) { return ::setsockopt(fd, level, name, &value, sizeof value) == 0; }

int whole_seconds(Duration d) { return std::max(1, static_cast<int>(to_ms(d) / 1000)); }

}  // namespace

void apply_leg_options(int fd, const LegOptions& options) {
  // None of these can fail for values the configuration admits (tcp(7)); the defaults stay where a kernel lacks one.
  const bool keepalive = options.keepalive.idle > Duration::zero();
  (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive ? 1 : 0);
  if (keepalive) {
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(options.keepalive.idle));
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(options.keepalive.interval));
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(options.keepalive.count));
  }
  (void)set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(to_ms(options.tcp_user_timeout)));
}

void set_congestion_control(int fd, const std::string& name) {
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size()));
}

std::string default_congestion_control() {
  const Fd fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t size = name.size() - 1;
  return ::getsockopt(fresh.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) == 0 ? name.data() : "";
}

void outlive_address(int fd) { (void)set_option(fd, IPPROTO_IP, IP_TRANSPARENT, 1); }

Result<Fd> open_listener(const Endpoint& address, const LegOptions& options) {
  const auto failed = [&](const char* step) { return errno_error(std::string(step) + " " + address.to_string()); };
  Fd fd(::socket(address.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("socket for");
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) || !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))
    return failed("SO_REUSEPORT on");
  if (address.address.is_v4()) {
    if (!set_option(fd.get(), IPPROTO_IP, IP_FREEBIND, 1)) return failed("IP_FREEBIND on");
  } else {
    if (!set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return failed("IPV6_V6ONLY on");
    if (!set_option(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, 1)) return failed("IPV6_FREEBIND on");
  }
  apply_leg_options(fd.get(), options);
  if (!options.congestion_control.empty()) set_congestion_control(fd.get(), options.congestion_control);
  outlive_address(fd.get());
  if (!set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1)) return failed("TCP_NODELAY on");
  const SocketAddress where = to_sockaddr(address);
  if (::bind(fd.get(), where.get(), where.size) != 0) return failed("bind");
  if (::listen(fd.get(), kBacklog) != 0) return failed("listen on");
  return fd;
}

/// Classic BPF, run by the kernel on each packet for the listener. Packet data begins at the TCP header; SKF_NET_OFF reaches the IP header.
/// Only SYNs: a handshake that was answered may end, so that the worker can reset it.
void hold_back_syns(int fd, std::span<const IpAddress> held_back) {
  constexpr std::uint32_t kPass = 0xffffffff;
  constexpr std::uint32_t kDrop = 0;
  constexpr std::uint32_t kTcpFlags = 13;
  constexpr std::uint32_t kSyn = 0x02;
  constexpr std::uint32_t kV4Destination = 16;
  constexpr std::uint32_t kV6Destination = 24;
  if (held_back.empty()) {
    (void)set_option(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);  // ENOENT: there was none.
    return;
  }
  std::vector<sock_filter> code;
  const auto add = [&](unsigned operation, std::uint32_t k, std::size_t yes = 0, std::size_t no = 0) {
    code.push_back({static_cast<std::uint16_t>(operation), static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no), k});
  };
  add(BPF_LD | BPF_B | BPF_ABS, kTcpFlags);
  add(BPF_JMP | BPF_JSET | BPF_K, kSyn, /*yes=*/1);
  add(BPF_RET | BPF_K, kPass);
  const Endpoint bound = local_of(fd);
  for (const IpAddress& address : held_back) {
    if (address.family() != bound.address.family()) continue;
    const std::size_t words = address.is_v4() ? 1 : 4;
    for (std::size_t i = 0; i < words; ++i) {
      const auto* byte = &address.bytes()[4 * i];
      const std::uint32_t word = std::uint32_t{byte[0]} << 24 | std::uint32_t{byte[1]} << 16 | std::uint32_t{byte[2]} << 8 | byte[3];
      add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_NET_OFF) + (address.is_v4() ? kV4Destination : kV6Destination) +
                                        static_cast<std::uint32_t>(4 * i));
      add(BPF_JMP | BPF_JEQ | BPF_K, word, /*yes=*/0, /*no=*/2 * (words - i) - 1);  // Behind this address's words and its verdict.
    }
    add(BPF_RET | BPF_K, kDrop);
  }
  add(BPF_RET | BPF_K, kPass);
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  (void)::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

bool is_source_trouble(int sys_errno) { return sys_errno == EADDRNOTAVAIL || sys_errno == EINVAL; }

Result<Fd> open_server_leg(IpAddress::Family family, const std::optional<IpAddress>& source, const std::optional<PortRange>& ports,
                           const std::string& congestion_control) {
  const bool v4 = family == IpAddress::Family::kV4;
  Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  (void)set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // Cannot fail on a TCP socket (tcp(7)).
  if (!congestion_control.empty()) set_congestion_control(fd.get(), congestion_control);
  if (source && source->is_v4() == v4) {
    (void)set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (ports) (void)set_option(fd.get(), IPPROTO_IP, kIpLocalPortRange, ports->last << 16 | ports->first);
    const SocketAddress from = to_sockaddr({*source, 0});
    if (::bind(fd.get(), from.get(), from.size) != 0) return errno_error("bind to source " + source->to_string());
    outlive_address(fd.get());  // Behind bind(2), which is to say whether it is here.
  }
  return fd;
}

}  // namespace fairlead::lb
