// fairlead: pure
// An Ethernet address as a value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  [[nodiscard]] static constexpr MacAddress broadcast() { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }
  /// Multicast and broadcast: no station's own address.
  [[nodiscard]] constexpr bool is_group() const { return (bytes[0] & 1U) != 0; }
  [[nodiscard]] std::string to_string() const;  ///< "52:54:00:00:01:01"
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

/// Six pairs of hexadecimal digits with ':' or '-' between them. Errors: kInvalidArgument.
[[nodiscard]] Result<MacAddress> parse_mac_address(std::string_view text);

}  // namespace fairlead
