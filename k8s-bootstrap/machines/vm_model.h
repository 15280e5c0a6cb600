// fairlead: pure
// The VMs of a site as values, the same for every hypervisor: a driver (vm_driver.h) makes its own words of them.
//
//   VM1  Every path of a VM lies below VmPlace::folder/<machine>; nothing else of the host is written but by the hypervisor.
//   VM2  The first disk is the system's, a copy of the image; the others begin empty. Cards stand in the order of the machine's addresses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct VmNetwork {
  std::string name;  ///< Of the site: "mast".
  std::string host;  ///< What the hypervisor calls it: "demo-mast". Of a network with `attach`: the host's bridge or card.
  std::string uuid;
  std::string device;  ///< The bridge on the VM host, at most 15 characters.
  bool ours = true;    ///< False: it is there already (`attach`); neither made nor removed.
  std::uint16_t mtu = 0;
  bool operator==(const VmNetwork&) const = default;
};
struct VmNic {
  VmNetwork network;
  std::string mac;
  std::string card;    ///< In the VM: "mast".
  std::string device;  ///< Its other end on the VM host, where the driver names it.
  bool operator==(const VmNic&) const = default;
};
struct VmDisk {
  std::string name;  ///< "system", or "brick-" and the name of a brick.
  std::string serial;
  std::string file;  ///< Without its ending, which is the driver's: "/srv/demo.state/vms/gate-1/system".
  std::uint64_t bytes = 0;
  bool operator==(const VmDisk&) const = default;
};
struct Vm {
  std::string machine;  ///< "gate-1"
  std::string name;     ///< "demo-gate-1"
  std::string uuid;
  std::string site;
  std::uint32_t cpus = 0;
  std::uint64_t memory = 0;  ///< Bytes.
  std::string folder;        ///< "/srv/demo.state/vms/gate-1"
  unsigned folder_mode = 0700;
  std::string image;   ///< The file its system disk is copied from.
  std::string seed;    ///< "/srv/demo.state/vms/gate-1/seed.iso"
  std::string serial;  ///< The system's serial number, by which cloud-init learns where its seed is; empty: it is the ISO.
  std::vector<VmDisk> disks;
  std::vector<VmNic> nics;

  /// What marks it as ours where a hypervisor has room for a text.
  [[nodiscard]] std::string mark() const;
  bool operator==(const Vm&) const = default;
};

struct VmPlace {
  std::string folder;    ///< Absolute: "/srv/demo.state/vms".
  std::string images;    ///< Absolute: "/srv/demo.state/images".
  unsigned mode = 0700;  ///< Of folders; 0711 where the hypervisor is another user.
};

inline constexpr std::uint32_t kVmCpus = 2;
inline constexpr std::uint64_t kVmMemory = 2ULL << 30U;
inline constexpr std::uint64_t kVmDisk = 20ULL << 30U;

/// `site.vms` is there. In the site's order.
[[nodiscard]] std::vector<Vm> vms_of(const Site& site, const VmPlace& place);
/// Those that some machine is in, in the site's order.
[[nodiscard]] std::vector<VmNetwork> vm_networks_of(const Site& site);
/// "/srv/demo.state/images/base.qcow2"
[[nodiscard]] std::string image_file(const Site& site, const VmPlace& place);
/// Largest wish of its roles, its own keys first; never 0.
[[nodiscard]] VmSize vm_size(const Site& site, const Machine& machine);

}  // namespace fairlead::bootstrap
