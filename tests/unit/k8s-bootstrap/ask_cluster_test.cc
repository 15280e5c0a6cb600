#include "k8s-bootstrap/facts/ask_cluster.h"

#include <fstream>
#include <gmock/gmock.h>

#include "base/run_program.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kNodes = R"({"items": [
 {"metadata": {"name": "mast-1", "labels": {"zone": "a"}},
  "spec": {"unschedulable": true, "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
                                             {"key": "k", "value": "v", "effect": "NoExecute"}]},
  "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
             "addresses": [{"type": "Hostname", "address": "mast-1"}, {"type": "InternalIP", "address": "192.168.1.11"}],
             "nodeInfo": {"kubeletVersion": "v1.36.4", "containerRuntimeVersion": "containerd://1.7.24"}}},
 {"metadata": {"name": "node-1"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}]})";
constexpr std::string_view kMembers = R"({"header": {}, "members": [
 {"ID": 10276657743932975437, "name": "mast-1", "peerURLs": ["https://192.168.1.11:2380"], "clientURLs": ["https://192.168.1.11:2379"]},
 {"ID": 255, "peerURLs": ["https://192.168.1.12:2380"], "isLearner": true}]})";
constexpr std::string_view kDaemonSet = R"({"metadata": {"generation": 1}, "status": {"observedGeneration": 1,
 "desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 2}})";

std::string lines(std::string_view text, char mark = '|') {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out += mark + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}
std::string part(const std::string& name, int code, std::string_view output, std::string_view errors = {}) {
  return "@" + name + " " + std::to_string(code) + "\n" + lines(output) + lines(errors, '!');
}
std::string answer(const std::string& parts) { return "@begin etcdctl\n" + parts + "@end\n"; }

Site site() {
  Site out;
  out.kubernetes.addons = {{"plain", "a.yml", ""},
                           {"flannel", "b.yml", "daemonset/kube-flannel/kube-flannel-ds"},
                           {"ingress", "c.yml", "deployment/ingress/controller"},
                           {"gone", "d.yml", "deployment/x/y"}};
  return out;
}

TEST(AskCluster, ReadsNodesMembersAndAddons) {
  auto read = parse_cluster(
      answer(part("nodes", 0, kNodes) + part("version", 0, "{\"gitVersion\": \"v1.36.4\"}") +
             part("config", 0, "configmap/kubeadm-config") + part("certs", 0, "") +
             part("tokens", 0, "secret/bootstrap-token-abc123\nsecret/other") + part("members", 0, kMembers) +
             part("health", 1, R"([{"endpoint":"https://192.168.1.11:2379","health":true,"took":"1ms"}])", "Error: unhealthy cluster") +
             part("addon-0", 0, kDaemonSet) +
             part("addon-1", 0,
                  R"({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}})") +
             part("addon-2", 0, "")),
      site(), "mast-1");
  ASSERT_TRUE(read) << read.error().message();
  const ClusterFacts& f = read->facts;
  EXPECT_EQ(f.from, "mast-1");
  EXPECT_EQ(f.kubernetes_version, "1.36.4");
  ASSERT_EQ(f.nodes.size(), 2U);
  EXPECT_EQ(f.nodes[0], (NodeFact{"mast-1",
                                  true,
                                  true,
                                  "1.36.4",
                                  {{"zone", "a"}},
                                  {"node-role.kubernetes.io/control-plane:NoSchedule", "k=v:NoExecute"},
                                  "192.168.1.11",
                                  "containerd://1.7.24"}));
  EXPECT_FALSE(f.nodes[1].ready);
  EXPECT_THAT(f.etcd, ElementsAre(EtcdMember{"8e9e05c52164694d", "mast-1", "https://192.168.1.11:2380", false, true},
                                  EtcdMember{"ff", "", "https://192.168.1.12:2380", true, false}));
  EXPECT_EQ(f.kubeadm_config, Known::kYes);
  EXPECT_EQ(f.certs_secret, Known::kNo);
  EXPECT_THAT(f.tokens, ElementsAre("abc123"));
  EXPECT_THAT(f.addons, UnorderedElementsAre(Pair("flannel", Known::kYes), Pair("ingress", Known::kNo), Pair("gone", Known::kNo)));
  EXPECT_THAT(read->unread, IsEmpty());
}

TEST(AskCluster, WhatCouldNotBeAskedIsNotKnown) {
  auto read = parse_cluster(answer(part("nodes", 0, kNodes) + part("certs", 1, "", "Forbidden") +
                                   part("members", 127, "", "etcdctl: not found") + part("addon-0", 1, "", "timeout")),
                            site(), "mast-1");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->facts.certs_secret, Known::kUnknown);
  EXPECT_EQ(read->facts.kubeadm_config, Known::kUnknown);
  EXPECT_EQ(read->facts.addons.at("flannel"), Known::kUnknown);
  EXPECT_THAT(read->facts.etcd, IsEmpty());
  EXPECT_THAT(read->unread, Contains(HasSubstr("etcdctl: not found")));
  EXPECT_THAT(read->unread, Contains(HasSubstr("Forbidden")));
}

TEST(AskCluster, WithoutNodesThereIsNoCluster) {
  auto read = parse_cluster(answer(part("nodes", 1, "", "The connection to the server was refused")), site(), "mast-1");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().context, HasSubstr("was refused"));
  for (const char* odd : {"", "null", "[]", "{}", "{\"items\": 3}", "{\"items\": [}"})
    EXPECT_FALSE(parse_cluster(answer(part("nodes", 0, odd)), site(), "m")) << odd;
  EXPECT_TRUE(parse_cluster(answer(part("nodes", 0, R"({"items": [3, null, {"metadata": 7}]})")), site(), "m"));
  const std::string whole = answer(part("nodes", 0, kNodes));
  for (std::size_t length = 0; length < whole.size(); length += 7)
    EXPECT_FALSE(parse_cluster(whole.substr(0, length), site(), "m")) << length;
}

/// The script with stand-ins for kubectl and etcdctl, by dash and busybox.
TEST(AskCluster, TheScriptAsksAndNeverPrintsASecret) {
  const test::TempDir folder;
  const auto program = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder.path(name)) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(folder.path(name), std::filesystem::perms::owner_all);
  };
  program("kubectl",
          "case \"$*\" in *nodes*) echo '{\"items\": [{\"metadata\": {\"name\": \"a\\\\nb\"}}]}' ;; *'get daemonset'*) echo '{}' ;; *) "
          "echo \"no: $*\" >&2; exit 1 ;; esac\n");
  program("etcdctl", "case \"$*\" in *member*) printf '%s' '{\"members\": [{\"ID\": 1, \"name\": \"x\"}]}' ;; *) exit 1 ;; esac\n");
  for (const char* shell : {"dash", "busybox"}) {
    ProgramCall call;
    call.argv = {shell};
    if (call.argv.front() == "busybox") call.argv.emplace_back("ash");
    call.environment = {"PATH=" + folder.path("") + ":/usr/bin:/bin:/usr/sbin:/sbin"};
    call.input = cluster_probe_script(site());
    auto done = run_program(call);
    if (!done && done.error().code == Errc::kNotFound) continue;
    ASSERT_TRUE(done) << done.error().message();
    auto read = parse_cluster(done->output, site(), "mast-1");
    ASSERT_TRUE(read) << done->output << done->errors;
    ASSERT_EQ(read->facts.etcd.size(), 1U) << done->output;
    EXPECT_EQ(read->facts.etcd[0].name, "x");
    EXPECT_EQ(read->facts.addons.at("flannel"), Known::kNo);
    EXPECT_EQ(read->facts.addons.at("ingress"), Known::kUnknown);
    EXPECT_THAT(read->unread, Contains(HasSubstr("get secret --field-selector type=bootstrap.kubernetes.io/token -o name")))
        << "names only";
  }
}

}  // namespace
}  // namespace fairlead::bootstrap
