// fairlead: pure
#include "k8s-bootstrap/render/kubeadm_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/host_name.h"
#include "base/ip_address.h"
#include "config/problem.h"

namespace fairlead::bootstrap::kube {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
constexpr bool is_hex(char c) { return is_lower_hex(c) || (c >= 'A' && c <= 'F'); }
constexpr bool is_lower_or_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); }

template <class Predicate>
bool all(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool has_placeholder(std::string_view text) { return text.find("${") != std::string_view::npos; }

std::string wrong(std::string_view text, std::string_view wanted) { return fmt::format("{} is not {}", config::quoted(text), wanted); }

std::size_t digits_at(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !all(text, is_digit)) return false;
  int port = 0;
  for (const char c : text) port = port * 10 + (c - '0');
  return port >= 1 && port <= 65535;
}

bool is_name(std::string_view text) {
  return is_dns_name(text) && !text.ends_with('.') && all(text, [](char c) { return is_lower_or_digit(c) || c == '-' || c == '.'; });
}

/// One number with its unit: takes it off `rest`; false: there is none.
bool take_unit(std::string_view& rest, double& seconds) {
  double value = 0;
  double scale = 1;
  bool fraction = false;
  std::size_t digits = 0;
  std::size_t at = 0;
  for (; at < rest.size() && (is_digit(rest[at]) || rest[at] == '.'); ++at) {
    if (rest[at] == '.') {
      if (fraction) return false;
      fraction = true;
      continue;
    }
    ++digits;
    if (fraction) {
      scale /= 10;
      value += (rest[at] - '0') * scale;
    } else {
      value = value * 10 + (rest[at] - '0');
    }
  }
  if (digits == 0) return false;
  rest.remove_prefix(at);
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr std::array<Unit, 8> kUnits{
      {{"ns", 1e-9}, {"us", 1e-6}, {"\xc2\xb5s", 1e-6}, {"\xce\xbcs", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  for (const Unit& unit : kUnits) {
    if (!rest.starts_with(unit.name)) continue;
    rest.remove_prefix(unit.name.size());
    seconds += value * unit.seconds;
    return true;
  }
  return false;
}

}  // namespace

std::string absolute_path(std::string_view text) { return text.starts_with('/') ? std::string() : wrong(text, "an absolute path"); }

std::string ip_address(std::string_view text) {
  return has_placeholder(text) || parse_ip_address(text) ? std::string() : wrong(text, "an IP address");
}

std::string networks(std::string_view text) {
  std::string bad = wrong(text, "a network such as 10.244.0.0/16, or one of each IP version with a comma between them");
  const std::size_t comma = text.find(',');
  const auto first = parse_ip_prefix(text.substr(0, comma));
  if (!first || text.substr(0, comma).find('/') == std::string_view::npos) return bad;
  if (comma == std::string_view::npos) return {};
  const auto second = parse_ip_prefix(text.substr(comma + 1));
  const bool pair =
      second && text.substr(comma + 1).find('/') != std::string_view::npos && first->address.family() != second->address.family();
  return pair ? std::string() : bad;
}

std::string dns_name(std::string_view text) { return is_name(text) ? std::string() : wrong(text, "a DNS name in lower case"); }

std::string host_with_port(std::string_view text) {
  std::string bad = wrong(text, "HOST or HOST:PORT");
  if (parse_ip_address(text)) return {};
  std::string_view host = text;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    if (!is_port(text.substr(colon + 1))) return bad;
    host = text.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return parse_ip_address(host) || is_name(host) ? std::string() : bad;
}

std::string url(std::string_view text) {
  const bool scheme = text.starts_with("https://") || text.starts_with("http://");
  const std::size_t host = text.find("://");
  return scheme && text.size() > host + 3 ? std::string() : wrong(text, "a URL such as https://192.168.1.21:2379");
}

std::string unix_socket(std::string_view text) {
  const std::string_view path = text.starts_with("unix://") ? text.substr(7) : text;
  return path.starts_with('/') ? std::string() : wrong(text, "a socket such as unix:///run/containerd/containerd.sock");
}

std::string kubernetes_version(std::string_view text) {
  std::string bad = wrong(text, "a version such as v1.36.4");
  if (text.starts_with("stable") || text.starts_with("latest") || text.starts_with("ci/")) return {};
  std::string_view rest = text.starts_with('v') ? text.substr(1) : text;
  for (int part = 0; part < 3; ++part) {
    const std::size_t digits = digits_at(rest);
    if (digits == 0) return bad;
    rest.remove_prefix(digits);
    if (part < 2) {
      if (!rest.starts_with('.')) return bad;
      rest.remove_prefix(1);
    }
  }
  return rest.empty() || rest.front() == '-' || rest.front() == '+' ? std::string() : bad;
}

std::string token(std::string_view text) {
  if (has_placeholder(text)) return {};
  const bool good =
      text.size() == 23 && text[6] == '.' && all(text.substr(0, 6), is_lower_or_digit) && all(text.substr(7), is_lower_or_digit);
  return good ? std::string() : "not a token: six characters, a dot, sixteen characters, all of a-z and 0-9";  // Never repeated: a secret.
}

std::string certificate_key(std::string_view text) {
  if (has_placeholder(text)) return {};
  return text.size() == 64 && all(text, is_hex) ? std::string() : "not a certificate key: 64 hexadecimal digits";
}

std::string ca_hash(std::string_view text) {
  if (has_placeholder(text) && text.starts_with("sha256:")) return {};
  const bool good = text.starts_with("sha256:") && text.size() == 71 && all(text.substr(7), is_hex);
  return good ? std::string() : wrong(text, "sha256: and 64 hexadecimal digits");
}

std::string timestamp(std::string_view text) {
  static constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  bool good = text.size() > kForm.size();
  for (std::size_t i = 0; good && i < kForm.size(); ++i) good = kForm[i] == 'd' ? is_digit(text[i]) : text[i] == kForm[i];
  if (!good) return wrong(text, "a time such as 2027-01-31T12:00:00Z");
  std::string_view rest = text.substr(kForm.size());
  if (rest.front() == '.') {
    rest.remove_prefix(1);
    const std::size_t digits = digits_at(rest);
    if (digits == 0) return wrong(text, "a time such as 2027-01-31T12:00:00Z");
    rest.remove_prefix(digits);
  }
  const bool offset = rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && is_digit(rest[1]) && is_digit(rest[2]) && rest[3] == ':' &&
                      is_digit(rest[4]) && is_digit(rest[5]);
  return rest == "Z" || offset ? std::string() : wrong(text, "a time such as 2027-01-31T12:00:00Z");
}

std::string bootstrap_group(std::string_view text) {
  static constexpr std::string_view kPrefix = "system:bootstrappers:";
  const bool good = text.starts_with(kPrefix) && text.size() > kPrefix.size() && is_lower_or_digit(text.back()) &&
                    all(text.substr(kPrefix.size()), [](char c) { return is_lower_or_digit(c) || c == ':' || c == '-'; });
  return good ? std::string() : wrong(text, "a group that begins with system:bootstrappers:");
}

std::optional<Duration> parse_go_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Duration{};
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  while (!text.empty()) {
    if (!take_unit(text, seconds)) return std::nullopt;
  }
  if (seconds * 1e9 >= 9.2e18) return std::nullopt;
  const auto ns = static_cast<std::int64_t>(std::llround(seconds * 1e9));
  return Duration(negative ? -ns : ns);
}

bool is_quantity(std::string_view text) {
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  const std::size_t whole = digits_at(text);
  text.remove_prefix(whole);
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = digits_at(text);
    text.remove_prefix(fraction);
  }
  if (whole + fraction == 0) return false;
  static constexpr std::array<std::string_view, 16> kSuffixes{"",  "n", "u",  "m",  "k",  "M",  "G",  "T",
                                                              "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  if (std::find(kSuffixes.begin(), kSuffixes.end(), text) != kSuffixes.end()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  return !text.empty() && all(text, is_digit);
}

}  // namespace fairlead::bootstrap::kube
