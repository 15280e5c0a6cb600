// fairlead: pure
// Bricks, Gluster's volumes, and what Kubernetes is to get of them.
#include <algorithm>
#include <set>

#include "base/units.h"
#include "k8s-bootstrap/site/site_checks.h"
#include "k8s-bootstrap/storage/storage_layout.h"

namespace fairlead::bootstrap {
namespace {

using config::quoted;

void check_brick(SiteChecks& checks, const Machine& machine, const Brick& brick, const std::string& at) {
  if (!checks.sound(at)) return;
  const bool disk = !brick.device.empty() || !brick.serial.empty();
  if (!brick.path.empty() && (disk || brick.wipe || brick.size > 0)) {
    checks.error(at + ".path", fmt::format("brick {} of {} with a path and keys of a disk", brick.name, machine.name),
                 "keep path alone for a file system of yours; device, serial, size and wipe are of a disk that Fairlead prepares");
  } else if (brick.path.empty() && !disk && !checks.site.vms) {
    checks.error(at, fmt::format("brick {} of {} is on no disk", brick.name, machine.name),
                 "name its device, its serial or both (lsblk -o NAME,SIZE,SERIAL), or the path of a file system that you mount");
  }
  if (brick.path.empty() && !disk && checks.site.vms && brick.size == 0)
    checks.error(at, fmt::format("brick {} of {}: how large is the VM's disk?", brick.name, machine.name),
                 "write its size, as in size: 500GiB");
  if (brick.wipe && brick.serial.empty())
    checks.error(at + ".wipe", fmt::format("brick {} of {}: wipe without the disk's serial", brick.name, machine.name),
                 "device names move: write serial as lsblk -o NAME,SERIAL tells it");
  if (brick.path == "/" || brick.path.ends_with('/'))
    checks.error(at + ".path", fmt::format("{} is no mount point of a brick", quoted(brick.path)), "write it without '/' at its end");
}

void check_bricks(SiteChecks& checks) {
  for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
    const Machine& machine = checks.site.machines[i];
    const std::string of = path_of("machines[{}].bricks", i);
    if (!machine.bricks.empty() && !machine.has(Role::kStorage))
      checks.error(of, fmt::format("machine {} has bricks, and not the role storage", machine.name), "give it the role, or remove them");
    std::set<std::string> names;
    std::set<std::string> disks;
    for (std::size_t k = 0; k < machine.bricks.size(); ++k) {
      const Brick& brick = machine.bricks[k];
      const std::string at = path_of("{}[{}]", of, k);
      if (!names.insert(brick.name).second)
        checks.error(at + ".name", fmt::format("a second brick {} of {}", quoted(brick.name), machine.name),
                     "each needs a name of its own");
      for (const std::string* disk : {&brick.device, &brick.serial, &brick.path}) {
        if (!disk->empty() && !disks.insert(*disk).second)
          checks.error(at, fmt::format("{} is two bricks of {}", *disk, machine.name), "each brick needs a disk of its own");
      }
      check_brick(checks, machine, brick, at);
    }
  }
}

void check_replicas(SiteChecks& checks, const GlusterVolume& volume, const std::string& at) {
  if (volume.replica == 2 && volume.arbiter == 0) {
    checks.error(at + ".replica", fmt::format("volume {} with two copies: when they lose sight of each other, both are right", volume.name),
                 "replica: 3, or replica: 3 with arbiter: 1, whose third brick holds names only and may be small");
    return;
  }
  if (!checks.all_known("machines", checks.site.machines.size())) return;
  const auto owners = brick_owners(checks.site, volume);
  if (owners.empty()) {
    std::vector<std::string> names;
    for (const Machine& machine : checks.site.machines) {
      for (const Brick& brick : machine.bricks) names.push_back(brick.name);
    }
    checks.error(at + ".bricks", fmt::format("no machine has a brick {}", quoted(volume.bricks)), config::suggest(volume.bricks, names));
  } else if (owners.size() % kCopies != 0) {
    checks.error(
        at + ".bricks",
        fmt::format("{} machines have a brick {}, and each {} of them are copies of one another", owners.size(), volume.bricks, kCopies),
        "3, 6, 9, ... machines");
  }
}

/// Who mounts it and has no card in the network of the servers reaches them through a gateway, byte for byte.
void check_way(SiteChecks& checks, const GlusterVolume& volume, const std::string& at) {
  if (volume.mount_path.empty()) return;
  std::set<std::string> networks;
  for (const Machine* owner : brick_owners(checks.site, volume)) {
    if (!owner->addresses.empty()) networks.insert(owner->addresses.front().first);
  }
  std::vector<std::string> far;
  for (const Machine* client : mounting_machines(checks.site, volume)) {
    const bool near = std::all_of(networks.begin(), networks.end(), [&](const std::string& n) { return client->address_in(n) != nullptr; });
    if (!near) far.push_back(client->name);
  }
  if (far.empty() || networks.empty()) return;
  checks.warning(at + ".mount",
                 fmt::format("{} would reach the bricks of volume {} through a gateway: {} has no address in network {}",
                             fmt::join(far, ", "), volume.name, far.size() == 1 ? "it" : "each", fmt::join(networks, ", ")),
                 "give it a card there: all data of pods goes that way, and stops with a takeover");
}

void check_mount(SiteChecks& checks, const GlusterVolume& volume, const std::string& at, std::set<std::string>& paths) {
  const std::string& path = volume.mount_path;
  if (path.empty()) return;
  if (path == "/" || path.ends_with('/') || path.find("/../") != std::string::npos || path.find("//") != std::string::npos)
    checks.error(at + ".mount.path", fmt::format("{} is no mount point", quoted(path)), "as in /srv/pods");
  if (!paths.insert(path).second) checks.error(at + ".mount.path", fmt::format("two volumes at {}", path), "each needs a path of its own");
  if (path.starts_with(std::string(kBricksFolder) + "/") || path == kBricksFolder)
    checks.error(at + ".mount.path", fmt::format("{} is where bricks are", path), "whoever writes into a brick breaks the volume");
}

void check_allow(SiteChecks& checks, const GlusterVolume& volume, const std::string& at) {
  for (std::size_t i = 0; i < volume.allow.size(); ++i) checks.network(volume.allow[i], path_of("{}.allow[{}]", at, i));
  if (volume.options.contains("auth.allow") && !volume.allow.empty())
    checks.error(at + ".options", fmt::format("volume {} with allow and the option auth.allow", volume.name), "keep one of them");
  if (volume.allow.empty() || volume.mount_path.empty()) return;
  std::vector<std::string> shut;
  for (const Machine* client : mounting_machines(checks.site, volume)) {
    const bool in =
        std::any_of(volume.allow.begin(), volume.allow.end(), [&](const std::string& n) { return client->address_in(n) != nullptr; });
    if (!in) shut.push_back(client->name);
  }
  if (!shut.empty())
    checks.error(at + ".allow",
                 fmt::format("volume {} is to be mounted on {}, which no network of allow lets in", volume.name, fmt::join(shut, ", ")),
                 "add a network that they have an address in");
}

void check_volumes(SiteChecks& checks, const Gluster& gluster) {
  std::vector<std::string> names;
  std::set<std::string> paths;
  for (const GlusterVolume& volume : gluster.volumes) names.push_back(volume.name);
  checks.unique(names, "storage.gluster.volumes", "volume");
  for (std::size_t i = 0; i < gluster.volumes.size(); ++i) {
    const GlusterVolume& volume = gluster.volumes[i];
    const std::string at = path_of("storage.gluster.volumes[{}]", i);
    if (!checks.sound(at)) continue;
    check_replicas(checks, volume, at);
    check_mount(checks, volume, at, paths);
    check_allow(checks, volume, at);
    check_way(checks, volume, at);
  }
}

/// A name of volumes that is mounted where pods run.
void check_use(SiteChecks& checks, const Gluster& gluster, const std::string& name, const std::string& at) {
  std::vector<std::string> names;
  for (const GlusterVolume& volume : gluster.volumes) names.push_back(volume.name);
  const GlusterVolume* volume = checks.site.volume(name);
  if (volume == nullptr) {
    if (checks.all_known("storage.gluster.volumes", gluster.volumes.size()))
      checks.error(at, fmt::format("there is no volume {}", quoted(name)), config::suggest(name, names));
  } else if (volume->mount_path.empty() || volume->mount_on == Role::kBastion) {
    checks.error(at, fmt::format("volume {} is mounted on no node", name), "give it mount: {path: /srv/" + name + ", on: worker}");
  }
}

void check_for_kubernetes(SiteChecks& checks, const Gluster& gluster) {
  std::vector<std::string> names;
  for (const PersistentVolume& each : gluster.persistent_volumes) names.push_back(each.name);
  checks.unique(names, "storage.gluster.persistent_volumes", "persistent volume");
  for (std::size_t i = 0; i < gluster.persistent_volumes.size(); ++i) {
    const PersistentVolume& each = gluster.persistent_volumes[i];
    const std::string at = path_of("storage.gluster.persistent_volumes[{}]", i);
    check_use(checks, gluster, each.volume, at + ".volume");
    if (each.size == 0 && checks.sound(at + ".size")) checks.error(at + ".size", "a persistent volume without size", "as in 10GiB");
    if (each.name == kSharedFolder)
      checks.error(at + ".name", fmt::format("{} is the directory of storage classes", quoted(each.name)), "choose another name");
  }
  names.clear();
  for (const SharedClass& each : gluster.storage_classes) names.push_back(each.name);
  checks.unique(names, "storage.gluster.storage_classes", "storage class");
  for (std::size_t i = 0; i < gluster.storage_classes.size(); ++i)
    check_use(checks, gluster, gluster.storage_classes[i].volume, path_of("storage.gluster.storage_classes[{}].volume", i));
  for (std::size_t i = 0; i < gluster.kadalu.size(); ++i) {
    const std::string at = path_of("storage.gluster.kadalu[{}]", i);
    if (checks.site.volume(gluster.kadalu[i]) == nullptr) {
      if (checks.all_known("storage.gluster.volumes", gluster.volumes.size()))
        checks.error(at, fmt::format("there is no volume {}", quoted(gluster.kadalu[i])), "a name of volumes");
    } else {
      checks.warning(at, "Kadalu has had no release since the beginning of 2024: its manifests are rendered, and not tested by us",
                     "persistent_volumes and storage_classes need nothing of it");
    }
  }
}

}  // namespace

void check_site_storage(SiteChecks& checks) {
  check_bricks(checks);
  const auto& gluster = checks.site.gluster;
  if (!gluster || (gluster->volumes.empty() && checks.sound("storage"))) {
    if (checks.has("storage") && checks.sound("storage"))
      checks.warning("storage", "storage without volumes has no effect", "add storage.gluster.volumes, or remove it");
    for (std::size_t i = 0; i < checks.site.machines.size(); ++i) {
      if (checks.site.machines[i].has(Role::kStorage))
        checks.warning(path_of("machines[{}].roles", i),
                       fmt::format("machine {} gets no Gluster: the site has no volumes", checks.site.machines[i].name),
                       "add storage.gluster.volumes, or leave the machine out");
    }
    return;
  }
  check_volumes(checks, *gluster);
  check_for_kubernetes(checks, *gluster);
}

}  // namespace fairlead::bootstrap
