// `fairlead machine`: the VMs of a site file, on the machine where this runs. No daemon is asked.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"
#include "k8s-bootstrap/apply/site_session.h"

namespace fairlead::cli {

struct MachineRequest {
  std::string site = "site.yaml";
  std::vector<std::string> machines;     ///< Empty: all of the site.
  std::vector<std::string> yes_destroy;  ///< --yes-destroy NAME
  std::string machine;                   ///< console
  std::string folder;                    ///< seeds
  bool dry_run = false;
  bool wait = false;
};

void machine_list(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void machine_create(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void machine_start(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void machine_stop(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void machine_destroy(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
/// Writes FOLDER/MACHINE/user-data, meta-data, network-config and vendor-data of each, for a web server (vms.seed_url).
void machine_seeds(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void machine_console(const MachineRequest& request, const GlobalOptions& global, CliEnvironment& environment);

/// What `bootstrap apply` begins with when the site has `vms`: those that are missing are made, all are started and waited for. With
/// `dry_run` it only shows. True: it made or started one.
bool ensure_machines(bootstrap::SiteSession& session, bool dry_run, const GlobalOptions& global, CliEnvironment& environment);

}  // namespace fairlead::cli
