// Frames as people write them: hexadecimal digits, spaces ignored.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace fairlead::test {

[[nodiscard]] inline std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    FL_ASSERT(digit >= 0 && digit < 16);
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<std::byte>(high << 4 | digit));
      high = -1;
    }
  }
  FL_ASSERT(high < 0);
  return out;
}

template <class Bytes>
[[nodiscard]] std::string to_hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes) {
    out += kDigits[std::to_integer<unsigned>(b) >> 4];
    out += kDigits[std::to_integer<unsigned>(b) & 15U];
  }
  return out;
}

[[nodiscard]] inline std::string squeeze(std::string_view hex) {
  std::string out;
  for (const char c : hex)
    if (c != ' ') out += c;
  return out;
}

}  // namespace fairlead::test
