#include "net/chain_io.h"

#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>

namespace fairlead::net {
namespace {

constexpr std::size_t kIovecsPerSend = 16;

ssize_t send_some(int fd, BufferPool& pool, const BufferChain& chain, std::size_t& offered) {
  const BufferIndex head = chain.head;
  if (pool.meta(head).next == kNoBuffer) {
    const auto bytes = pool.bytes(head);
    offered = bytes.size();
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  std::array<iovec, kIovecsPerSend> parts;  // NOLINT(cppcoreguidelines-pro-type-member-init): hot, and only what was set is read
  std::size_t count = 0;
  offered = 0;
  for (BufferIndex at = head; at != kNoBuffer && count < parts.size(); at = pool.meta(at).next) {
    const auto bytes = pool.bytes(at);
    parts[count++] = {bytes.data(), bytes.size()};
    offered += bytes.size();
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

SendOutcome send_chain(int fd, BufferPool& pool, BufferChain& chain) {
  SendOutcome out;
  while (!chain.empty()) {
    std::size_t offered = 0;
    const ssize_t n = send_some(fd, pool, chain, offered);
    ++out.calls;
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        out.blocked = true;
      else
        out.error = errno;
      return out;
    }
    chain.consume(pool, static_cast<std::size_t>(n));
    out.bytes += static_cast<std::size_t>(n);
    if (static_cast<std::size_t>(n) < offered) {
      // A short send means a full socket buffer; asking again now would only return EAGAIN. The engine's wait re-checks, so no edge is
      // lost.
      out.blocked = true;
      return out;
    }
  }
  return out;
}

int take_socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void reset_on_close(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);  // Fails only on a socket that is reset already.
}

}  // namespace fairlead::net
