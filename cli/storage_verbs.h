// `fairlead storage`: Gluster of a site, over SSH, in this process, under the lock of `fairlead bootstrap`. No daemon is asked.
#pragma once

#include <string>

#include "cli/bootstrap_verbs.h"
#include "cli/invocation.h"

namespace fairlead::cli {

struct StorageRequest {
  BootstrapRequest site;  ///< `site`, `machine`, `yes_destroy`, `parallel`, `dry_run`
  std::string volume;     ///< heal --volume; empty: all.
  std::string with;       ///< replace --with
  bool full = false;      ///< heal --full
  bool no_wait = false;   ///< Does not wait until all is healed or spread.
};

void storage_status(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void storage_heal(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void storage_expand(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void storage_replace(const StorageRequest& request, const GlobalOptions& global, CliEnvironment& environment);

}  // namespace fairlead::cli
