// fairlead: pure
// What a site says of machines that Fairlead makes: how large they are, what runs them, which image they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::bootstrap {

struct VmSize {
  std::uint32_t cpus = 0;    ///< 0: not said here, likewise the others.
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
  std::string driver;  ///< libvirt | virtualbox | qemu; namespaces is refused by check_site_vms.
  std::string image;   ///< Name of the image.
  VmSizes sizes;
  std::string seed_url;  ///< "http://192.168.1.5/seeds/": seeds are fetched from there. Empty: each is an ISO in its VM.
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

}  // namespace fairlead::bootstrap
