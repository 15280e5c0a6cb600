// fairlead: pure
#include "k8s-bootstrap/facts/certificate_text.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/render/sha256.h"

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

/// "Nov 27 16:24:00 2027 GMT"
std::optional<Duration> end_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Words words(text);
  const auto month = std::find(kMonths.begin(), kMonths.end(), words.next());
  const auto day = number<unsigned>(words.next());
  const std::string_view clock = words.next();
  const auto year = number<int>(words.next());
  if (month == kMonths.end() || !day || !year || *year < 1970 || *year > 9999 || words.next() != "GMT" || clock.size() != 8)
    return std::nullopt;
  const auto hour = number<int>(clock.substr(0, 2));
  const auto minute = number<int>(clock.substr(3, 2));
  const auto second = number<int>(clock.substr(6, 2));
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                                         std::chrono::day(*day)};
  if (!date.ok() || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60 || *hour < 0 || *minute < 0 || *second < 0)
    return std::nullopt;
  // In seconds: nanoseconds since 1970 end in 2262, certificates do not.
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t at = std::min<std::int64_t>(((days * 24 + *hour) * 60 + *minute) * 60 + *second, 9'000'000'000);
  return std::chrono::seconds(at);
}

}  // namespace

std::optional<CertificateFact> read_certificate(const std::string& path, std::string_view text, Duration now) {
  CertificateFact out{.path = path, .days_left = 0, .serial = {}, .public_key_sha256 = {}};
  std::optional<Duration> end;
  std::string key;
  bool in_key = false;
  while (!text.empty()) {
    const auto stop = text.find('\n');
    const std::string_view line = text.substr(0, stop);
    text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
    if (line.starts_with("notAfter=")) end = end_date(line.substr(9));
    if (line.starts_with("serial=")) out.serial = printable(line.substr(7));
    if (line == "-----END PUBLIC KEY-----") in_key = false;
    if (in_key) key.append(line);
    if (line == "-----BEGIN PUBLIC KEY-----") in_key = true;
  }
  const auto der = decode_base64(key);
  if (!end || out.serial.empty() || !der || der->empty() || in_key) return std::nullopt;
  out.public_key_sha256 = sha256(*der);
  constexpr Duration kDay = std::chrono::hours(24);
  const Duration left = *end - now;
  out.days_left = left / kDay - (left % kDay < Duration::zero() ? 1 : 0);
  return out;
}

}  // namespace fairlead::bootstrap
