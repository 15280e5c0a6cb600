// fairlead: pure
#include "k8s-bootstrap/plan/plan_input.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/plan/package_scripts.h"
#include "k8s-bootstrap/plan/plan_builder.h"
#include "k8s-bootstrap/plan/plan_etcd_restore.h"
#include "k8s-bootstrap/render/apt_files.h"
#include "k8s-bootstrap/storage/storage_files.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
std::vector<AptKeyring> apt_keyrings(const Site& site, const MachineTexts& texts) {
  std::vector<AptKeyring> out;
  for (const RenderedFile& file : texts.files) {
    if (!file.path.starts_with("/etc/apt/sources.list.d/")) continue;
    for (const std::string_view mark : {"signed-by=", "Signed-By: "}) {
      const auto at = file.text.find(mark);
      if (at == std::string::npos) continue;
      const auto begin = at + mark.size();
      const std::string path = file.text.substr(begin, file.text.find_first_of(" ]\n", begin) - begin);
      const auto same = [&](const auto& other) { return other.path == path; };
      if (std::any_of(out.begin(), out.end(), same) || std::any_of(texts.files.begin(), texts.files.end(), same)) continue;
      if (path.find("docker") != std::string::npos) {
        out.push_back(docker_keyring(path));
      } else if (path.find("kubernetes") != std::string::npos) {
        out.push_back(kubernetes_keyring(site, path));
      }
    }
  }
  return out;
}

std::string applied_manifest_path(const std::string& addon) { return std::string(kWorkPath) + "/addons/" + addon + ".yaml"; }

std::string files_marker_path(const std::string& verb) { return std::string(kWorkPath) + "/" + verb + ".pending"; }

std::string bastion_kubeconfig_path() { return std::string(kWorkPath) + "/kubeconfig"; }

std::vector<std::string> files_to_ask(const Site& site, const Machine& machine, const Rendered& texts) {
  std::vector<std::string> paths{files_marker_path("sources"), files_marker_path("files")};
  const auto found = texts.machines.find(machine.name);
  if (found != texts.machines.end()) {
    // Its system is not known before it was asked: the files of each one.
    MachineTexts all = found->second;
    for (const auto& [id, version] : {std::pair{"debian", "12"}, {"ubuntu", "24.04"}}) {
      for (RenderedFile& file : apt_files(site, machine, id, version)) all.files.push_back(std::move(file));
    }
    for (const RenderedFile& file : all.files) paths.push_back(file.path);
    for (const CopyFile& copied : all.copies) paths.push_back(copied.path);
    for (const AptKeyring& keyring : apt_keyrings(site, all)) paths.push_back(keyring.path);
  }
  if (!site.mirrors.bundle.empty()) paths.push_back(imported_images_path());
  if (site.pki.ssh_ca) {
    for (const std::string_view path : {kHostCertificate, kUserCa, kSshdSettings}) paths.emplace_back(path);
  }
  if (machine.has(Role::kGateway)) {
    paths.emplace_back(kGatewayConfig);
    paths.emplace_back(kGatewayCa);
    paths.emplace_back(kGatewayKey);
    paths.emplace_back(kQdeviceCertificates);
    paths.emplace_back(kGatewayLeases);
    paths.emplace_back(kVerifyMaint);
  }
  if (machine.has(Role::kBastion)) paths.push_back(bastion_kubeconfig_path());
  if (machine.has(Role::kControlPlane)) {
    paths.emplace_back(kAdminConf);
    for (const char* name : {"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.pub",
                             "sa.key", "apiserver-etcd-client.crt"})
      paths.push_back(std::string("/etc/kubernetes/pki/") + name);
    for (const Addon& addon : site.kubernetes.addons) paths.push_back(applied_manifest_path(addon.name));
    if (!storage_manifest(site).empty()) paths.push_back(applied_manifest_path(std::string(kStorageAddon)));
  }
  if (machine.has(Role::kControlPlane) || machine.has(Role::kEtcd)) {
    for (const char* pod : {"etcd", "kube-apiserver"}) paths.push_back(stopped_pod_path(pod));
    paths.emplace_back(kRestoredMark);
    paths.emplace_back(kRestoreDone);
  }
  if (machine.has(Role::kEtcd)) {
    for (const char* name : {"ca.crt", "server.crt", "peer.crt"}) paths.push_back(std::string("/etc/kubernetes/pki/etcd/") + name);
  }
  if (uses_tls(site, machine)) {
    for (const std::string_view path : kGlusterTls) paths.emplace_back(path);
  }
  return paths;
}

}  // namespace fairlead::bootstrap
