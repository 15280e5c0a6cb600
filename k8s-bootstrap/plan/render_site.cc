// fairlead: pure
// Apart from the plan, which needs only the texts.
#include <algorithm>

#include "k8s-bootstrap/plan/plan_input.h"
#include "k8s-bootstrap/render/apt_files.h"
#include "k8s-bootstrap/render/gateway_devices.h"
#include "k8s-bootstrap/site/versions.h"

namespace fairlead::bootstrap {
namespace {

/// What needs the machine's system goes behind the others; a path that the site's own `files` have is theirs.
void add_apt_files(const Site& site, const Machine& machine, const MachineFacts& facts, std::vector<RenderedFile>& files) {
  for (RenderedFile& file : apt_files(site, machine, facts.os_id, facts.os_version)) {
    const auto same = [&](const RenderedFile& other) { return other.path == file.path; };
    if (std::none_of(files.begin(), files.end(), same)) files.push_back(std::move(file));
  }
}

std::string runtime_sha256(const Versions& versions) {
  if (versions.containerd) {
    if (!versions.containerd->sha256.empty()) return versions.containerd->sha256;
    const auto version = parse_version(versions.containerd->version);
    return version ? std::string(containerd_sha256(*version)) : std::string();
  }
  return versions.cri_dockerd ? versions.cri_dockerd->sha256 : std::string();
}

}  // namespace

Rendered render_site(const Site& given, const Facts& facts) {
  const Site site = with_devices(given, facts);
  Rendered out;
  for (const Machine& machine : site.machines) {
    MachineTexts& texts = out.machines[machine.name];
    texts.files = machine_files(site, machine);
    if (const MachineFacts* read = facts.find(machine.name)) add_apt_files(site, machine, *read, texts.files);
    const bool control_plane = machine.has(Role::kControlPlane);
    const bool node = control_plane || machine.has(Role::kWorker);
    if (control_plane || machine.has(Role::kEtcd)) texts.init = init_config(site, machine);  // Of etcd alone: etcd_config.
    if (machine.has(Role::kEtcd) && !control_plane) texts.etcd_join = etcd_config(site, machine, true);
    if (node) texts.join = join_config(site, machine);
    if (node) texts.upgrade = upgrade_config(site, machine);
    if (node || machine.has(Role::kEtcd)) texts.reset = reset_config(site, machine);
  }
  if (site.gateways) {
    out.gateway_yaml = gateway_yaml(site);
    out.missing_devices = missing_devices(site);
  }
  out.runtime_sha256 = runtime_sha256(site.versions);
  return out;
}

}  // namespace fairlead::bootstrap
