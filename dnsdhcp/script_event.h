// fairlead: pure
// What dnsmasq tells its dhcp-script, as values: the message that the program fairlead-dhcp-event sends, and the leases it prints.
//
//   dnsmasq: fairlead-dhcp-event add 52:54:00:00:01:01 192.168.1.101 mast-1, DNSMASQ_... in its environment
//      --> build_script_message() --> socket --> parse_script_message() --> ScriptEvent
//   dnsmasq, when it starts: fairlead-dhcp-event init     --> ScriptInit --> lease_lines() --> its standard output
//
// Message: "fairlead-dhcp-event 1", then the words, each with a zero byte after it; an empty word; then NAME=value likewise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/result.h"
#include "base/time.h"
#include "dnsdhcp/dhcp_lease.h"

namespace fairlead::dnsdhcp {

inline constexpr std::size_t kScriptMessageBytesMax = 16384;
/// The environment variable that names the socket.
inline constexpr const char* kScriptSocketVariable = "FAIRLEAD_DHCP_SOCKET";

enum class ScriptAction : std::uint8_t {
  kAdd,  ///< A lease that was not there.
  kOld,  ///< One that was: renewed, renamed, or told at the start of dnsmasq.
  kDel,  ///< Given back, expired, deleted.
};
[[nodiscard]] std::string_view to_string(ScriptAction action);

/// A client's address of the link, with its type (IANA's hardware types; 1: Ethernet, 32: InfiniBand). IPv6: none.
struct HardwareAddress {
  std::uint8_t type = 0;
  std::vector<std::uint8_t> bytes;  ///< At most 16. Empty: the client has none.
  bool operator==(const HardwareAddress&) const = default;

  /// Nothing: it is not Ethernet's.
  [[nodiscard]] std::optional<MacAddress> mac() const;
};

struct ScriptEvent {
  ScriptAction action = ScriptAction::kAdd;
  IpAddress address;
  HardwareAddress hardware;
  std::string duid;        ///< IPv6: whose lease it is. Hexadecimal bytes with colons, as client_id.
  std::string client_id;   ///< IPv4. Empty: none.
  std::uint32_t iaid = 0;  ///< IPv6.
  bool temporary = false;  ///< IPv6: an address for temporary use.
  std::string name;        ///< Without domain. Empty: none.
  std::string old_name;    ///< The lease had this name until now.
  std::string wish;        ///< The name the client asked for, also when it did not get it.
  std::string domain;
  std::string interface;  ///< By which the request came. Empty for what did not come from a client, as our own AddDhcpLease.
  std::vector<std::string> tags;
  bool forever = false;
  std::optional<std::uint32_t> seconds_left;  ///< Nothing: forever, or the end of the lease.
  bool operator==(const ScriptEvent&) const = default;
};
struct ScriptInit {
  bool operator==(const ScriptInit&) const = default;
};
/// tftp, arp-add, arp-del, and what a later dnsmasq may tell: nothing of ours.
struct ScriptOther {
  std::string action;
  bool operator==(const ScriptOther&) const = default;
};
using ScriptCall = std::variant<ScriptEvent, ScriptInit, ScriptOther>;

/// Whether fairlead-dhcp-event has anything to tell: add, old, del, init.
[[nodiscard]] bool is_told(std::string_view action);

/// `words`: the program's arguments without its name. `environment`: NAME=value; what is not needed is left out, so are words and values
/// that are longer than dnsmasq makes them. At most kScriptMessageBytesMax.
[[nodiscard]] std::string build_script_message(std::span<const std::string_view> words, std::span<const std::string_view> environment);

/// Any bytes. Errors: kInvalidArgument, with what is wrong.
[[nodiscard]] Result<ScriptCall> parse_script_message(std::string_view message);

/// The lines of dnsmasq's own lease file: "1706000000 52:54:00:00:01:01 192.168.1.101 mast-1 01:52:54:00:00:01:01", of IPv6
/// "1706000000 305419896 2001:db8::101 mast-1 00:01:00:01:2b:00:00:01:52:54:00:00:01:01" (IAID, "T" before it: temporary; DUID). Only of
/// leases that are held and not over, in their order: dnsmasq's own is the reverse of it, so what comes first it tells last. Of one address
/// the last one counts. `wall` and `now` are of one moment. An `expires` of Instant::max() has no end.
[[nodiscard]] std::string lease_lines(std::span<const Lease> leases, WallTime wall, Instant now);

}  // namespace fairlead::dnsdhcp
