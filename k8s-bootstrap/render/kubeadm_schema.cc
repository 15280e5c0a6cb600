// fairlead: pure
#include "k8s-bootstrap/render/kubeadm_schema.h"

#include <algorithm>
#include <limits>

#include "k8s-bootstrap/render/kubeadm_rules.h"

namespace fairlead::bootstrap::kube {
namespace {

enum class Api : std::uint8_t { kV1Beta3, kV1Beta4 };

/// Puts the fields of `more` behind those of `fields`.
std::vector<SchemaField> plus(std::vector<SchemaField> fields, const std::vector<SchemaField>& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

FieldType pull_policy() { return word({"Always", "IfNotPresent", "Never"}); }

const Shape& argument() {
  static const Shape shape{{{"name", text(), true}, {"value", text(), true}}, {}};
  return shape;
}
/// Flags of a component.
FieldType extra_arguments(Api api) { return api == Api::kV1Beta4 ? list(object(argument())) : map(text()); }

const Shape& environment_variable() {
  static const Shape config_map{{{"key", text(), true}, {"name", text()}, {"optional", flag()}}, {}};
  static const Shape field_ref{{{"apiVersion", text()}, {"fieldPath", text(), true}}, {}};
  static const Shape resource{{{"containerName", text()}, {"resource", text(), true}, {"divisor", quantity()}}, {}};
  static const Shape source{{{"configMapKeyRef", object(config_map)},
                             {"secretKeyRef", object(config_map)},
                             {"fieldRef", object(field_ref)},
                             {"resourceFieldRef", object(resource)}},
                            {}};
  static const Shape shape{{{"name", text(), true}, {"value", text()}, {"valueFrom", object(source)}}, {{"value", "valueFrom"}}};
  return shape;
}

const Shape& host_path_mount() {
  static const Shape shape{
      {{"name", text(), true},
       {"hostPath", text(absolute_path), true},
       {"mountPath", text(absolute_path), true},
       {"readOnly", flag()},
       {"pathType", word({"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"})}},
      {}};
  return shape;
}

std::vector<SchemaField> component_fields(Api api) {
  std::vector<SchemaField> fields{{"extraArgs", extra_arguments(api)}, {"extraVolumes", list(object(host_path_mount()))}};
  if (api == Api::kV1Beta4) fields.push_back({"extraEnvs", list(object(environment_variable()))});
  return fields;
}

template <Api kApi>
const Shape& control_plane_component() {
  static const Shape shape{component_fields(kApi), {}};
  return shape;
}

template <Api kApi>
const Shape& api_server() {
  static const Shape shape = [] {
    Shape out{plus(component_fields(kApi), {{"certSANs", list(text())}}), {}};
    if (kApi == Api::kV1Beta3) out.fields.push_back({"timeoutForControlPlane", duration()});
    return out;
  }();
  return shape;
}

std::vector<SchemaField> image_fields() { return {{"imageRepository", text()}, {"imageTag", text()}}; }

template <Api kApi>
const Shape& dns() {
  static const Shape shape{kApi == Api::kV1Beta4 ? plus(image_fields(), {{"disabled", flag()}}) : image_fields(), {}};
  return shape;
}

template <Api kApi>
const Shape& etcd() {
  static const Shape local = [] {
    Shape out{plus(image_fields(), {{"dataDir", text(absolute_path)},
                                    {"extraArgs", extra_arguments(kApi)},
                                    {"serverCertSANs", list(text())},
                                    {"peerCertSANs", list(text())}}),
              {}};
    if (kApi == Api::kV1Beta4) out.fields.push_back({"extraEnvs", list(object(environment_variable()))});
    return out;
  }();
  static const Shape external = [] {
    Shape out{{{"endpoints", list(text(url)), true},
               {"caFile", text(absolute_path), true},
               {"certFile", text(absolute_path), true},
               {"keyFile", text(absolute_path), true}},
              {}};
    if (kApi == Api::kV1Beta4) out.fields.push_back({"httpEndpoints", list(text(url))});
    return out;
  }();
  static const Shape shape{{{"local", object(local)}, {"external", object(external)}}, {{"local", "external"}}};
  return shape;
}

template <Api kApi>
const Shape& cluster_configuration() {
  static const Shape networking{{{"serviceSubnet", text(networks)}, {"podSubnet", text(networks)}, {"dnsDomain", text(dns_name)}}, {}};
  static const Shape proxy{{{"disabled", flag()}}, {}};
  static const Shape shape = [] {
    Shape out{{{"etcd", object(etcd<kApi>())},
               {"networking", object(networking)},
               {"kubernetesVersion", text(kubernetes_version)},
               {"controlPlaneEndpoint", text(host_with_port)},
               {"apiServer", object(api_server<kApi>())},
               {"controllerManager", object(control_plane_component<kApi>())},
               {"scheduler", object(control_plane_component<kApi>())},
               {"dns", object(dns<kApi>())},
               {"certificatesDir", text(absolute_path)},
               {"imageRepository", text()},
               {"featureGates", map(flag())},
               {"clusterName", text()}},
              {}};
    if (kApi == Api::kV1Beta4) {
      out.fields.push_back({"proxy", object(proxy)});
      out.fields.push_back({"encryptionAlgorithm", word({"RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384"})});
      out.fields.push_back({"certificateValidityPeriod", duration()});
      out.fields.push_back({"caCertificateValidityPeriod", duration()});
    }
    return out;
  }();
  return shape;
}

const Shape& bootstrap_token() {
  static const Shape shape{{{"token", text(token)},
                            {"description", text()},
                            {"ttl", duration()},
                            {"expires", text(timestamp)},
                            {"usages", list(word({"signing", "authentication"}))},
                            {"groups", list(text(bootstrap_group))}},
                           {{"ttl", "expires"}}};
  return shape;
}

const Shape& api_endpoint() {
  static const Shape shape{{{"advertiseAddress", text(ip_address)}, {"bindPort", integer(1, 65535)}}, {}};
  return shape;
}

template <Api kApi>
const Shape& node_registration() {
  static const Shape shape = [] {
    Shape out{{{"name", text(dns_name)},
               {"criSocket", text(unix_socket)},
               {"taints", list(object(taint()))},
               {"kubeletExtraArgs", extra_arguments(kApi)},
               {"ignorePreflightErrors", list(text())},
               {"imagePullPolicy", pull_policy()}},
              {}};
    if (kApi == Api::kV1Beta4) out.fields.push_back({"imagePullSerial", flag()});
    return out;
  }();
  return shape;
}

const Shape& patches() {
  static const Shape shape{{{"directory", text(absolute_path)}}, {}};
  return shape;
}

const Shape& timeouts() {
  static const Shape shape{{{"controlPlaneComponentHealthCheck", duration()},
                            {"kubeletHealthCheck", duration()},
                            {"kubernetesAPICall", duration()},
                            {"etcdAPICall", duration()},
                            {"tlsBootstrap", duration()},
                            {"discovery", duration()},
                            {"upgradeManifests", duration()}},
                           {}};
  return shape;
}

template <Api kApi>
const Shape& init_configuration() {
  static const Shape shape = [] {
    Shape out{{{"bootstrapTokens", list(object(bootstrap_token()))},
               {"nodeRegistration", object(node_registration<kApi>())},
               {"localAPIEndpoint", object(api_endpoint())},
               {"certificateKey", text(certificate_key)},
               {"skipPhases", list(text())},
               {"patches", object(patches())}},
              {}};
    if (kApi == Api::kV1Beta4) {
      out.fields.push_back({"dryRun", flag()});
      out.fields.push_back({"timeouts", object(timeouts())});
    }
    return out;
  }();
  return shape;
}

template <Api kApi>
const Shape& discovery() {
  static const Shape by_token{{{"token", text(token), true},
                               {"apiServerEndpoint", text(host_with_port), true},
                               {"caCertHashes", list(text(ca_hash))},
                               {"unsafeSkipCAVerification", flag()}},
                              {}};
  static const Shape by_file{{{"kubeConfigPath", text(), true}}, {}};
  static const Shape shape = [] {
    Shape out{{{"bootstrapToken", object(by_token)}, {"file", object(by_file)}, {"tlsBootstrapToken", text(token)}},
              {{"bootstrapToken", "file"}}};
    if (kApi == Api::kV1Beta3) out.fields.push_back({"timeout", duration()});
    return out;
  }();
  return shape;
}

template <Api kApi>
const Shape& join_configuration() {
  static const Shape plane{{{"localAPIEndpoint", object(api_endpoint())}, {"certificateKey", text(certificate_key)}}, {}};
  static const Shape shape = [] {
    Shape out{{{"nodeRegistration", object(node_registration<kApi>())},
               {"caCertPath", text(absolute_path)},
               {"discovery", object(discovery<kApi>()), true},
               {"controlPlane", object(plane)},
               {"skipPhases", list(text())},
               {"patches", object(patches())}},
              {}};
    if (kApi == Api::kV1Beta4) {
      out.fields.push_back({"dryRun", flag()});
      out.fields.push_back({"timeouts", object(timeouts())});
    }
    return out;
  }();
  return shape;
}

const Shape& reset_configuration() {
  static const Shape shape{{{"cleanupTmpDir", flag()},
                            {"certificatesDir", text(absolute_path)},
                            {"criSocket", text(unix_socket)},
                            {"dryRun", flag()},
                            {"force", flag()},
                            {"ignorePreflightErrors", list(text())},
                            {"skipPhases", list(text())},
                            {"unmountFlags", list(word({"MNT_FORCE", "MNT_DETACH", "MNT_EXPIRE", "UMOUNT_NOFOLLOW"}))},
                            {"timeouts", object(timeouts())}},
                           {}};
  return shape;
}

const Shape& upgrade_configuration() {
  static const std::vector<SchemaField> common{{"dryRun", flag()}, {"ignorePreflightErrors", list(text())}};
  static const std::vector<SchemaField> versions{{"kubernetesVersion", text(kubernetes_version)},
                                                 {"allowExperimentalUpgrades", flag()},
                                                 {"allowRCUpgrades", flag()},
                                                 {"printConfig", flag()}};
  static const std::vector<SchemaField> work{{"certificateRenewal", flag()},     {"etcdUpgrade", flag()},
                                             {"patches", object(patches())},     {"skipPhases", list(text())},
                                             {"imagePullPolicy", pull_policy()}, {"imagePullSerial", flag()}};
  static const Shape apply{plus(plus(plus(common, versions), work), {{"forceUpgrade", flag()}}), {}};
  static const Shape node{plus(common, work), {}};
  static const Shape plan{plus(plus(common, versions), {{"etcdUpgrade", flag()}}), {}};
  static const Shape diff{
      {{"kubernetesVersion", text(kubernetes_version)}, {"contextLines", integer(0, std::numeric_limits<std::int32_t>::max())}}, {}};
  static const Shape shape{
      {{"apply", object(apply)}, {"diff", object(diff)}, {"node", object(node)}, {"plan", object(plan)}, {"timeouts", object(timeouts())}},
      {}};
  return shape;
}

FieldType of(FieldType::Form form) {
  FieldType type;
  type.form = form;
  return type;
}

}  // namespace

const SchemaField* Shape::find(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const SchemaField& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

FieldType text(Rule rule) {
  FieldType type = of(FieldType::Form::kText);
  type.rule = rule;
  return type;
}
FieldType word(std::vector<std::string_view> words) {
  FieldType type = of(FieldType::Form::kText);
  type.words = std::move(words);
  return type;
}
FieldType flag() { return of(FieldType::Form::kFlag); }
FieldType integer(std::int64_t min, std::int64_t max) {
  FieldType type = of(FieldType::Form::kInteger);
  type.min = min;
  type.max = max;
  return type;
}
FieldType int32() { return integer(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()); }
FieldType int64() { return integer(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()); }
FieldType number() { return of(FieldType::Form::kNumber); }
FieldType duration() { return of(FieldType::Form::kDuration); }
FieldType quantity() { return of(FieldType::Form::kQuantity); }
FieldType any() { return of(FieldType::Form::kAny); }
FieldType list(FieldType element) {
  FieldType type = of(FieldType::Form::kList);
  type.element = std::make_shared<const FieldType>(std::move(element));
  return type;
}
FieldType map(FieldType element) {
  FieldType type = of(FieldType::Form::kMap);
  type.element = std::make_shared<const FieldType>(std::move(element));
  return type;
}
FieldType object(const Shape& shape) {
  FieldType type = of(FieldType::Form::kObject);
  type.shape = &shape;
  return type;
}

const Shape& taint() {
  static const Shape shape{{{"key", text(), true},
                            {"value", text()},
                            {"effect", word({"NoSchedule", "PreferNoSchedule", "NoExecute"}), true},
                            {"timeAdded", text(timestamp)}},
                           {}};
  return shape;
}

const std::vector<DocumentType>& document_types() {
  static constexpr std::string_view kV3 = "kubeadm.k8s.io/v1beta3";
  static constexpr std::string_view kV4 = "kubeadm.k8s.io/v1beta4";
  static const std::vector<DocumentType> types{{kV4, "InitConfiguration", &init_configuration<Api::kV1Beta4>()},
                                               {kV4, "ClusterConfiguration", &cluster_configuration<Api::kV1Beta4>()},
                                               {kV4, "JoinConfiguration", &join_configuration<Api::kV1Beta4>()},
                                               {kV4, "ResetConfiguration", &reset_configuration()},
                                               {kV4, "UpgradeConfiguration", &upgrade_configuration()},
                                               {kV3, "InitConfiguration", &init_configuration<Api::kV1Beta3>()},
                                               {kV3, "ClusterConfiguration", &cluster_configuration<Api::kV1Beta3>()},
                                               {kV3, "JoinConfiguration", &join_configuration<Api::kV1Beta3>()},
                                               {"kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", &kubelet_configuration()},
                                               {"kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", &kube_proxy_configuration()}};
  return types;
}

}  // namespace fairlead::bootstrap::kube
