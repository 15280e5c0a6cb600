// fairlead: pure
#include "k8s-bootstrap/machines/vm_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "k8s-bootstrap/machines/vm_names.h"

namespace fairlead::bootstrap {
namespace {

const VmSize& size_of(const VmSizes& sizes, Role role) {
  switch (role) {
    case Role::kGateway: return sizes.gateway;
    case Role::kBastion: return sizes.bastion;
    case Role::kWitness: return sizes.witness;
    case Role::kControlPlane: return sizes.control_plane;
    case Role::kWorker: return sizes.worker;
    case Role::kEtcd: return sizes.etcd;
    case Role::kStorage: return sizes.storage;
  }
  FL_ASSERT(false);
}

VmNetwork vm_network(const Site& site, const Network& network) {
  VmNetwork out;
  out.name = network.name;
  out.ours = network.attach.empty();
  out.host = out.ours ? fmt::format("{}-{}", site.name, network.name) : network.attach;
  out.uuid = vm_network_uuid(site, network.name);
  out.device = out.ours ? host_device("flb", site, "", network.name) : network.attach;
  out.mtu = network.mtu;
  return out;
}

std::vector<VmNic> nics_of(const Site& site, const Machine& machine) {
  std::vector<VmNic> out;
  for (const auto& [name, address] : machine.addresses) {
    const Network* network = site.network(name);
    FL_ASSERT(network != nullptr);  // A checked site's.
    out.push_back(
        {vm_network(site, *network), vm_mac(site, machine, name), vm_card(machine, name), host_device("flt", site, machine.name, name)});
  }
  return out;
}

}  // namespace

std::string Vm::mark() const { return fmt::format("fairlead site {} machine {}", site, machine); }

VmSize vm_size(const Site& site, const Machine& machine) {
  VmSize by_role;
  for (const Role role : machine.roles) {
    const VmSize& of = size_of(site.vms->sizes, role);
    by_role.cpus = std::max(by_role.cpus, of.cpus);
    by_role.memory = std::max(by_role.memory, of.memory);
    by_role.disk = std::max(by_role.disk, of.disk);
  }
  const auto first = [](auto own, auto role, auto otherwise) { return own != 0 ? own : role != 0 ? role : otherwise; };
  return {first(machine.size.cpus, by_role.cpus, kVmCpus), first(machine.size.memory, by_role.memory, kVmMemory),
          first(machine.size.disk, by_role.disk, kVmDisk)};
}

std::string image_file(const Site& site, const VmPlace& place) { return fmt::format("{}/{}.qcow2", place.images, site.vms->image); }

std::vector<Vm> vms_of(const Site& site, const VmPlace& place) {
  FL_ASSERT(site.vms.has_value());
  std::vector<Vm> out;
  for (const Machine& machine : site.machines) {
    const VmSize size = vm_size(site, machine);
    Vm vm;
    vm.machine = machine.name;
    vm.name = vm_name(site, machine);
    vm.uuid = vm_uuid(site, machine);
    vm.site = site.name;
    vm.cpus = size.cpus;
    vm.memory = size.memory;
    vm.folder = place.folder + "/" + machine.name;
    vm.folder_mode = place.mode;
    vm.image = image_file(site, place);
    vm.seed = vm.folder + "/seed.iso";
    if (!site.vms->seed_url.empty()) vm.serial = fmt::format("ds=nocloud-net;s={}{}/", site.vms->seed_url, machine.name);
    vm.disks.push_back({"system", vm_disk_serial(site, machine, "system"), vm.folder + "/system", size.disk});
    for (const Brick& brick : machine.bricks) {
      if (brick.serial.empty() || !brick.device.empty() || brick.size == 0) continue;
      vm.disks.push_back({"brick-" + brick.name, brick.serial, vm.folder + "/brick-" + brick.name, brick.size});
    }
    vm.nics = nics_of(site, machine);
    out.push_back(std::move(vm));
  }
  return out;
}

std::vector<VmNetwork> vm_networks_of(const Site& site) {
  std::vector<VmNetwork> out;
  for (const Network& network : site.networks) {
    const bool used = std::any_of(site.machines.begin(), site.machines.end(),
                                  [&](const Machine& machine) { return machine.address_in(network.name) != nullptr; });
    if (used) out.push_back(vm_network(site, network));
  }
  return out;
}

}  // namespace fairlead::bootstrap
