// fairlead: pure
// etcd saved, and put back from a snapshot, on machines that are members of it. Where no machine has etcd any more, plan_backup.h is for
// it.
//
//   ER1  No data is replaced while a majority of etcd lives, unless the operator said so by the site's name. Each machine of etcd and each
//        control plane was read and told whether its etcd has a leader; unknown is not "no". Those that the operator named as lost for good
//        are not asked, and must not answer. What a restore of the same snapshot has begun is gone on with.
//   ER2  All API servers and members are stopped before any data is replaced, and all data is replaced before any member is started:
//        members of the old and of the new etcd never run side by side. All come from one snapshot, with one list of members.
//   ER3  Data that this restore has put in place is not replaced again by it: `kRestoredMark` lies among the data and comes with it. Where
//        a restore has ended it is renamed (kRestoreDone); the next one, of whatever snapshot, takes that away before it begins.
//   ER4  Data that was there is moved aside (kEtcdBefore), not removed.
//
//   facts of a machine            planned
//   etcd's static pod is there    etcd-stop
//   data without the mark         etcd-restore, when all are stopped
//   the mark, pods moved away     etcd-start, when all have the mark
//   the mark, all started         etcd-healthy, etcd-restored: the mark is renamed to kRestoreDone
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "k8s-bootstrap/plan/plan_input.h"

namespace fairlead::bootstrap {

inline constexpr std::string_view kRestoredMark = "/var/lib/etcd/member/fairlead-restored";
inline constexpr std::string_view kRestoreDone = "/var/lib/etcd/member/fairlead-restore-done";
inline constexpr std::string_view kEtcdBefore = "/var/lib/etcd/fairlead-before";
/// Where static pods wait that a restore has stopped: "stopped/etcd.yaml".
[[nodiscard]] std::string stopped_pod_path(std::string_view pod);

struct SnapshotWish {
  std::string name;     ///< "etcd-20261127T164937Z.db", below state_dir/backups
  std::string machine;  ///< Only this one's, also without a majority; empty: any healthy one's.
  unsigned keep = 10;   ///< Of those with such a name, the newest; 0: all.
};
/// One step. The same wish plans the same again: what it does is no state.
[[nodiscard]] Plan plan_etcd_snapshot(const PlanInput& input, const SnapshotWish& wish);

struct EtcdRestoreWish {
  std::string snapshot;        ///< Its path, on the operator's machine.
  std::string sha256;          ///< Of it.
  std::set<std::string> lost;  ///< Machines that will never come back as they were.
  bool discard = false;        ///< What a healthy majority holds may go.
};
/// Nothing left to do: its plan is empty.
[[nodiscard]] Plan plan_etcd_restore(const PlanInput& input, const EtcdRestoreWish& wish);

/// Shell text that puts a snapshot in place as the data of `machine`, one of `members`, and marks it (ER3, ER4). Before it: the functions
/// of etcd_snapshot_function(); the snapshot lies at restore_snapshot_path() and is removed.
[[nodiscard]] std::string restore_data_script(const Machine& machine, const std::vector<const Machine*>& members,
                                              const std::string& sha256);
[[nodiscard]] std::string restore_snapshot_path();
/// Members of an etcd that is brought up anew from an archive: of a stacked one the first, whom the others join.
[[nodiscard]] std::vector<const Machine*> restored_members(const Site& site);
/// What stands in the mark: the snapshot, and whom it was restored for.
[[nodiscard]] std::string restored_mark_text(const std::vector<const Machine*>& members, const std::string& sha256);

}  // namespace fairlead::bootstrap
