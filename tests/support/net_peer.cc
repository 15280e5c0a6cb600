#include "tests/support/net_peer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/assert.h"
#include "base/sockaddr.h"

namespace fairlead::support {
namespace {

constexpr int kPatienceMs = 5000;
constexpr std::size_t kReadMax = 64 * 1024;

void set_buffers(int fd, int bytes) {
  FL_ASSERT(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
  FL_ASSERT(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
}

}  // namespace

std::byte ByteStream::next() {
  if (position_ % 8 == 0) word_ = mix64(seed_ ^ mix64(position_ / 8));
  const auto byte = static_cast<std::byte>(word_ >> (8 * (position_ % 8)));
  ++position_;
  return byte;
}

void ByteStream::fill(std::span<std::byte> out) {
  for (std::byte& b : out) b = next();
}

bool ByteStream::check(std::span<const std::byte> in) {
  for (const std::byte b : in) {
    const std::uint64_t at = position_;
    if (next() != b && !first_wrong_) first_wrong_ = at;
  }
  return !first_wrong_;
}

void ByteStream::skip(std::uint64_t bytes) {
  for (; bytes > 0; --bytes) (void)next();
}

Endpoint loopback(IpAddress::Family family) {
  if (family == IpAddress::Family::kV4) return {IpAddress::v4({127, 0, 0, 1}), 0};
  return {IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 0};
}

Fd make_socket(IpAddress::Family family) {
  Fd fd(::socket(family == IpAddress::Family::kV4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  FL_ASSERT(fd.valid());
  const int on = 1;
  FL_ASSERT(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  return fd;
}

Fd make_bound_socket(IpAddress::Family family) {
  Fd fd = make_socket(family);
  const SocketAddress address = to_sockaddr(loopback(family));
  FL_ASSERT(::bind(fd.get(), address.get(), address.size) == 0);
  return fd;
}

Fd make_listener(IpAddress::Family family, int backlog, int socket_bytes) {
  Fd fd = make_bound_socket(family);
  if (socket_bytes > 0) set_buffers(fd.get(), socket_bytes);  // Inherited by what it accepts.
  FL_ASSERT(::listen(fd.get(), backlog) == 0);
  return fd;
}

Fd start_connect(const Endpoint& to, int socket_bytes) {
  Fd fd = make_socket(to.address.family());
  if (socket_bytes > 0) set_buffers(fd.get(), socket_bytes);
  const SocketAddress address = to_sockaddr(to);
  const int rc = ::connect(fd.get(), address.get(), address.size);
  FL_ASSERT(rc == 0 || errno == EINPROGRESS);
  return fd;
}

bool wait_for(int fd, short events) {
  pollfd wanted{.fd = fd, .events = events, .revents = 0};
  return ::poll(&wanted, 1, kPatienceMs) == 1;
}

std::optional<Fd> accept_one(int listener) {
  if (!wait_for(listener, POLLIN)) return std::nullopt;
  Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  return fd;
}

std::pair<Fd, Fd> make_tcp_pair(IpAddress::Family family, int socket_bytes) {
  const Fd listener = make_listener(family, 1, socket_bytes);
  Fd ours = start_connect(local_of(listener.get()), socket_bytes);
  auto theirs = accept_one(listener.get());
  FL_ASSERT(theirs.has_value() && wait_for(ours.get(), POLLOUT));
  return {std::move(ours), std::move(*theirs)};
}

std::size_t Peer::write_some(std::size_t max) {
  std::array<std::byte, kReadMax> bytes{};
  const std::size_t n = std::min({max, bytes.size(), static_cast<std::size_t>(to_send_)});
  if (n == 0 || !fd_.valid() || error_ != 0) return 0;
  ByteStream ahead = out_;  // Only what the kernel takes has been sent.
  ahead.fill({bytes.data(), n});
  const ssize_t done = ::send(fd_.get(), bytes.data(), n, MSG_NOSIGNAL);
  if (done < 0) {
    if (errno != EAGAIN) error_ = errno;
    return 0;
  }
  const auto taken = static_cast<std::size_t>(done);
  if (taken == n)
    out_ = ahead;
  else
    out_.fill({bytes.data(), taken});
  sent_ += taken;
  to_send_ -= taken;
  return taken;
}

std::size_t Peer::read_some(std::size_t max) {
  std::array<std::byte, kReadMax> bytes{};
  if (!fd_.valid() || eof_ || error_ != 0) return 0;
  const ssize_t n = ::recv(fd_.get(), bytes.data(), std::min(max, bytes.size()), 0);
  if (n == 0) eof_ = true;
  if (n < 0 && errno != EAGAIN) error_ = errno;
  if (n <= 0) return 0;
  in_.check({bytes.data(), static_cast<std::size_t>(n)});
  return static_cast<std::size_t>(n);
}

void Peer::shutdown_write() {
  fin_sent_ = true;
  if (::shutdown(fd_.get(), SHUT_WR) != 0 && error_ == 0) error_ = errno;
}

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  FL_ASSERT(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  fd_.reset();
}

bool Peer::pump() {
  if (!fd_.valid()) return false;
  const auto chunk = [this] { return 1 + prng_.below(static_cast<std::uint32_t>(chunk_max)); };
  bool moved = false;
  for (int i = 0; i < 4 && write_some(chunk()) > 0; ++i) moved = true;
  if (fin_after_send && !fin_sent_ && to_send_ == 0) {
    shutdown_write();
    moved = true;
  }
  if (!reading) return moved;
  const bool had_ended = eof_ || error_ != 0;
  for (int i = 0; i < 4 && read_some(chunk()) > 0; ++i) moved = true;
  return moved || ((eof_ || error_ != 0) && !had_ended);
}

}  // namespace fairlead::support
