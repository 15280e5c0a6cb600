// fairlead: pure
// What a VM is known by: derived from the names of site, machine and network, so that the same site gives the same VM on every host and
// after every loss, and DHCP can reserve an address before the machine exists.
//
//   VN1  Same names, same values; other names, other values (as far as 40 bits of SHA-256 tell MAC addresses apart).
//   VN2  What the site says itself (`uuid`, `mac`) wins.
#pragma once

#include <string>
#include <string_view>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

/// "demo-gate-1": what hypervisors call it.
[[nodiscard]] std::string vm_name(const Site& site, const Machine& machine);
/// Lower case. Derived: version 8 of RFC 9562, the first 128 bits of SHA-256 of "fairlead/machine", site and machine.
[[nodiscard]] std::string vm_uuid(const Site& site, const Machine& machine);
/// The same of "fairlead/network".
[[nodiscard]] std::string vm_network_uuid(const Site& site, std::string_view network);
/// "02:5e:...": locally administered, 40 bits of SHA-256 of "fairlead/mac", site, machine and network.
[[nodiscard]] std::string vm_mac(const Site& site, const Machine& machine, std::string_view network);
/// At most 20 characters, as ATA and virtio-blk allow: "fl" and 18 hexadecimal digits.
[[nodiscard]] std::string vm_disk_serial(const Site& site, const Machine& machine, std::string_view disk);
/// Bricks that name no disk are on disks that the VM is given: by that serial they are found in it.
void name_vm_disks(Site& site);
/// A device of the VM host, at most 15 characters: `prefix` and hexadecimal digits of the names.
[[nodiscard]] std::string host_device(std::string_view prefix, const Site& site, std::string_view machine, std::string_view network);

/// The MAC address by which DHCP knows the machine in `network`; empty: nobody knows it (a machine that exists, without `mac`).
[[nodiscard]] std::string mac_of(const Site& site, const Machine& machine, std::string_view network);
/// The card's name in the VM: the site's `interfaces`, else the network's name.
[[nodiscard]] std::string vm_card(const Machine& machine, std::string_view network);

}  // namespace fairlead::bootstrap
