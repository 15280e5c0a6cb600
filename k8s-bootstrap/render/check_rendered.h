// fairlead: pure
// Everything that will be written, read back by the rules of who will read it: what a site's own keys spoil is found before a machine is
// touched. For the plan (an error is an obstacle) and for whoever checks a site.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct RenderProblem {
  std::string where;  ///< "kubeadm join of node-1", "fairlead.yaml", "kubelet of node-1", "kubernetes.kubeadm"
  std::string text;   ///< With the line of what is rendered; `bootstrap plan --show` prints that.
  bool error = true;  ///< Else it is a warning.
  bool operator==(const RenderProblem&) const = default;
};

/// kubeadm's documents of every machine by their schema, single machines' kubelet keys, kinds that kubeadm does not have, and the gateways'
/// fairlead.yaml as `fairlead check` sees it. A problem that several machines have alike is told once.
[[nodiscard]] std::vector<RenderProblem> check_rendered(const Site& site);

}  // namespace fairlead::bootstrap
