// fairlead: pure
// dnsdhcp.networks[].options: codes that are not anybody else's, and values that dnsmasq understands as they are meant. It reads a value by
// its looks, and by what it knows of the code: digits and dots are an address, colons are bytes.
#include <algorithm>
#include <array>
#include <set>

#include "config/checks.h"
#include "config/nearest.h"

namespace fairlead::config {
namespace {

/// What sets an option already; empty: nothing does.
std::string_view owner_of_option(std::uint16_t code, bool v4) {
  if (!v4) {
    if (code <= 20 || code == 25 || code == 26 || code == 39) return "the protocol itself";
    if (code == 23) return "dns";
    if (code == 24) return "domain";
    if (code == 56) return "ntp";
    if (code == 32) return "lease";
    return code == 59 || code == 60 ? "netboot" : "";
  }
  switch (code) {
    case 1:
    case 28: return "cidr";
    case 3: return "router";
    case 6: return "dns";
    case 12: return "the name of the host";
    case 15: return "domain";
    case 26: return "mtu";
    case 42: return "ntp";
    case 51:
    case 58:
    case 59: return "lease";
    case 66:
    case 67: return "netboot";
    case 50:
    case 52:
    case 53:
    case 54:
    case 55:
    case 56:
    case 57:
    case 61:
    case 81:
    case 82: return "the protocol itself";
    default: return "";
  }
}

/// Codes whose value is addresses and nothing else.
constexpr std::array<std::uint16_t, 18> kAddressCodes{7, 9, 16, 21, 32, 33, 41, 44, 45, 48, 49, 65, 68, 69, 70, 71, 74, 150};
constexpr std::array<std::uint16_t, 5> kAddressCodes6{22, 23, 27, 28, 31};
/// Codes whose value is domain names.
constexpr std::array<std::uint16_t, 1> kDomainCodes{119};
constexpr std::array<std::uint16_t, 3> kDomainCodes6{21, 29, 30};
/// Codes whose value is bytes: a bare number would not say how many.
constexpr std::array<std::uint16_t, 2> kByteCodes{43, 118};

template <std::size_t N>
bool is_one_of(const std::array<std::uint16_t, N>& codes, std::uint16_t code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}
bool only(std::string_view text, std::string_view characters) { return text.find_first_not_of(characters) == std::string_view::npos; }
bool any(std::string_view text, std::string_view characters) { return text.find_first_of(characters) != std::string_view::npos; }

template <class Test>
bool each_part(std::string_view text, Test test) {
  for (;;) {
    const auto comma = text.find(',');
    if (!test(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}
bool is_address(std::string_view text) {
  const auto address = parse_ip_address(text);
  return address && address->is_v4();
}
bool is_prefix(std::string_view text) {
  const auto prefix = parse_ip_prefix(text);
  return prefix && prefix->address.is_v4();
}
bool is_address6(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  const auto address = parse_ip_address(text);
  return address && !address->is_v4();
}

bool is_label(std::string_view text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), good) && text.front() != '-' && text.back() != '-';
}
bool is_domain(std::string_view text) {
  if (text.size() > 253) return false;
  for (;;) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// What the value should be; empty: it is fine.
std::string_view wanted_value(std::uint16_t code, std::string_view value, bool v4) {
  const auto strange = [](char c) { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '#'; };
  if (std::any_of(value.begin(), value.end(), strange))
    return "plain ASCII without '\"', '\\' and '#'; other bytes are written in hexadecimal, as in 0a:23:ff";
  if (value.front() == ' ' || value.back() == ' ') return "no blank at its ends";
  if ((v4 ? is_one_of(kDomainCodes, code) : is_one_of(kDomainCodes6, code)) && !each_part(value, is_domain))
    return "domain names, as in kube.demo, with commas between them";
  if (v4) {
    if (is_one_of(kAddressCodes, code) && !each_part(value, is_address)) return "IPv4 addresses, with commas between them";
    if (is_one_of(kByteCodes, code) && only(value, "-0123456789")) return "bytes in hexadecimal, as in 01:04:c0:a8:01:01, or text";
    if (any(value, ".,/") && only(value, "0123456789.,/") && !each_part(value, is_prefix))
      return "IPv4 addresses, when it is made of digits and dots, with commas between them";
  } else {
    if (is_one_of(kAddressCodes6, code) && !each_part(value, is_address6))
      return "IPv6 addresses, as in [2001:db8::1], with commas between them";
    if (value.find(':') != std::string_view::npos && any(value, ",[]") && only(value, "0123456789abcdefABCDEF:.,[]") &&
        !each_part(value, is_address6))
      return "IPv6 addresses, as in [2001:db8::1], when it is made of digits and colons, with commas between them";
  }
  return {};
}

}  // namespace

void check_options(Checks& checks, const DhcpNetwork& network, const std::string& path) {
  std::set<std::uint16_t> seen;
  for (std::size_t i = 0; i < network.options.size(); ++i) {
    const DhcpOption& option = network.options[i];
    const std::string at = path_of("{}.options[{}]", path, i);
    if (!checks.sound(at)) continue;
    const std::string_view owner = owner_of_option(option.code, network.cidr.address.is_v4());
    if (owner == "the protocol itself") {
      checks.error(at + ".code", fmt::format("option {} belongs to the protocol itself", option.code), "remove it");
    } else if (!owner.empty()) {
      checks.error(at + ".code", fmt::format("option {} is set by {}", option.code, owner),
                   owner.find(' ') == std::string_view::npos ? fmt::format("use the key {}", owner) : "remove it");
    } else if (!seen.insert(option.code).second) {
      checks.error(at + ".code", fmt::format("a second option {} in network {}", option.code, quoted(network.name)),
                   "several values stand in one, with commas between them");
    }
    if (const std::string_view wanted = wanted_value(option.code, option.value, network.cidr.address.is_v4()); !wanted.empty())
      checks.error(at + ".value", fmt::format("the value of option {} cannot be {}", option.code, quoted(option.value)),
                   std::string(wanted));
  }
}

}  // namespace fairlead::config
