// fairlead: pure
// What dnsmasq says of itself, read: its version and how it was made, its log, the number it ends with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace fairlead::dnsdhcp {

/// 2.88 is the first that forgets the names of a deleted hosts file by itself, which changing names without a restart counts on.
inline constexpr std::uint32_t kDnsmasqMajorMin = 2;
inline constexpr std::uint32_t kDnsmasqMinorMin = 88;

/// From the output of `dnsmasq --version`: "2.90". Errors: kUnsupported (too old, or made without something that is needed: what, and what
/// to do), kInvalidArgument (not dnsmasq's output).
[[nodiscard]] Result<std::string> check_dnsmasq(std::string_view version_output);

/// A line of the log without time and process: "dnsmasq-dhcp: DHCP packet received on eth1 which has no address".
struct DnsmasqLine {
  std::string text;      ///< Printable, at most kDnsmasqLineMax bytes.
  bool trouble = false;  ///< It speaks of a failure.
  /// A port on an address that it wanted and something else has; the address is 0.0.0.0 where it does not say which.
  std::optional<Endpoint> taken;
};
inline constexpr std::size_t kDnsmasqLineMax = 512;
[[nodiscard]] DnsmasqLine read_dnsmasq_line(std::string_view line);

/// "exit code 2 (no access to the network: ...)". `last_words`: what it said last; empty: nothing.
[[nodiscard]] std::string describe_exit(int code, std::string_view last_words);

}  // namespace fairlead::dnsdhcp
