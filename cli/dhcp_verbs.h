// dhcp and dns: the verbs about leases, reservations and names. Each prints its result and returns, or throws VerbFailure.
#pragma once

#include <string>
#include <vector>

#include "cli/daemon_calls.h"
#include "cli/dhcp_text.h"

namespace fairlead::cli {

/// As it stands on the command line; empty: any.
struct LeasesRequest {
  std::string network;
  std::string mac;
  std::string name;
  std::string address;
  bool released = false;
  std::size_t limit = 0;
  bool watch = false;
};

struct ResolveRequest {
  std::string name;
  std::string type;             ///< Empty: A, or PTR of an address.
  std::vector<std::string> at;  ///< Servers; empty: the site's.
};

class DhcpVerbs {
 public:
  explicit DhcpVerbs(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void list_leases(const LeasesRequest& request);
  void list_reservations(const std::string& network);
  void release(const std::string& address);
  void dns_status();
  /// Throws after printing unless every server gave the same answer.
  void resolve(const ResolveRequest& request);

 private:
  DaemonCalls& calls_;
  CliEnvironment& environment_;
};

}  // namespace fairlead::cli
