// fairlead: pure
// What a site may say and this release does not do: VMs and images. It is read and checked, so that an editor and a later release
// agree on it, and then refused (check_site_later).
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

/// The part of a machine that is made of hardware.
struct Hardware {
  VmSize size;
  std::string uuid;
  std::vector<std::pair<std::string, std::string>> macs;  ///< Network -> MAC address, lower case.
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
};

}  // namespace fairlead::bootstrap
