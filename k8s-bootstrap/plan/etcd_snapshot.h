// fairlead: pure
// A snapshot of etcd as a step takes it, and the tools for snapshots: shared by upgrades, snapshots, backups and restores.
#pragma once

#include <string>
#include <string_view>

#include "k8s-bootstrap/plan/plan_builder.h"

namespace fairlead::bootstrap {

/// Of one member; the static pod's programs and the host see the same folder there.
inline constexpr std::string_view kEtcdFolder = "/var/lib/etcd";
inline constexpr std::string_view kNoSnapshotSource = "no machine of it was read whose member is known to be healthy";

/// The first machine of etcd that was read and is a member of a healthy majority; nullptr: none is known.
[[nodiscard]] const Machine* snapshot_source(const PlanBuilder& plan);
/// It runs etcd: its static pod is there.
[[nodiscard]] bool has_etcd_pod(const MachineFacts& facts);
/// Takes it on `member`, has it looked at there (a snapshot without keys is refused), fetches it to `to` (0600, its SHA-256 compared) and
/// what is known of it to `to`.json (SnapshotNote), which comes last: one without is not whole. Nothing stays on the machine.
void add_snapshot(const Site& site, const Machine& member, const std::string& to, Step& step);
/// A shell function `etcd_snapshot status|restore ...`: etcdutl of the image that etcd's static pod names, run by the machine's runtime
/// (etcd need not run), else the machine's own etcdutl or etcdctl.
[[nodiscard]] std::string etcd_snapshot_function();

}  // namespace fairlead::bootstrap
