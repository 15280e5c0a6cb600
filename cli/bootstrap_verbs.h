// `fairlead bootstrap`: a cluster from a site file, from the operator's machine, over SSH. No daemon is asked.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

struct BootstrapRequest {
  std::string site = "site.yaml";
  std::string machine;                   ///< reset, remove-node, replace-node, unlock
  std::string package;                   ///< --package
  std::string show;                      ///< plan --show FILE: that rendered file instead
  std::string output;                    ///< init, kubeconfig: where to write
  std::string run;                       ///< logs --run
  std::vector<std::string> yes_destroy;  ///< --yes-destroy NAME
  unsigned parallel = 0;
  bool exit_code = false;  ///< plan --exit-code
  bool dry_run = false;    ///< Commands and files, too.
};

void bootstrap_init(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_plan(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_apply(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_status(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_verify(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_reset(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_remove_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_replace_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_upgrade(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_renew_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_kubeconfig(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_logs(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_unlock(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_versions(CliEnvironment& environment);

}  // namespace fairlead::cli
