// fairlead: pure
#include "k8s-bootstrap/facts/probe.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/facts/probe_text.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

/// NAME='one\ntwo' for `for x in $NAME` with IFS set to a newline.
std::string list(std::string_view name, const std::vector<std::string>& words) {
  std::string lines;
  for (const std::string& word : words) {
    if (word.empty() || std::any_of(word.begin(), word.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
      continue;
    if (!lines.empty()) lines += '\n';
    lines += word;
  }
  return fmt::format("{}={}\n", name, shell_quote(lines));
}

void add(std::vector<std::string>& to, std::initializer_list<const char*> words) { to.insert(to.end(), words.begin(), words.end()); }

}  // namespace

std::string etcd_folder(const Site& site) {
  const auto keys = site.kubernetes.kubeadm.find("ClusterConfiguration");
  const config::DocNode* at = keys == site.kubernetes.kubeadm.end() ? nullptr : keys->second.get();
  for (const char* key : {"etcd", "local", "dataDir"}) at = at == nullptr ? nullptr : at->find(key);
  return at == nullptr || at->text.empty() ? "/var/lib/etcd" : at->text;
}

ProbeRequest probe_request(const Site& site, const Machine& machine) {
  ProbeRequest out;
  out.etcd_folder = etcd_folder(site);
  const bool runs_pods = machine.has(Role::kControlPlane) || machine.has(Role::kWorker);
  const bool is_etcd = machine.has(Role::kEtcd);
  out.names = {site.fqdn(machine), machine.address().to_string()};
  if (const SiteVip* endpoint = site.endpoint()) out.names.push_back(endpoint->name + "." + site.domain);
  out.sysctls = {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"};
  out.packages = {"chrony", "ntpsec", "systemd-timesyncd"};
  out.units = {"chrony"};
  if (runs_pods || is_etcd) {
    add(out.modules, {"overlay", "br_netfilter"});
    add(out.sysctls, {"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables", "fs.inotify.max_user_instances",
                      "vm.overcommit_memory", "kernel.panic"});
    add(out.packages, {"kubeadm", "kubelet", "kubectl", "containerd", "containerd.io", "runc", "cri-tools", "cri-dockerd", "docker.io",
                       "docker-ce", "kubernetes-cni"});
    add(out.programs, {"kubeadm", "kubelet", "kubectl", "containerd", "runc", "cri-dockerd"});
    add(out.units, {"kubelet", "containerd", "cri-docker", "docker"});
  }
  if (is_etcd || machine.has(Role::kControlPlane)) add(out.programs, {"etcd"});
  if (is_etcd) add(out.packages, {"etcd-server"});
  if (is_etcd) add(out.units, {"etcd"});
  if (machine.has(Role::kBastion)) {
    add(out.packages, {"kubectl"});
    add(out.programs, {"kubectl"});
  }
  if (machine.has(Role::kGateway)) {
    add(out.packages, {"fairlead", "corosync", "corosync-qdevice", "dnsmasq-base", "nftables", "conntrackd"});
    add(out.programs, {"fairleadd", "corosync"});
    add(out.units, {"fairleadd", "corosync", "corosync-qdevice", "conntrackd", "dnsmasq"});
  }
  if (machine.has(Role::kStorage)) add(out.units, {"glusterd"});
  if (machine.has(Role::kWitness)) {
    add(out.packages, {"corosync-qnetd"});
    add(out.units, {"corosync-qnetd"});
  }
  for (auto* words : {&out.packages, &out.programs, &out.units}) {
    std::sort(words->begin(), words->end());
    words->erase(std::unique(words->begin(), words->end()), words->end());
  }
  return out;
}

std::string probe_script(const ProbeRequest& request) {
  std::vector<std::string> files = request.files;
  const bool block = std::erase(files, kHostsBlockPath) > 0;  // Read from /etc/hosts: see render/hosts_block.h.
  std::string out = list("files", files) + list("modules", request.modules) + list("sysctls", request.sysctls) +
                    list("names", request.names) + list("packages", request.packages) + list("programs", request.programs) +
                    list("units", request.units);
  out += fmt::format("api_port={}\netcd_folder={}\nversion={}\n", request.api_port, shell_quote(request.etcd_folder), kProbeVersion);
  out += fmt::format("hosts_block={}\nread_hosts_block() {{ {}; }}\n", block ? shell_quote(kHostsBlockPath) : "''",
                     hosts_block_fact(kHostsPath));
  return out + std::string(kProbeText);
}

}  // namespace fairlead::bootstrap
