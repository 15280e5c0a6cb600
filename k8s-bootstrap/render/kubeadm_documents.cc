// fairlead: pure
#include <algorithm>

#include <fmt/format.h>

#include "k8s-bootstrap/render/api_endpoint.h"
#include "k8s-bootstrap/render/container_runtime.h"
#include "k8s-bootstrap/render/kubeadm_paths.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNodePtr;

constexpr unsigned kFirstMinorOfV1Beta4 = 31;
constexpr std::uint16_t kEtcdClientPort = 2379;
constexpr std::uint16_t kEtcdPeerPort = 2380;

bool is_v1beta4(const Site& site) { return minor_number(site.versions.kubernetes) >= kFirstMinorOfV1Beta4; }

MapBuilder document(const Site& site, std::string kind) {
  MapBuilder out;
  out.add_text("apiVersion", is_v1beta4(site) ? "kubeadm.k8s.io/v1beta4" : "kubeadm.k8s.io/v1beta3").add_text("kind", std::move(kind));
  return out;
}

/// The user's keys of the kind, laid over ours.
DocNodePtr finish(const Site& site, const std::string& kind, MapBuilder ours) {
  const auto theirs = site.kubernetes.kubeadm.find(kind);
  return merge(std::move(ours).build(), theirs == site.kubernetes.kubeadm.end() ? nullptr : theirs->second);
}

std::string write(const std::vector<DocNodePtr>& documents) {
  std::string out;
  for (const DocNodePtr& document : documents) out += (out.empty() ? "" : "---\n") + write_yaml(*document);
  return out;
}

using Arguments = std::vector<std::pair<std::string, std::string>>;

/// A list of names and values, or the map of v1beta3.
DocNodePtr arguments(const Site& site, const Arguments& values) {
  if (!is_v1beta4(site)) {
    MapBuilder map;
    for (const auto& [name, value] : values) map.add(name, text(value));
    return std::move(map).build();
  }
  std::vector<DocNodePtr> items;
  items.reserve(values.size());
  for (const auto& [name, value] : values)
    items.push_back(std::move(MapBuilder().add_text("name", name).add("value", text(value))).build());
  return list(std::move(items));
}

std::string hours(Duration duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::minutes>(duration).count();
  return fmt::format("{}h{}m0s", whole / 60, whole % 60);
}

DocNodePtr taints_of(const Machine& machine) {
  if (!machine.taints) {
    // A control plane that is a worker, too, is one because workloads are to run there.
    return machine.has(Role::kControlPlane) && machine.has(Role::kWorker) ? list({}) : nullptr;
  }
  std::vector<DocNodePtr> items;
  for (const Taint& taint : *machine.taints) {
    items.push_back(
        std::move(MapBuilder().add_text("key", taint.key).add_text("value", taint.value).add_text("effect", taint.effect)).build());
  }
  return list(std::move(items));
}

DocNodePtr node_registration(const Site& site, const Machine& machine) {
  std::string labels;
  for (const auto& [name, value] : machine.labels) {
    if (kubelet_may_set(name)) labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", name, value);
  }
  Arguments extra{{"node-ip", machine.address().to_string()}};
  if (!labels.empty()) extra.emplace_back("node-labels", labels);
  MapBuilder out;
  out.add_text("name", machine.name).add_text("criSocket", cri_socket(site)).add("kubeletExtraArgs", arguments(site, extra));
  out.add("taints", taints_of(machine));
  if (!site.ignored_checks.empty()) out.add("ignorePreflightErrors", texts(site.ignored_checks));
  return std::move(out).build();
}

DocNodePtr local_endpoint(const Machine& machine) {
  return std::move(MapBuilder()
                       .add_text("advertiseAddress", machine.address().to_string())
                       .add_plain("bindPort", std::to_string(kDefaultApiPort)))
      .build();
}

DocNodePtr patches_of(const Machine& machine) {
  if (machine.kubelet == nullptr) return nullptr;
  return std::move(MapBuilder().add_text("directory", std::string(kPatchesFolder))).build();
}

DocNodePtr init_configuration(const Site& site, const Machine& machine) {
  // Every join has a fresh token, so nobody needs to know this one: kubeadm makes it, and it is gone soon instead of after a day.
  auto token = std::move(MapBuilder()
                             .add_text("description", "fairlead bootstrap")
                             .add_text("ttl", "15m0s")
                             .add("usages", texts({"signing", "authentication"}))
                             .add("groups", texts({"system:bootstrappers:kubeadm:default-node-token"})))
                   .build();
  MapBuilder out = document(site, "InitConfiguration");
  out.add("bootstrapTokens", list({std::move(token)}))
      .add_text("certificateKey", "${certificate-key}")
      .add("localAPIEndpoint", local_endpoint(machine))
      .add("nodeRegistration", node_registration(site, machine))
      .add("patches", patches_of(machine));
  return finish(site, "InitConfiguration", std::move(out));
}

/// What the API server may be called: by its VIP, and for who goes past it, by each gateway and control plane.
std::vector<std::string> certificate_names(const Site& site) {
  std::vector<std::string> out;
  const auto add = [&](std::string name) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
  };
  if (const SiteVip* vip = site.endpoint()) {
    add(vip->address.to_string());
    add(vip->name + "." + site.domain);
  } else if (const auto balancer = parse_host_port(site.kubernetes.endpoint)) {
    add(balancer->host);
  }
  for (const Role role : {Role::kGateway, Role::kControlPlane}) {
    for (const Machine* machine : site.with(role)) {
      add(site.fqdn(*machine));
      add(machine->name);
      for (const auto& [network, address] : machine->addresses) add(address.to_string());
    }
  }
  return out;
}

std::string url(const IpAddress& address, std::uint16_t port) { return "https://" + Endpoint{address, port}.to_string(); }

DocNodePtr etcd_of(const Site& site) {
  if (site.kubernetes.etcd == EtcdPlace::kStacked) {
    return std::move(MapBuilder().add("local", std::move(MapBuilder().add_text("dataDir", "/var/lib/etcd")).build())).build();
  }
  std::vector<std::string> endpoints;
  for (const Machine* machine : site.etcd_machines()) endpoints.push_back(url(machine->address(), kEtcdClientPort));
  auto external = std::move(MapBuilder()
                                .add("endpoints", texts(endpoints))
                                .add_text("caFile", fmt::format("{}/etcd/ca.crt", kCertificatesFolder))
                                .add_text("certFile", fmt::format("{}/apiserver-etcd-client.crt", kCertificatesFolder))
                                .add_text("keyFile", fmt::format("{}/apiserver-etcd-client.key", kCertificatesFolder)))
                      .build();
  return std::move(MapBuilder().add("external", std::move(external))).build();
}

/// v1beta3 knows no algorithm but a feature gate for ECDSA, and no validity.
void add_certificates(const Site& site, MapBuilder& out) {
  if (is_v1beta4(site)) {
    out.add_text("certificateValidityPeriod", hours(site.pki.validity))
        .add_text("caCertificateValidityPeriod", hours(site.pki.ca_validity))
        .add_text("encryptionAlgorithm", site.pki.algorithm);
  } else if (site.pki.algorithm.starts_with("ECDSA")) {
    out.add("featureGates", std::move(MapBuilder().add_plain("PublicKeysECDSA", "true")).build());
  }
}

DocNodePtr cluster_configuration(const Site& site) {
  auto networking = std::move(MapBuilder()
                                  .add_text("podSubnet", site.kubernetes.pods.to_string())
                                  .add_text("serviceSubnet", site.kubernetes.services.to_string())
                                  .add_text("dnsDomain", "cluster.local"))
                        .build();
  MapBuilder out = document(site, "ClusterConfiguration");
  out.add_text("clusterName", site.name)
      .add_text("kubernetesVersion", "v" + site.versions.kubernetes)
      .add_text("controlPlaneEndpoint", api_endpoint(site))
      .add("networking", std::move(networking))
      .add("apiServer", std::move(MapBuilder().add("certSANs", texts(certificate_names(site)))).build())
      .add("etcd", etcd_of(site))
      .add_text("certificatesDir", std::string(kCertificatesFolder))
      .add_text("imageRepository", image_repository(site));
  // A registry other than Kubernetes' own has CoreDNS where kubeadm looks for it only if it is told so.
  if (image_repository(site) != "registry.k8s.io")
    out.add("dns", std::move(MapBuilder().add_text("imageRepository", image_repository(site) + "/coredns")).build());
  add_certificates(site, out);
  return finish(site, "ClusterConfiguration", std::move(out));
}

DocNodePtr component(const Site& site, const std::string& kind, const std::string& api_version, MapBuilder keys = {}) {
  return finish(site, kind, std::move(MapBuilder().add_text("apiVersion", api_version).add_text("kind", kind).add_all(std::move(keys))));
}

DocNodePtr without(const DocNodePtr& map, const std::string& key) {
  MapBuilder out;
  for (const config::DocEntry& entry : map->entries) {
    if (entry.key != key) out.add(entry.key, entry.value);
  }
  return std::move(out).build();
}

}  // namespace

std::string init_config(const Site& site, const Machine& machine) {
  if (machine.has(Role::kEtcd) && !machine.has(Role::kControlPlane)) return etcd_config(site, machine, false);
  return write({init_configuration(site, machine), cluster_configuration(site),
                component(site, "KubeletConfiguration", "kubelet.config.k8s.io/v1beta1", MapBuilder().add_text("cgroupDriver", "systemd")),
                component(site, "KubeProxyConfiguration", "kubeproxy.config.k8s.io/v1alpha1")});
}

std::string join_config(const Site& site, const Machine& machine) {
  auto token = std::move(MapBuilder()
                             .add_text("apiServerEndpoint", api_endpoint(site))
                             .add_text("token", "${join-token}")
                             .add("caCertHashes", texts({"sha256:${ca-hash}"})))
                   .build();
  MapBuilder out = document(site, "JoinConfiguration");
  out.add("discovery", std::move(MapBuilder().add("bootstrapToken", std::move(token))).build());
  const bool plane = machine.has(Role::kControlPlane);
  if (plane) {
    out.add(
        "controlPlane",
        std::move(MapBuilder().add("localAPIEndpoint", local_endpoint(machine)).add_text("certificateKey", "${certificate-key}")).build());
  }
  out.add("nodeRegistration", node_registration(site, machine)).add("patches", patches_of(machine));
  const DocNodePtr merged = finish(site, "JoinConfiguration", std::move(out));
  // The user's keys are for every join: they must not make a control plane of a worker.
  return write({plane ? merged : without(merged, "controlPlane")});
}

std::string reset_config(const Site& site, const Machine&) {
  if (!is_v1beta4(site)) return {};
  MapBuilder out = document(site, "ResetConfiguration");
  out.add_text("criSocket", cri_socket(site)).add_plain("cleanupTmpDir", "true").add_plain("force", "true");
  return write({finish(site, "ResetConfiguration", std::move(out))});
}

std::string upgrade_config(const Site& site, const Machine& machine) {
  if (!is_v1beta4(site)) return {};
  const auto section = [&](bool with_version) {
    MapBuilder out;
    if (with_version) out.add_text("kubernetesVersion", "v" + site.versions.kubernetes);
    if (!site.ignored_checks.empty()) out.add("ignorePreflightErrors", texts(site.ignored_checks));
    return out;
  };
  MapBuilder apply = section(true);
  MapBuilder node = section(false);
  MapBuilder plan = section(true);
  apply.add("patches", patches_of(machine));
  node.add("patches", patches_of(machine));
  MapBuilder out = document(site, "UpgradeConfiguration");
  out.add("apply", std::move(apply).build());
  if (!node.empty()) out.add("node", std::move(node).build());
  out.add("plan", std::move(plan).build());
  return write({finish(site, "UpgradeConfiguration", std::move(out))});
}

std::string etcd_config(const Site& site, const Machine& machine, bool joins) {
  std::string members;
  for (const Machine* member : site.etcd_machines())
    members += fmt::format("{}{}={}", members.empty() ? "" : ",", member->name, url(member->address(), kEtcdPeerPort));
  const IpAddress loopback =
      machine.address().is_v4() ? IpAddress::v4({127, 0, 0, 1}) : IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  const std::string client = url(machine.address(), kEtcdClientPort);
  const std::string peer = url(machine.address(), kEtcdPeerPort);
  const Arguments flags{{"name", machine.name},
                        {"initial-cluster", members},
                        {"initial-cluster-state", joins ? "existing" : "new"},
                        {"listen-peer-urls", peer},
                        {"initial-advertise-peer-urls", peer},
                        {"listen-client-urls", url(loopback, kEtcdClientPort) + "," + client},
                        {"advertise-client-urls", client}};
  const auto names = [&] { return texts({machine.address().to_string(), site.fqdn(machine), machine.name}); };
  auto local = std::move(MapBuilder()
                             .add_text("dataDir", "/var/lib/etcd")
                             .add("serverCertSANs", names())
                             .add("peerCertSANs", names())
                             .add("extraArgs", arguments(site, flags)))
                   .build();
  MapBuilder init = document(site, "InitConfiguration");
  init.add("localAPIEndpoint", local_endpoint(machine))
      .add("nodeRegistration", std::move(MapBuilder().add_text("name", machine.name).add_text("criSocket", cri_socket(site))).build());
  MapBuilder cluster = document(site, "ClusterConfiguration");
  cluster.add_text("clusterName", site.name)
      .add_text("kubernetesVersion", "v" + site.versions.kubernetes)
      .add("etcd", std::move(MapBuilder().add("local", std::move(local))).build())
      .add_text("certificatesDir", std::string(kCertificatesFolder))
      .add_text("imageRepository", image_repository(site));
  add_certificates(site, cluster);
  return write({std::move(init).build(), std::move(cluster).build()});
}

}  // namespace fairlead::bootstrap
