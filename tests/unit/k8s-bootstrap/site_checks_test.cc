// One fault at a time in a site that is otherwise fine: exactly that is reported, at the line where it stands.
#include <gtest/gtest.h>

#include "config/limits.h"
#include "k8s-bootstrap/site/site_load.h"
#include "k8s-bootstrap/site/site_reference.h"

namespace fairlead::bootstrap {
namespace {

struct Fault {
  std::string from;  ///< In the text of init; its first occurrence.
  std::string to;
  std::string message;  ///< What the only problem begins with.
  bool warning = false;
  std::string from2 = {};  ///< A second change, where one fault needs two.
  std::string to2 = {};
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

int line_of(const std::string& text, const std::string& part) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(text.find(part)), '\n'));
}

SiteContext context() {
  SiteContext out;
  out.today = "2026-11-01";
  return out;
}

std::string all(const std::vector<config::Problem>& problems) {
  std::string out;
  for (const config::Problem& problem : problems) out += format(problem) + "\n";
  return out;
}

void expect_only(const Fault& fault) {
  std::string text = replaced(init_text(), fault.from, fault.to);
  if (!fault.from2.empty()) text = replaced(std::move(text), fault.from2, fault.to2);
  const SiteLoad result = load_site(text, "site.yaml", context());
  ASSERT_EQ(result.problems.size(), 1U) << fault.to << "\n" << all(result.problems);
  EXPECT_TRUE(result.problems[0].message.starts_with(fault.message)) << all(result.problems);
  EXPECT_EQ(result.problems[0].severity == config::Severity::kWarning, fault.warning) << all(result.problems);
  EXPECT_EQ(result.site.has_value(), fault.warning);
  EXPECT_FALSE(result.problems[0].hint.empty()) << all(result.problems);
}

class OneFault : public testing::TestWithParam<Fault> {};
TEST_P(OneFault, IsReportedAlone) { expect_only(GetParam()); }

const std::string kNode1 = "{name: node-1, roles: [worker], addresses: {node: 192.168.2.11}, labels: {zone: a}}";
std::string node1(const std::string& keys) { return "{name: node-1, roles: [worker], addresses: {node: 192.168.2.11}, " + keys + "}"; }

INSTANTIATE_TEST_SUITE_P(
    Networks, OneFault,
    testing::Values(
        Fault{"cidr: 192.168.2.0/24", "cidr: 192.168.2.1/24", "192.168.2.1/24 is not the beginning of a network"},
        Fault{"cidr: 10.0.2.0/24", "cidr: 10.0.0.0/7", "a network with prefix length 7"},
        Fault{"cidr: 192.168.4.0/24, router: 192.168.4.254, dns: 192.168.4.1",
              "mtu: 500, cidr: 192.168.4.0/24, router: 192.168.4.254, dns: 192.168.4.1", "mtu 500 is below 576"},
        Fault{"router: 192.168.1.254", "router: 192.168.1.255",
              "router of network mast: 192.168.1.255 is the network's own or its broadcast address"},
        Fault{"router: 192.168.1.254", "router: 192.168.1.0",
              "router of network mast: 192.168.1.0 is the network's own or its broadcast address"},
        Fault{"router: 192.168.1.254", "router: 192.168.5.254",
              "router of network mast: 192.168.5.254 is not in 192.168.1.0/24 of network mast"},
        Fault{"dns: 192.168.2.1,", "dns: 192.168.2.200,", "resolver of network node: 192.168.2.200 lies in the pool of network node"},
        Fault{"dns: 192.168.4.1}", "dns: 192.168.4.140}", "machine bastion: 192.168.4.140 is the address of resolver of network dmz"},
        Fault{"pool: [192.168.2.130, 192.168.2.250]", "pool: [192.168.3.130, 192.168.3.250]", "the pool is not within 192.168.2.0/24"},
        Fault{"pool: [192.168.2.130, 192.168.2.250]", "pool: [192.168.2.250, 192.168.2.130]", "the pool's last address is below its first"},
        Fault{"external: true, router: 10.0.2.1", "external: true, router: 10.0.2.1, pool: [10.0.2.100, 10.0.2.110]",
              "network uplink is external: the gateways serve no DHCP in it"},
        Fault{"name: mast, cidr", "name: dmz, cidr", "a second network 'dmz'", false, "links: [dmz, mast]", "links: [dmz]"}));

INSTANTIATE_TEST_SUITE_P(
    Machines, OneFault,
    testing::Values(Fault{"name: mast-2", "name: mast-1", "a second machine 'mast-1'"},
                    Fault{"name: mast-2", "name: mast-2.kube.demo", "the name 'mast-2.kube.demo' has a dot"},
                    Fault{"name: mast-2", "name: mast_2", "'mast_2' is no name of a Kubernetes node"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.1.11}",
                          "machine mast-2: 192.168.1.11 is the address of machine mast-1"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.9.12}",
                          "machine mast-2: 192.168.9.12 is not in 192.168.1.0/24"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.1.255}",
                          "machine mast-2: 192.168.1.255 is the network's own"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {mats: 192.168.1.12}", "there is no network 'mats'"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {}", "machine mast-2 has no address"},
                    Fault{"addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.1.254}",
                          "machine mast-2: 192.168.1.254 is the address of router of network mast"},
                    Fault{"addresses: {node: 192.168.2.12}", "addresses: {node: 192.168.2.200}",
                          "machine node-2: 192.168.2.200 lies in the pool of network node"},
                    Fault{kNode1, node1("interfaces: {mast: eth1}"), "machine node-1 has no address in network mast"},
                    Fault{kNode1, node1("labels: {\"a b\": c}"), "'a b' cannot be a key here"},
                    Fault{kNode1, node1("labels: {zone: \"a b\"}"), "'a b' cannot be the value of 'zone'"},
                    Fault{kNode1, node1("labels: {\"UPPER.example/zone\": a}"), "'UPPER.example/zone' cannot be a key here"},
                    Fault{kNode1, node1("taints: [\"a=b:NoSchedul\"]"), "the taint 'a=b:NoSchedul' has no effect that Kubernetes knows"},
                    Fault{kNode1, node1("taints: [\"a b:NoSchedule\"]"), "the taint 'a b:NoSchedule' has a key or value"},
                    Fault{kNode1, node1("files: [{path: /a, source: ../x}]"), "'../x' is not a path beside the site's file"},
                    Fault{kNode1, node1("files: [{path: /a, source: x, content: y}]"), "a file with content and source"},
                    Fault{kNode1, node1("files: [{path: /a/../b}]"), "'/a/../b' is no path of a file"},
                    Fault{kNode1, node1("files: [{path: /a}, {path: /a}]"), "a second file '/a'"},
                    Fault{kNode1, node1("files: [{path: /a, mode: 9}]"), "'mode' must be a file mode"},
                    Fault{"jump: [bastion]", "jump: [bastion, bastion]", "'bastion' twice: the way would lead in a circle"},
                    Fault{"jump: [bastion]", "jump: [\"no--host-\"]", "'no--host-' is neither a machine of the site nor a host"},
                    Fault{"jump: [bastion]", "jump: [basiton]", "'basiton' is no machine of the site, and taken for a host", true}));

INSTANTIATE_TEST_SUITE_P(
    Roles, OneFault,
    testing::Values(
        Fault{"name: gate-2, roles: [gateway]", "name: gate-2, roles: [gateway, control-plane]",
              "machine gate-2 cannot be gateway and control-plane", false, "{name: mast-3, roles: [control-plane]",
              "{name: mast-3, roles: [worker]"},
        Fault{"name: gate-2, roles: [gateway]", "name: gate-2, roles: [gateway, worker]", "machine gate-2 cannot be gateway and worker"},
        Fault{"roles: [bastion, witness]", "roles: [bastion, bastion]", "the role bastion twice"},
        Fault{"name: mast-3, roles: [control-plane]", "name: mast-3, roles: []", "machine mast-3 has no role", false,
              "name: mast-2, roles: [control-plane]", "name: mast-2, roles: [worker]"},
        Fault{"name: mast-3, roles: [control-plane]", "name: mast-3, roles: [worker]", "2 control planes with etcd on them", true},
        Fault{"name: mast-3, roles: [control-plane]", "name: mast-3, roles: [control-plane, etcd]",
              "role etcd, and kubernetes.etcd is stacked"},
        Fault{"etcd: stacked", "etcd: external", "external etcd, and no machine of role etcd"},
        Fault{"etcd: stacked", "etcd: external", "2 machines of role etcd", false,
              kNode1 + "\n  - {name: node-2, roles: [worker], addresses: {node: 192.168.2.12}, labels: {zone: b}}",
              "{name: node-1, roles: [etcd], addresses: {node: 192.168.2.11}}\n  - {name: node-2, roles: [etcd], addresses: {node: "
              "192.168.2.12}}"},
        Fault{"name: gate-2, roles: [gateway]", "name: gate-2, roles: [bastion]", "one gateway: nobody takes over when it is lost", true},
        Fault{"roles: [bastion, witness]", "roles: [bastion]", "two gateways without tie_break or witness", true,
              "  tie_break: {targets: [10.0.2.1]}", "  #"},
        Fault{kNode1, node1("labels: {zone: a}") + "\n  - {name: w, roles: [witness], addresses: {node: 192.168.2.99}}",
              "2 machines of role witness"},
        Fault{"{name: bastion, roles: [bastion, witness],", "{name: bastion, roles: [bastion, witness], taints: [],",
              "taints without effect", true}));

const std::string kApi = "address: 192.168.4.20, network: dmz, listen: [6443], to: {role: control-plane, ports: [6443]}";

INSTANTIATE_TEST_SUITE_P(
    Gateways, OneFault,
    testing::Values(
        Fault{"links: [dmz, mast]", "links: []", "gateways without a link"},
        Fault{"links: [dmz, mast]", "links: [dmz, dmz]", "the link dmz twice"},
        Fault{"links: [dmz, mast]", "links: [dmz, mats]", "there is no network 'mats'"},
        Fault{"name: gate-2, roles: [gateway], addresses: {dmz: 192.168.4.131, uplink: 10.0.2.12, ",
              "name: gate-2, roles: [gateway], addresses: {dmz: 192.168.4.131, ",
              "the uplink: gateway gate-2 has no address in network uplink"},
        Fault{"address: 192.168.4.20, network: dmz", "address: 192.168.4.130, network: dmz",
              "VIP api: 192.168.4.130 is the address of machine gate-1"},
        Fault{"address: 192.168.4.20, network: dmz", "address: 192.168.5.20, network: dmz",
              "VIP api: 192.168.5.20 is not in 192.168.4.0/24 of network dmz"},
        Fault{"address: 192.168.4.20, network: dmz", "address: 192.168.2.200, network: node",
              "VIP api: 192.168.2.200 lies in the pool of network node"},
        Fault{"address: 192.168.4.20, network: dmz", "address: 192.168.4.20, network: dnz", "there is no network 'dnz'"},
        Fault{"listen: [80, 443]", "listen: [80]", "listen and to.ports of VIP web differ in length: 1 and 2"},
        Fault{"listen: [80, 443]", "listen: [80, 80]", "port 80 twice"},
        Fault{"listen: [80, 443]", "listen: [80, 53]", "port 53 is taken on the gateways, by DNS"},
        Fault{"listen: [80, 443]", "listen: [22, 443]", "port 22 is taken on the gateways, by sshd"},
        Fault{"to: {role: worker,", "to: {role: etcd,", "no machine of role etcd"},
        Fault{"{name: web,", "{name: api,", "a second VIP 'api'"},
        Fault{"{name: web,", "{name: mast-dns,", "mast-dns is the VIP that network mast gets by itself"},
        Fault{"tie_break: {targets: [10.0.2.1]}", "tie_break: {targets: [192.168.1.254]}",
              "the target 192.168.1.254 is the router of network mast"},
        Fault{"tie_break: {targets: [10.0.2.1]}", "tie_break: {targets: []}", "tie_break without a target"},
        Fault{"snat: 10.0.2.10", "snat: 10.0.2.12", "snat: 10.0.2.12 is the address of machine gate-2"},
        Fault{"snat: 10.0.2.10", "snat: 10.0.3.10", "snat: 10.0.3.10 is not in 10.0.2.0/24 of network uplink"},
        Fault{"uplink: uplink", "uplink: node", "the uplink node is not external", false, "snat: 10.0.2.10", "#"},
        Fault{"external: true, router: 10.0.2.1}", "external: true}", "network uplink has no router", true},
        Fault{"{from: mast, to: node}", "{from: mast, to: nodes}", "there is no network 'nodes'"},
        Fault{"{from: mast, to: node}", "{from: mast, to: mast}", "from mast to itself"},
        Fault{"{from: mast, to: node}", "{from: mast, to: []}", "a rule that leads nowhere"},
        Fault{"upstream: [1.1.1.1, 9.9.9.9]", "upstream: [192.168.4.1]", "the upstream 192.168.4.1 is the resolver of network dmz"},
        Fault{"records: [{name: www,", "records: [{name: mast-1,", "mast-1 is the name of a machine, with another address"},
        Fault{"records: [{name: www,", "records: [{name: w..w,", "'w..w' is no name of the domain name system"},
        Fault{"upstream: [pool.ntp.org]", "upstream: [pool..org]", "'pool..org' is neither a name nor an address"},
        Fault{"    snat: 10.0.2.10 ", "    sync: true\n    # ", "connections behind masquerade have an address of one gateway"}));

INSTANTIATE_TEST_SUITE_P(
    Kubernetes, OneFault,
    testing::Values(Fault{"endpoint: api ", "endpoint: ap ", "there is no VIP 'ap'"},
                    Fault{"  endpoint: api ", "  #", "endpoint is missing"},
                    Fault{kApi, "address: 192.168.4.20, network: dmz, listen: [7443], to: {role: control-plane, ports: [6443]}",
                          "VIP api is kubernetes.endpoint and does not listen on 6443"},
                    Fault{kApi, "address: 192.168.4.20, network: dmz, listen: [6443], to: {role: worker, ports: [6443]}",
                          "VIP api is kubernetes.endpoint and goes to worker"},
                    Fault{kApi, "address: 192.168.4.20, network: dmz, listen: [6443], to: {role: control-plane, ports: [443]}",
                          "port 6443 of VIP api goes to port 443"},
                    Fault{kApi, kApi + ", send_proxy: v2", "API servers do not speak the PROXY protocol"},
                    Fault{"pods: 10.244.0.0/16", "pods: 10.244.1.0/16", "10.244.1.0/16 is not the beginning of a network"},
                    Fault{"pods: 10.244.0.0/16", "pods: 10.244.0.0/25", "10.244.0.0/25 cannot be divided"},
                    Fault{"pods: 10.244.0.0/16", "pods: 10.244.0.0/23", "10.244.0.0/23 has room for 2 nodes, and there are 6"},
                    Fault{"pods: 10.244.0.0/16", "pods: 10.96.0.0/16", "10.96.0.0/12 overlaps the pods' 10.96.0.0/16"},
                    Fault{"pods: 10.244.0.0/16", "pods: 192.168.2.0/20", "192.168.2.0/20 is not the beginning of a network"},
                    Fault{"services: 10.96.0.0/12", "services: 10.0.2.0/24", "10.0.2.0/24 overlaps 10.0.2.0/24 of network uplink"},
                    Fault{"services: 10.96.0.0/12", "services: 10.96.0.0/11", "10.96.0.0/11 has more addresses than kubeadm takes"},
                    Fault{"services: 10.96.0.0/12", "services: 10.96.0.0/29", "10.96.0.0/29 has fewer addresses"},
                    Fault{"services: 10.96.0.0/12", "services: \"fd00:96::/112\"", "pods and services are of different IP versions"},
                    Fault{"addons: []", "addons: [{name: a, manifest: /x.yml}]", "'/x.yml' is not a path beside the site's file"},
                    Fault{"addons: []", "addons: [{name: a, manifest: x.yml, ready: deployment/x}]",
                          "'deployment/x' is not KIND/NAMESPACE/NAME"},
                    Fault{"addons: []", "addons: [{name: a, manifest: x.yml, ready: pod/x/y}]", "what is ready cannot be said of a 'pod'"},
                    Fault{"addons: []", "addons: [{name: a, manifest: x.yml}, {name: a, manifest: y.yml}]", "a second addon 'a'"},
                    Fault{"addons: []", "kubeadm: {ClusterConfiguration: {kubernetesVersion: v1.35.0}}",
                          "kubernetesVersion is what versions.kubernetes says"},
                    Fault{"addons: []", "kubeadm: {ClusterConfiguration: {certificatesDir: /data/pki}}",
                          "certificatesDir cannot be moved: Fairlead looks at /etc/kubernetes/pki"},
                    Fault{"addons: []", "kubeadm: {InitConfiguration: {localAPIEndpoint: {bindPort: 8443}}}",
                          "localAPIEndpoint.bindPort cannot be moved"},
                    Fault{"addons: []", "kubeadm: {KubeletConfiguration: {kind: x}}", "kind among the keys of KubeletConfiguration"},
                    Fault{"addons: []", "kubeadm: {KubeletConfig: {}}", "unknown key 'KubeletConfig'"}));

INSTANTIATE_TEST_SUITE_P(
    VersionsAndRest, OneFault,
    testing::Values(
        Fault{"kubernetes: 1.36.4", "kubernetes: v1.36.4", "'kubernetes' must be a version"},
        Fault{"kubernetes: 1.36.4", "kubernetes: 1.36", "'kubernetes' must be a version"},
        Fault{"kubernetes: 1.36.4", "kubernetes: 1.99.0", "Kubernetes 1.99.0 is not known to this release"},
        Fault{"kubernetes: 1.36.4", "kubernetes: 1.34.9", "Kubernetes 1.34 is past its end of life, 2026-10-27", true},
        Fault{"{version: 2.3.5, source: upstream}", "{version: 1.7.28, source: upstream}",
              "Kubernetes 1.37 does not work with containerd 1.7.28", false, "kubernetes: 1.36.4", "kubernetes: 1.37.1"},
        Fault{"version: 2.3.5", "version: 9.0.0", "containerd 9.0.0 is not known to this release", true},
        Fault{"source: upstream}", "source: debian, sha256: " + std::string(64, 'a') + "}", "sha256 has no effect", true},
        Fault{"source: upstream}", "source: upstream, sha256: abc}", "'sha256' must be a SHA-256 sum"},
        Fault{"source: upstream}", "source: upstream}\n  cri_dockerd: {version: 0.3.20}", "containerd and cri_dockerd"},
        Fault{"  containerd: {version: 2.3.5, source: upstream}", "  #", "no container runtime"},
        Fault{"validity: 8760h, ca_validity: 87600h", "validity: 8760h, ca_validity: 800h",
              "certificates would be valid for 8760h, their CA for 800h"},
        Fault{"name: demo ", "name: de.mo ", "'de.mo' is no name for a cluster"},
        Fault{"domain: kube.demo ", "domain: kube..demo ", "'kube..demo' is no domain"},
        Fault{"domain: kube.demo ", "domain: cluster.local ", "cluster.local is the domain of the cluster's services"},
        Fault{"ignore: []", "ignore: [\"Swap!\"]", "'ignore' must be a name of a check, found 'Swap!'"},
        Fault{"ignore: []", "ignore: [all]", "'all' would switch off what keeps kubeadm from a machine"},
        Fault{"ignore: []", "ignore: [diravailable--var-lib-etcd]",
              "'diravailable--var-lib-etcd' would switch off what keeps kubeadm from a machine"},
        Fault{"ignore: []", "ignore: [cpu]", "'cpu' is no check of a machine"},
        Fault{"before_apply: []", "before_apply: [[]]", "a hook without a program"},
        Fault{"before_apply: []", "before_apply: [./notify]", "'before_apply' must be a list of words"},
        Fault{"# mirrors: {debian: \"http://mirror.kube.demo/debian\", images: {registry.example: mirror.kube.demo:5000}, bundle: "
              "./demo.bundle}",
              "mirrors: {debian: \"ftp://x\"}", "'debian' must be a URL"},
        Fault{"# mirrors: {debian: \"http://mirror.kube.demo/debian\", images: {registry.example: mirror.kube.demo:5000}, bundle: "
              "./demo.bundle}",
              "mirrors: {images: {registry.example: \"http://m\"}}", "'http://m' cannot be the value of 'registry.example'"},
        Fault{"preflight: {ignore: []}", "storage: {gluster: {brick: {chunk: 1MiB}}}", "storage without volumes has no effect", true}));

TEST(SiteChecks, PutsTheProblemWhereTheFaultStands) {
  const std::string text = replaced(init_text(), "addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.1.11}");
  const SiteLoad result = load_site(text, "site.yaml", context());
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].line, line_of(text, "name: mast-2"));
}

// Two machines of one test rack, and one machine for everything.
TEST(SiteChecks, OneMachineNeedsNoGateways) {
  const std::string text =
      "apiVersion: fairlead/v1\nkind: Site\nname: one\ndomain: one.test\nstate_dir: ./s\nversions: {kubernetes: 1.36.4, containerd: "
      "{version: 2.3.4}}\n"
      "networks: [{name: lan, cidr: 192.168.9.0/24, external: true, router: 192.168.9.1, dns: 1.1.1.1}]\n"
      "machines: [{name: all, roles: [control-plane, worker], addresses: {lan: 192.168.9.10}}]\n"
      "kubernetes: {pods: 10.244.0.0/16, services: 10.96.0.0/12}\n";
  const SiteLoad one = load_site(text, "site.yaml", context());
  EXPECT_EQ(all(one.problems), "");
  ASSERT_TRUE(one.site);
  EXPECT_FALSE(one.site->gateways);

  const SiteLoad two =
      load_site(replaced(text, "machines: [", "machines: [{name: b, roles: [control-plane], addresses: {lan: 192.168.9.11}}, "),
                "site.yaml", context());
  EXPECT_NE(all(two.problems).find("2 control planes without gateways"), std::string::npos) << all(two.problems);
  // A load balancer of the operator's own outlives one of them.
  const auto with_balancer = [&](const std::string& endpoint) {
    return load_site(
        replaced(replaced(text, "machines: [", "machines: [{name: b, roles: [control-plane], addresses: {lan: 192.168.9.11}}, "),
                 "kubernetes: {pods", "kubernetes: {endpoint: \"" + endpoint + "\", pods"),
        "site.yaml", context());
  };
  for (const char* good : {"192.168.9.5:6443", "lb.kube.demo:443", "[fd00::5]:6443"})
    EXPECT_TRUE(with_balancer(good).site) << all(with_balancer(good).problems);
  for (const char* bad : {"lb:0", "lb:99999", ":6443", "lb:", "a b:6443"}) EXPECT_FALSE(with_balancer(bad).site) << bad;
  const SiteLoad vip = load_site(replaced(text, "kubernetes: {pods", "kubernetes: {endpoint: api, pods"), "site.yaml", context());
  EXPECT_NE(all(vip.problems).find("'api' would be a VIP, and there are no gateways"), std::string::npos) << all(vip.problems);
  const SiteLoad gate =
      load_site(replaced(text, "roles: [control-plane", "roles: [bastion, witness, control-plane"), "site.yaml", context());
  EXPECT_NE(all(gate.problems).find("a gateway or witness, and the site has no section gateways"), std::string::npos) << all(gate.problems);
  const SiteLoad ours = load_site(replaced(text, "external: true, ", ""), "site.yaml", context());
  EXPECT_NE(all(ours.problems).find("network lan has a router and is not external, but there are no gateways to be it"), std::string::npos)
      << all(ours.problems);
}

TEST(SiteChecks, ExternalNetworksMayShareAResolver) {
  std::string text = replaced(init_text(), "external: true, router: 10.0.2.1}", "external: true, router: 10.0.2.1, dns: 9.9.9.9}");
  text = replaced(text, "\nmachines:", "\n  - {name: other, cidr: 10.0.3.0/24, external: true, dns: 9.9.9.9}\nmachines:");
  EXPECT_EQ(all(load_site(text, "s", context()).problems), "");
}

TEST(SiteChecks, AMisreadValueCausesNoSecondProblem) {
  for (const auto& [from, to] : {std::pair{"cidr: 192.168.1.0/24", "cidr: 192.168.1.0/99"},
                                 {"name: mast, cidr", "name: MAST, cidr"},
                                 {"roles: [bastion, witness]", "roles: [bastion, witnes]"},
                                 {"address: 192.168.4.20, network", "address: 192.168.4.220.1, network"},
                                 {"pods: 10.244.0.0/16", "pods: ten"},
                                 {"etcd: stacked", "etcd: staked"},
                                 {"\ngateways:", "\ngatways:"},
                                 {"\nversions:", "\nversoins:"}}) {
    const SiteLoad result = load_site(replaced(init_text(), from, to), "site.yaml", context());
    EXPECT_EQ(result.problems.size(), 1U) << to << "\n" << all(result.problems);
  }
}

TEST(SiteChecks, DuplicateMacAddressesAreFoundBesideTheRefusal) {
  std::string text = replaced(init_text(), "{name: node-2, ", "{name: node-2, mac: {node: \"52:54:00:00:00:01\"}, ");
  text = replaced(text, "{name: node-3, ", "{name: node-3, mac: {node: \"52:54:00:00:00:01\"}, ");
  const std::string said = all(load_site(text, "site.yaml", context()).problems);
  EXPECT_NE(said.find("52:54:00:00:00:01 is a MAC address of machine node-2"), std::string::npos) << said;
  EXPECT_NE(all(load_site(replaced(init_text(), "{name: node-2, ", "{name: node-2, mac: {node: \"53:54:00:00:00:01\"}, "), "s", context())
                    .problems)
                .find("no machine has the MAC address"),
            std::string::npos);
}

// Defect 10 of the seed: pins rot, and nobody says so.
TEST(SiteChecks, ARottenPinIsSaidAndOnlyByItsDate) {
  const std::string text =
      replaced(replaced(init_text(), "kubernetes: 1.36.4", "kubernetes: 1.29.15"), "algorithm: ECDSA-P256", "algorithm: RSA-2048");
  SiteContext then = context();
  then.today = "2025-01-31";
  EXPECT_EQ(all(load_site(text, "s", then).problems), "");
  const std::string now = all(load_site(text, "s", context()).problems);
  EXPECT_NE(now.find("warning: Kubernetes 1.29 is past its end of life, 2025-02-28"), std::string::npos) << now;
  then.today = "";
  EXPECT_EQ(all(load_site(text, "s", then).problems), "");
}

TEST(SiteChecks, AlgorithmsAreThoseOfThatKubernetes) {
  const auto said = [](const std::string& version, const std::string& algorithm, const std::string& ca) {
    std::string text =
        replaced(replaced(init_text(), "kubernetes: 1.36.4", "kubernetes: " + version), "algorithm: ECDSA-P256", "algorithm: " + algorithm);
    return all(load_site(replaced(std::move(text), "ca: kubeadm", "ca: " + ca), "s", {}).problems);
  };
  EXPECT_NE(said("1.33.10", "ECDSA-P384", "site").find("ECDSA-P384 is not known to Kubernetes 1.33"), std::string::npos);
  EXPECT_EQ(said("1.34.1", "ECDSA-P384", "kubeadm"), "");
  EXPECT_NE(said("1.30.14", "ECDSA-P256", "kubeadm").find("kubeadm 1.30 makes keys of RSA-2048 only"), std::string::npos);
  EXPECT_EQ(said("1.30.14", "ECDSA-P256", "site"), "");
}

TEST(SiteChecks, OldContainerdIsDoubtfulWithANewKubernetes) {
  const std::string text = replaced(init_text(), "version: 2.3.5", "version: 1.7.28");
  EXPECT_NE(all(load_site(text, "s", {}).problems).find("warning: containerd's own table lists 2.2 or newer for Kubernetes 1.36"),
            std::string::npos);
  EXPECT_NE(all(load_site(text, "s", context()).problems).find("warning: containerd 1.7 is past its end of life, 2026-09-30"),
            std::string::npos);
}

TEST(SiteChecks, ManyFaultsAreAllReported) {
  std::string text = replaced(init_text(), "addresses: {mast: 192.168.1.12}", "addresses: {mast: 192.168.1.11}");
  text = replaced(text, "links: [dmz, mast]", "links: [dmz, mats]");
  text = replaced(text, "services: 10.96.0.0/12", "services: 10.96.0.0/29");
  text = replaced(text, "kubernetes: 1.36.4", "kubernetes: 1.99.0");
  EXPECT_EQ(load_site(text, "site.yaml", context()).problems.size(), 4U);
}

}  // namespace
}  // namespace fairlead::bootstrap
