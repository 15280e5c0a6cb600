// fairlead: pure
// A hypervisor, as its words: what to ask, what the answers mean, and which commands bring a VM about. Whoever holds one runs them
// (host_runner.h); tests compare them.
//
//   VD1  A VM or network counts as ours by its UUID (vm_names.h), a bridge by our mark; one of the same name without it is foreign, and no
//        step touches it.
//   VD2  An answer that is not understood is an error, never "there is none".
//   VD3  Steps of create may be cut anywhere and begun again: what is half made has another name (".part") or is made anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "k8s-bootstrap/machines/cloud_init.h"
#include "k8s-bootstrap/machines/host_step.h"
#include "k8s-bootstrap/machines/vm_model.h"

namespace fairlead::bootstrap {

enum class VmState : std::uint8_t { kAbsent, kForeign, kHalfMade, kStopped, kPaused, kRunning };
[[nodiscard]] std::string_view to_string(VmState state);

struct VmFound {
  VmState state = VmState::kAbsent;
  std::string detail;                    ///< kForeign: what shows that it is not ours.
  std::vector<std::string> disks;        ///< Names of disks whose files are there and whole.
  bool folder = false;                   ///< Files of an earlier VM are left.
  std::optional<std::string> meta_data;  ///< Of the seed it was given last.
  bool operator==(const VmFound&) const = default;
};
enum class NetworkState : std::uint8_t { kAbsent, kForeign, kDown, kUp };
struct NetworkFound {
  NetworkState state = NetworkState::kAbsent;
  std::string detail;
  bool operator==(const NetworkFound&) const = default;
};

struct NeededProgram {
  std::string program;
  std::string package;  ///< Debian's.
};

class VmDriver {
 public:
  virtual ~VmDriver() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::vector<NeededProgram> programs() const = 0;
  /// Asked once, before anything else; the answers go to learn_host. Errors of the latter: the hypervisor does not answer.
  [[nodiscard]] virtual std::vector<HostQuestion> ask_host() const = 0;
  [[nodiscard]] virtual Status learn_host(const std::vector<HostAnswer>& answers) = 0;

  [[nodiscard]] virtual std::vector<HostQuestion> ask(const Vm& vm) const = 0;
  [[nodiscard]] virtual Result<VmFound> read(const Vm& vm, const std::vector<HostAnswer>& answers) const = 0;
  [[nodiscard]] virtual std::vector<HostQuestion> ask_network(const VmNetwork& network) const = 0;
  [[nodiscard]] virtual Result<NetworkFound> read_network(const VmNetwork& network, const std::vector<HostAnswer>& answers) const = 0;

  /// Of a VM that is absent: disks, seed, definition. It is not started.
  [[nodiscard]] virtual std::vector<HostStep> create(const Vm& vm, const VmFound& found) const = 0;
  /// Of one that is stopped or paused.
  [[nodiscard]] virtual std::vector<HostStep> start(const Vm& vm, const VmFound& found) const = 0;
  /// `now`: the plug is pulled; else the machine is asked to shut down.
  [[nodiscard]] virtual std::vector<HostStep> stop(const Vm& vm, bool now) const = 0;
  /// Of one that is stopped, half made or absent; its files too.
  [[nodiscard]] virtual std::vector<HostStep> destroy(const Vm& vm, const VmFound& found) const = 0;
  [[nodiscard]] virtual std::vector<HostStep> bring_up(const VmNetwork& network, const NetworkFound& found) const = 0;
  [[nodiscard]] virtual std::vector<HostStep> take_down(const VmNetwork& network, const NetworkFound& found) const = 0;
  /// The program that this one becomes.
  [[nodiscard]] virtual std::vector<std::string> console(const Vm& vm) const = 0;
};

/// `uri`: libvirt's; empty: qemu:///system. Errors: kUnsupported for a driver that is none.
[[nodiscard]] Result<std::unique_ptr<VmDriver>> make_vm_driver(const std::string& driver, const std::string& uri);

/// The seed's files and ISO. The same for every driver.
[[nodiscard]] std::vector<HostStep> seed_steps(const Vm& vm, const Seed& seed);

// ---- shared by the drivers ----
[[nodiscard]] HostStep run_step(const Vm& vm, std::string what, std::vector<std::string> argv);
[[nodiscard]] HostStep path_step(HostStep::Kind kind, const Vm& vm, std::string what, std::string path);
/// qcow2 files by qemu-img: a copy of the image, empty ones for the others; each gets its name when it is whole (VD3).
[[nodiscard]] std::vector<HostStep> qcow2_disks(const Vm& vm, const VmFound& found);
/// Questions whether each disk is there, and what the seed was; and what they were answered.
[[nodiscard]] std::vector<HostQuestion> ask_files(const Vm& vm, std::string_view ending);
void read_files(const Vm& vm, const std::vector<HostAnswer>& answers, std::size_t from, VmFound& found);
/// "program ...: what it said first", for an answer that is not understood.
[[nodiscard]] Error not_understood(const HostQuestion& question, const HostAnswer& answer);

}  // namespace fairlead::bootstrap
