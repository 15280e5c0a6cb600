#include "base/sockaddr.h"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>

namespace fairlead {

SocketAddress to_sockaddr(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.bytes().data(), 4);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(endpoint.port);
    std::memcpy(&in6.sin6_addr, endpoint.address.bytes().data(), 16);
    std::memcpy(&out.storage, &in6, sizeof in6);
    out.size = sizeof in6;
  }
  return out;
}

Endpoint to_endpoint(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, 4);
    return {IpAddress::v4(bytes), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, address, sizeof in6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in6.sin6_addr, 16);
    return {IpAddress::v6(bytes).unmapped(), ntohs(in6.sin6_port)};
  }
  return {};
}

Endpoint peer_of(int fd) {
  SocketAddress a;
  a.size = sizeof a.storage;
  return ::getpeername(fd, a.get(), &a.size) == 0 ? to_endpoint(a.get()) : Endpoint{};
}

Endpoint local_of(int fd) {
  SocketAddress a;
  a.size = sizeof a.storage;
  return ::getsockname(fd, a.get(), &a.size) == 0 ? to_endpoint(a.get()) : Endpoint{};
}

}  // namespace fairlead
