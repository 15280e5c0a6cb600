// fairlead: pure
// The router of the networks as one text for `nft -f -`: table inet fairlead_router, replaced in one transaction. No other table is named.
//
//   forward --SYN--> opening: who may open connections to whom, else refuse
//           --known to conntrack--> passes
//           --the rest--> ongoing: what belongs to connections that another gateway saw begin, then opening
//   input from the uplink --> Fairlead's own, SSH, router.open, else refuse;  from anywhere else: passes
//   postrouting --> masquerade or snat of the networks' traffic that leaves by the uplink
//
// Invariants:
//   N1  Nothing is dropped in silence: what may not pass gets a reset (TCP) or ICMP admin-prohibited, so nobody waits for a timeout.
//   N2  A new holder knows no connection of the old one: TCP that opens nothing passes between networks that may talk at all. A SYN is
//       judged by who may open, whatever conntrack thinks of it: a stray ACK must not make a way for a SYN behind it.
//   N3  What conntrack calls invalid is not dropped. Only where it would leave by the uplink without its NAT it is refused, with a reset.
//   N4  The gateway's own outgoing traffic passes no rule but `established`: there is no output chain, and NAT asks for a network's device.
//   N5  Devices are named by iifname, oifname, a VLAN's as the gate and dnsmasq's files have it: one that is absent now makes no rule fail.
//   N6  Base chains have policy accept: while nft swaps the table, a chain without rules yet must not cut anybody off.
//   N7  DNS, DHCP and TFTP never answer to the uplink, whatever router.open says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::dnsdhcp {

inline constexpr std::string_view kRouterTable = "fairlead_router";
inline constexpr std::uint16_t kSshPort = 22;

/// A connection by which somebody works on this machine.
struct SshSession {
  Endpoint peer;
  Endpoint local;
  friend constexpr auto operator<=>(const SshSession&, const SshSession&) = default;
};
/// "192.168.4.9 51234 192.168.4.130 22", as sshd leaves it in SSH_CONNECTION. Errors: kInvalidArgument.
[[nodiscard]] Result<SshSession> parse_ssh_session(std::string_view text);

/// The whole text. `session`: let in whatever else is said. `snapshot.router` must be there, its node's name set.
/// Errors: kInvalidConfig (a device whose name nft cannot say; the file's check refuses that before).
[[nodiscard]] Result<std::string> render_router_rules(const config::Snapshot& snapshot, const std::optional<SshSession>& session);
/// What removes the table, whether it is there or not.
[[nodiscard]] std::string render_router_removal();
/// A text that brings back what `nft list table` printed; empty: that there is none.
[[nodiscard]] std::string restoring_text(const std::string& listing);
/// Whether two texts say the same but for the session that is let in.
[[nodiscard]] bool same_rules(std::string_view one, std::string_view other);

}  // namespace fairlead::dnsdhcp
