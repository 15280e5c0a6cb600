// `fairlead bootstrap`: a cluster from a site file, from the operator's machine, over SSH. No daemon is asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/invocation.h"

namespace fairlead::cli {

struct BootstrapRequest {
  std::string site = "site.yaml";
  std::string machine;                 ///< reset, add-node, remove-node, replace-node
  std::string package;                 ///< --package
  std::string show;                    ///< plan --show FILE: that rendered file instead
  std::string output;                  ///< init, kubeconfig, bundle: where to write
  std::string release;                 ///< bundle
  std::vector<std::string> images;     ///< bundle --image NAME
  std::vector<std::string> machines;   ///< adopt --machine NAME=ADDRESS
  std::vector<std::string> roles;      ///< add-node --role, likewise the following
  std::vector<std::string> addresses;  ///< NETWORK=ADDRESS
  std::vector<std::string> labels;
  std::vector<std::string> taints;
  std::vector<std::string> jump;  ///< adopt, likewise the following
  std::string user = "root";
  std::string key;
  std::uint16_t port = 22;
  std::string sign_user;          ///< certs --sign-user KEY.pub; likewise the following
  std::string identity = "user";  ///< For sshd's log.
  std::string valid_for = "8h";
  std::string run;                       ///< logs --run
  std::string from;                      ///< etcd restore, restore: --from FILE
  std::string passphrase_file;           ///< backup, restore
  std::string discard;                   ///< etcd restore --discard SITE
  std::vector<std::string> lost;         ///< etcd restore --lost NAME
  unsigned keep = 10;                    ///< etcd snapshot, backup: how many stay
  bool list = false;                     ///< etcd snapshot, backup: only what there is
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
void bootstrap_adopt(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_add_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_remove_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_replace_node(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_upgrade(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_renew_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_certs(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_kubeconfig(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_etcd_snapshot(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_etcd_restore(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_backup(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_restore(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_bundle(const BootstrapRequest& request, const GlobalOptions& global, CliEnvironment& environment);
void bootstrap_logs(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_unlock(const BootstrapRequest& request, CliEnvironment& environment);
void bootstrap_versions(CliEnvironment& environment);

}  // namespace fairlead::cli
