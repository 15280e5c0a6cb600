// The classic site with VMs, as tests/golden/site/whole.yaml has it, without what storage needs.
#pragma once

#include "k8s-bootstrap/machines/machine_plan.h"
#include "render_site.h"

namespace fairlead::bootstrap::vm_test {

inline Site vm_site(const std::string& driver) {
  Site site = render_test::classic_site();
  site.ssh.user = "debian";
  site.networks[0].attach = "br0";
  Vms vms;
  vms.driver = driver;
  vms.image = "base";
  vms.sizes.gateway = {1, 1ULL << 30U, 0};
  vms.sizes.bastion = {1, 512ULL << 20U, 0};
  vms.sizes.control_plane = {2, 2ULL << 30U, 0};
  vms.sizes.worker = {2, 4ULL << 30U, 60ULL << 30U};
  site.vms = vms;
  for (Machine& machine : site.machines) machine.interfaces.clear();
  return site;
}

inline const VmPlace kPlace{"/srv/demo.state/vms", "/srv/demo.state/images", 0700};

inline SeedKeys keys() {
  return {{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPL anna@laptop"},
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAUTHORITYAUTHORITYAUTHORITYAUTHORITYAUTHO demo user CA"};
}

inline VmSite model(const Site& site) {
  VmSite out{vms_of(site, kPlace), vm_networks_of(site), {}};
  for (const Machine& machine : site.machines) out.seeds[machine.name] = seed_of(site, machine, keys());
  return out;
}

/// Nothing is there but the image and the bridge.
inline HostFacts empty_host(const VmSite& site) {
  HostFacts out;
  for (const Vm& vm : site.vms) out.vms[vm.machine] = {};
  for (const VmNetwork& network : site.networks)
    out.networks[network.name] = {network.ours ? NetworkState::kAbsent : NetworkState::kUp, {}};
  out.image = true;
  return out;
}

inline HostFacts running_host(const VmSite& site) {
  HostFacts out = empty_host(site);
  for (const Vm& vm : site.vms) out.vms[vm.machine] = {VmState::kRunning, {}, {"system"}, true, site.seeds.at(vm.machine).meta_data};
  for (auto& [name, network] : out.networks) network.state = NetworkState::kUp;
  return out;
}

inline std::string lines(const std::vector<HostStep>& steps) {
  std::string out;
  for (const HostStep& step : steps) out += step_text(step) + "\n";
  return out;
}

}  // namespace fairlead::bootstrap::vm_test
