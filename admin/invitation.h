// fairlead: pure
// The token by which a new node finds a waiting one, knows it, and proves that it was invited (handover.h).
//
//   version 1 | family 1 | address 4 or 16 | port 2 | expires 4 | fingerprint 16 | secret 16 | check sum 4
//
// in base32 of small letters without padding: 77 characters with IPv4, so that a double click takes it whole and case cannot spoil it.
// The check sum tells a mistyped token from a wrong one before anybody is asked.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace fairlead::admin {

struct Invitation {
  Endpoint at;
  std::uint32_t expires_s = 0;                 ///< Unix time by the inviting node's clock: for messages. The inviting node decides.
  std::array<std::uint8_t, 16> fingerprint{};  ///< The first half of the SHA-256 of its certificate.
  std::array<std::uint8_t, 16> secret{};
  bool operator==(const Invitation&) const = default;
};

[[nodiscard]] std::string encode_invitation(const Invitation& invitation);
/// Blanks at the ends and capital letters do no harm. Errors: kInvalidArgument; they never quote the token.
[[nodiscard]] Result<Invitation> decode_invitation(std::string_view text);

}  // namespace fairlead::admin
