// fairlead: pure
// What a site says of storage: bricks of its machines, Gluster volumes made of them, and what Kubernetes gets of those. Values only;
// belongs to site.h. How it is laid out on machines: k8s-bootstrap/storage/storage_layout.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site_role.h"

namespace fairlead::bootstrap {

/// Where one brick of a machine comes from: a whole disk (`device`, `serial` or both), or a file system that the operator mounts (`path`).
struct Brick {
  std::string name;
  std::uint64_t size = 0;  ///< Bytes the disk must have at least; 0: any.
  std::string device;
  std::string serial;
  std::string path;   ///< Mount point of a file system that is prepared already: no disk is looked at.
  bool wipe = false;  ///< What is on the disk may go; needs `serial`.
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
  std::string mount_path;  ///< Empty: mounted nowhere.
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
/// A StorageClass for local-path-provisioner with a shared file system; the provisioner itself is an addon of the operator's.
struct SharedClass {
  std::string name;
  std::string volume;
  bool operator==(const SharedClass&) const = default;
};
struct Gluster {
  BrickLayout brick;
  std::vector<GlusterVolume> volumes;
  std::vector<PersistentVolume> persistent_volumes;
  std::vector<SharedClass> storage_classes;
  std::vector<std::string> kadalu;  ///< Volumes for which manifests are rendered; they are never applied.
  bool operator==(const Gluster&) const = default;
};

}  // namespace fairlead::bootstrap
