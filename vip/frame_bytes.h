// fairlead: pure
// Reading and writing numbers and addresses in network order. Offsets are the caller's to check: these assert.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/ip_address.h"
#include "base/mac_address.h"

namespace fairlead::vip {

using ConstBytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline constexpr std::size_t kEthernetHeaderSize = 14;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

[[nodiscard]] inline std::uint8_t get8(ConstBytes from, std::size_t at) {
  FL_ASSERT(at < from.size());
  return std::to_integer<std::uint8_t>(from[at]);
}
[[nodiscard]] inline std::uint16_t get16(ConstBytes from, std::size_t at) {
  return static_cast<std::uint16_t>(get8(from, at) << 8 | get8(from, at + 1));
}
template <std::size_t N>
[[nodiscard]] std::array<std::uint8_t, N> get_array(ConstBytes from, std::size_t at) {
  FL_ASSERT(at + N <= from.size());
  std::array<std::uint8_t, N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = std::to_integer<std::uint8_t>(from[at + i]);
  return out;
}
[[nodiscard]] inline MacAddress get_mac(ConstBytes from, std::size_t at) { return {get_array<6>(from, at)}; }

inline void put8(MutableBytes into, std::size_t at, std::uint8_t value) {
  FL_ASSERT(at < into.size());
  into[at] = std::byte{value};
}
inline void put16(MutableBytes into, std::size_t at, std::uint16_t value) {
  put8(into, at, static_cast<std::uint8_t>(value >> 8));
  put8(into, at + 1, static_cast<std::uint8_t>(value & 0xff));
}
inline void put_bytes(MutableBytes into, std::size_t at, std::span<const std::uint8_t> bytes) {
  FL_ASSERT(at + bytes.size() <= into.size());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(into.data() + at));
}
inline void put_address(MutableBytes into, std::size_t at, const IpAddress& address) {
  put_bytes(into, at, std::span(address.bytes()).first(address.is_v4() ? 4 : 16));
}
inline void put_ethernet_header(MutableBytes into, const MacAddress& to, const MacAddress& from, std::uint16_t ether_type) {
  put_bytes(into, 0, to.bytes);
  put_bytes(into, 6, from.bytes);
  put16(into, 12, ether_type);
}

}  // namespace fairlead::vip
