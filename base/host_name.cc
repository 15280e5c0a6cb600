// fairlead: pure
#include "base/host_name.h"

#include <algorithm>

namespace fairlead {
namespace {

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

bool is_srv_name(std::string_view host) {
  if (!host.starts_with('_')) return false;
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 1 && (host.substr(dot).starts_with("._tcp.") || host.substr(dot).starts_with("._udp."));
}

bool is_dns_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > 253) return false;
  for (;;) {
    const auto dot = host.find('.');
    if (!is_label(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

}  // namespace fairlead
