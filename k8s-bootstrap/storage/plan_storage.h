// fairlead: pure
// Storage as a part of a bring-up: bricks, the trusted pool, volumes, mounts, directories and quotas of persistent volumes; and the verbs
// that change a pool which exists. Each adds to a plan what facts say is missing.
//
//   ST1  A disk is written to only if it was read and has no data and no use; with data only if the site says `wipe` and its serial is the
//        one of the site. Such a step destroys data, and is confirmed by the machine's name.
//   ST2  A pool begins, and a volume is created, only if every storage machine was read and none of them has it (PV2, PV3).
//   ST3  A volume's brick is a directory below a mounted file system that bears no volume's id.
//   ST4  A brick is replaced or emptied only while all other copies of it serve and no copies contradict one another; one that serves
//        itself only when nothing waits to be healed: it could have the only right copy.
//   ST5  No bring-up adds, removes or replaces bricks of a volume that exists: that is said, and done by the verbs.
//   ST6  A machine that was installed anew is told of its pool only when the directories of its bricks are there: glusterd takes over no
//        volume whose brick has none. What is in a directory without a volume's id is nobody's to empty.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan_builder.h"
#include "k8s-bootstrap/storage/pool_view.h"

namespace fairlead::bootstrap {

void plan_storage(PlanBuilder& plan);            ///< Up to volumes that are mounted.
void plan_storage_manifests(PlanBuilder& plan);  ///< PersistentVolumes and StorageClasses, once there is a cluster.

/// `storage expand`: bricks of the site that its volumes lack, then a rebalance.
[[nodiscard]] Plan plan_storage_expand(const PlanInput& input);
/// `storage replace MACHINE`: it was installed anew, or its brick's file system was; or, with `with`, its bricks go to another machine.
/// `machine` may be one that is not in the site any more.
[[nodiscard]] Plan plan_storage_replace(const PlanInput& input, const std::string& machine, const std::string& with);
/// `storage heal`: asks the self-heal daemons of `volume` (empty: of all volumes) to look now; `full`: at every file.
[[nodiscard]] Plan plan_storage_heal(const PlanInput& input, const std::string& volume, bool full);

// ---- shared by them ----
/// Bricks and pool; false: an obstacle keeps volumes from being looked at.
[[nodiscard]] bool plan_pool(PlanBuilder& plan);
[[nodiscard]] std::string gluster(std::string_view words);  ///< As a script runs it: the exit code tells.

// ---- of one machine ----
void plan_machine_bricks(PlanBuilder& plan, const Machine& machine);  ///< Its version, TLS and bricks.
void plan_machine_daemon(PlanBuilder& plan, const Machine& machine);  ///< glusterd runs and is enabled.
void plan_machine_probe(PlanBuilder& plan, const Machine& seed, const Machine& machine);
/// States that a hand has to mend: an obstacle.
void refuse_state(PlanBuilder& plan, const PoolView& view, const std::string& name);
/// Machines copied with a UUID are one to a pool: an obstacle for each, and true.
[[nodiscard]] bool refuse_twins(PlanBuilder& plan);
/// As seen from the machine that runs it: `name` is connected and in the pool.
[[nodiscard]] WaitFor peer_is_in(const std::string& name);

}  // namespace fairlead::bootstrap
