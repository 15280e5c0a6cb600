#include "lb/listener_socket.h"

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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
  if (!set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1)) return failed("TCP_NODELAY on");
  const SocketAddress where = to_sockaddr(address);
  if (::bind(fd.get(), where.get(), where.size) != 0) return failed("bind");
  if (::listen(fd.get(), kBacklog) != 0) return failed("listen on");
  return fd;
}

bool is_source_trouble(int sys_errno) { return sys_errno == EADDRNOTAVAIL || sys_errno == EINVAL; }

Result<Fd> open_server_leg(IpAddress::Family family, const std::optional<IpAddress>& source, const std::optional<PortRange>& ports) {
  const bool v4 = family == IpAddress::Family::kV4;
  Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  (void)set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // Cannot fail on a TCP socket (tcp(7)).
  if (source && source->is_v4() == v4) {
    (void)set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (ports) (void)set_option(fd.get(), IPPROTO_IP, kIpLocalPortRange, ports->last << 16 | ports->first);
    const SocketAddress from = to_sockaddr({*source, 0});
    if (::bind(fd.get(), from.get(), from.size) != 0) return errno_error("bind to source " + source->to_string());
  }
  return fd;
}

}  // namespace fairlead::lb
