// fairlead: pure
#include "dnsdhcp/dnsmasq_words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace fairlead::dnsdhcp {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kDhcpPort = 67;
constexpr std::uint16_t kDhcp6Port = 547;
constexpr std::uint16_t kTftpPort = 69;

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kDnsmasqLineMax)) out += (static_cast<unsigned char>(c) >= ' ' && c != 0x7f) ? c : '?';
  return out;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::optional<std::uint32_t> leading_number(std::string_view& text) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return out;
}

/// The word after `before`, up to a blank or a colon that ends it.
std::string_view word_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  text = text.substr(0, text.find(' '));
  while (text.ends_with(':')) text.remove_suffix(1);
  return text;
}

std::optional<Endpoint> taken_port(std::string_view text) {
  if (!has(text, "Address already in use")) return std::nullopt;
  const auto listening = word_after(text, "listening socket for ");
  const auto address = parse_ip_address(listening.substr(0, listening.find('%')));
  if (address) return Endpoint{*address, kDnsPort};
  const bool tftp = has(text, "TFTP");
  if (has(text, "DHCPv6")) return Endpoint{IpAddress::any(IpAddress::Family::kV6), kDhcp6Port};
  if (has(text, "DHCP")) return Endpoint{{}, kDhcpPort};
  const auto port = word_after(text, "listening socket for port ");
  std::uint16_t number = tftp ? kTftpPort : kDnsPort;
  (void)std::from_chars(port.data(), port.data() + port.size(), number);
  return Endpoint{{}, number};
}

/// "Nov 27 13:00:00 dnsmasq[812]: ", as it writes to a file or to standard error.
std::string_view without_time(std::string_view line) {
  const std::size_t name = line.find("dnsmasq");
  if (name == std::string_view::npos) return line;
  const std::size_t open = line.find('[', name);
  const std::size_t close = line.find("]: ", name);
  if (open == std::string_view::npos || close == std::string_view::npos || open > close || name > 32) return line;
  return line.substr(close + 3);
}

}  // namespace

Result<std::string> check_dnsmasq(std::string_view output) {
  const std::size_t at = output.find("ersion ");
  if (!output.starts_with("Dnsmasq") || at == std::string_view::npos)
    return Error{Errc::kInvalidArgument, "it does not answer --version as dnsmasq does"};
  std::string_view rest = output.substr(at + 7);
  const std::string version = printable(rest.substr(0, rest.find_first_of(" \n")));
  const auto major = leading_number(rest);
  if (!major || !rest.starts_with('.')) return Error{Errc::kInvalidArgument, "dnsmasq's version " + version + " is no number"};
  rest.remove_prefix(1);
  const auto minor = leading_number(rest);
  if (!minor) return Error{Errc::kInvalidArgument, "dnsmasq's version " + version + " is no number"};
  if (std::pair(*major, *minor) < std::pair(kDnsmasqMajorMin, kDnsmasqMinorMin))
    return Error{Errc::kUnsupported, "dnsmasq " + version + " is too old: " + std::to_string(kDnsmasqMajorMin) + "." +
                                         std::to_string(kDnsmasqMinorMin) + " or newer is needed (Debian 12 has 2.90)"};
  const std::size_t options = output.find("Compile time options:");
  if (options == std::string_view::npos) return version;
  const std::string words = " " + std::string(output.substr(options, output.find('\n', options) - options)) + " ";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNeeded{
      {{" no-DBus ", "D-Bus"}, {" no-DHCP ", "DHCP"}, {" no-scripts ", "scripts"}, {" no-inotify ", "inotify"}}};
  for (const auto& [missing, name] : kNeeded) {
    if (has(words, missing))
      return Error{Errc::kUnsupported, "dnsmasq " + version + " is made without " + std::string(name) + ": install Debian's dnsmasq-base"};
  }
  return version;
}

DnsmasqLine read_dnsmasq_line(std::string_view line) {
  DnsmasqLine out;
  std::string_view text = without_time(line);
  if (text.starts_with("dnsmasq: ")) text.remove_prefix(9);
  while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  out.text = printable(text);
  out.taken = taken_port(text);
  constexpr std::array<std::string_view, 9> kTrouble{"ailed",    "cannot",      "rror", "no address range", "illegal", "FAILED",
                                                     "ignoring", "exited with", "not "};
  out.trouble = out.taken.has_value() || std::any_of(kTrouble.begin(), kTrouble.end(), [&](auto part) { return has(text, part); });
  return out;
}

std::string describe_exit(int code, std::string_view last_words) {
  std::string_view meaning;
  switch (code) {
    case 1: meaning = "a problem with its configuration"; break;
    case 2: meaning = "no access to the network"; break;
    case 3: meaning = "a problem with a file"; break;
    case 4: meaning = "out of memory"; break;
    case 5: meaning = "see what it said"; break;
    default: meaning = code > 10 ? "the leases could not be read" : "";
  }
  std::string out = "exit code " + std::to_string(code);
  if (!meaning.empty()) out += " (" + std::string(meaning) + ")";
  if (!last_words.empty()) out += ": " + printable(last_words);
  return out;
}

}  // namespace fairlead::dnsdhcp
