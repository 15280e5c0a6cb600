// fairlead: pure
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <set>

#include "config/parse.h"
#include "k8s-bootstrap/adopt/adopt_parts.h"
#include "k8s-bootstrap/render/check_rendered.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

using config::DocEntry;
using config::DocNode;
using config::DocNodePtr;
using Kind = DocNode::Kind;

/// What kubeadm writes into the kubelet's ConfigMap by itself; "0s", 0, "" and {} are left out beforehand.
constexpr std::string_view kKubeletDefaults = R"(authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization: {mode: Webhook}
clusterDomain: cluster.local
healthzBindAddress: 127.0.0.1
healthzPort: 10248
resolvConf: /run/systemd/resolve/resolv.conf
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
logging: {options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}}
)";
constexpr std::string_view kProxyDefaults = R"(bindAddress: 0.0.0.0
bindAddressHardFail: false
enableProfiling: false
iptables: {masqueradeAll: false}
ipvs: {strictARP: false}
nftables: {masqueradeAll: false}
winkernel: {enableDSR: false, forwardHealthCheckVIP: false}
clientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig.conf}
logging: {options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}}
)";

/// Flags that kubeadm gives static pods of its own accord.
const std::map<std::string_view, std::set<std::string_view>>& kubeadm_flags() {
  static const std::map<std::string_view, std::set<std::string_view>> kFlags{
      {"kube-apiserver",
       {"advertise-address",
        "allow-privileged",
        "authorization-mode",
        "client-ca-file",
        "enable-admission-plugins",
        "enable-bootstrap-token-auth",
        "etcd-cafile",
        "etcd-certfile",
        "etcd-keyfile",
        "etcd-servers",
        "kubelet-client-certificate",
        "kubelet-client-key",
        "kubelet-preferred-address-types",
        "proxy-client-cert-file",
        "proxy-client-key-file",
        "requestheader-allowed-names",
        "requestheader-client-ca-file",
        "requestheader-extra-headers-prefix",
        "requestheader-group-headers",
        "requestheader-username-headers",
        "secure-port",
        "service-account-issuer",
        "service-account-key-file",
        "service-account-signing-key-file",
        "service-cluster-ip-range",
        "tls-cert-file",
        "tls-private-key-file"}},
      {"kube-controller-manager",
       {"allocate-node-cidrs", "authentication-kubeconfig", "authorization-kubeconfig", "bind-address", "client-ca-file", "cluster-cidr",
        "cluster-name", "cluster-signing-cert-file", "cluster-signing-key-file", "controllers", "kubeconfig", "leader-elect",
        "requestheader-client-ca-file", "root-ca-file", "service-account-private-key-file", "service-cluster-ip-range",
        "use-service-account-credentials"}},
      {"kube-scheduler", {"authentication-kubeconfig", "authorization-kubeconfig", "bind-address", "kubeconfig", "leader-elect"}},
      {"etcd",
       {"advertise-client-urls",
        "cert-file",
        "client-cert-auth",
        "data-dir",
        "experimental-initial-corrupt-check",
        "experimental-watch-progress-notify-interval",
        "feature-gates",
        "initial-advertise-peer-urls",
        "initial-cluster",
        "initial-cluster-state",
        "key-file",
        "listen-client-urls",
        "listen-metrics-urls",
        "listen-peer-urls",
        "name",
        "peer-cert-file",
        "peer-client-cert-auth",
        "peer-key-file",
        "peer-trusted-ca-file",
        "snapshot-count",
        "trusted-ca-file",
        "watch-progress-notify-interval"}}};
  return kFlags;
}
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSections{{{"kube-apiserver", "apiServer"},
                                                                                  {"kube-controller-manager", "controllerManager"},
                                                                                  {"kube-scheduler", "scheduler"},
                                                                                  {"etcd", "local"}}};

DocNodePtr data_of(const AdoptAnswer& answer, const std::string& name, std::string_view key) {
  const auto found = answer.asked.find(name);
  if (found == answer.asked.end()) return nullptr;
  boost::system::error_code problem;
  const boost::json::value map = boost::json::parse(found->second, problem);
  if (problem || !map.is_object()) return nullptr;
  const auto* data = map.as_object().if_contains("data");
  const auto* text = data != nullptr && data->is_object() ? data->as_object().if_contains(key) : nullptr;
  return text == nullptr || !text->is_string() ? nullptr : yaml_of(std::string_view(text->as_string()));
}

/// "0s", 0, "", {}, [] and null say nothing in kubeadm's documents.
DocNodePtr without_zeros(const DocNodePtr& node) {
  if (node->kind == Kind::kMap) {
    MapBuilder out;
    for (const DocEntry& entry : node->entries) out.add(entry.key, without_zeros(entry.value));
    return out.empty() ? nullptr : std::move(out).build();
  }
  if (node->kind == Kind::kList) return node->items.empty() ? nullptr : node;
  const bool zero = node->kind == Kind::kNull || node->text.empty() || node->text == "0s" || (node->text == "0" && !node->is_text);
  return zero ? nullptr : node;
}

DocNodePtr without_keys(const DocNodePtr& map, std::initializer_list<std::string_view> keys) {
  MapBuilder out;
  for (const DocEntry& entry : map->entries) {
    if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) out.add(entry.key, entry.value);
  }
  return std::move(out).build();
}

/// The maps of v1beta3 as the lists of v1beta4.
DocNodePtr with_argument_lists(const DocNodePtr& node, std::string_view api_version) {
  if (node->kind != Kind::kMap || api_version.ends_with("v1beta4")) return node;
  MapBuilder out;
  for (const DocEntry& entry : node->entries) {
    if (entry.key != "extraArgs" || entry.value->kind != Kind::kMap) {
      out.add(entry.key, with_argument_lists(entry.value, api_version));
      continue;
    }
    std::vector<DocNodePtr> items;
    for (const DocEntry& flag : entry.value->entries)
      items.push_back(std::move(MapBuilder().add_text("name", flag.key).add("value", text(flag.value->text))).build());
    out.add(entry.key, list(std::move(items)));
  }
  return std::move(out).build();
}

DocNodePtr rendered_document(const Site& site, std::string_view kind) {
  const auto planes = site.with(Role::kControlPlane);
  if (planes.empty()) return nullptr;
  for (const std::string& one : documents_of(init_config(site, *planes.front()))) {
    DocNodePtr document = yaml_of(one);
    if (document != nullptr && text_in(document.get(), {"kind"}) == kind) return document;
  }
  return nullptr;
}

/// The names that the certificate has already stay in it, beside those the site gives it.
DocNodePtr with_names_of(const DocNodePtr& cluster, const DocNode& ours) {
  const DocNode* theirs = node_in(cluster.get(), {"apiServer", "certSANs"});
  if (theirs == nullptr) return cluster;
  std::vector<std::string> names;
  const auto add = [&](const DocNode* from) {
    for (const DocNodePtr& name : items_of(from)) {
      if (std::find(names.begin(), names.end(), name->text) == names.end()) names.push_back(name->text);
    }
  };
  add(node_in(&ours, {"apiServer", "certSANs"}));
  const std::size_t own = names.size();
  add(theirs);
  auto server = std::move(MapBuilder().add("certSANs", names.size() == own ? std::make_shared<const DocNode>() : texts(names))).build();
  return merge(cluster, std::move(MapBuilder().add("apiServer", std::move(server))).build());
}

std::optional<Duration> hours_of(const std::string& text) {
  unsigned hours = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), hours);
  if (problem != std::errc{} || end == text.data() + text.size() || *end != 'h' || hours > 24U * 366 * 100) return std::nullopt;
  return std::chrono::hours(hours);
}

IpPrefix first_prefix(const std::string& text, const char* usual) {
  const auto found = parse_ip_prefix(text.substr(0, text.find(',')));
  return found ? *found : *parse_ip_prefix(usual);
}

/// Keys that the strict schema of this release would refuse cannot stand in a site.
void keep_what_renders(const std::string& kind, Adopted& adopted) {
  for (const RenderProblem& problem : check_rendered(adopted.site)) {
    if (!problem.error || problem.where == "fairlead.yaml") continue;  // The gateways' file has its own check.
    adopted.left.push_back(
        fmt::format("{}: its differences from what Fairlead writes are not carried over, because this release does not "
                    "know of: {}",
                    kind, problem.text));
    adopted.site.kubernetes.kubeadm.erase(kind);
    return;
  }
}

void add_keys(const std::string& kind, const DocNodePtr& base, const DocNodePtr& wanted, Adopted& adopted) {
  if (base == nullptr || wanted == nullptr) return;
  const Difference found = difference(base, wanted, false);
  if (found.over == nullptr) return;
  adopted.site.kubernetes.kubeadm[kind] = found.over;
  keep_what_renders(kind, adopted);
}

std::set<std::string> configured_flags(const DocNode& cluster, std::string_view component, std::string_view section) {
  const DocNode* arguments =
      component == "etcd" ? node_in(&cluster, {"etcd", section, "extraArgs"}) : node_in(&cluster, {section, "extraArgs"});
  std::set<std::string> out;
  for (const DocNodePtr& item : items_of(arguments)) out.insert(text_in(item.get(), {"name"}));
  for (const DocEntry& entry : arguments == nullptr ? std::vector<DocEntry>{} : arguments->entries) out.insert(entry.key);
  return out;
}

/// "--audit-log-path=/var/log/audit" of a static pod's command -> "audit-log-path".
std::vector<std::string> flags_of(const DocNode& pod) {
  std::vector<std::string> out;
  for (const DocNodePtr& container : items_of(node_in(&pod, {"spec", "containers"}))) {
    for (const DocNodePtr& word : items_of(node_in(container.get(), {"command"}))) {
      if (word->text.starts_with("--"))
        out.push_back(word->text.substr(2, word->text.find('=') == std::string::npos ? word->text.size() : word->text.find('=') - 2));
    }
  }
  return out;
}

}  // namespace

DocNodePtr yaml_of(std::string_view text) {
  auto parsed = config::parse(text, "");
  return parsed.document ? parsed.document->root : nullptr;
}

std::vector<std::string> documents_of(std::string_view text) {
  std::vector<std::string> out(1);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, end + 1);
    if (line == "---\n" || line.starts_with("--- ")) {
      out.emplace_back();
    } else {
      out.back() += line;
    }
    text.remove_prefix(end + 1);
  }
  return out;
}

const DocNode* node_in(const DocNode* node, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (node == nullptr || node->kind != Kind::kMap) return nullptr;
    node = node->find(key);
  }
  return node;
}

std::string text_in(const DocNode* node, std::initializer_list<std::string_view> keys) {
  const DocNode* found = node_in(node, keys);
  return found != nullptr && found->kind == Kind::kScalar ? found->text : std::string();
}

const std::vector<DocNodePtr>& items_of(const DocNode* node) {
  static const std::vector<DocNodePtr> kNone;
  return node == nullptr ? kNone : node->items;
}

Result<KubeadmDocuments> kubeadm_documents(const AdoptAnswer& answer) {
  KubeadmDocuments out;
  out.cluster = data_of(answer, "kubeadm-config", "ClusterConfiguration");
  if (out.cluster == nullptr || out.cluster->kind != Kind::kMap)
    return Error{Errc::kNotFound,
                 "the ConfigMap kubeadm-config of kube-system is not there, or holds no ClusterConfiguration: kubeadm did not make this "
                 "cluster, and Fairlead drives kubeadm alone"};
  out.kubelet = data_of(answer, "kubelet-config", "kubelet");
  out.proxy = data_of(answer, "kube-proxy", "config.conf");
  return out;
}

Status read_cluster_configuration(const KubeadmDocuments& documents, Adopted& adopted) {
  const DocNode* cluster = documents.cluster.get();
  Site& site = adopted.site;
  if (node_in(cluster, {"etcd", "external"}) != nullptr)
    return Error{
        Errc::kUnsupported,
        "its etcd is external: adopting such a cluster is not in this version. `fairlead bootstrap init` writes a site to describe "
        "it in by hand"};
  site.name = text_in(cluster, {"clusterName"});
  if (site.name.empty()) site.name = "kubernetes";
  const std::string pods = text_in(cluster, {"networking", "podSubnet"});
  site.kubernetes.pods = first_prefix(pods.empty() ? text_in(documents.proxy.get(), {"clusterCIDR"}) : pods, "10.244.0.0/16");
  if (pods.empty())
    adopted.left.push_back(fmt::format("kubernetes.pods: kubeadm was not told the pods' network; {} is written: put there what the CNI has",
                                       site.kubernetes.pods.to_string()));
  site.kubernetes.services = first_prefix(text_in(cluster, {"networking", "serviceSubnet"}), "10.96.0.0/12");
  site.kubernetes.endpoint = text_in(cluster, {"controlPlaneEndpoint"});
  if (!site.kubernetes.endpoint.empty() && site.kubernetes.endpoint.find(':') == std::string::npos) site.kubernetes.endpoint += ":6443";
  if (const std::string algorithm = text_in(cluster, {"encryptionAlgorithm"}); !algorithm.empty()) site.pki.algorithm = algorithm;
  if (const auto hours = hours_of(text_in(cluster, {"certificateValidityPeriod"}))) site.pki.validity = *hours;
  if (const auto hours = hours_of(text_in(cluster, {"caCertificateValidityPeriod"}))) site.pki.ca_validity = *hours;
  return {};
}

void read_kubeadm_keys(const KubeadmDocuments& documents, Adopted& adopted) {
  const DocNodePtr ours = rendered_document(adopted.site, "ClusterConfiguration");
  if (ours == nullptr) return;
  const auto version = parse_version(adopted.site.versions.kubernetes);
  const bool lists = version && version->minor >= kV1Beta4Minor;
  DocNodePtr cluster = without_zeros(without_keys(documents.cluster, {"apiVersion", "kind", "kubernetesVersion", "controlPlaneEndpoint"}));
  if (cluster != nullptr && lists) cluster = with_argument_lists(cluster, text_in(documents.cluster.get(), {"apiVersion"}));
  // kubeadm's own wait, which it wrote down until 1.30.
  if (cluster != nullptr && text_in(cluster.get(), {"apiServer", "timeoutForControlPlane"}) == "4m0s") {
    auto no_wait = std::move(MapBuilder().add("timeoutForControlPlane", std::make_shared<const DocNode>())).build();
    cluster = without_zeros(merge(cluster, std::move(MapBuilder().add("apiServer", std::move(no_wait))).build()));
  }
  if (cluster != nullptr) add_keys("ClusterConfiguration", ours, without_zeros(with_names_of(cluster, *ours)), adopted);
  if (documents.kubelet != nullptr) {
    auto base = merge(yaml_of(kKubeletDefaults), rendered_document(adopted.site, "KubeletConfiguration"));
    // The cluster's DNS is the tenth address of the services' network, by kubeadm's own rule.
    add_keys("KubeletConfiguration", base,
             without_zeros(without_keys(documents.kubelet, {"apiVersion", "kind", "clusterDNS", "containerRuntimeEndpoint"})), adopted);
  }
  if (documents.proxy != nullptr) {
    auto base = merge(yaml_of(kProxyDefaults), rendered_document(adopted.site, "KubeProxyConfiguration"));
    add_keys("KubeProxyConfiguration", base, without_zeros(without_keys(documents.proxy, {"apiVersion", "kind", "clusterCIDR"})), adopted);
  }
}

void tell_foreign_flags(const KubeadmDocuments& documents, const AdoptInput& input, Adopted& adopted) {
  std::map<std::string, std::string> found;  // "kube-apiserver --x" -> machines.
  for (const auto& [component, section] : kSections) {
    const std::set<std::string> configured = configured_flags(*documents.cluster, component, section);
    for (const auto& [machine, answer] : input.answers) {
      const std::string* manifest = answer.file(fmt::format("/etc/kubernetes/manifests/{}.yaml", component));
      const DocNodePtr pod = manifest == nullptr ? nullptr : yaml_of(*manifest);
      if (pod == nullptr) continue;
      for (const std::string& flag : flags_of(*pod)) {
        if (kubeadm_flags().at(component).contains(flag) || configured.contains(flag)) continue;
        std::string& machines = found[fmt::format("{} has --{}", component, flag)];
        machines += (machines.empty() ? "" : ", ") + machine;
      }
    }
  }
  for (const auto& [what, machines] : found) {
    adopted.left.push_back(
        fmt::format("{}: {} in its manifest, and kubeadm's configuration of the cluster does not say so: `kubeadm upgrade` "
                    "drops it. To keep it, put it into extraArgs of the ConfigMap kubeadm-config",
                    machines, what));
  }
}

}  // namespace fairlead::bootstrap
