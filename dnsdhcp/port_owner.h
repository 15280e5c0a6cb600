// Who has a port that dnsmasq needs: from the kernel's lists of sockets and the descriptors of all processes. Reads /proc, so it may take
// some milliseconds: for the jobs thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::dnsdhcp {

/// A socket that listens (TCP) or is bound (UDP), as a line of /proc/net/{tcp,udp}{,6} shows it.
struct BoundSocket {
  IpAddress address;
  std::uint32_t uid = 0;
  std::uint64_t inode = 0;
};
/// Those of `port`, of the text of such a file; what is no line of it is skipped. Pure.
[[nodiscard]] std::vector<BoundSocket> parse_bound_sockets(std::string_view text, std::uint16_t port);

/// "dnsmasq (process 412) has 0.0.0.0:53" of each that keeps others from `wanted` (an unspecified address: any). When its descriptors may
/// not be seen: "a process of user 101, probably systemd-resolve (process 412), has ...". Empty: nobody has it (any more).
[[nodiscard]] std::string describe_port_owners(const Endpoint& wanted);

}  // namespace fairlead::dnsdhcp
