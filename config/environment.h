// fairlead: pure
// What checks may know about the machine. Handed in, so that the same file and environment always give the same problems;
// host_environment.h asks the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace fairlead::config {

/// An address of this machine that ends unless somebody makes it last longer: DHCP's, or a virtual one.
struct LentAddress {
  std::string device;
  IpAddress address;
};

/// An absent value switches off the warnings that need it: a file checked for another machine.
struct Environment {
  std::string host_name;  ///< Empty: unknown.
  std::optional<std::vector<IpAddress>> local_addresses;
  std::vector<LentAddress> lent_addresses;       ///< IPv4. Empty: none, or unknown.
  std::vector<IpAddress> resolvers;              ///< The name servers of /etc/resolv.conf. Empty: unknown.
  std::optional<std::uint64_t> descriptors_max;  ///< RLIMIT_NOFILE, the hard limit.
  std::size_t cpus = 1;                          ///< The workers of `proxy.workers: auto`.
  std::optional<std::uint32_t> ephemeral_ports;  ///< Size of net.ipv4.ip_local_port_range.
  std::vector<std::string> congestion_controls;  ///< Loaded, and free for this process to use. Empty: unknown.
};

}  // namespace fairlead::config
