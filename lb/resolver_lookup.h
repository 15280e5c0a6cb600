// Asks the system for a name's addresses: getaddrinfo(3) for hosts (so /etc/hosts and nsswitch.conf count), res_nquery(3) for SRV.
// Blocks, for as long as resolv.conf(5) lets it: only resolver threads call this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "lb/resolver_tracker.h"

namespace fairlead::lb {

struct ResolveQuestion {
  std::string host;                         ///< "mast-2.kube.demo", "_https._tcp.kube.demo"
  std::uint16_t port = 0;                   ///< Of the answers; SRV records bring their own.
  std::optional<IpAddress::Family> family;  ///< Only these; set when the pool's or the check's `source` fixes it.
  std::optional<Endpoint> name_server;      ///< SRV: ask this one (IPv4) instead of resolv.conf's. For tests.
};

/// SRV: the targets of the lowest priority number, the heaviest first; each target is then looked up as a host.
[[nodiscard]] ResolveAnswer lookup(const ResolveQuestion& question);

}  // namespace fairlead::lb
