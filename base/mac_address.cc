// fairlead: pure
#include "base/mac_address.h"

namespace fairlead {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string MacAddress::to_string() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(17);
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0x0f];
  }
  return out;
}

Result<MacAddress> parse_mac_address(std::string_view text) {
  const auto refused = [&] {
    return Error{Errc::kInvalidArgument, "'" + std::string(text.substr(0, 40)) + "' is not a MAC address (write it as 52:54:00:00:01:01)"};
  };
  if (text.size() != 17) return refused();
  const char separator = text[2];
  if (separator != ':' && separator != '-') return refused();
  MacAddress out;
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = digit_of(text[3 * i]);
    const int low = digit_of(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != separator)) return refused();
    out.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

}  // namespace fairlead
