// fairlead: pure
// The PROXY protocol, versions 1 (text) and 2 (binary): who the client of a relayed connection is.
// Specification: haproxy doc/proxy-protocol.txt, sections 2.1 and 2.2.
//
// Reading is strict, because whoever may send this header may claim any address: one space between fields, no leading zeros, address and
// family must agree, CR LF at the end. What the bytes so far cannot begin is refused at once, not when the header would be complete.
// Version 2: LOCAL, UNSPEC, UNIX and datagram families carry no usable address (the connection's own one counts then); TLVs are skipped
// unread. Bounds: kProxyV1BytesMax (the specification's) and kProxyV2BytesMax (ours; the format allows 64 KiB).
//
// Writing: an IPv4 address mapped into IPv6 is written as IPv4. Source and destination of different families: version 1 says UNKNOWN,
// its receiver then uses the connection's own addresses; version 2 writes both as IPv6, the IPv4 one mapped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/ip_address.h"
#include "config/settings.h"

namespace fairlead::lb {

inline constexpr std::size_t kProxyV1BytesMax = 107;
inline constexpr std::size_t kProxyV2BytesMax = 4096;
inline constexpr std::size_t kProxyHeaderBytesMax = kProxyV2BytesMax;  ///< A reader's buffer of this size always suffices.

struct ProxyNeedMore {
  bool operator==(const ProxyNeedMore&) const = default;
};
struct ProxyHeader {
  std::size_t length = 0;          ///< Bytes of the header; what follows is the client's.
  bool local = false;              ///< Version 2 LOCAL: the balancer in front speaks for itself (a health check).
  std::optional<Endpoint> source;  ///< The client; nullopt: use the connection's own address. Likewise below.
  std::optional<Endpoint> destination;
  bool operator==(const ProxyHeader&) const = default;
};
struct ProxyError {
  std::string_view what;  ///< Static text.
  bool operator==(const ProxyError&) const = default;
};
using ProxyParse = std::variant<ProxyNeedMore, ProxyHeader, ProxyError>;

/// Looks at all bytes received so far. ProxyNeedMore never comes once kProxyHeaderBytesMax bytes are there.
[[nodiscard]] ProxyParse parse_proxy_header(std::span<const std::byte> received);

/// A header ready to send; at most 107 bytes, no allocation kept.
class ProxyHeaderBytes {
 public:
  [[nodiscard]] std::span<const std::byte> view() const { return {bytes_.data(), size_}; }
  void append(std::span<const std::byte> more);
  void append(std::string_view text);

 private:
  std::array<std::byte, kProxyV1BytesMax> bytes_{};
  std::size_t size_ = 0;
};

/// What a server shall read first; empty for SendProxy::kOff.
[[nodiscard]] ProxyHeaderBytes build_proxy_header(config::SendProxy version, const Endpoint& source, const Endpoint& destination);

}  // namespace fairlead::lb
