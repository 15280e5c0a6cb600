// Endpoint <-> the kernel's socket address structures.
#pragma once

#include <sys/socket.h>

#include "base/ip_address.h"

namespace fairlead {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress to_sockaddr(const Endpoint& endpoint);
/// AF_INET and AF_INET6 (mapped IPv4 becomes IPv4); 0.0.0.0:0 for any other family.
[[nodiscard]] Endpoint to_endpoint(const sockaddr* address);
/// getpeername(2), getsockname(2); 0.0.0.0:0 when the socket has none (any more).
[[nodiscard]] Endpoint peer_of(int fd);
[[nodiscard]] Endpoint local_of(int fd);

}  // namespace fairlead
