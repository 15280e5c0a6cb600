// fairlead: pure
// What a site may say and this release does not do: VMs, images, storage. It is read and checked, so that an editor and a later release
// agree on it, and then refused (site_check_later.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "k8s-bootstrap/site/site.h"

namespace fairlead::bootstrap {

struct VmSize {
  std::uint32_t cpus = 0;    ///< 0: the driver's choice, likewise the others.
  std::uint64_t memory = 0;  ///< Bytes.
  std::uint64_t disk = 0;    ///< Bytes.
  bool operator==(const VmSize&) const = default;
};
/// By role.
struct VmSizes {
  VmSize gateway;
  VmSize bastion;
  VmSize witness;
  VmSize control_plane;
  VmSize worker;
  VmSize etcd;
  VmSize storage;
  bool operator==(const VmSizes&) const = default;
};
struct Vms {
  std::string driver;
  std::string image;
  VmSizes sizes;
  bool operator==(const Vms&) const = default;
};

struct Image {
  struct Volume {
    std::string name;
    std::uint64_t size = 0;
    bool operator==(const Volume&) const = default;
  };
  struct Growth {
    std::string name;
    std::string share;  ///< "100%"
    bool operator==(const Growth&) const = default;
  };
  std::string name;
  std::string release;
  std::uint64_t disk = 0;
  std::uint64_t boot = 0;
  std::vector<Volume> volumes;
  std::vector<Growth> grow;
  std::vector<std::string> packages;
  bool operator==(const Image&) const = default;
};

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
  VmSize size;
  std::string uuid;
  std::vector<std::pair<std::string, std::string>> macs;  ///< Network -> MAC address, lower case.
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
  std::optional<Vms> vms;
  std::optional<Image> image;
  std::optional<Storage> storage;
};

}  // namespace fairlead::bootstrap
