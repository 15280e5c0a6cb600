#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "k8s-bootstrap/render/kubeadm_rules.h"
#include "k8s-bootstrap/render/kubeadm_schema.h"
#include "k8s-bootstrap/render/render.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

using config::DocNode;
using config::DocNodePtr;
using kube::FieldType;

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}
std::string problems_of(const std::string& text) { return joined(check_kubeadm_config(text)); }

std::string cluster(const std::string& keys) { return "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" + keys; }
std::string init(const std::string& keys) { return "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n" + keys; }
std::string join(const std::string& keys) { return "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n" + keys; }

struct Case {
  std::string text;
  std::string said;
};

TEST(KubeadmCheck, SaysWhatKubeadmWouldSay) {
  const std::string key(64, 'a');
  const std::vector<Case> cases{
      {cluster("networking:\n  podSubnt: 10.244.0.0/16\n"),
       "ClusterConfiguration, line 4: unknown field \"networking.podSubnt\" (did you mean \"podSubnet\"?)"},
      {cluster("apiServer:\n  extraArgs:\n  - nam: v\n    value: \"4\"\n"), "unknown field \"apiServer.extraArgs[0].nam\""},
      {cluster("apiServer:\n  extraArgs:\n  - value: \"4\"\n"), "field \"apiServer.extraArgs[0].name\" is missing"},
      {cluster("apiServer:\n  extraArgs: {v: \"4\"}\n"), "field \"apiServer.extraArgs\" must be a list, not a map"},
      {cluster("apiServer:\n  extraArgs: [{name: v, value: 4}]\n"),
       "field \"apiServer.extraArgs[0].value\" must be a text (in quotes), not the number 4"},
      {cluster("clusterName: on\n"), "must be a text (in quotes), not the truth value on"},
      {cluster("networking: {podSubnet: 10.244.0.0}\n"), "field \"networking.podSubnet\": '10.244.0.0' is not a network"},
      {cluster("networking: {podSubnet: \"10.244.0.0/16,10.245.0.0/16\"}\n"), "is not a network"},
      {cluster("kubernetesVersion: 1.36\n"), "must be a text (in quotes), not the number 1.36"},
      {cluster("kubernetesVersion: v1.36\n"), "is not a version such as v1.36.4"},
      {cluster("controlPlaneEndpoint: \"192.168.4.20:64433333\"\n"), "is not HOST or HOST:PORT"},
      {cluster("encryptionAlgorithm: ECDSA\n"), "must be one of RSA-2048, RSA-3072, RSA-4096, ECDSA-P256, ECDSA-P384, not 'ECDSA'"},
      {cluster("certificateValidityPeriod: 365d\n"), "must be a duration such as \"15m0s\", not '365d'"},
      {cluster("certificateValidityPeriod: 8760\n"), "must be a duration"},
      {cluster(
           "etcd:\n  local: {dataDir: /a}\n  external: {endpoints: [\"https://1.2.3.4:2379\"], caFile: /a, certFile: /b, keyFile: /c}\n"),
       "fields \"local\" and \"external\" of \"etcd\" exclude each other"},
      {cluster("etcd: {external: {endpoints: [\"1.2.3.4:2379\"], caFile: /a, certFile: /b, keyFile: /c}}\n"), "is not a URL"},
      {cluster("etcd: {external: {endpoints: [\"https://1.2.3.4:2379\"], certFile: /b, keyFile: /c}}\n"),
       "field \"etcd.external.caFile\" is missing"},
      {cluster("featureGates: {ControlPlaneKubeletLocalMode: maybe}\n"),
       "field \"featureGates.ControlPlaneKubeletLocalMode\" must be true or false"},
      {init("localAPIEndpoint: {bindPort: 65536}\n"), "field \"localAPIEndpoint.bindPort\" must be from 1 to 65535, not the number 65536"},
      {init("localAPIEndpoint: {bindPort: \"6443\"}\n"), "must be a whole number, not '6443'"},
      {init("localAPIEndpoint: {advertiseAddress: mast-1}\n"), "is not an IP address"},
      {init("nodeRegistration: {taints: [{key: a, effect: NoScheduling}]}\n"), "must be one of NoSchedule, PreferNoSchedule, NoExecute"},
      {init("nodeRegistration: {criSocket: containerd.sock}\n"), "is not a socket"},
      {init("nodeRegistration: {imagePullPolicy: Sometimes}\n"), "must be one of Always, IfNotPresent, Never"},
      {init("bootstrapTokens: [{token: abcdef.0123456789ABCDEF}]\n"), "not a token"},
      {init("bootstrapTokens: [{token: \"${join-token}\", ttl: 15m, expires: \"2027-01-31T12:00:00Z\"}]\n"), "exclude each other"},
      {init("bootstrapTokens: [{token: \"${join-token}\", usages: [singing]}]\n"), "must be one of signing, authentication"},
      {init("bootstrapTokens: [{token: \"${join-token}\", groups: [\"system:masters\"]}]\n"), "is not a group"},
      {init("certificateKey: " + key.substr(1) + "\n"), "not a certificate key: 64 hexadecimal digits"},
      {init("localAPIEndpoint: [1]\n"), "field \"localAPIEndpoint\" must be a map, not a list"},
      {join("controlPlane: {}\n"), "field \"discovery\" is missing"},
      {join("discovery: {}\n"), "\"discovery\" has neither bootstrapToken nor file"},
      {join("discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: \"1.2.3.4:6443\"}}\n"), "needs caCertHashes"},
      {join("discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: \"1.2.3.4:6443\", caCertHashes: "
            "[\"md5:00\"]}}\n"),
       "is not sha256: and 64 hexadecimal digits"},
      {join("discovery: {file: {kubeConfigPath: /a}, timeout: 5m0s}\n"), "unknown field \"discovery.timeout\""},
      {"apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nencryptionAlgorithm: RSA-2048\n",
       "unknown field \"encryptionAlgorithm\""},
      {"apiVersion: kubeadm.k8s.io/v1beta3\nkind: ResetConfiguration\n",
       "no document of kubeadm has apiVersion 'kubeadm.k8s.io/v1beta3' and kind 'ResetConfiguration'"},
      {"kind: ClusterConfiguration\n", "no document of kubeadm has apiVersion ''"},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: cgroupsfs\n",
       "must be one of systemd, cgroupfs"},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPod: 3\n",
       "unknown field \"maxPod\" (did you mean \"maxPods\"?)"},
      {"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nft\n",
       "must be one of iptables, ipvs, nftables"},
      {"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nipvs: {strictArp: true}\n",
       "unknown field \"ipvs.strictArp\""},
      {cluster("") + "---\n" + cluster("clusterName: b\n"), "line 4: a second ClusterConfiguration"},
      {cluster("") + "---\n" + init("dryRunn: true\n"), "InitConfiguration, line 6: unknown field \"dryRunn\""},
      {cluster("clusterName: a\nclusterName: b\n"), "the key 'clusterName' stands here twice"},
      {"[1, 2]\n", "no document of kubeadm"},
      {"", "there is no document"},
      {"---\n# nothing\n---\n", "there is no document"},
  };
  for (const Case& c : cases) {
    const std::string said = problems_of(c.text);
    EXPECT_NE(said.find(c.said), std::string::npos) << "of:\n" << c.text << "said:\n" << said << "not:\n" << c.said;
  }
}

TEST(KubeadmCheck, AcceptsWhatKubeadmAccepts) {
  for (const std::string& text : {
           cluster("etcd: {external: {endpoints: [\"https://1.2.3.4:2379\"], httpEndpoints: [\"https://1.2.3.4:2378\"], caFile: /a, "
                   "certFile: /b, keyFile: /c}}\n"),
           cluster("networking: {podSubnet: \"10.244.0.0/16,fd00::/56\", dnsDomain: cluster.local}\nproxy: {disabled: true}\n"),
           cluster("apiServer: {extraEnvs: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}], extraVolumes: [{name: a, "
                   "hostPath: /a, "
                   "mountPath: /b, pathType: DirectoryOrCreate}]}\n"),
           cluster("controlPlaneEndpoint: \"[fd00::20]:6443\"\ndns: {}\nscheduler: null\n"),
           init("certificateKey: " + std::string(64, '0') + "\n").replace(init("").size() + 16, 1, "a"),
           init("bootstrapTokens: [{token: abcdef.0123456789abcdef, ttl: \"0\"}]\ntimeouts: {etcdAPICall: 1.5h}\ndryRun: yes\n"),
           join("discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: api.kube.demo, unsafeSkipCAVerification: "
                "true}}\n"),
           std::string("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nreservedMemory: [{numaNode: 0, limits: "
                       "{memory: 1Gi}}]\n"
                       "logging: {flushFrequency: 5s, options: {json: {infoBufferSize: \"0\"}}}\nmemoryThrottlingFactor: 0.9\n"),
           std::string("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: \"\"\nmetricsBindAddress: "
                       "\"[::]:10249\"\n"),
       })
    EXPECT_EQ(problems_of(text), "") << text;
}

// ---- a case for every field ----

/// A value that is none of the type's, and its words in a message.
std::string bad_value(const FieldType& type) {
  switch (type.form) {
    case FieldType::Form::kText:
    case FieldType::Form::kQuantity:
    case FieldType::Form::kDuration: return "[1]";
    case FieldType::Form::kFlag: return "\"true\"";
    case FieldType::Form::kInteger:
    case FieldType::Form::kNumber: return "many";
    case FieldType::Form::kList: return "7";
    case FieldType::Form::kMap:
    case FieldType::Form::kObject: return "[7]";
    case FieldType::Form::kAny: return "";
  }
  return "";
}

/// "{a: {b: [{c: VALUE}]}}" of the path a.b[].c: the shortest document that has the value there.
struct Place {
  std::string before;
  std::string after;
  std::string path;
};

Place below(const Place& place, const std::string& key) {
  return {place.before + "{" + key + ": ", "}" + place.after, place.path + (place.path.empty() ? "" : ".") + key};
}

/// Calls `visit` for every field of the shape, whatever its depth.
template <class Visit>
void each_field(const kube::Shape& shape, const Place& place, int depth, const Visit& visit) {
  if (depth > 8) return;
  for (const kube::SchemaField& field : shape.fields) {
    Place here = below(place, std::string(field.name));
    visit(here, field.type);
    const FieldType* type = &field.type;
    while (type->element != nullptr) {
      here = type->form == FieldType::Form::kList ? Place{here.before + "[", "]" + here.after, here.path + "[0]"} : below(here, "key");
      type = type->element.get();
      visit(here, *type);
    }
    if (type->shape != nullptr) each_field(*type->shape, here, depth + 1, visit);
  }
}

std::string head(const kube::DocumentType& type) { return fmt::format("apiVersion: {}\nkind: {}\n", type.api_version, type.kind); }

/// The document with a flow map merged into its root: "{a: 1}" as lines of the root.
std::string document(const kube::DocumentType& type, const std::string& flow) {
  return head(type) + flow.substr(1, flow.size() - 2) + "\n";
}

TEST(KubeadmSchema, EveryFieldRefusesAValueOfAnotherTypeAndANameWithASlip) {
  int fields = 0;
  for (const kube::DocumentType& type : kube::document_types()) {
    each_field(*type.shape, {}, 0, [&](const Place& place, const FieldType& field) {
      ++fields;
      if (const std::string bad = bad_value(field); !bad.empty()) {
        const std::string text = document(type, place.before + bad + place.after);
        EXPECT_NE(problems_of(text).find(fmt::format("field \"{}\" must be", place.path)), std::string::npos) << text << problems_of(text);
      }
      if (field.shape != nullptr) {
        const std::string text = document(type, place.before + "{nonesuch: 1}" + place.after);
        EXPECT_NE(problems_of(text).find(fmt::format("unknown field \"{}.nonesuch\"", place.path)), std::string::npos)
            << text << problems_of(text);
      }
    });
    EXPECT_NE(problems_of(head(type) + "nonesuch: 1\n").find("unknown field \"nonesuch\""), std::string::npos);
  }
  EXPECT_GT(fields, 500);
}

/// Every place of a document of ours.
void each_place(const DocNode& node, const std::string& path, const std::function<void(const std::string&, const DocNode&)>& visit) {
  for (const config::DocEntry& entry : node.entries) {
    const std::string here = path.empty() ? entry.key : path + "." + entry.key;
    visit(here, *entry.value);
    each_place(*entry.value, here, visit);
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) each_place(*node.items[i], fmt::format("{}[{}]", path, i), visit);
}

/// A copy of the tree with `change` applied to the key at `path`.
DocNodePtr changed(const DocNode& node, const std::string& path, const std::string& wanted,
                   const std::function<void(config::DocEntry&)>& change) {
  DocNode out = node;
  for (config::DocEntry& entry : out.entries) {
    const std::string here = path.empty() ? entry.key : path + "." + entry.key;
    entry.value = changed(*entry.value, here, wanted, change);
    if (here == wanted) change(entry);
  }
  for (std::size_t i = 0; i < out.items.size(); ++i) out.items[i] = changed(*out.items[i], fmt::format("{}[{}]", path, i), wanted, change);
  return std::make_shared<const DocNode>(std::move(out));
}

std::vector<std::string> our_documents() {
  std::vector<std::string> out;
  for (const std::string version : {"1.36.4", "1.30.14"}) {
    for (Site site : {render_test::classic_site(), render_test::external_etcd_site()}) {
      site.versions.kubernetes = version;
      site.ignored_checks = {"NumCPU"};
      for (const std::string name : {"mast-2", "node-1"}) {
        Machine& machine = render_test::of(site, name);
        machine.labels = {{"zone", "a"}};
        machine.taints = std::vector<Taint>{{"dedicated", "batch", "NoSchedule"}};
        machine.kubelet = render_test::yaml("{maxPods: 200}");
        out.push_back(init_config(site, machine));
        out.push_back(join_config(site, machine));
        out.push_back(reset_config(site, machine));
        out.push_back(upgrade_config(site, machine));
      }
    }
  }
  std::erase(out, "");
  return out;
}

TEST(KubeadmSchema, EveryFieldOfOursIsAcceptedAndASlipInItsNameIsNot) {
  int slips = 0;
  for (const std::string& text : our_documents()) {
    ASSERT_EQ(problems_of(text), "") << text;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find("---\n", begin), text.size());
      const DocNodePtr root = render_test::yaml(text.substr(begin, end - begin));
      begin = end + 4;
      each_place(*root, "", [&](const std::string& path, const DocNode&) {
        if (path == "apiVersion" || path == "kind" || path.starts_with("nodeRegistration.kubeletExtraArgs.") ||
            path.starts_with("featureGates."))
          return;
        ++slips;
        const std::string slip = config::render_yaml(*changed(*root, "", path, [](config::DocEntry& entry) { entry.key += "Slip"; }));
        EXPECT_NE(problems_of(slip).find(fmt::format("unknown field \"{}Slip\"", path)), std::string::npos) << slip << problems_of(slip);
        const std::string other = config::render_yaml(*changed(*root, "", path, [](config::DocEntry& entry) {
          entry.value =
              entry.value->kind == DocNode::Kind::kScalar ? render_test::yaml("[[1]]") : render_test::yaml("{x: 3}")->entries.front().value;
        }));
        EXPECT_NE(problems_of(other).find(fmt::format("field \"{}\" must be", path)), std::string::npos) << other << problems_of(other);
      });
    }
  }
  EXPECT_GT(slips, 200);
}

// ---- single texts ----

TEST(KubeadmRules, DurationsAreThoseOfGo) {
  using namespace std::chrono_literals;
  EXPECT_EQ(kube::parse_go_duration("15m0s"), 15min);
  EXPECT_EQ(kube::parse_go_duration("1h30m"), 90min);
  EXPECT_EQ(kube::parse_go_duration("1.5s"), 1500ms);
  EXPECT_EQ(kube::parse_go_duration("-.5h"), -30min);
  EXPECT_EQ(kube::parse_go_duration("0"), 0s);
  for (const char* text : {"", "15", "15 m", "m", "1d", "1h30", "1..5s", "9999999999h", "-"})
    EXPECT_FALSE(kube::parse_go_duration(text)) << text;
}

TEST(KubeadmRules, QuantitiesAreThoseOfKubernetes) {
  for (const char* text : {"100Mi", "1", "1.5", "250m", "1e3", "1E3", "-1", ".5Gi", "5k", "3E"})
    EXPECT_TRUE(kube::is_quantity(text)) << text;
  for (const char* text : {"", "Mi", "1 Gi", "10%", "1KiB", "1e", "1.2.3", "k"}) EXPECT_FALSE(kube::is_quantity(text)) << text;
}

TEST(KubeadmRules, TokensAreNeverRepeatedInAMessage) {
  EXPECT_EQ(kube::token("abcdef.SECRET").find("SECRET"), std::string::npos);
  EXPECT_EQ(kube::certificate_key("SECRET").find("SECRET"), std::string::npos);
}

/// Any bytes: problems, never an end of the program.
TEST(KubeadmCheck, TakesAnyText) {
  const std::vector<std::string> parts{cluster(""), init(""),
                                       "---\n",     "networking: {podSubnet: \"",
                                       "\"}\n",     "discovery: {bootstrapToken: [",
                                       "]}\n",      "taints: [{key: ",
                                       "\xff",      std::string(1, '\0'),
                                       "${",        ": ",
                                       "\n",        "  - ",
                                       "1e999",     "token: "};
  std::mt19937 random(99);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (unsigned n = random() % 12; n > 0; --n) text += parts[random() % parts.size()];
    (void)check_kubeadm_config(text);
    (void)kube::parse_go_duration(text);
    (void)kube::is_quantity(text);
    (void)kube::timestamp(text);
    (void)kube::host_with_port(text);
    (void)kube::networks(text);
  }
}

}  // namespace
}  // namespace fairlead::bootstrap
