// router show, router apply: what the daemon says of its nftables rules. Each prints its result and returns, or throws VerbFailure.
#pragma once

#include "cli/daemon_calls.h"

namespace fairlead::cli {

class RouterVerbs {
 public:
  explicit RouterVerbs(DaemonCalls& calls) : calls_(calls), environment_(calls.environment()) {}

  void show();
  /// `confirm`: what is on trial.
  void apply(bool confirm);

 private:
  /// What tells this connection from the caller's others.
  [[nodiscard]] std::string session() const;

  DaemonCalls& calls_;
  CliEnvironment& environment_;
};

}  // namespace fairlead::cli
