// fairlead: pure
// Cross-checks of a site that was read; one file per group of sections. Private to site_load.cc and the site_check_*.cc files.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "config/nearest.h"
#include "config/reader.h"
#include "k8s-bootstrap/site/site_root.h"

namespace fairlead::bootstrap {

/// An address that somebody has, and where that stands.
struct UsedAddress {
  std::string what;  ///< "machine mast-1", "VIP api", "router of network mast"
  std::string path;
  bool ours = true;
};

class SiteChecks {
 public:
  SiteChecks(const SiteRoot& of, std::string_view date, config::Reader& reader);

  /// Reports at the place of `path`, or of its nearest parent in the file; silent when what stands there could not be read.
  void error(const std::string& path, std::string message, std::string hint);
  void warning(const std::string& path, std::string message, std::string hint);
  /// An error whatever else is wrong there.
  void refuse(const std::string& path, std::string message, std::string hint);
  [[nodiscard]] bool sound(const std::string& path) const { return reader_.sound(path); }
  [[nodiscard]] bool has(const std::string& path) const { return reader_.places().has(path); }
  /// All `count` items of `list` have a `key` that could be read: what is not among them does not exist.
  [[nodiscard]] bool all_known(const std::string& list, std::size_t count, std::string_view key = "name") const;

  /// Reports each name that occurred before; paths are LIST[i].name.
  void unique(const std::vector<std::string>& names, std::string_view list, std::string_view what);
  /// The network of that name, reported at `path` when there is none.
  const Network* network(const std::string& name, const std::string& path);
  /// An address that becomes ours: a host's of `network`, nobody else's, in no pool. It is then taken.
  /// `ours`: false for the router or resolver of an external network.
  void take(const IpAddress& address, const Network* network, const std::string& what, const std::string& path, bool ours = true);
  /// No host can have it.
  void host_address(const IpAddress& address, const std::string& path, std::string_view what);
  [[nodiscard]] const UsedAddress* user_of(const IpAddress& address) const;
  [[nodiscard]] std::vector<std::string> network_names() const;
  [[nodiscard]] std::size_t index_of(const Network& network) const;

  const SiteRoot& root;
  const Site& site;
  const std::string_view today;

 private:
  config::Reader& reader_;
  std::map<IpAddress, UsedAddress> used_;
};

/// All of them, in the order in which addresses are taken.
void check_site(SiteChecks& checks);

void check_site_networks(SiteChecks& checks);
void check_site_machines(SiteChecks& checks);
void check_site_roles(SiteChecks& checks);
void check_site_gateways(SiteChecks& checks);
void check_site_kubernetes(SiteChecks& checks);
void check_site_versions(SiteChecks& checks);
void check_site_vms(SiteChecks& checks);   ///< MACs, VMs.
void check_site_rest(SiteChecks& checks);  ///< Name, domain, ssh, pki, hooks.
void check_site_storage(SiteChecks& checks);
void check_site_image(SiteChecks& checks);

/// "machines[3].roles"
template <class... Args>
[[nodiscard]] std::string path_of(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace fairlead::bootstrap
