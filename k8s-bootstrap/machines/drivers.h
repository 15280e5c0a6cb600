// fairlead: pure
// The hypervisors there are.
#pragma once

#include <memory>

#include "k8s-bootstrap/machines/vm_driver.h"

namespace fairlead::bootstrap {

/// virsh. VMs and networks carry <metadata> of ours. What a VM's XML says of its type comes from the host's capabilities: kvm before qemu.
[[nodiscard]] std::unique_ptr<VmDriver> make_libvirt_driver(std::string uri);
/// One qemu process a VM, asked by QMP; bridges and taps by ip(8), so as root. It has no definition but its folder.
[[nodiscard]] std::unique_ptr<VmDriver> make_qemu_driver();
/// VBoxManage. A VM's description is our mark; networks are internal ones, which exist while a VM uses them.
[[nodiscard]] std::unique_ptr<VmDriver> make_virtualbox_driver();

/// A bridge's MAC address, of its network's UUID, which shows that it is ours.
[[nodiscard]] std::string bridge_mark(const VmNetwork& network);
/// The answer to `ip -json link show dev DEVICE`.
[[nodiscard]] Result<NetworkFound> read_bridge(const VmNetwork& network, const HostQuestion& question, const HostAnswer& answer);

/// The boot sector whose run tells whether an accelerator works: it ends qemu with exit code kProbeExit. 512 bytes.
[[nodiscard]] std::string accelerator_probe();
/// Runs it by KVM. An answer that is not `there`: this machine has no qemu of its own.
[[nodiscard]] HostQuestion ask_kvm();
inline constexpr int kProbeExit = 33;  ///< isa-debug-exit: (0x10 << 1) | 1

}  // namespace fairlead::bootstrap
