// fairlead: pure
#include "lb/proxy_protocol.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/assert.h"

namespace fairlead::lb {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Start{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kV2FixedBytes = 16;
constexpr std::size_t kV4AddressBytes = 12;  // Two addresses, two ports.
constexpr std::size_t kV6AddressBytes = 36;

bool starts_alike(Bytes received, std::string_view start) {
  return std::memcmp(received.data(), start.data(), std::min(received.size(), start.size())) == 0;
}

// ---- version 1 ----

// The text up to the next space, which is consumed; the rest when there is none.
std::string_view next_field(std::string_view& rest) {
  const auto space = rest.find(' ');
  const std::string_view field = rest.substr(0, space);
  rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
  return field;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<IpAddress> parse_address(std::string_view text, IpAddress::Family family) {
  const auto address = parse_ip_address(text);
  if (!address || address->family() != family) return std::nullopt;
  return *address;
}

// `line` is what stands between "PROXY " and CR LF; `length` the whole header's.
ProxyParse parse_v1_line(std::string_view line, std::size_t length) {
  ProxyHeader header;
  header.length = length;
  std::string_view rest = line;
  const std::string_view protocol = next_field(rest);
  if (protocol == "UNKNOWN") return header;  // Anything may follow it.
  if (protocol != "TCP4" && protocol != "TCP6") return ProxyError{"PROXY v1: the protocol is none of TCP4, TCP6, UNKNOWN"};
  const auto family = protocol == "TCP4" ? IpAddress::Family::kV4 : IpAddress::Family::kV6;
  const auto source = parse_address(next_field(rest), family);
  const auto destination = parse_address(next_field(rest), family);
  if (!source || !destination) return ProxyError{"PROXY v1: an address is not one of the family named"};
  const auto source_port = parse_port(next_field(rest));
  const bool last = rest.find(' ') == std::string_view::npos;
  const auto destination_port = parse_port(rest);
  if (!source_port || !destination_port || !last) return ProxyError{"PROXY v1: a port is not a number from 0 to 65535"};
  header.source = Endpoint{*source, *source_port};
  header.destination = Endpoint{*destination, *destination_port};
  return header;
}

ProxyParse parse_v1(Bytes received) {
  const std::string_view text(reinterpret_cast<const char*>(received.data()), std::min(received.size(), kProxyV1BytesMax));
  const auto end = text.find('\n');
  if (end == std::string_view::npos) {
    if (received.size() >= kProxyV1BytesMax) return ProxyError{"PROXY v1: no line end within 107 bytes"};
    return ProxyNeedMore{};
  }
  if (end < kV1Start.size() || text[end - 1] != '\r') return ProxyError{"PROXY v1: the line does not end in CR LF"};
  return parse_v1_line(text.substr(kV1Start.size(), end - 1 - kV1Start.size()), end + 1);
}

// ---- version 2 ----

std::uint16_t read_u16(Bytes at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 | std::to_integer<unsigned>(at[1]));
}

IpAddress read_v4(Bytes at) {
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), at.data(), bytes.size());
  return IpAddress::v4(bytes);
}
IpAddress read_v6(Bytes at) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), at.data(), bytes.size());
  return IpAddress::v6(bytes);
}

enum class V2Addresses : std::uint8_t { kNone, kV4, kV6, kInvalid };

V2Addresses addresses_of(std::uint8_t family_and_transport) {
  if (family_and_transport == 0x11) return V2Addresses::kV4;
  if (family_and_transport == 0x21) return V2Addresses::kV6;
  const bool defined = (family_and_transport >> 4) <= 3 && (family_and_transport & 0x0f) <= 2;
  return defined ? V2Addresses::kNone : V2Addresses::kInvalid;
}

ProxyParse parse_v2(Bytes received) {
  if (received.size() > 12) {
    const auto version_and_command = std::to_integer<std::uint8_t>(received[12]);
    if (version_and_command != 0x20 && version_and_command != 0x21) return ProxyError{"PROXY v2: unknown version or command"};
  }
  if (received.size() > 13 && addresses_of(std::to_integer<std::uint8_t>(received[13])) == V2Addresses::kInvalid) {
    return ProxyError{"PROXY v2: unknown address family or transport"};
  }
  if (received.size() < kV2FixedBytes) return ProxyNeedMore{};

  ProxyHeader header;
  header.local = std::to_integer<std::uint8_t>(received[12]) == 0x20;
  const V2Addresses addresses = header.local ? V2Addresses::kNone : addresses_of(std::to_integer<std::uint8_t>(received[13]));
  const std::size_t payload = read_u16(received.subspan(14));
  header.length = kV2FixedBytes + payload;
  if (header.length > kProxyV2BytesMax) return ProxyError{"PROXY v2: the header is longer than 4096 bytes"};
  const std::size_t needed = addresses == V2Addresses::kV4 ? kV4AddressBytes : addresses == V2Addresses::kV6 ? kV6AddressBytes : 0;
  if (payload < needed) return ProxyError{"PROXY v2: the header is shorter than its addresses"};
  if (received.size() < header.length) return ProxyNeedMore{};

  const Bytes body = received.subspan(kV2FixedBytes, payload);
  if (addresses == V2Addresses::kV4) {
    header.source = Endpoint{read_v4(body), read_u16(body.subspan(8))};
    header.destination = Endpoint{read_v4(body.subspan(4)), read_u16(body.subspan(10))};
  } else if (addresses == V2Addresses::kV6) {
    header.source = Endpoint{read_v6(body), read_u16(body.subspan(32))};
    header.destination = Endpoint{read_v6(body.subspan(16)), read_u16(body.subspan(34))};
  }
  return header;
}

// ---- writing ----

void append_v1(ProxyHeaderBytes& out, const Endpoint& source, const Endpoint& destination) {
  if (source.address.family() != destination.address.family()) {
    out.append("PROXY UNKNOWN\r\n");
    return;
  }
  out.append(source.address.is_v4() ? "PROXY TCP4 " : "PROXY TCP6 ");
  out.append(source.address.to_string());
  out.append(" ");
  out.append(destination.address.to_string());
  out.append(" ");
  out.append(std::to_string(source.port));
  out.append(" ");
  out.append(std::to_string(destination.port));
  out.append("\r\n");
}

void append_u16(ProxyHeaderBytes& out, std::size_t value) {
  const std::array bytes{static_cast<std::byte>(value >> 8), static_cast<std::byte>(value & 0xff)};
  out.append(bytes);
}

void append_address(ProxyHeaderBytes& out, const IpAddress& address, bool as_v6) {
  const auto bytes = std::as_bytes(std::span(address.bytes()));
  if (address.is_v4() && as_v6) {
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    out.append(std::as_bytes(std::span(kMapped)));
  }
  out.append(bytes.first(address.is_v4() ? 4 : 16));
}

void append_v2(ProxyHeaderBytes& out, const Endpoint& source, const Endpoint& destination) {
  const bool v6 = !source.address.is_v4() || !destination.address.is_v4();
  const std::array head{std::byte{0x21}, v6 ? std::byte{0x21} : std::byte{0x11}};
  out.append(kV2Start);
  out.append(head);
  append_u16(out, v6 ? kV6AddressBytes : kV4AddressBytes);
  append_address(out, source.address, v6);
  append_address(out, destination.address, v6);
  append_u16(out, source.port);
  append_u16(out, destination.port);
}

}  // namespace

ProxyParse parse_proxy_header(std::span<const std::byte> received) {
  if (received.empty()) return ProxyNeedMore{};
  if (starts_alike(received, kV1Start)) return received.size() < kV1Start.size() ? ProxyParse{ProxyNeedMore{}} : parse_v1(received);
  if (starts_alike(received, kV2Start)) return received.size() < kV2Start.size() ? ProxyParse{ProxyNeedMore{}} : parse_v2(received);
  return ProxyError{"no PROXY protocol header"};
}

void ProxyHeaderBytes::append(std::span<const std::byte> more) {
  FL_ASSERT(more.size() <= bytes_.size() - size_);
  std::copy(more.begin(), more.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += more.size();
}

void ProxyHeaderBytes::append(std::string_view text) { append(std::as_bytes(std::span(text))); }

ProxyHeaderBytes build_proxy_header(config::SendProxy version, const Endpoint& source, const Endpoint& destination) {
  ProxyHeaderBytes out;
  const Endpoint from{source.address.unmapped(), source.port};
  const Endpoint to{destination.address.unmapped(), destination.port};
  switch (version) {
    case config::SendProxy::kOff: break;
    case config::SendProxy::kV1: append_v1(out, from, to); break;
    case config::SendProxy::kV2: append_v2(out, from, to); break;
  }
  return out;
}

}  // namespace fairlead::lb
