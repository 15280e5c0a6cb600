// Corosync and fairleadd started by systemd, once a node has got its files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

struct ServiceReport {
  struct Done {
    std::string unit;
    std::string what;  ///< "restarted", "started", "runs already"
  };
  std::vector<Done> done;
  std::vector<std::string> next;  ///< What is left to the operator.
  std::string failure;            ///< What did not start, with where to look; empty: all did.
};

/// Corosync anew, with the files that were written, and fairleadd, unless it runs. Both also at the next boot. `daemon`: whether the
/// configuration is where the unit of fairleadd reads it.
[[nodiscard]] ServiceReport start_services(bool daemon, CliEnvironment& environment);

}  // namespace fairlead::cli
