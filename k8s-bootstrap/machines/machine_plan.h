// fairlead: pure
// From what the VM host says to what is to be done there: one function a verb.
//
//   MP1  Done and looked at again, nothing is planned: create of what runs, stop of what is off, destroy of what is gone.
//   MP2  A plan with obstacles has no step for the machines they name; the others' steps stand.
//   MP3  Nothing foreign (VD1) is touched, neither VM nor network.
//   MP4  A network of ours is removed only when no VM of the site is left that is not destroyed by the same plan.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "k8s-bootstrap/machines/vm_driver.h"

namespace fairlead::bootstrap {

struct HostFacts {
  std::map<std::string, VmFound> vms;            ///< By machine; of every VM of the site.
  std::map<std::string, NetworkFound> networks;  ///< By the site's name.
  bool image = false;                            ///< The image's file is there.
};
struct VmSite {
  std::vector<Vm> vms;
  std::vector<VmNetwork> networks;
  std::map<std::string, Seed> seeds;  ///< By machine.

  [[nodiscard]] const Vm* find(std::string_view machine) const;
};
struct HostObstacle {
  std::string machine;  ///< Or of a network: "network mast".
  std::string reason;
  std::string remedy;
  bool operator==(const HostObstacle&) const = default;
};
struct HostPlan {
  std::vector<HostStep> steps;
  std::vector<HostObstacle> obstacles;
  std::vector<std::string> remarks;  ///< For the operator: a new seed takes effect at the next boot.
};

using MachineNames = std::set<std::string>;

/// Makes what is missing of `names`, and starts what is off.
[[nodiscard]] HostPlan plan_create(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names);
/// Starts what is off; one that is absent is an obstacle.
[[nodiscard]] HostPlan plan_start(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names);
[[nodiscard]] HostPlan plan_stop(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names, bool now);
[[nodiscard]] HostPlan plan_destroy(const VmSite& site, const HostFacts& facts, const VmDriver& driver, const MachineNames& names);

/// How long a machine may take to shut down.
inline constexpr Duration kShutdownMax = std::chrono::minutes(3);

}  // namespace fairlead::bootstrap
