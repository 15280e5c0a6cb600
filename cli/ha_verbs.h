// vip, node and cluster: the verbs of high availability that ask the daemon. Each prints its result and returns, or throws VerbFailure.
#pragma once

#include <string>
#include <vector>

#include "cli/daemon_calls.h"

namespace fairlead::cli {

class HaVerbs {
 public:
  explicit HaVerbs(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void list_vips();
  void explain_vip(const std::string& name);
  /// `to` empty: any other node. `drain`: a duration, or empty.
  void move_vip(const std::string& name, const std::string& to, const std::string& drain);
  void set_vip(const std::string& name, bool enabled);
  void announce_vip(const std::string& name);
  void force_vip(const std::string& name, const std::vector<std::string>& fenced);
  void list_nodes();
  /// `node` empty: the one that is asked. `wait`: until it holds nothing, at most `timeout`.
  void set_standby(std::string node, bool standby, bool wait, Duration timeout);
  void cluster_status();
  void set_frozen(bool frozen);

 private:
  void wait_until_bare(const std::string& node, Duration timeout);

  DaemonCalls& calls_;
  CliEnvironment& environment_;
};

}  // namespace fairlead::cli
