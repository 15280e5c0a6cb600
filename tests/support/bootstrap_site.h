// Sites, texts and facts for tests of k8s-bootstrap: a site like the classic one, of any size, and machines as they come from their
// installer. Texts are short stand-ins; render/ has tests of its own.
#pragma once

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap::test {

inline IpAddress address(const std::string& text) {
  const auto parsed = parse_ip_address(text);
  FL_ASSERT(parsed.has_value());
  return *parsed;
}
inline IpPrefix prefix(const std::string& text) {
  const auto parsed = parse_ip_prefix(text);
  FL_ASSERT(parsed.has_value());
  return *parsed;
}

struct SiteSize {
  int control_planes = 3;
  int workers = 2;
  int gateways = 2;
  bool bastion = false;  ///< bastion and witness in one.
  int etcd = 0;          ///< Machines of an external etcd.
};

inline Machine machine(const std::string& name, std::vector<Role> roles, const std::string& network, const std::string& at) {
  Machine out;
  out.name = name;
  out.roles = std::move(roles);
  out.addresses = {{network, address(at)}};
  return out;
}

inline Site lab_site(const SiteSize& size = {}) {
  Site out;
  out.name = "demo";
  out.domain = "kube.demo";
  out.state_dir = "./demo.state";
  out.ssh.user = "debian";
  out.versions.kubernetes = "1.36.4";
  out.versions.containerd = Containerd{"2.3.4", RuntimeSource::kUpstream, std::string(64, 'c')};
  for (const auto& [name, cidr] : {std::pair{"dmz", "192.168.4.0/24"}, {"mast", "192.168.0.0/23"}, {"node", "192.168.2.0/23"}}) {
    Network network;
    network.name = name;
    network.cidr = prefix(cidr);
    out.networks.push_back(network);
  }
  const auto at = [](const char* net, int host) { return std::string("192.168.") + net + "." + std::to_string(host); };
  for (int i = 1; i <= size.gateways; ++i)
    out.machines.push_back(machine("gate-" + std::to_string(i), {Role::kGateway}, "dmz", at("4", 129 + i)));
  if (size.bastion) out.machines.push_back(machine("bastion", {Role::kBastion, Role::kWitness}, "dmz", at("4", 140)));
  for (int i = 1; i <= size.control_planes; ++i)
    out.machines.push_back(machine("mast-" + std::to_string(i), {Role::kControlPlane}, "mast", at("1", 10 + i)));
  for (int i = 1; i <= size.etcd; ++i)
    out.machines.push_back(machine("etcd-" + std::to_string(i), {Role::kEtcd}, "mast", at("1", 100 + i)));
  for (int i = 1; i <= size.workers; ++i) {
    out.machines.push_back(machine("node-" + std::to_string(i), {Role::kWorker}, "node", at("2", 10 + i)));
    out.machines.back().labels = {{"zone", i % 2 == 1 ? "a" : "b"}};
  }
  if (size.gateways > 0) {
    Gateways gateways;
    SiteVip vip;
    vip.name = "api";
    vip.address = address("192.168.4.20");
    vip.network = "dmz";
    vip.listen = {6443};
    vip.to_ports = {6443};
    gateways.vips = {vip};
    out.gateways = gateways;
  }
  out.kubernetes.endpoint = "api";
  out.kubernetes.pods = prefix("10.244.0.0/16");
  out.kubernetes.services = prefix("10.96.0.0/12");
  out.kubernetes.etcd = size.etcd > 0 ? EtcdPlace::kExternal : EtcdPlace::kStacked;
  out.kubernetes.addons = {{"flannel", "addons/kube-flannel.yml", "daemonset/kube-flannel/kube-flannel-ds"}};
  return out;
}

inline Rendered lab_texts(const Site& site) {
  Rendered out;
  for (const Machine& m : site.machines) {
    MachineTexts& texts = out.machines[m.name];
    const bool node = m.has(Role::kControlPlane) || m.has(Role::kWorker);
    if (node || m.has(Role::kEtcd)) {
      texts.files.push_back({"/etc/apt/sources.list.d/kubernetes.list",
                             "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] https://example.test/ /\n", 0644, ""});
      texts.files.push_back({"/etc/containerd/config.toml", "version = 3\n", 0644, "systemctl restart containerd"});
      texts.files.push_back({"/etc/sysctl.d/90-kubernetes.conf", "net.ipv4.ip_forward = 1\n", 0644, "sysctl -q --system"});
      texts.reset = "kind: ResetConfiguration\n";
    }
    texts.files.push_back({"/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 " + m.name + "\n", 0644, ""});
    if (m.has(Role::kControlPlane) || m.has(Role::kEtcd))
      texts.init = "kind: InitConfiguration\ncertificateKey: \"${certificate-key}\"\nnodeRegistration: {name: " + m.name + "}\n";
    if (m.has(Role::kEtcd)) texts.etcd_join = "kind: InitConfiguration\n# existing\n";
    if (node) texts.join = "kind: JoinConfiguration\ntoken: ${join-token}\ncaCertHashes: [\"sha256:${ca-hash}\"]\n";
    if (m.has(Role::kControlPlane)) texts.join += "controlPlane: {certificateKey: \"${certificate-key}\"}\n";
    if (node) texts.upgrade = "kind: UpgradeConfiguration\n";
  }
  if (site.gateways) out.gateway_yaml = "apiVersion: fairlead/v1\n";
  for (const Addon& addon : site.kubernetes.addons) out.manifests[addon.name] = "kind: List\nmetadata: {name: " + addon.name + "}\n";
  if (site.versions.containerd) out.runtime_sha256 = site.versions.containerd->sha256;
  return out;
}

/// A machine as its installer leaves it: nothing of ours is on it, and it passes preflight.
inline MachineFacts fresh_facts(const Site& site, const Machine& m) {
  MachineFacts out;
  out.os_id = "debian";
  out.os_version = "12";
  out.kernel = "6.1.0-13-amd64";
  out.arch = "x86_64";
  out.host_name = m.name;
  out.boot_id = "boot-" + m.name;
  out.machine_id = "id-" + m.name;
  out.product_uuid = "uuid-" + m.name;
  out.cpus = 2;
  out.memory_bytes = 2ULL << 30U;
  out.disk_free_bytes = 20ULL << 30U;
  out.swap = Known::kNo;
  out.cgroup_version = 2;
  out.systemd = Known::kYes;
  NetworkCard card{"eth0", "02:00:00:00:00:00", {}};
  for (const auto& [network, at] : m.addresses) card.addresses.push_back(at.to_string() + "/24");
  card.mac = "02:" + sha256(m.name).substr(0, 2) + ":" + sha256(m.name).substr(2, 2) + ":" + m.name;
  out.cards = {card};
  const bool node = m.has(Role::kControlPlane) || m.has(Role::kWorker) || m.has(Role::kEtcd);
  if (node) out.modules = {{"overlay", false}, {"br_netfilter", false}};
  if (node) out.sysctls = {{"net.ipv4.ip_forward", "0"}};
  for (Known* fact : {&out.admin_conf, &out.kubelet_conf, &out.etcd_data, &out.api_here, &out.corosync_conf, &out.gateway_serves})
    *fact = Known::kNo;
  if (m.has(Role::kGateway)) out.programs["fairleadd"] = "0.1.0";
  static_cast<void>(site);
  return out;
}

inline Facts fresh_site_facts(const Site& site) {
  Facts out;
  for (const Machine& m : site.machines) out.machines[m.name] = fresh_facts(site, m);
  return out;
}

/// All have joined and run `version`; etcd is stacked.
inline Facts running_facts(const Site& site, const std::string& version) {
  Facts out = fresh_site_facts(site);
  ClusterFacts cluster;
  cluster.from = "mast-1";
  cluster.kubeadm_config = Known::kYes;
  for (const Machine& m : site.machines) {
    MachineFacts& f = out.machines[m.name];
    const bool control_plane = m.has(Role::kControlPlane);
    if (m.has(Role::kGateway)) f.corosync_conf = f.gateway_serves = Known::kYes;
    if (!control_plane && !m.has(Role::kWorker)) continue;
    f.kubelet_conf = Known::kYes;
    for (const char* package : {"kubeadm", "kubelet", "kubectl"}) f.packages[package] = version + "-1.1";
    NodeFact node{m.name, true, false, "v" + version, m.labels, {}, m.address().to_string(), {}};
    if (control_plane) {
      f.admin_conf = f.etcd_data = f.api_here = Known::kYes;
      f.manifests = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"};
      f.api_version = "v" + version;
      f.certificates = {{"/etc/kubernetes/pki/apiserver.crt", 300, "01", ""}, {"/etc/kubernetes/pki/ca.crt", 20, "02", ""}};
      node.labels["node-role.kubernetes.io/control-plane"] = "";
      cluster.etcd.push_back({m.name + "-id", m.name, "", false, true});
    }
    cluster.nodes.push_back(node);
  }
  out.cluster = cluster;
  return out;
}

}  // namespace fairlead::bootstrap::test
