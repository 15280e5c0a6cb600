// fairlead: pure
#include "k8s-bootstrap/facts/certificate_text.h"

#include <chrono>

#include "k8s-bootstrap/pki/x509.h"

namespace fairlead::bootstrap {
namespace {

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    int value = -1;
    if (c >= 'A' && c <= 'Z') value = c - 'A';
    if (c >= 'a' && c <= 'z') value = c - 'a' + 26;
    if (c >= '0' && c <= '9') value = c - '0' + 52;
    if (c == '+') value = 62;
    if (c == '/') value = 63;
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

}  // namespace

std::optional<CertificateFact> read_certificate(const std::string& path, std::string_view text, Duration now) {
  constexpr std::string_view kData = "data ";
  std::optional<std::string> decoded;
  if (text.starts_with(kData)) {
    text.remove_prefix(kData.size());
    decoded = decode_base64(text.substr(0, text.find('\n')));
    if (!decoded) return std::nullopt;
    text = *decoded;
  }
  const auto read = read_certificate(text);
  if (!read || read->serial.empty()) return std::nullopt;
  constexpr Duration kDay = std::chrono::hours(24);
  const Duration left = read->not_after.time_since_epoch() - now;
  return CertificateFact{.path = path,
                         .days_left = left / kDay - (left % kDay < Duration::zero() ? 1 : 0),
                         .serial = read->serial,
                         .public_key_sha256 = read->public_key_sha256};
}

}  // namespace fairlead::bootstrap
