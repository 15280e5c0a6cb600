// fairlead: pure
#include "k8s-bootstrap/storage/storage_layout.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fairlead::bootstrap {

std::string brick_mount(const Brick& brick) { return is_on_disk(brick) ? fmt::format("{}/{}", kBricksFolder, brick.name) : brick.path; }

std::string brick_directory(const Brick& brick, const GlusterVolume& volume) { return brick_mount(brick) + "/" + volume.name; }

std::string brick_group(const Brick& brick) { return "fl-" + brick.name; }

std::string brick_device(const Brick& brick) { return fmt::format("/dev/{}/brick", brick_group(brick)); }

bool is_on_disk(const Brick& brick) { return brick.path.empty(); }

const Brick* find_brick(const Machine& machine, std::string_view name) {
  const auto found = std::find_if(machine.bricks.begin(), machine.bricks.end(), [&](const Brick& b) { return b.name == name; });
  return found == machine.bricks.end() ? nullptr : &*found;
}

std::vector<const Machine*> brick_owners(const Site& site, const GlusterVolume& volume) {
  std::vector<const Machine*> out;
  for (const Machine& machine : site.machines) {
    if (machine.has(Role::kStorage) && find_brick(machine, volume.bricks) != nullptr) out.push_back(&machine);
  }
  return out;
}

std::string brick_name(const Site& site, const Machine& machine, const GlusterVolume& volume) {
  const Brick* brick = find_brick(machine, volume.bricks);
  return brick == nullptr ? std::string() : fmt::format("{}:{}", site.fqdn(machine), brick_directory(*brick, volume));
}

std::vector<std::string> brick_names(const Site& site, const GlusterVolume& volume) {
  std::vector<std::string> out;
  for (const Machine* machine : brick_owners(site, volume)) out.push_back(brick_name(site, *machine, volume));
  return out;
}

std::vector<const Machine*> mounting_machines(const Site& site, const GlusterVolume& volume) {
  return volume.mount_path.empty() ? std::vector<const Machine*>{} : site.with(volume.mount_on);
}

std::vector<const GlusterVolume*> mounts_of(const Site& site, const Machine& machine) {
  std::vector<const GlusterVolume*> out;
  if (!site.gluster) return out;
  for (const GlusterVolume& volume : site.gluster->volumes) {
    if (!volume.mount_path.empty() && machine.has(volume.mount_on)) out.push_back(&volume);
  }
  return out;
}

bool has_storage(const Site& site, const Machine& machine) {
  if (!site.gluster || site.gluster->volumes.empty()) return false;
  return machine.has(Role::kStorage) || !mounts_of(site, machine).empty();
}

std::map<std::string, std::string> volume_options(const Site& site, const GlusterVolume& volume) {
  // A client stalls for the ping timeout when a server vanishes: 42 s by default. Quorum on both sides: fewer than two of three write
  // nothing.
  std::map<std::string, std::string> out{
      {"network.ping-timeout", "10"}, {"cluster.quorum-type", "auto"}, {"cluster.server-quorum-type", "server"}};
  std::vector<std::string> allow;
  for (const std::string& name : volume.allow) {
    if (const Network* network = site.network(name)) allow.push_back(network->cidr.to_string());
  }
  if (!allow.empty()) out["auth.allow"] = fmt::format("{}", fmt::join(allow, ","));
  for (const auto& [name, value] : volume.options) out[name] = value;
  return out;
}

bool has_tls(const GlusterVolume& volume) {
  const auto on = [&](const char* option) {
    const auto found = volume.options.find(option);
    return found != volume.options.end() && (found->second == "on" || found->second == "true" || found->second == "yes");
  };
  return on("client.ssl") || on("server.ssl");
}

bool uses_tls(const Site& site, const Machine& machine) {
  if (!site.gluster) return false;
  return std::any_of(site.gluster->volumes.begin(), site.gluster->volumes.end(), [&](const GlusterVolume& volume) {
    const bool serves = machine.has(Role::kStorage) && find_brick(machine, volume.bricks) != nullptr;
    return has_tls(volume) && (serves || (!volume.mount_path.empty() && machine.has(volume.mount_on)));
  });
}

std::string mount_unit(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  std::string out;
  for (const char c : path) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' || c == '_' || (c == '.' && !out.empty());
    if (c == '/') {
      out += '-';
    } else {
      out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + ".mount";
}

}  // namespace fairlead::bootstrap
