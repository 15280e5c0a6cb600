#include "bench/macro/link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/sockaddr.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

namespace fairlead::bench {
namespace {

Result<Fd> tcp_socket(const Endpoint& like) {
  Fd fd(::socket(like.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  return fd;
}

Status set_option(int fd, int level, int option, const char* name) {
  const int on = 1;
  if (::setsockopt(fd, level, option, &on, sizeof on) != 0) return errno_error(std::string("set ") + name);
  return {};
}

}  // namespace

Result<Fd> listen_on(const Endpoint& endpoint) {
  auto fd = tcp_socket(endpoint);
  if (!fd) return fd;
  if (const auto set = set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"); !set) return set.error();
  const SocketAddress address = to_sockaddr(endpoint);
  if (::bind(fd->get(), address.get(), address.size) != 0) return errno_error("bind " + endpoint.to_string());
  if (::listen(fd->get(), SOMAXCONN) != 0) return errno_error("listen on " + endpoint.to_string());
  return fd;
}

Result<Fd> start_connect(const Endpoint& target, const Endpoint* source) {
  auto fd = tcp_socket(target);
  if (!fd) return fd;
  if (const auto set = set_option(fd->get(), IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"); !set) return set.error();
  if (source != nullptr) {
    if (const auto set = set_option(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT"); !set) return set.error();
    const SocketAddress from = to_sockaddr(*source);
    if (::bind(fd->get(), from.get(), from.size) != 0) return errno_error("bind " + source->to_string());
  }
  const SocketAddress to = to_sockaddr(target);
  if (::connect(fd->get(), to.get(), to.size) != 0 && errno != EINPROGRESS) return errno_error("connect to " + target.to_string());
  return fd;
}

std::span<std::byte> receive_buffer() {
  static std::array<std::byte, kReceiveBytes> buffer;
  return buffer;
}

ReadProgress receive_once(int fd, std::span<std::byte> into, bool until_end) {
  for (;;) {
    const ssize_t n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) {
      const auto bytes = static_cast<std::uint64_t>(n);
      return {.outcome = until_end || bytes == into.size() ? ReadOutcome::kMore : ReadOutcome::kDrained, .bytes = bytes};
    }
    if (n == 0) return {.outcome = ReadOutcome::kEof};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {.outcome = ReadOutcome::kDrained};
    return {.outcome = ReadOutcome::kFailed, .sys_errno = errno};
  }
}

Result<Poller> Poller::create() {
  Fd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd.valid()) return errno_error("epoll_create1");
  return Poller(std::move(fd));
}

Status Poller::add(int fd, std::uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = token;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll: add a connection");
  return {};
}

Status Poller::add_level_triggered(int fd, std::uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll: add a descriptor");
  return {};
}

Result<std::span<epoll_event>> Poller::wait(std::span<epoll_event> events, Duration timeout) {
  const std::int64_t ns = std::max<std::int64_t>(timeout.count(), 0);
  const timespec limit{.tv_sec = static_cast<time_t>(ns / 1'000'000'000), .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
  const int n = ::epoll_pwait2(fd_.get(), events.data(), static_cast<int>(events.size()), &limit, nullptr);
  if (n < 0 && errno != EINTR) return errno_error("epoll_pwait2");
  return events.first(n < 0 ? 0 : static_cast<std::size_t>(n));
}

void ask_for_exact_timers() { (void)::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); }

}  // namespace fairlead::bench
