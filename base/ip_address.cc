// fairlead: pure
#include "base/ip_address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace fairlead {
namespace {

Error not_a(std::string_view what, std::string_view text, std::string_view why) {
  return Error{Errc::kInvalidArgument, "'" + std::string(text.substr(0, 80)) + "' is not " + std::string(what) + ": " + std::string(why)};
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

/// Splits at the last colon, honouring [brackets]; a bare IPv6 address has too many colons and is refused.
Result<std::pair<std::string_view, std::string_view>> split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return not_a("an address with a port", text, "the closing ']' is missing");
    if (close + 1 >= text.size() || text[close + 1] != ':') return not_a("an address with a port", text, "':PORT' must follow the ']'");
    return std::pair{text.substr(1, close - 1), text.substr(close + 2)};
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return not_a("an address with a port", text, "':PORT' is missing");
  if (text.find(':') != colon) return not_a("an address with a port", text, "write an IPv6 address in brackets, as in [2001:db8::1]:6443");
  return std::pair{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return *this == v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

bool IpAddress::is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

IpAddress IpAddress::unmapped() const {
  static constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (is_v4() || !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin())) return *this;
  return v4({bytes_[12], bytes_[13], bytes_[14], bytes_[15]});
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
}

Result<IpAddress> parse_ip_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return not_a("an IP address", text, "too long");
  const std::string copy(text);
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return IpAddress::v6(bytes);
  return not_a("an IP address", text, "write IPv4 as 192.168.4.20 or IPv6 as 2001:db8::1");
}

bool IpPrefix::contains(const IpAddress& other) const {
  return other.family() == address.family() && IpPrefix{other, length}.network() == network();
}

IpAddress IpPrefix::network() const {
  auto bytes = address.bytes();
  for (int bit = 0; bit < 128; bit += 8) {
    const int keep = std::clamp(static_cast<int>(length) - bit, 0, 8);
    bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(0xff00 >> keep);
  }
  return address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
}

std::optional<IpAddress> IpPrefix::broadcast() const {
  if (!address.is_v4() || length >= 31) return std::nullopt;
  auto bytes = network().bytes();
  for (int bit = length; bit < 32; ++bit) bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

std::string IpPrefix::to_string() const { return address.to_string() + "/" + std::to_string(length); }

Result<IpPrefix> parse_ip_prefix(std::string_view text) {
  const auto slash = text.find('/');
  auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return address.error();
  if (slash == std::string_view::npos) return IpPrefix{*address, static_cast<std::uint8_t>(address->bits())};
  const auto length = parse_number(text.substr(slash + 1), static_cast<unsigned>(address->bits()));
  if (!length) return not_a("an address with a prefix length", text, address->is_v4() ? "the length is 0 to 32" : "the length is 0 to 128");
  return IpPrefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string Endpoint::to_string() const {
  return (address.is_v4() ? address.to_string() : "[" + address.to_string() + "]") + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  auto parts = split_host_port(text);
  if (!parts) return parts.error();
  auto address = parse_ip_address(parts->first);
  if (!address) return address.error();
  const auto port = parse_number(parts->second, 65535);
  if (!port) return not_a("an address with a port", text, "the port is 0 to 65535");
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

Result<HostPort> parse_host_port(std::string_view text) {
  auto parts = split_host_port(text);
  if (!parts) return parts.error();
  const auto port = parse_number(parts->second, 65535);
  if (!port) return not_a("a host with a port", text, "the port is 0 to 65535");
  const std::string_view host = parts->first;
  if (host.empty() || host.size() > 253) return not_a("a host with a port", text, "the host is missing or longer than 253 characters");
  if (!parse_ip_address(host)) {
    const bool fine = std::all_of(host.begin(), host.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
    if (!fine) return not_a("a host with a port", text, "a host name has letters, digits, '-', '.' and '_'");
    if (std::all_of(host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; }))
      return not_a("a host with a port", text, "it looks like an IPv4 address and is none");
  }
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string to_string(const HostPort& value) {
  const bool v6 = value.host.find(':') != std::string::npos;
  return (v6 ? "[" + value.host + "]" : value.host) + ":" + std::to_string(value.port);
}

std::uint64_t hash_of(const IpAddress& address, std::uint64_t seed) {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.bytes().data(), 8);
  std::memcpy(&low, address.bytes().data() + 8, 8);
  return mix64(mix64(high ^ mix64(seed)) ^ low ^ (address.is_v4() ? 4U : 6U));
}

}  // namespace fairlead
