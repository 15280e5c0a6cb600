// fairlead: pure
// The model of dnsdhcp as dnsmasq's files.
//
//   dnsmasq.conf       read at a start: changing a line of it needs a restart
//   hosts/NETWORK.net  `hostsdir`: names of the addresses in that network, hosts/other.names: of all others; one line an address, the name
//                      for its reverse first. Watched by dnsmasq: changes need nothing
//   dhcp-hosts/HOST    `dhcp-hostsdir`: one line, one machine, in a file of its own, because dnsmasq reads a file as a whole and refuses an
//                      address it knows. Watched too, but what dnsmasq read from there it keeps until SIGHUP
//
// Invariants (tests/unit/dnsdhcp):
//   I1  Every line begins with a keyword of this file, whatever texts the model holds; none is longer than dnsmasq reads.
//   I2  `dnsmasq --test` accepts what any valid model renders to.
//   I3  No address is both in a range and a machine's own, and none belongs to two machines.
//   I4  Names, routers and resolvers stand there as VIPs only; masks and broadcast addresses are computed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace fairlead::dnsdhcp {

/// Where dnsmasq will find things. Paths are absolute.
struct RenderPlace {
  std::string directory;  ///< Holds dnsmasq.conf, hosts/ and dhcp-hosts/; not written to by dnsmasq.
  std::string script;     ///< `dhcp-script`; empty: leases are told to nobody, and forgotten.
  std::string user;       ///< dnsmasq started by root becomes this user; empty: its own default. Else it stays who started it.
  std::string group;      ///< With `user` only. Empty: it stays in its own.
  bool dbus = true;       ///< `enable-dbus`: this dnsmasq was built with it.
  bool operator==(const RenderPlace&) const = default;
};

using FileTexts = std::map<std::string, std::string>;  ///< File name -> text.

struct Rendered {
  std::string conf;
  FileTexts hosts;
  FileTexts dhcp_hosts;
  std::vector<std::string> conf_keys;  ///< Line of `conf`, from 0 -> key path of the configuration it comes from; empty: none.
  /// The files; where their lines come from does not count.
  friend bool operator==(const Rendered& a, const Rendered& b) {
    return a.conf == b.conf && a.hosts == b.hosts && a.dhcp_hosts == b.dhcp_hosts;
  }
};

/// `snapshot` is a valid one, with dnsdhcp. Errors: kInvalidArgument (no dnsdhcp; a path of the place with a control character, or too long
/// for a line of dnsmasq).
[[nodiscard]] Result<Rendered> render(const config::Snapshot& snapshot, const RenderPlace& place);

/// Whether dnsmasq has anything to do with DHCP in this network. One that has not in any network has no leases at all, and ends by SIGSEGV
/// when it is told of one (2.90, AddDhcpLease).
[[nodiscard]] bool serves_dhcp(const config::DnsDhcp& dnsdhcp, const config::DhcpNetwork& network);

/// The address of an IPv4 network's mask: 24 -> "255.255.255.0".
[[nodiscard]] IpAddress netmask_of(const IpPrefix& network);

/// `dhcp-lease-max`. Not a number of this configuration: leases of a pool that became smaller, of machines that were removed, and of
/// gateways that have a newer file are told, too. And a line that no machine changes asks for no restart.
inline constexpr std::size_t kDnsmasqLeasesMax = 16'384;
inline constexpr std::size_t kConfLineMax = 1000;  ///< dnsmasq reads 1024 bytes, line end included, and takes the rest for another line.

}  // namespace fairlead::dnsdhcp
