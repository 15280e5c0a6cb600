// fairlead: pure
// Roles: which go together, and how many of each there must be.
#include <algorithm>

#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

struct Conflict {
  Role one;
  Role other;
  std::string_view why;
};
constexpr Conflict kConflicts[] = {
    {Role::kGateway, Role::kControlPlane,
     "the API server listens on port 6443 of all addresses, so the gateway could not accept connections on the VIP's port 6443"},
    {Role::kGateway, Role::kWorker, "kube-proxy and the CNI change the packet filter that the gateway routes by"},
    {Role::kGateway, Role::kEtcd, "a takeover must not wait for etcd's disk, nor etcd's quorum fall with a gateway"},
    {Role::kGateway, Role::kWitness, "the witness is the third vote between two gateways: it must not fall with one of them"},
};

void check_pairs(SiteChecks& checks) {
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    const std::string path = path_of("machines[{}].roles", i);
    if (!checks.sound(path)) continue;
    if (machine.roles.empty()) checks.error(path, fmt::format("machine {} has no role", machine.name), "give it one, as in [worker]");
    for (std::size_t k = 0; k < machine.roles.size(); ++k) {
      const auto end = machine.roles.begin() + static_cast<std::ptrdiff_t>(k);
      if (std::find(machine.roles.begin(), end, machine.roles[k]) != end)
        checks.error(path_of("{}[{}]", path, k), fmt::format("the role {} twice", to_string(machine.roles[k])), "remove one");
    }
    for (const Conflict& conflict : kConflicts) {
      if (machine.has(conflict.one) && machine.has(conflict.other))
        checks.error(path, fmt::format("machine {} cannot be {} and {}", machine.name, to_string(conflict.one), to_string(conflict.other)),
                     std::string(conflict.why));
    }
    if (!machine.has(Role::kControlPlane) && !machine.has(Role::kWorker)) {
      for (const std::string_view key : {"labels", "taints", "kubelet"}) {
        const std::string at = path_of("machines[{}].{}", i, key);
        if (checks.has(at))
          checks.warning(at, fmt::format("{} without effect: machine {} is no Kubernetes node", key, machine.name), "remove it");
      }
    }
  }
}

bool roles_known(const SiteChecks& checks) { return checks.all_known("machines", checks.site.machines.size(), "roles"); }

void check_control_planes(SiteChecks& checks) {
  const auto planes = checks.site.with(Role::kControlPlane);
  const bool stacked = checks.site.kubernetes.etcd == EtcdPlace::kStacked;
  if (planes.empty()) {
    checks.error("machines", "no machine of role control-plane", "a cluster needs 1, 3 or 5 of them");
  } else if (stacked && planes.size() % 2 == 0) {
    checks.warning(
        "machines",
        fmt::format("{} control planes with etcd on them: it bears the loss of no more than {} would", planes.size(), planes.size() - 1),
        "etcd needs a majority: use 1, 3 or 5");
  } else if (stacked && planes.size() > 7) {
    checks.warning("machines", fmt::format("{} control planes with etcd on them: each one makes every write slower", planes.size()),
                   "3 or 5 are usual");
  }
  const auto workers = checks.site.with(Role::kWorker);
  if (workers.empty() && !planes.empty())
    checks.warning("machines", "no machine of role worker: pods of yours, and DNS of the cluster, find no node",
                   "give a control plane the role worker too, or add workers");
}

void check_etcd(SiteChecks& checks) {
  const auto machines = checks.site.with(Role::kEtcd);
  if (checks.site.kubernetes.etcd == EtcdPlace::kStacked) {
    for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
      if (checks.site.machines[i].has(Role::kEtcd))
        checks.error(path_of("machines[{}].roles", i), "role etcd, and kubernetes.etcd is stacked",
                     "write etcd: external, or remove the role");
    }
    return;
  }
  if (machines.empty())
    return checks.error("kubernetes.etcd", "external etcd, and no machine of role etcd",
                        "give 3 machines that role, or write etcd: stacked");
  if (machines.size() % 2 == 0)
    checks.error("kubernetes.etcd", fmt::format("{} machines of role etcd", machines.size()), "etcd needs a majority: use 1, 3 or 5");
}

void check_gateway_count(SiteChecks& checks) {
  const auto gateways = checks.site.with(Role::kGateway);
  const auto witnesses = checks.site.with(Role::kWitness);
  if (!checks.site.gateways) {
    if (!checks.sound("gateways")) return;  // Misspelt: that was said.
    for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
      if (checks.site.machines[i].has(Role::kGateway) || checks.site.machines[i].has(Role::kWitness))
        checks.error(path_of("machines[{}].roles", i), "a gateway or witness, and the site has no section gateways",
                     "add it, or remove the role");
    }
    return;
  }
  if (gateways.empty())
    return checks.error("gateways", "the section gateways, and no machine of role gateway",
                        "give two machines that role, or remove the section");
  if (gateways.size() > config::kNodesMax)
    checks.error("gateways", fmt::format("{} gateways", gateways.size()), fmt::format("at most {}", config::kNodesMax));
  if (gateways.size() == 1)
    checks.warning("gateways", "one gateway: nobody takes over when it is lost", "give a second machine the role gateway");
  if (gateways.size() == 2 && witnesses.empty() && checks.site.gateways->tie_break.empty() && checks.sound("gateways.tie_break"))
    checks.warning("gateways",
                   "two gateways without tie_break or witness: no VIP is taken over when its holder is lost, for it may only be cut off",
                   "add tie_break with a router as target, or a machine of role witness");
  if (witnesses.size() > 1)
    checks.error("machines", fmt::format("{} machines of role witness", witnesses.size()), "Corosync asks one: remove the role elsewhere");
}

}  // namespace

void check_site_roles(SiteChecks& checks) {
  check_pairs(checks);
  if (!roles_known(checks)) return;
  check_control_planes(checks);
  if (checks.sound("kubernetes.etcd")) check_etcd(checks);
  check_gateway_count(checks);
}

}  // namespace fairlead::bootstrap
