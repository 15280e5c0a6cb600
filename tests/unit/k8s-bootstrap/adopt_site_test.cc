// A site that was applied, and then lost, comes back from what its machines say: everything that Fairlead writes is the same again. And a
// cluster that hands made becomes a site that says what kubeadm was told.
#include <boost/json.hpp>
#include <gmock/gmock.h>

#include "k8s-bootstrap/adopt/adopt_input.h"
#include "k8s-bootstrap/adopt/adopt_parts.h"
#include "k8s-bootstrap/adopt/adopt_probe.h"
#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/site/site_load.h"
#include "render_site.h"

namespace fairlead::bootstrap {
namespace {

using namespace render_test;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string config_map(const std::string& key, const std::string& text) {
  return boost::json::serialize(boost::json::object{{"data", {{key, text}}}});
}

std::string document(const std::string& all, const std::string& kind) {
  for (const std::string& text : documents_of(all)) {
    if (text.find("kind: " + kind + "\n") != std::string::npos) return text;
  }
  ADD_FAILURE() << "no " << kind;
  return {};
}

NodeFact node_fact(const Site& site, const Machine& machine) {
  NodeFact out;
  out.name = machine.name;
  out.ready = true;
  out.kubelet_version = site.versions.kubernetes;
  out.labels = machine.labels;
  out.labels["kubernetes.io/hostname"] = machine.name;
  out.labels["kubernetes.io/os"] = "linux";
  if (machine.has(Role::kControlPlane)) out.labels["node-role.kubernetes.io/control-plane"] = "";
  if (machine.has(Role::kControlPlane) && !machine.has(Role::kWorker)) out.taints = {"node-role.kubernetes.io/control-plane:NoSchedule"};
  for (const Taint& taint : machine.taints.value_or(std::vector<Taint>{}))
    out.taints.push_back(taint.key + "=" + taint.value + ":" + taint.effect);
  out.taints.emplace_back("node.kubernetes.io/unschedulable:NoSchedule");
  out.address = machine.address().to_string();
  out.runtime = "containerd://" + site.versions.containerd->version;
  return out;
}

/// What the machines of a site say once it was applied.
AdoptInput answers_of(const Site& site) {
  AdoptInput out;
  out.ssh = site.ssh;
  out.state_dir = site.state_dir;
  ClusterFacts cluster;
  cluster.kubernetes_version = site.versions.kubernetes;
  for (const Machine& machine : site.machines) {
    out.targets.push_back({machine.name, machine.address(), false});
    MachineFacts& facts = out.facts.machines[machine.name];
    std::size_t number = 0;
    for (const auto& [network, address] : machine.addresses) {
      const auto device = machine.interfaces.find(network);
      const std::string length = "/" + std::to_string(site.network(network)->cidr.length);
      NetworkCard card{
          device == machine.interfaces.end() ? "eth" + std::to_string(number++) : device->second, "", {address.to_string() + length}};
      if (machine.has(Role::kGateway)) {  // A VIP may stand before the machine's own address.
        for (const SiteVip& vip : site.gateways->vips) {
          if (vip.network == network) card.addresses.insert(card.addresses.begin(), vip.address.to_string() + length);
        }
      }
      facts.cards.push_back(card);
    }
    facts.cards.push_back({"cni0", "", {"10.244.1.1/24"}});
    facts.cards.push_back({"flannel.1", "", {"10.244.1.0/32"}});
    facts.packages["containerd.io"] = site.versions.containerd->version + "-1~debian.12~bookworm";
    AdoptAnswer& answer = out.answers[machine.name];
    answer.fqdn = site.fqdn(machine);
    answer.files.emplace_back("/etc/hosts", "127.0.0.1 localhost\n" + hosts_block(site, machine));
    if (machine.has(Role::kGateway)) answer.files.emplace_back(std::string(kGatewayFile), gateway_yaml(site));
    if (machine.has(Role::kBastion)) answer.files.emplace_back("/var/lib/fairlead/bootstrap/kubeconfig", "");
    for (const RenderedFile& file : machine_files(site, machine)) answer.files.emplace_back(file.path, file.text);
    if (!machine.has(Role::kControlPlane) && !machine.has(Role::kWorker)) continue;
    cluster.nodes.push_back(node_fact(site, machine));
    if (!machine.has(Role::kControlPlane)) continue;
    if (cluster.from.empty()) cluster.from = machine.name;
    const std::string all = init_config(site, machine);
    answer.asked = {
        {"kubeadm-config", config_map("ClusterConfiguration", document(all, "ClusterConfiguration"))},
        {"kubelet-config", config_map("kubelet", document(all, "KubeletConfiguration") + "syncFrequency: 0s\nclusterDNS: [10.96.0.10]\n")},
        {"kube-proxy",
         config_map("config.conf", document(all, "KubeProxyConfiguration") + "bindAddress: 0.0.0.0\nclusterCIDR: 10.244.0.0/16\n")}};
  }
  out.facts.cluster = cluster;
  return out;
}

std::map<std::string, std::string> everything(const Site& site, const Facts& facts) {
  const Rendered rendered = render_site(site, facts);
  std::map<std::string, std::string> out{{"fairlead.yaml", rendered.gateway_yaml}};
  for (const auto& [name, texts] : rendered.machines) {
    for (const RenderedFile& file : texts.files) out[name + ":" + file.path] = file.text;
    out[name + ":join"] = texts.join;
    out[name + ":init"] = texts.init;
  }
  return out;
}

void expect_comes_back(const Site& site) {
  const AdoptInput input = answers_of(site);
  const auto adopted = adopt_site(input);
  ASSERT_TRUE(adopted) << adopted.error().message();
  const SiteLoad loaded = load_site(site_text(adopted->site, adopted->remarks), "site.yaml", {});
  for (const auto& problem : loaded.problems) {
    EXPECT_NE(problem.severity, config::Severity::kError) << config::format(problem) << "\n" << site_text(adopted->site);
  }
  ASSERT_TRUE(loaded.site);
  const auto before = everything(site, input.facts);
  const auto after = everything(*loaded.site, input.facts);
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [name, text] : before) {
    const auto found = after.find(name);
    if (found == after.end() || found->second != text) {
      EXPECT_EQ(found == after.end() ? "nothing" : found->second, text) << name << " of\n" << site_text(adopted->site);
      return;  // One is enough to see what is wrong.
    }
  }
}

Site without_storage(Site site) {
  std::erase_if(site.machines, [](const Machine& machine) { return machine.has(Role::kStorage); });
  std::erase_if(site.gateways->router->forward.front().to, [](const std::string& network) { return network == "storage"; });
  site.gateways->router->sync = false;
  site.versions.containerd = Containerd{"2.3.5", RuntimeSource::kDockerRepository, ""};
  return site;
}

TEST(AdoptSite, TheClassicSiteComesBack) { expect_comes_back(without_storage(classic_site())); }

TEST(AdoptSite, LabelsTaintsKubeletsKeysAndOverridesComeBack) {
  Site site = without_storage(classic_site());
  of(site, "node-1").labels = {{"zone", "a"}, {"example.org/disk", "fast"}};
  of(site, "node-2").taints = std::vector<Taint>{{"dedicated", "db", "NoSchedule"}};
  of(site, "node-3").kubelet = yaml("maxPods: 200");
  of(site, "mast-3").roles.push_back(Role::kWorker);
  site.gateways->override_keys = yaml("log: {level: debug}\npools: [{name: web-80, balance: source_hash}]");
  site.kubernetes.kubeadm["KubeProxyConfiguration"] = yaml("mode: nftables");
  site.kubernetes.kubeadm["KubeletConfiguration"] = yaml("maxPods: 150");
  site.kubernetes.kubeadm["ClusterConfiguration"] = yaml("apiServer: {extraArgs: [{name: audit-log-maxage, value: \"7\"}]}");
  site.gateways->vips[1].to_role = Role::kWorker;
  expect_comes_back(site);
}

TEST(AdoptSite, TwoGatewaysWithAWitnessAndNoRouterComeBack) {
  Site site = without_storage(classic_site());
  site.gateways->router.reset();
  site.gateways->ntp_upstream.clear();
  site.gateways->dns_records.push_back({"printer", ip("192.168.1.77")});
  expect_comes_back(site);
}

TEST(AdoptSite, IPv6ComesBack) {
  Site site = ipv6_site();
  site.versions.containerd = Containerd{"2.3.5", RuntimeSource::kDockerRepository, ""};
  expect_comes_back(site);
}

Site one_by_hand() {
  Site site = without_storage(classic_site());
  std::erase_if(site.machines, [](const Machine& m) { return !m.has(Role::kControlPlane) && !m.has(Role::kWorker); });
  site.gateways.reset();
  for (const char* name : {"mast-2", "mast-3"}) remove(site, name);
  site.kubernetes.endpoint.clear();
  return site;
}

TEST(AdoptSite, OneControlPlaneWithoutGatewaysComesBack) { expect_comes_back(one_by_hand()); }

/// What kubeadm was told by hand, in the format of an older one, as it stands in the cluster.
constexpr const char* kByHand = R"(apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
clusterName: kubernetes
kubernetesVersion: v1.36.4
controlPlaneEndpoint: lb.example.org:6443
networking: {podSubnet: 10.250.0.0/16, serviceSubnet: 10.96.0.0/12, dnsDomain: cluster.local}
apiServer:
  timeoutForControlPlane: 4m0s
  certSANs: [lb.example.org, 203.0.113.9]
  extraArgs: {audit-log-maxage: "7"}
certificatesDir: /etc/kubernetes/pki
controllerManager: {}
dns: {}
etcd: {local: {dataDir: /srv/etcd}}
imageRepository: registry.k8s.io
scheduler: {}
)";

AdoptInput by_hand() {
  AdoptInput input = answers_of(one_by_hand());
  for (auto& [name, answer] : input.answers) {
    answer.files.clear();
    answer.fqdn = name;
    if (answer.asked.empty()) continue;
    answer.asked["kubeadm-config"] = config_map("ClusterConfiguration", kByHand);
    answer.ca_algorithm = "RSA-2048";
    answer.files.emplace_back(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "spec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --secure-port=6443\n"
        "    - --audit-log-maxage=7\n    - --oidc-issuer-url=https://id.example.org\n");
  }
  return input;
}

TEST(AdoptSite, AClusterMadeByHandIsASiteThatSaysWhatKubeadmWasTold) {
  const auto adopted = adopt_site(by_hand());
  ASSERT_TRUE(adopted) << adopted.error().message();
  const std::string text = site_text(adopted->site, adopted->remarks);
  std::string left;
  for (const std::string& line : adopted->left) left += line + "\n";
  expect_golden("adopted-by-hand.txt", text + "---\n" + left);
  const SiteLoad loaded = load_site(text, "site.yaml", {});
  ASSERT_TRUE(loaded.site) << text;
  EXPECT_EQ(loaded.site->kubernetes.endpoint, "lb.example.org:6443");
  EXPECT_EQ(loaded.site->pki.algorithm, "RSA-2048");
  EXPECT_THAT(left, HasSubstr("kube-apiserver has --oidc-issuer-url"));
  EXPECT_THAT(left, Not(HasSubstr("audit-log-maxage")));
}

TEST(AdoptSite, MachinesThatWouldBePreparedAreLeftAsTheyAre) {
  auto adopted = adopt_site(by_hand());
  ASSERT_TRUE(adopted);
  Plan plan;
  Step step;
  step.id = "node-1/files";
  step.phase = Phase::kPrepare;
  step.machine = "node-1";
  step.title = "writes 4 files";
  plan.steps.push_back(step);
  EXPECT_EQ(keep_as_prepared(*adopted, plan), 1U);
  EXPECT_FALSE(adopted->site.find("node-1")->prepare);
  EXPECT_TRUE(adopted->site.find("node-2")->prepare);
  EXPECT_THAT(site_text(adopted->site, adopted->remarks), HasSubstr("prepare: false}    # without prepare: false apply writes 4 files\n"));
}

TEST(AdoptSite, RefusesWhatItCouldNotDescribe) {
  const auto refusal = [](AdoptInput input) {
    const auto adopted = adopt_site(input);
    return adopted ? std::string("adopted") : adopted.error().message();
  };
  AdoptInput nobody = by_hand();
  nobody.facts.cluster.reset();
  EXPECT_THAT(refusal(nobody), HasSubstr("no control plane of a cluster answers"));
  AdoptInput foreign = by_hand();
  foreign.answers["mast-1"].asked.clear();
  EXPECT_THAT(refusal(foreign), HasSubstr("kubeadm did not make this cluster"));
  AdoptInput crio = by_hand();
  crio.facts.cluster->nodes.back().runtime = "cri-o://1.36.0";
  EXPECT_THAT(refusal(crio), HasSubstr("runs CRI-O"));
  AdoptInput external = by_hand();
  external.answers["mast-1"].asked["kubeadm-config"] =
      config_map("ClusterConfiguration", "kind: ClusterConfiguration\netcd: {external: {endpoints: [\"https://192.168.1.21:2379\"]}}\n");
  EXPECT_THAT(refusal(external), HasSubstr("its etcd is external"));
  AdoptInput renamed = by_hand();
  renamed.targets.push_back({"master", ip("192.168.1.11"), true});
  EXPECT_THAT(refusal(renamed), HasSubstr("say --machine mast-1=192.168.1.11"));
  AdoptInput stranger = by_hand();
  stranger.targets.push_back({"printer", ip("192.168.1.77"), true});
  EXPECT_THAT(refusal(stranger), HasSubstr("printer: nothing of a cluster is on it"));
}

TEST(AdoptSite, AMachineThatDoesNotAnswerIsInItAsTheApiKnowsIt) {
  AdoptInput input = by_hand();
  input.facts.machines.erase("node-2");
  input.answers.erase("node-2");
  input.facts.unread["node-2"] = "node-2 (192.168.2.12): no route to it";
  const auto adopted = adopt_site(input);
  ASSERT_TRUE(adopted) << adopted.error().message();
  ASSERT_NE(adopted->site.find("node-2"), nullptr);
  EXPECT_EQ(adopted->site.find("node-2")->address(), ip("192.168.2.12"));
  EXPECT_THAT(adopted->left, Contains(HasSubstr("node-2: what is on it is not known")));
}

TEST(AdoptSite, MoreMachinesAreFoundWhereTheyAreToldOf) {
  AdoptInput input = answers_of(without_storage(classic_site()));
  const auto all = input.targets;
  std::erase_if(input.targets, [](const AdoptTarget& t) { return t.name != "mast-1" && t.name != "gate-1"; });
  std::vector<std::string> names;
  for (const AdoptTarget& target : more_targets(input)) names.push_back(target.name);
  EXPECT_THAT(names, ElementsAre("mast-2", "mast-3", "node-1", "node-2", "node-3", "gate-2", "bastion"));
  input.targets = all;
  EXPECT_TRUE(more_targets(input).empty());
}

TEST(AdoptProbe, AnswersAreReadAsTheyCameOrNotAtAll) {
  const auto answer = parse_adopt_answer(
      "noise\n@fqdn mast-1.kube.demo\n@file 4 /a\n|one\n@file 3 /b\n|two\n@file 9 /cut\n|x\n@file 0 /empty\n@ask kubeadm-config "
      "0\n|{}\n@ask "
      "kube-proxy 1\n|\n@end\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->fqdn, "mast-1.kube.demo");
  ASSERT_NE(answer->file("/a"), nullptr);
  EXPECT_EQ(*answer->file("/a"), "one\n");
  EXPECT_EQ(*answer->file("/b"), "two");
  EXPECT_EQ(answer->file("/cut"), nullptr);
  EXPECT_NE(answer->file("/empty"), nullptr);
  EXPECT_EQ(answer->asked.at("kubeadm-config"), "{}\n");
  EXPECT_FALSE(answer->asked.contains("kube-proxy"));
  for (const char* cut : {"", "@fqdn x\n", "@end", "@file -1 /a\n@file 9999999999999999999999 /a\n|x\n"})
    EXPECT_FALSE(parse_adopt_answer(cut)) << cut;
}

}  // namespace
}  // namespace fairlead::bootstrap
