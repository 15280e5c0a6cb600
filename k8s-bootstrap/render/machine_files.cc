// fairlead: pure
#include <algorithm>

#include <fmt/format.h>

#include "k8s-bootstrap/render/apt_files.h"
#include "k8s-bootstrap/render/chrony_conf.h"
#include "k8s-bootstrap/render/container_runtime.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/render/kubeadm_paths.h"
#include "k8s-bootstrap/render/machine_roles.h"
#include "k8s-bootstrap/render/render.h"
#include "k8s-bootstrap/render/yaml_tree.h"
#include "k8s-bootstrap/storage/storage_files.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kWritten = "# Written by fairlead bootstrap.\n";
constexpr std::string_view kModules = "/etc/modules-load.d/fairlead-kubernetes.conf";
constexpr std::string_view kSysctls = "/etc/sysctl.d/60-fairlead-kubernetes.conf";
constexpr std::string_view kEtcdKubelet = "/etc/fairlead/kubelet-etcd.yaml";

std::string proxy_mode(const Site& site) {
  const auto keys = site.kubernetes.kubeadm.find("KubeProxyConfiguration");
  if (keys == site.kubernetes.kubeadm.end() || keys->second == nullptr) return {};
  const config::DocNode* mode = keys->second->find("mode");
  return mode == nullptr ? std::string() : mode->text;
}

RenderedFile modules(const Site& site, const Machine& machine) {
  std::string text = std::string(kWritten) + "overlay\nbr_netfilter\n";
  if (is_kubernetes_node(machine) && proxy_mode(site) == "ipvs") text += "ip_vs\nip_vs_rr\nip_vs_wrr\nip_vs_sh\nnf_conntrack\n";
  return {std::string(kModules), text, 0644,
          fmt::format("grep -v '^#' {} | while read -r module; do modprobe \"$module\"; done\n", kModules)};
}

RenderedFile sysctls(const Site& site) {
  const bool v6 = !site.kubernetes.pods.address.is_v4() || !site.kubernetes.services.address.is_v4();
  std::string text = std::string(kWritten) + "net.ipv4.ip_forward = 1\n";
  if (v6) text += "net.ipv6.conf.all.forwarding = 1\n";
  text += "net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\n";
  return {std::string(kSysctls), text, 0644, fmt::format("sysctl -q -p {}\n", kSysctls)};
}

/// What this machine's kubelet has beyond the cluster's KubeletConfiguration: kubeadm lays it over when it writes kubelet's file.
RenderedFile kubelet_patch(const Machine& machine) {
  return {fmt::format("{}/kubeletconfiguration+merge.yaml", kPatchesFolder), std::string(kWritten) + write_yaml(*machine.kubelet), 0644,
          ""};
}

/// A kubelet that only runs etcd, without an API server: until the machine becomes a node, if ever.
std::vector<RenderedFile> etcd_kubelet(const Site& site, const Machine& machine) {
  auto off = [] { return std::move(MapBuilder().add_plain("enabled", "false")).build(); };
  auto settings = std::move(MapBuilder()
                                .add_text("apiVersion", "kubelet.config.k8s.io/v1beta1")
                                .add_text("kind", "KubeletConfiguration")
                                .add_text("address", site.kubernetes.pods.address.is_v4() ? "127.0.0.1" : "::1")
                                .add("authentication", std::move(MapBuilder().add("anonymous", off()).add("webhook", off())).build())
                                .add("authorization", std::move(MapBuilder().add_text("mode", "AlwaysAllow")).build())
                                .add_text("cgroupDriver", "systemd")
                                .add_text("containerRuntimeEndpoint", cri_socket(site))
                                .add_text("staticPodPath", "/etc/kubernetes/manifests"))
                      .build();
  const std::string restart = "systemctl daemon-reload\nif systemctl is-active --quiet kubelet; then systemctl restart kubelet; fi\n";
  return {{std::string(kEtcdKubelet), std::string(kWritten) + write_yaml(*merge(settings, machine.kubelet)), 0644, restart},
          {"/etc/systemd/system/kubelet.service.d/20-fairlead-etcd.conf",
           std::string(kWritten) + fmt::format("# This kubelet runs etcd as a static pod and knows no API server.\n[Service]\nExecStart=\n"
                                               "ExecStart=/usr/bin/kubelet --config={}\nRestart=always\n",
                                               kEtcdKubelet),
           0644, restart}};
}

/// "req": the program refuses the "required" of its man page (corosync-qnetd 3.0.2).
RenderedFile qnetd_options() {
  return {
      "/etc/default/corosync-qnetd",
      std::string(kWritten) + "# Gateways must come by TLS, each with a certificate of its own.\nCOROSYNC_QNETD_OPTIONS=\"-s req -c on\"\n",
      0644, "if systemctl is-active --quiet corosync-qnetd; then systemctl restart corosync-qnetd; fi\n"};
}

void put(std::vector<RenderedFile>& files, RenderedFile file) {
  const auto same = std::find_if(files.begin(), files.end(), [&](const RenderedFile& f) { return f.path == file.path; });
  if (same == files.end()) {
    files.push_back(std::move(file));
  } else {
    file.applies = same->applies;  // The user's text in our place takes effect as ours does.
    *same = std::move(file);
  }
}

void put_all(std::vector<RenderedFile>& files, std::vector<RenderedFile> more) {
  for (RenderedFile& file : more) put(files, std::move(file));
}

}  // namespace

std::vector<RenderedFile> machine_files(const Site& site, const Machine& machine) {
  std::vector<RenderedFile> files;
  put(files, {std::string(kHostsBlockPath), hosts_block(site, machine), 0644, merge_hosts_script(kHostsBlockPath, kHostsPath)});
  if (const std::string chrony = chrony_conf(site, machine); !chrony.empty()) {
    put(files, {"/etc/chrony/chrony.conf", chrony, 0644, "if systemctl is-active --quiet chrony; then systemctl restart chrony; fi\n"});
  }
  if (runs_kubelet(machine)) {
    put(files, modules(site, machine));
    put(files, sysctls(site));
    put_all(files, runtime_files(site));
  }
  put_all(files, kubernetes_apt_files(site, machine));
  if (is_kubernetes_node(machine)) {
    if (machine.kubelet != nullptr) put(files, kubelet_patch(machine));
  } else if (machine.has(Role::kEtcd)) {
    put_all(files, etcd_kubelet(site, machine));
  }
  if (machine.has(Role::kWitness)) put(files, qnetd_options());
  put_all(files, storage_files(site, machine));
  for (const ExtraFile& extra : machine.files) {
    if (extra.source.empty()) put(files, {extra.path, extra.content, extra.mode, ""});
  }
  return files;
}

}  // namespace fairlead::bootstrap
