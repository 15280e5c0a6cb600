// fairlead: pure
// Addresses as values: IPv4 and IPv6 without a socket header in sight. Kernel structures are made in base/sockaddr.h.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead {

/// An IPv4 or IPv6 address. Sixteen bytes in network order; IPv4 uses the first four. No scope id.
class IpAddress {
 public:
  enum class Family : std::uint8_t { kV4, kV6 };

  constexpr IpAddress() = default;  ///< 0.0.0.0
  [[nodiscard]] static constexpr IpAddress v4(std::array<std::uint8_t, 4> bytes) {
    IpAddress a;
    for (std::size_t i = 0; i < 4; ++i) a.bytes_[i] = bytes[i];
    return a;
  }
  [[nodiscard]] static constexpr IpAddress v6(const std::array<std::uint8_t, 16>& bytes) {
    IpAddress a;
    a.bytes_ = bytes;
    a.family_ = Family::kV6;
    return a;
  }
  [[nodiscard]] static constexpr IpAddress any(Family family) {
    IpAddress a;
    a.family_ = family;
    return a;
  }

  [[nodiscard]] constexpr bool is_v4() const { return family_ == Family::kV4; }
  [[nodiscard]] constexpr Family family() const { return family_; }
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] constexpr int bits() const { return is_v4() ? 32 : 128; }
  [[nodiscard]] constexpr bool is_unspecified() const { return bytes_ == std::array<std::uint8_t, 16>{}; }
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_multicast() const;
  /// ::ffff:1.2.3.4 becomes 1.2.3.4; anything else stays as it is.
  [[nodiscard]] IpAddress unmapped() const;

  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::kV4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// Strict forms only: "192.168.4.20", "2001:db8::1". Errors: kInvalidArgument.
[[nodiscard]] Result<IpAddress> parse_ip_address(std::string_view text);

/// An address with a prefix length. Keeps the host bits: "192.168.4.20/24" is a host in a network.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] IpAddress network() const;                   ///< Host bits cleared.
  [[nodiscard]] std::optional<IpAddress> broadcast() const;  ///< IPv4 with a prefix below 31 only.
  [[nodiscard]] std::string to_string() const;
  friend constexpr auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

/// "10.0.0.0/8"; a bare address means /32 or /128. Errors: kInvalidArgument.
[[nodiscard]] Result<IpPrefix> parse_ip_prefix(std::string_view text);

/// Address and port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  [[nodiscard]] std::string to_string() const;  ///< "1.2.3.4:80", "[::1]:80"
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// "1.2.3.4:80", "[2001:db8::1]:80". Port 0 is accepted. Errors: kInvalidArgument.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

/// "host:port" where the host is a name or an address: the parts as text. Errors: kInvalidArgument.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);
[[nodiscard]] std::string to_string(const HostPort& value);

/// 64-bit mix of an address; equal addresses hash alike within one process and across processes.
[[nodiscard]] std::uint64_t hash_of(const IpAddress& address, std::uint64_t seed = 0);
/// SplitMix64's finaliser: the one integer mixer used everywhere.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace fairlead

template <>
struct std::hash<fairlead::IpAddress> {
  std::size_t operator()(const fairlead::IpAddress& a) const noexcept { return fairlead::hash_of(a); }
};
template <>
struct std::hash<fairlead::Endpoint> {
  std::size_t operator()(const fairlead::Endpoint& e) const noexcept { return fairlead::hash_of(e.address, e.port); }
};
