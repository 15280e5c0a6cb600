// fairlead: pure
// What a site may say and this release does not do: storage (and images: site_vms.h). It is read and checked, so that an editor and a later
// release agree on it, and then refused (check_site_later).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct Brick {
  std::string name;
  std::uint64_t size = 0;
  std::string device;
  std::string serial;
  bool operator==(const Brick&) const = default;
};
struct BrickLayout {
  std::string thin_pool = "95%";
  std::string metadata = "1%";
  std::uint64_t alignment = 128U << 10U;
  std::uint64_t chunk = 1280U << 10U;
  std::string filesystem = "xfs";
  bool operator==(const BrickLayout&) const = default;
};
struct GlusterVolume {
  std::string name;
  std::uint32_t replica = 3;
  std::uint32_t arbiter = 0;
  std::string bricks;
  std::vector<std::string> allow;
  std::map<std::string, std::string> options;
  std::string mount_path;
  Role mount_on = Role::kWorker;
  bool operator==(const GlusterVolume&) const = default;
};
struct PersistentVolume {
  std::string name;
  std::string volume;
  std::uint64_t size = 0;
  std::string access = "ReadWriteMany";
  bool operator==(const PersistentVolume&) const = default;
};
struct Gluster {
  BrickLayout brick;
  std::vector<GlusterVolume> volumes;
  std::vector<PersistentVolume> persistent_volumes;
  bool operator==(const Gluster&) const = default;
};
struct Storage {
  std::optional<Gluster> gluster;
  bool operator==(const Storage&) const = default;
};

/// The part of a machine that is made of hardware.
struct Hardware {
  std::vector<Brick> bricks;
  bool operator==(const Hardware&) const = default;
};

/// What the table of a site fills.
struct SiteMachine {
  Machine machine;
  Hardware hardware;
  bool operator==(const SiteMachine&) const = default;
};
struct SiteRoot {
  std::string api_version;
  std::string kind;
  Site site;  ///< Without its machines.
  std::vector<SiteMachine> machines;
  std::optional<Storage> storage;
};

}  // namespace fairlead::bootstrap
