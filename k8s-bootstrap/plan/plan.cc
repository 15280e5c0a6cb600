// fairlead: pure
#include "k8s-bootstrap/plan/plan.h"

#include <algorithm>

namespace fairlead::bootstrap {

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kPreflight: return "preflight";
    case Phase::kPrepare: return "prepare";
    case Phase::kPki: return "certificates";
    case Phase::kGateways: return "gateways";
    case Phase::kEtcd: return "etcd";
    case Phase::kInit: return "init";
    case Phase::kControlPlanes: return "control planes";
    case Phase::kWorkers: return "workers";
    case Phase::kStorage: return "storage";
    case Phase::kAddons: return "addons";
    case Phase::kVerify: return "verify";
    case Phase::kRemove: return "remove";
    case Phase::kUpgrade: return "upgrade";
    case Phase::kBackup: return "backup";
    case Phase::kRestore: return "restore";
  }
  return "?";
}

const Step* Plan::find(std::string_view id) const {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.id == id; });
  return found == steps.end() ? nullptr : &*found;
}

}  // namespace fairlead::bootstrap
