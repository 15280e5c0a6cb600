// fairlead: pure
#include "k8s-bootstrap/machines/vm_names.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "k8s-bootstrap/render/sha256.h"

namespace fairlead::bootstrap {
namespace {

/// Names have no '/': no two lists of names give the same text.
std::string digest(std::string_view what, const Site& site, std::string_view machine, std::string_view more) {
  return sha256(fmt::format("fairlead/{}/{}/{}/{}", what, site.name, machine, more));
}

std::string uuid_of(std::string hex) {
  constexpr std::string_view kVariant = "89ab";
  hex[12] = '8';  // Version 8: made as its maker likes.
  const char digit = hex[16];
  const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
  hex[16] = kVariant[static_cast<std::size_t>(value & 3)];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20, 12));
}

}  // namespace

std::string vm_name(const Site& site, const Machine& machine) { return site.name + "-" + machine.name; }

std::string vm_uuid(const Site& site, const Machine& machine) {
  if (machine.uuid.empty()) return uuid_of(digest("machine", site, machine.name, ""));
  std::string out = machine.uuid;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string vm_network_uuid(const Site& site, std::string_view network) { return uuid_of(digest("network", site, "", network)); }

std::string vm_mac(const Site& site, const Machine& machine, std::string_view network) {
  for (const auto& [name, mac] : machine.macs) {
    if (name == network) return mac;
  }
  const std::string hex = digest("mac", site, machine.name, network);
  return fmt::format("02:{}:{}:{}:{}:{}", hex.substr(0, 2), hex.substr(2, 2), hex.substr(4, 2), hex.substr(6, 2), hex.substr(8, 2));
}

std::string vm_disk_serial(const Site& site, const Machine& machine, std::string_view disk) {
  return "fl" + digest("disk", site, machine.name, disk).substr(0, 18);
}

void name_vm_disks(Site& site) {
  for (Machine& machine : site.machines) {
    for (Brick& brick : machine.bricks) {
      if (brick.path.empty() && brick.device.empty() && brick.serial.empty()) brick.serial = vm_disk_serial(site, machine, brick.name);
    }
  }
}

std::string host_device(std::string_view prefix, const Site& site, std::string_view machine, std::string_view network) {
  return std::string(prefix) + digest("device", site, machine, network).substr(0, 15 - prefix.size());
}

std::string mac_of(const Site& site, const Machine& machine, std::string_view network) {
  if (site.vms) return vm_mac(site, machine, network);
  for (const auto& [name, mac] : machine.macs) {
    if (name == network) return mac;
  }
  return {};
}

std::string vm_card(const Machine& machine, std::string_view network) {
  const auto device = machine.interfaces.find(std::string(network));
  return device == machine.interfaces.end() ? std::string(network) : device->second;
}

}  // namespace fairlead::bootstrap
