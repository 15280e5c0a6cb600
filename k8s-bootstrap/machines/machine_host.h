// The VMs of a site on this machine: driver, model and seeds put together from the site and its state_dir. What `fairlead machine` and
// `bootstrap apply` begin with. Blocks; of one thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "k8s-bootstrap/machines/host_runner.h"
#include "k8s-bootstrap/pki/state_dir.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

/// What is put into VmSite::seeds.
enum class SeedWish : std::uint8_t {
  kNone,     ///< Nothing: no machine is made.
  kToShow,   ///< Seeds; without the key of the site's SSH authority as long as there is none.
  kToWrite,  ///< Seeds; that authority is made if it is wanted and missing.
};

class MachineHost {
 public:
  /// `site.vms` is there, and `state` is the site's. Errors: no driver of that name, HR1, no public key to log in with, those of StateDir.
  [[nodiscard]] static Result<std::unique_ptr<MachineHost>> open(const Site& site, const StateDir& state, const HostWorld& world,
                                                                 SeedWish wish);

  [[nodiscard]] const VmSite& site() const { return site_; }
  [[nodiscard]] VmDriver& driver() { return *driver_; }
  [[nodiscard]] HostRunner& runner() { return runner_; }

 private:
  MachineHost(VmSite site, std::unique_ptr<VmDriver> driver, const HostWorld& world)
      : site_(std::move(site)), driver_(std::move(driver)), runner_(*driver_, world) {}
  VmSite site_;
  std::unique_ptr<VmDriver> driver_;
  HostRunner runner_;
};

/// Of each machine, as kToWrite does. Errors: no public key to log in with, those of StateDir.
[[nodiscard]] Result<std::map<std::string, Seed>> seeds_of(const Site& site, const StateDir& state);
/// For a web server: folders 0755, files 0644; no secret is in them (CI1).
[[nodiscard]] Status write_seed_file(const std::string& folder, const std::string& name, const std::string& text);

/// What is remembered of a machine that is destroyed: its host key, and that the site's authority signed it. Another machine will come
/// under its name.
[[nodiscard]] Status forget_host_key(const StateDir& state, const std::string& machine);

struct Readiness {
  bool ready = false;
  std::string why;  ///< What it waits for, or what cloud-init failed at.
  bool failed = false;
};
/// By SSH: cloud-init's status. One try; a machine that has no cloud-init is ready when it answers.
[[nodiscard]] Readiness look_whether_ready(Transport& transport, const std::string& machine);

/// Where VMs of the site lie: state_dir/vms, or below /var/lib/libvirt/images where libvirt's own user has to come in.
[[nodiscard]] VmPlace vm_place(const Site& site, const std::string& state_dir, const std::string& libvirt_uri);
/// LIBVIRT_DEFAULT_URI, else qemu:///system.
[[nodiscard]] std::string libvirt_uri();

}  // namespace fairlead::bootstrap
