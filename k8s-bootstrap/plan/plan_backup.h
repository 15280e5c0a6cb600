// fairlead: pure
// A whole cluster saved in one archive, and brought up again from it on machines that are empty. Where etcd's machines still stand,
// plan_etcd_restore.h puts only the data back.
//
//   BR1  A restore brings nothing to machines that hold a cluster: it is planned like an init (G3, G4), and after that only where the data
//        on the machine bears the mark of this archive's snapshot.
//   BR2  The keys of the archive and the data of its snapshot come before the first API server; until that one answers nothing joins, and
//        what joins then is planned from facts, as in every bring-up: the archive's nodes are there, and nothing is on their machines.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

/// What the cluster signs with: below /etc/kubernetes/pki. With an external etcd that one's CA is its machines' own.
[[nodiscard]] std::vector<std::string> cluster_ca_files(const Site& site);

// ---- the archive's files ----
inline constexpr const char* kBackupSnapshot = "etcd.db";
[[nodiscard]] std::string backup_pki_file(const std::string& name);  ///< "pki/ca.crt"
[[nodiscard]] std::string backup_gateway_file(const std::string& gateway, const std::string& name);

/// To /etc/kubernetes/pki/NAME.
[[nodiscard]] CopyFile copy_of_backup(const ClusterBackup& backup, const std::string& name);

/// The snapshot, to where the next one wants it.
[[nodiscard]] CopyFile copy_of_snapshot(const ClusterBackup& backup);
/// Shell text: the snapshot becomes the data of a machine that has had no etcd so far, before kubeadm makes its static pods.
[[nodiscard]] std::string restored_data_before_pods(const Site& site, const Machine& machine, const ClusterBackup& backup);

struct BackupWish {
  std::string folder;      ///< Where its files are put together, below state_dir.
  std::string archive;     ///< Its path.
  std::string at;          ///< UTC, for people.
  std::string passphrase;  ///< The file of it; empty: it is not encrypted.
  unsigned keep = 10;      ///< Archives that stay, of those beside it; 0: all.
};
/// The same wish plans the same again: what it does is no state.
[[nodiscard]] Plan plan_backup(const PlanInput& input, const BackupWish& wish);
/// Nothing left to do: its plan is empty.
[[nodiscard]] Plan plan_restore(const PlanInput& input, const ClusterBackup& backup);

}  // namespace fairlead::bootstrap
