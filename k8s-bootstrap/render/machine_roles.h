// fairlead: pure
// What follows from a machine's roles.
#pragma once

#include <string_view>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// Control planes and workers are nodes; external etcd runs as a static pod of a kubelet of its own.
[[nodiscard]] inline bool is_kubernetes_node(const Machine& machine) {
  return machine.has(Role::kControlPlane) || machine.has(Role::kWorker);
}
[[nodiscard]] inline bool runs_kubelet(const Machine& machine) { return is_kubernetes_node(machine) || machine.has(Role::kEtcd); }

/// May a kubelet give its own node this label (--node-labels)? Of kubernetes.io and k8s.io only a few; the others, as
/// node-role.kubernetes.io/worker, are set through the API once the node is there. (kubelet refuses to start with one of those.)
[[nodiscard]] bool kubelet_may_set(std::string_view label);

}  // namespace fairlead::bootstrap
