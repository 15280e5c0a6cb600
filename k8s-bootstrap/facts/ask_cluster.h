// fairlead: pure
// What one control plane's API and etcd say of the cluster: a script that asks kubectl and etcdctl there, and the reading of its answer.
// No secret comes back: of Secrets the names only.
//
// etcd is asked by the first of these that there is: etcdctl of the machine, etcdctl in the etcd container by crictl (needs no API), the
// same by `kubectl exec`. Each with the certificates that kubeadm makes for its health checks, or those of an external etcd.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "k8s-bootstrap/facts/facts.h"
#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

[[nodiscard]] std::string cluster_probe_script(const Site& site);

/// `unread`: what could not be read, one line each. Members of etcd are empty when etcd could not be asked: never that there are none.
/// Errors: kUnavailable (not whole, or the API did not list its nodes), with the reason that kubectl gave.
struct ClusterAnswer {
  ClusterFacts facts;
  std::vector<std::string> unread;
};
[[nodiscard]] Result<ClusterAnswer> parse_cluster(std::string_view text, const Site& site, std::string_view from);

}  // namespace fairlead::bootstrap
