// fairlead: pure
// Cross-checks of a configuration that was read; one function per group of sections. Private to validate.cc and the check_*.cc files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "config/environment.h"
#include "config/limits.h"
#include "config/reader.h"
#include "config/settings.h"

namespace fairlead::config {

/// An address that will be a VIP, wherever it is configured.
struct VipAddress {
  IpAddress address;
  std::string what;  ///< "VIP api", "VIP mast-router"
  std::string path;
};

class Checks {
 public:
  Checks(const Snapshot& of, const Environment& env, Reader& reader);

  /// Reports at the place of `path`, or of its nearest parent in the file; silent when what stands there could not be read.
  void error(const std::string& path, std::string message, std::string hint);
  void warning(const std::string& path, std::string message, std::string hint);
  /// A warning when it is not to be had on this host.
  void congestion_control(const std::string& name, const std::string& path);
  /// The key was written in the file (for warnings about keys without effect).
  [[nodiscard]] bool has(const std::string& path) const { return reader_.places().has(path); }
  /// Nothing at or below `path`, nor what it lies in, failed to be read.
  [[nodiscard]] bool sound(const std::string& path) const;
  /// `path` itself could be read, whatever is wrong with its parts.
  [[nodiscard]] bool readable(const std::string& path) const;
  /// All `count` items of `list` have a `key` that could be read: a name that is not among them does not exist.
  [[nodiscard]] bool names_known(const std::string& list, std::size_t count, std::string_view key = "name") const;

  [[nodiscard]] const VipAddress* vip_of(const IpAddress& address) const;
  /// Configured ones first, then those of dnsdhcp's networks.
  [[nodiscard]] const std::vector<VipAddress>& vips() const { return vips_; }
  /// "a link of node gate-1", "an address of this machine", or empty.
  [[nodiscard]] std::string own_address(const IpAddress& address) const;
  /// Of this machine, as far as that is known, and its VIPs.
  [[nodiscard]] std::vector<IpAddress> own_addresses() const;
  [[nodiscard]] bool is_local(const IpAddress& address) const;
  /// This machine is one of cluster.nodes: its addresses are a gateway's.
  [[nodiscard]] bool is_gateway_itself() const;

  /// Connections that fit into the descriptors; absent: unknown.
  [[nodiscard]] std::optional<std::uint32_t> connections_max() const;

  /// Reports each name of `names` that occurred before; paths are LIST[i].KEY.
  void unique(const std::vector<std::string>& names, std::string_view list, std::string_view key, std::string_view what);
  /// Reports what is no domain of the domain name system. Empty is fine.
  void domain(const std::string& name, const std::string& path);
  /// Reports `address` when no host can have it: unspecified, multicast.
  void host_address(const IpAddress& address, const std::string& path, std::string_view what);

  const Snapshot& snapshot;
  const Environment& environment;

 private:
  void report(Severity severity, const std::string& path, std::string message, std::string hint);

  Reader& reader_;
  std::vector<VipAddress> vips_;
};

void check_cluster(Checks& checks);
void check_vips(Checks& checks);
void check_listeners(Checks& checks);
void check_pools(Checks& checks);
void check_process(Checks& checks);
void check_dnsdhcp(Checks& checks);
void check_hosts(Checks& checks);                                                         ///< Called by check_dnsdhcp.
void check_resolvers(Checks& checks);                                                     ///< Likewise.
void check_options(Checks& checks, const DhcpNetwork& network, const std::string& path);  ///< Likewise.
void check_router(Checks& checks);

/// An interface of a VIP or a network: a name that some node maps must be mapped by all.
void check_interface(Checks& checks, const std::string& interface, const std::string& path);

/// "pools[3].health"
template <class... Args>
[[nodiscard]] std::string path_of(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace fairlead::config
