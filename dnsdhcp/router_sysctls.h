// fairlead: pure
// Settings below /proc/sys that routing needs, and what they were before: set, remembered, put back.
//
//   net/ipv4/ip_forward, net/ipv6/conf/all/forwarding   1, for the IP versions of the networks
//   net/netfilter/nf_conntrack_tcp_loose                1: a connection that this gateway did not see begin is picked up (with its NAT)
//   net/netfilter/nf_conntrack_tcp_be_liberal           1: one that went on over another gateway meanwhile is not called invalid
//   net/ipv6/conf/DEVICE/accept_ra                      2 where it is 1 and forwarding is new, which alone would end the machine's own
//                                                       default route by router advertisements; before it, so that none is lost
//
// The kernel changes more with the two forwardings: every interface's own, and all/accept_redirects. Those that would come back with
// another value when the switch does are remembered, too.
// rp_filter stays: packets of a network come in by its own device, and the rules ask for that themselves; a strict one does no harm.
//
// Invariants:
//   S1  A value is put back only where it still is what we made of it: what somebody changed since stays.
//   S2  What was there before us is remembered once, by the first change; applying again never takes our own value for it.
//   S3  Only keys of this list are ever written, whatever a journal says.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace fairlead::dnsdhcp {

/// As read now, by key ("net/ipv4/ip_forward"); one that is not there is absent.
using SysctlValues = std::map<std::string, std::string>;
struct SysctlWrite {
  std::string key;
  std::string value;
  friend auto operator<=>(const SysctlWrite&, const SysctlWrite&) = default;
};
struct SysctlChange {
  std::string key;
  std::string before;
  std::string ours;
  friend auto operator<=>(const SysctlChange&, const SysctlChange&) = default;
};
struct SysctlPlan {
  std::vector<SysctlWrite> writes;    ///< In this order.
  std::vector<SysctlChange> journal;  ///< To be kept before the first write; the earlier one included.
};

struct RoutedVersions {
  bool v4 = false;
  bool v6 = false;
};
[[nodiscard]] RoutedVersions routed_versions(const config::Snapshot& snapshot);

/// What planning wants to know, for these devices of the machine.
[[nodiscard]] std::vector<std::string> sysctl_keys(const std::vector<std::string>& devices);
[[nodiscard]] SysctlPlan plan_sysctls(RoutedVersions versions, const SysctlValues& now, const std::vector<SysctlChange>& journal);
/// What puts everything back.
[[nodiscard]] std::vector<SysctlWrite> plan_restore(const std::vector<SysctlChange>& journal, const SysctlValues& now);

/// One line each: KEY BEFORE OURS.
[[nodiscard]] std::string write_sysctl_journal(const std::vector<SysctlChange>& journal);
/// Lines that are none of ours are left out and counted in `damaged`.
struct SysctlJournal {
  std::vector<SysctlChange> changes;
  std::size_t damaged = 0;
};
[[nodiscard]] SysctlJournal parse_sysctl_journal(std::string_view text);

}  // namespace fairlead::dnsdhcp
