// drill list | run | report, and the prober that drills measure with.
#pragma once

#include <string>
#include <vector>

#include "cli/daemon_calls.h"

namespace fairlead::cli {

struct ProbeRequest {
  std::string target;  ///< ADDRESS:PORT
  Duration interval = std::chrono::milliseconds(5);
  Duration slow = std::chrono::milliseconds(500);  ///< A later answer counts as none.
  Duration lasts{};                                ///< Zero: until SIGINT or SIGTERM.
  std::string out;                                 ///< File of the verdict as JSON; empty: standard output.
  bool no_arp = false;
};

class DrillVerbs {
 public:
  explicit DrillVerbs(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void list();
  /// On the cluster of the daemon that is asked; this machine is the client and must not hold the VIP.
  void run(const std::string& name, const std::string& vip, const std::string& to);
  void report(const std::string& file);
  void probe(const ProbeRequest& request);

 private:
  void keep(const admin::RecordDrill& record);

  DaemonCalls& calls_;
  CliEnvironment& environment_;
};

}  // namespace fairlead::cli
