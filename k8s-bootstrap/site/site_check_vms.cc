// fairlead: pure
// MAC addresses and VMs.
#include <algorithm>
#include <cctype>
#include <map>

#include "base/mac_address.h"
#include "base/units.h"
#include "k8s-bootstrap/site/site_checks.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::size_t kDeviceNameMax = 15;  ///< IFNAMSIZ without its end.

void check_macs(SiteChecks& checks) {
  std::map<std::string, std::string> seen;
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    for (const auto& [network, text] : machine.macs) {
      const std::string path = path_of("machines[{}].mac.{}", i, network);
      if (!checks.sound(path)) continue;
      const auto mac = parse_mac_address(text);
      if (mac && (mac->is_group() || mac->is_zero()))
        checks.error(path, fmt::format("no machine has the MAC address {}", text),
                     mac->is_zero() ? "write the machine's own" : "it is one of a group: its first byte is odd");
      if (const auto [first, fresh] = seen.emplace(text, machine.name); !fresh)
        checks.error(path, fmt::format("{} is a MAC address of machine {}", text, first->second), "each network card needs its own");
      if (checks.network(network, path) != nullptr && machine.address_in(network) == nullptr &&
          checks.sound(path_of("machines[{}].addresses", i)))
        checks.error(path, fmt::format("machine {} has no address in network {}", machine.name, network),
                     "give it one, or remove the MAC address");
    }
  }
}

void check_size(SiteChecks& checks, const VmSize& size, const std::string& at) {
  if (size.memory != 0 && size.memory < 256 * kMiB)
    checks.error(at + ".memory", fmt::format("{} of memory is too little for Debian", format_size(size.memory)),
                 "256MiB is the least; a control plane needs 2GiB");
}

void check_sizes(SiteChecks& checks) {
  const VmSizes& sizes = checks.site.vms->sizes;
  for (const auto& [role, size] : {std::pair{"gateway", &sizes.gateway},
                                   {"bastion", &sizes.bastion},
                                   {"witness", &sizes.witness},
                                   {"control-plane", &sizes.control_plane},
                                   {"worker", &sizes.worker},
                                   {"etcd", &sizes.etcd},
                                   {"storage", &sizes.storage}})
    check_size(checks, *size, path_of("vms.sizes.{}", role));
}

/// What of a machine only means something with `vms`.
void check_unused(SiteChecks& checks, std::size_t index) {
  for (const std::string_view key : {"cpus", "memory", "disk", "uuid"}) {
    const std::string path = path_of("machines[{}].{}", index, key);
    if (checks.has(path))
      checks.warning(path, fmt::format("{} has no effect without the section vms: the machine exists", key), "remove it, or add vms");
  }
}

void check_vm_network(SiteChecks& checks, std::size_t index) {
  const Network& network = checks.site.networks[index];
  const std::string of = path_of("networks[{}]", index);
  if (network.external && network.attach.empty())
    checks.error(of + ".name", fmt::format("network {} is external, and nothing says how VMs get into it", network.name),
                 "add attach: the bridge (libvirt, qemu) or card (virtualbox) of the VM host that is in it");
  if (!network.attach.empty() && network.vlan != 0)
    checks.error(of + ".vlan", fmt::format("VMs of network {} are attached to {} and not tagged", network.name, network.attach),
                 "make a bridge of the VLAN on the VM host (as br0.41), name it in attach, and remove vlan");
  if (network.name.size() > kDeviceNameMax)
    checks.error(of + ".name", fmt::format("{} has more than {} letters: VMs call their card so", quoted(network.name), kDeviceNameMax),
                 "a shorter name");
}

void check_vms(SiteChecks& checks) {
  const Vms& vms = *checks.site.vms;
  if (vms.driver == "namespaces")
    checks.refuse("vms.driver", "driver namespaces, which makes no VMs, is not in this release", "libvirt, qemu or virtualbox");
  if (vms.image.empty() && checks.sound("vms.image"))
    checks.error("vms", "VMs without an image", "name one: image: base stands for state_dir/images/base.qcow2");
  const std::string& url = vms.seed_url;
  if (!url.empty() && checks.sound("vms.seed_url") &&
      (!(url.starts_with("http://") || url.starts_with("https://")) || !url.ends_with('/') ||
       url.find_first_of(" ;,\"'") != std::string::npos))
    checks.error("vms.seed_url", fmt::format("{} is no URL of a folder", quoted(url)), "as in http://192.168.1.5/seeds/");
  check_sizes(checks);
  std::map<std::string, std::string> uuids;
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    check_size(checks, machine.size, path_of("machines[{}]", i));
    std::string uuid = machine.uuid;
    std::transform(uuid.begin(), uuid.end(), uuid.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (uuid.empty()) continue;
    if (const auto [first, fresh] = uuids.emplace(uuid, machine.name); !fresh)
      checks.error(path_of("machines[{}].uuid", i), fmt::format("{} is the UUID of machine {}", machine.uuid, first->second),
                   "each machine needs its own");
  }
  for (std::size_t i = 0; i < checks.site.networks.size(); ++i) check_vm_network(checks, i);
}

}  // namespace

void check_site_vms(SiteChecks& checks) {
  check_macs(checks);
  if (checks.site.vms) {
    check_vms(checks);
  } else {
    for (std::size_t i = 0; i < checks.site.machines.size(); ++i) check_unused(checks, i);
  }
}

}  // namespace fairlead::bootstrap
