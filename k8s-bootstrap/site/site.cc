// fairlead: pure
#include "k8s-bootstrap/site/site.h"

#include <algorithm>

#include "base/assert.h"

namespace fairlead::bootstrap {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kGateway: return "gateway";
    case Role::kBastion: return "bastion";
    case Role::kWitness: return "witness";
    case Role::kControlPlane: return "control-plane";
    case Role::kWorker: return "worker";
    case Role::kEtcd: return "etcd";
    case Role::kStorage: return "storage";
  }
  return "?";
}

bool Machine::has(Role role) const { return std::find(roles.begin(), roles.end(), role) != roles.end(); }

const IpAddress* Machine::address_in(std::string_view network) const {
  for (const auto& [where, address] : addresses) {
    if (where == network) return &address;
  }
  return nullptr;
}

const IpAddress& Machine::address() const {
  FL_ASSERT(!addresses.empty());
  return addresses.front().second;
}

const Machine* Site::find(std::string_view machine) const {
  const auto found = std::find_if(machines.begin(), machines.end(), [&](const Machine& m) { return m.name == machine; });
  return found == machines.end() ? nullptr : &*found;
}

const Network* Site::network(std::string_view wanted) const {
  const auto found = std::find_if(networks.begin(), networks.end(), [&](const Network& n) { return n.name == wanted; });
  return found == networks.end() ? nullptr : &*found;
}

std::vector<const Machine*> Site::with(Role role) const {
  std::vector<const Machine*> result;
  for (const Machine& machine : machines) {
    if (machine.has(role)) result.push_back(&machine);
  }
  return result;
}

const SiteVip* Site::endpoint() const {
  if (!gateways) return nullptr;
  for (const SiteVip& vip : gateways->vips) {
    if (vip.name == kubernetes.endpoint) return &vip;
  }
  return nullptr;
}

const GlusterVolume* Site::volume(std::string_view wanted) const {
  if (!gluster) return nullptr;
  const auto found =
      std::find_if(gluster->volumes.begin(), gluster->volumes.end(), [&](const GlusterVolume& v) { return v.name == wanted; });
  return found == gluster->volumes.end() ? nullptr : &*found;
}

std::string Site::fqdn(const Machine& machine) const { return machine.name + "." + domain; }

std::vector<const Machine*> Site::etcd_machines() const {
  return with(kubernetes.etcd == EtcdPlace::kExternal ? Role::kEtcd : Role::kControlPlane);
}

}  // namespace fairlead::bootstrap
