// fairlead: pure
// The cluster: its networks, its endpoint without gateways, its addons and versions.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/site/site_checks.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

/// kubeadm's own bounds: 10 to 2^20 service addresses; nodes get a /24 (IPv6: /64) of the pods' network, at most 2^16 of them.
constexpr int kServiceBitsMax = 20;
constexpr int kServiceBitsMin = 4;
constexpr int kNodeMaskV4 = 24;
constexpr int kNodeMaskV6 = 64;
constexpr int kNodeMaskDifferenceMax = 16;

bool overlap(const IpPrefix& a, const IpPrefix& b) { return a.contains(b.address) || b.contains(a.address); }

bool is_start(SiteChecks& checks, const IpPrefix& cidr, const std::string& path) {
  if (!checks.sound(path)) return false;
  const IpPrefix whole{cidr.network(), cidr.length};
  if (whole == cidr) return true;
  checks.error(path, fmt::format("{} is not the beginning of a network", cidr.to_string()), fmt::format("write {}", whole.to_string()));
  return false;
}

void check_services(SiteChecks& checks, const Kubernetes& k) {
  static const std::string path = "kubernetes.services";
  if (!is_start(checks, k.services, path)) return;
  const int bits = k.services.address.bits() - k.services.length;
  const int all = k.services.address.bits();
  if (bits > kServiceBitsMax)
    checks.error(path, fmt::format("{} has more addresses than kubeadm takes", k.services.to_string()),
                 fmt::format("at most a /{}", all - kServiceBitsMax));
  if (bits < kServiceBitsMin)
    checks.error(path, fmt::format("{} has fewer addresses than the cluster's own services need", k.services.to_string()),
                 fmt::format("at least a /{}; a /{} is usual", all - kServiceBitsMin, all - 16));
}

void check_pods(SiteChecks& checks, const Kubernetes& k) {
  static const std::string path = "kubernetes.pods";
  if (!is_start(checks, k.pods, path)) return;
  const int mask = k.pods.address.is_v4() ? kNodeMaskV4 : kNodeMaskV6;
  if (k.pods.length > mask || mask - k.pods.length > kNodeMaskDifferenceMax)
    return checks.error(path, fmt::format("{} cannot be divided: each node gets a /{} of it", k.pods.to_string(), mask),
                        fmt::format("a /{} to a /{}; a /{} is usual", mask - kNodeMaskDifferenceMax, mask, mask - 8));
  std::size_t nodes = 0;
  for (const Machine& machine : checks.site.machines) nodes += machine.has(Role::kControlPlane) || machine.has(Role::kWorker) ? 1U : 0U;
  const std::size_t room = std::size_t{1} << static_cast<unsigned>(mask - k.pods.length);
  if (nodes > room)
    checks.error(path, fmt::format("{} has room for {} nodes, and there are {}", k.pods.to_string(), room, nodes),
                 fmt::format("each gets a /{}: take a larger network", mask));
}

void check_cidrs(SiteChecks& checks, const Kubernetes& k) {
  check_services(checks, k);
  check_pods(checks, k);
  const bool both = checks.sound("kubernetes.pods") && checks.sound("kubernetes.services");
  if (both && overlap(k.pods, k.services))
    checks.error("kubernetes.services", fmt::format("{} overlaps the pods' {}", k.services.to_string(), k.pods.to_string()),
                 "each needs addresses of its own");
  if (both && k.pods.address.family() != k.services.address.family())
    checks.error("kubernetes.services", "pods and services are of different IP versions", "take one version for both");
  for (const auto& [path, cidr] : {std::pair<std::string, IpPrefix>{"kubernetes.pods", k.pods}, {"kubernetes.services", k.services}}) {
    for (std::size_t i = 0; i < checks.site.networks.size() && checks.sound(path); ++i) {
      const Network& network = checks.site.networks[i];
      if (checks.sound(path_of("networks[{}].cidr", i)) && overlap(cidr, network.cidr))
        checks.error(path, fmt::format("{} overlaps {} of network {}", cidr.to_string(), network.cidr.to_string(), network.name),
                     "machines there could not be reached from pods");
    }
  }
  // kubelet's --node-ip is the first address.
  for (std::size_t i = 0; both && i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    const bool node = machine.has(Role::kControlPlane) || machine.has(Role::kWorker);
    if (node && !machine.addresses.empty() && machine.address().family() != k.pods.address.family())
      checks.error(path_of("machines[{}].addresses", i),
                   fmt::format("the first address of {} and kubernetes.pods are of different IP versions", machine.name),
                   "let the first address be of the version of pods and services");
  }
}

void check_endpoint_without_gateways(SiteChecks& checks) {
  if (checks.site.gateways || !checks.sound("gateways") || !checks.all_known("machines", checks.site.machines.size(), "roles")) return;
  const auto planes = checks.site.with(Role::kControlPlane);
  if (checks.site.kubernetes.endpoint.find(':') != std::string::npos) return;  // A balancer of the operator's own.
  if (planes.size() > 1)
    checks.error("machines",
                 fmt::format("{} control planes without gateways: there is no address that outlives one of them", planes.size()),
                 "add gateways with a VIP for kubernetes.endpoint, or name a load balancer there, as in 192.168.1.10:6443, or keep one "
                 "control plane");
  const std::string& endpoint = checks.site.kubernetes.endpoint;
  if (endpoint.empty() || planes.empty() || endpoint == planes.front()->name) return;
  checks.error("kubernetes.endpoint", fmt::format("{} would be a VIP, and there are no gateways", quoted(endpoint)),
               fmt::format("leave it out: the endpoint is then {}", planes.front()->name));
}

void check_addons(SiteChecks& checks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < checks.site.kubernetes.addons.size(); ++i) {
    const Addon& addon = checks.site.kubernetes.addons[i];
    names.push_back(addon.name);
    const std::string path = path_of("kubernetes.addons[{}].ready", i);
    if (addon.ready.empty() || !checks.sound(path)) continue;
    static const std::vector<std::string> kKinds{"daemonset", "deployment", "statefulset", "job"};
    const auto first = addon.ready.find('/');
    const auto second = first == std::string::npos ? first : addon.ready.find('/', first + 1);
    const std::string kind = addon.ready.substr(0, first);
    const auto fine = [](std::string_view name) {
      return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      });
    };
    if (second == std::string::npos || !fine(std::string_view(addon.ready).substr(first + 1, second - first - 1)) ||
        !fine(std::string_view(addon.ready).substr(second + 1))) {
      checks.error(path, fmt::format("{} is not KIND/NAMESPACE/NAME", quoted(addon.ready)), "as in daemonset/kube-flannel/kube-flannel-ds");
    } else if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
      checks.error(path, fmt::format("what is ready cannot be said of a {}", quoted(kind)), config::suggest(kind, kKinds));
    }
  }
  checks.unique(names, "kubernetes.addons", "addon");
}

/// Empty: it is not there.
std::string text_at(const config::DocNode& keys, const std::vector<std::string_view>& path) {
  const config::DocNode* at = &keys;
  for (const std::string_view key : path) {
    at = at->find(key);
    if (at == nullptr) return {};
  }
  return at->text;
}

/// What the site itself decides, and a merged key would contradict without being seen.
void check_kubeadm_keys(SiteChecks& checks) {
  struct Own {
    std::string_view kind;
    std::string_view key;
    std::string_view ours;
  };
  static constexpr std::array kOwn{Own{"ClusterConfiguration", "kubernetesVersion", "versions.kubernetes"},
                                   Own{"ClusterConfiguration", "controlPlaneEndpoint", "kubernetes.endpoint"}};
  // Facts are read there, and a machine that has them elsewhere would look empty.
  struct Place {
    std::string_view kind;
    std::vector<std::string_view> keys;
    std::string_view where;
  };
  static const std::array kPlaces{Place{"ClusterConfiguration", {"certificatesDir"}, "/etc/kubernetes/pki"},
                                  Place{"InitConfiguration", {"localAPIEndpoint", "bindPort"}, "6443"},
                                  Place{"JoinConfiguration", {"controlPlane", "localAPIEndpoint", "bindPort"}, "6443"}};
  for (const auto& [kind, keys] : checks.site.kubernetes.kubeadm) {
    for (const std::string_view fixed : {"apiVersion", "kind"}) {
      if (keys->find(fixed) != nullptr)
        checks.error(fmt::format("kubernetes.kubeadm.{}", kind), fmt::format("{} among the keys of {}", fixed, kind),
                     "it is written by itself: remove it");
    }
    for (const Place& place : kPlaces) {
      if (kind == place.kind && !text_at(*keys, place.keys).empty() && text_at(*keys, place.keys) != place.where)
        checks.error(
            fmt::format("kubernetes.kubeadm.{}", kind),
            fmt::format("{} cannot be moved: Fairlead looks at {} for what a machine has", fmt::join(place.keys, "."), place.where),
            "remove it");
    }
    for (const Own& own : kOwn) {
      if (kind == own.kind && keys->find(own.key) != nullptr)
        checks.error(fmt::format("kubernetes.kubeadm.{}", kind), fmt::format("{} is what {} says", own.key, own.ours),
                     fmt::format("set {}, and remove it here", own.ours));
    }
  }
}

}  // namespace

void check_site_kubernetes(SiteChecks& checks) {
  check_cidrs(checks, checks.site.kubernetes);
  check_endpoint_without_gateways(checks);
  check_addons(checks);
  check_kubeadm_keys(checks);
}

}  // namespace fairlead::bootstrap
