// fairlead: pure
// From the files dnsmasq runs with to those it should run with: what to write, what to remove, and the least that makes dnsmasq take it.
//
//   a line of dnsmasq.conf changed                        restart; leases and names survive, they are fairleadd's
//   a machine's line changed or went (dhcp-hosts)         SIGHUP: what dnsmasq read from there it keeps until then
//   machines were added; anything about names (hosts)     nothing: dnsmasq watches both directories
//
// A SIGHUP empties dnsmasq's cache of foreign names. One dnsmasq error about a duplicate address may stand in its log beside it, when it
// looks at a changed file before the signal: the signal sets it right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dnsdhcp/dnsmasq_conf.h"

namespace fairlead::dnsdhcp {

enum class DnsmasqAction : std::uint8_t { kNone, kReload, kRestart };
[[nodiscard]] std::string_view to_string(DnsmasqAction action);  ///< "none", "SIGHUP", "restart"

struct FileWrite {
  std::string path;  ///< Below RenderPlace::directory: "hosts/mast.net"
  std::string text;
  bool operator==(const FileWrite&) const = default;
};

struct ApplyPlan {
  std::vector<std::string> removals;  ///< First, so that a name that moved is not there twice.
  std::vector<FileWrite> writes;
  DnsmasqAction action = DnsmasqAction::kNone;  ///< After all files are in place.
  [[nodiscard]] bool is_empty() const { return removals.empty() && writes.empty() && action == DnsmasqAction::kNone; }
  bool operator==(const ApplyPlan&) const = default;
};

/// `running`: what the files are now; absent: nobody knows what dnsmasq runs with: everything is written, and it is (re)started.
[[nodiscard]] ApplyPlan plan_apply(const std::optional<Rendered>& running, const Rendered& wanted);

inline constexpr std::string_view kConfFile = "dnsmasq.conf";
inline constexpr std::string_view kHostsFolder = "hosts";
inline constexpr std::string_view kDhcpHostsFolder = "dhcp-hosts";

}  // namespace fairlead::dnsdhcp
