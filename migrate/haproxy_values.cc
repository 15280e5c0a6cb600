// fairlead: pure
#include <array>

#include <fmt/format.h>

#include "migrate/haproxy_state.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 5> kPlainPrefixes{"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"};

bool read_ports(std::string_view text, HaproxyAddress& out) {
  const auto dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first || *last > 65535) return false;
  out.first_port = static_cast<std::uint16_t>(*first);
  out.last_port = static_cast<std::uint16_t>(*last);
  return true;
}

}  // namespace

std::optional<Duration> parse_haproxy_time(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = parse_number(text.substr(0, digits));
  constexpr std::uint64_t kMost = 2'147'483'647;  // HAProxy's own.
  if (!value || *value > kMost) return std::nullopt;
  const auto count = static_cast<std::int64_t>(*value);
  const std::string_view unit = text.substr(digits);
  if (unit.empty() || unit == "ms") return std::chrono::milliseconds(count);
  if (unit == "us") return std::chrono::microseconds(count);
  const std::int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  if (seconds == 0) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(count, 100'000'000 / seconds) * seconds);
}

HaproxyAddress parse_haproxy_address(std::string_view text) {
  HaproxyAddress out;
  for (const std::string_view prefix : kPlainPrefixes) {
    if (!text.starts_with(prefix)) continue;
    text.remove_prefix(prefix.size());
    break;
  }
  if (text.find('@') != std::string_view::npos || text.starts_with('/')) {
    out.problem = fmt::format("{} is no TCP address", shown(text));
    return out;
  }
  const auto bracket = text.rfind(']');
  const auto colon = text.rfind(':');
  std::string_view host = text;
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (!port.empty() && (port.front() == '+' || port.front() == '-')) {
      out.problem = fmt::format("the port {} is relative to the client's", shown(port));
      return out;
    }
    if (!port.empty() && !read_ports(port, out)) {
      out.problem = fmt::format("{} is no port", shown(port));
      return out;
    }
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host != "*") out.host = host;
  return out;
}

}  // namespace fairlead::migrate
