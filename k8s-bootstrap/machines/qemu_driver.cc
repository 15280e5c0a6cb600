// fairlead: pure
// qemu-system-x86_64(1), QMP (docs/interop/qmp-spec.txt of qemu), ip-link(8).
#include <fmt/format.h>

#include <boost/json.hpp>

#include "k8s-bootstrap/machines/drivers.h"

namespace fairlead::bootstrap {
namespace {

namespace json = boost::json;

constexpr std::string_view kQemu = "qemu-system-x86_64";
constexpr std::uint64_t kMiB = 1ULL << 20U;

std::string qmp_path(const Vm& vm) { return vm.folder + "/qmp"; }

/// The `return` of the n-th answer; null: it is none.
json::value returned(const std::string& lines, std::size_t n) {
  std::size_t begin = 0;
  for (; n > 0; --n) {
    begin = lines.find('\n', begin);
    if (begin == std::string::npos) return {};
    ++begin;
  }
  boost::system::error_code wrong;
  const json::value line = json::parse(lines.substr(begin, lines.find('\n', begin) - begin), wrong);
  if (wrong || !line.is_object()) return {};
  const json::value* value = line.as_object().if_contains("return");
  return value == nullptr ? json::value{} : *value;
}

std::string member(const json::value& of, std::string_view key) {
  if (!of.is_object()) return {};
  const json::value* value = of.as_object().if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

class QemuDriver final : public VmDriver {
 public:
  [[nodiscard]] std::string_view name() const override { return "qemu"; }
  [[nodiscard]] std::vector<NeededProgram> programs() const override {
    return {{std::string(kQemu), "qemu-system-x86"}, {"qemu-img", "qemu-utils"}, {"ip", "iproute2"}};
  }

  /// /dev/kvm may be there and unusable: only a guest that runs shows it.
  [[nodiscard]] std::vector<HostQuestion> ask_host() const override { return {ask_kvm()}; }
  [[nodiscard]] Status learn_host(const std::vector<HostAnswer>& answers) override {
    kvm_ = !answers.empty() && answers.front().exit_code == kProbeExit;
    return {};
  }

  [[nodiscard]] std::vector<HostQuestion> ask(const Vm& vm) const override {
    HostQuestion monitor;
    monitor.kind = HostQuestion::Kind::kQmp;
    monitor.path = qmp_path(vm);
    monitor.argv = {"query-uuid", "query-status"};
    std::vector<HostQuestion> out = ask_files(vm, "qcow2");
    out.insert(out.begin(), monitor);
    return out;
  }
  [[nodiscard]] Result<VmFound> read(const Vm& vm, const std::vector<HostAnswer>& answers) const override {
    VmFound found;
    read_files(vm, answers, 1, found);
    if (!answers.front().there) {
      found.state = found.disks.size() == vm.disks.size() && found.meta_data ? VmState::kStopped : VmState::kAbsent;
      return found;
    }
    const std::string uuid = member(returned(answers.front().output, 0), "UUID");
    const std::string status = member(returned(answers.front().output, 1), "status");
    if (uuid.empty() || status.empty())
      return Error{Errc::kUnavailable, fmt::format("the qemu at {} gives no answer to be understood", qmp_path(vm))};
    if (uuid != vm.uuid) {
      found.state = VmState::kForeign;
      found.detail = fmt::format("the qemu at {} has the UUID {}, not {}", qmp_path(vm), uuid, vm.uuid);
    } else {
      const bool paused = status == "prelaunch" || status == "paused" || status == "suspended";
      found.state = paused ? VmState::kPaused : VmState::kRunning;
    }
    return found;
  }

  [[nodiscard]] std::vector<HostQuestion> ask_network(const VmNetwork& network) const override {
    HostQuestion question;
    question.argv = {"ip", "-json", "link", "show", "dev", network.device};
    return {question};
  }
  [[nodiscard]] Result<NetworkFound> read_network(const VmNetwork& network, const std::vector<HostAnswer>& answers) const override {
    return read_bridge(network, ask_network(network).front(), answers.front());
  }

  [[nodiscard]] std::vector<HostStep> create(const Vm& vm, const VmFound& found) const override { return qcow2_disks(vm, found); }

  [[nodiscard]] std::vector<HostStep> start(const Vm& vm, const VmFound& found) const override {
    std::vector<HostStep> out;
    // It begins paused: its cards are not in their networks before the process has made them.
    if (found.state != VmState::kPaused) out.push_back(run_step(vm, "starts qemu", command_line(vm)));
    for (const VmNic& nic : vm.nics) {
      out.push_back(run_step(vm, "puts its card into network " + nic.network.name,
                             {"ip", "link", "set", "dev", nic.device, "master", nic.network.device, "up"}));
    }
    HostStep go = path_step(HostStep::Kind::kQmp, vm, "lets it run", qmp_path(vm));
    go.argv = {"cont"};
    out.push_back(std::move(go));
    return out;
  }
  [[nodiscard]] std::vector<HostStep> stop(const Vm& vm, bool now) const override {
    HostStep out = path_step(HostStep::Kind::kQmp, vm, now ? "ends it" : "asks it to shut down", qmp_path(vm));
    out.argv = {now ? "quit" : "system_powerdown"};
    return {out};
  }
  [[nodiscard]] std::vector<HostStep> destroy(const Vm& vm, const VmFound& found) const override {
    if (!found.folder) return {};
    return {path_step(HostStep::Kind::kRemove, vm, "removes its disks", vm.folder)};
  }

  [[nodiscard]] std::vector<HostStep> bring_up(const VmNetwork& network, const NetworkFound& found) const override {
    std::vector<HostStep> out;
    const auto run = [&](std::vector<std::string> argv) {
      HostStep step;
      step.what = fmt::format("makes the bridge of network {}", network.name);
      step.argv = std::move(argv);
      out.push_back(std::move(step));
    };
    // Marked as it is made (RTM_NEWLINK takes no alias): there is no moment at which it could be somebody else's.
    if (found.state == NetworkState::kAbsent)
      run({"ip", "link", "add", "dev", network.device, "address", bridge_mark(network), "type", "bridge", "stp_state", "0"});
    if (network.mtu != 0 && found.state != NetworkState::kUp)
      run({"ip", "link", "set", "dev", network.device, "mtu", std::to_string(network.mtu)});
    if (found.state != NetworkState::kUp) run({"ip", "link", "set", "dev", network.device, "alias", "fairlead " + network.host, "up"});
    return out;
  }
  [[nodiscard]] std::vector<HostStep> take_down(const VmNetwork& network, const NetworkFound& found) const override {
    if (found.state == NetworkState::kAbsent) return {};
    HostStep step;
    step.what = fmt::format("removes the bridge of network {}", network.name);
    step.argv = {"ip", "link", "delete", "dev", network.device};
    return {step};
  }
  [[nodiscard]] std::vector<std::string> console(const Vm& vm) const override {
    return {"socat", "-,raw,echo=0,escape=0x1d", "UNIX-CONNECT:" + vm.folder + "/console"};
  }

 private:
  /// Of devices a comma ends an option: it is doubled in paths.
  static std::string path(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == ',' ? std::string(",,") : std::string(1, c);
    return out;
  }

  [[nodiscard]] std::vector<std::string> command_line(const Vm& vm) const {
    std::vector<std::string> out = {std::string(kQemu),
                                    "-name",
                                    vm.name,
                                    "-uuid",
                                    vm.uuid,
                                    "-machine",
                                    "q35",
                                    "-accel",
                                    kvm_ ? "kvm" : "tcg",
                                    "-cpu",
                                    kvm_ ? "host" : "max",
                                    "-smp",
                                    std::to_string(vm.cpus),
                                    "-m",
                                    fmt::format("{}M", vm.memory / kMiB),
                                    "-nodefaults",
                                    "-no-user-config",
                                    "-display",
                                    "none",
                                    "-S"};
    const auto add = [&](std::string option, std::string value) {
      out.push_back(std::move(option));
      out.push_back(std::move(value));
    };
    for (std::size_t i = 0; i < vm.disks.size(); ++i) {
      const VmDisk& disk = vm.disks[i];
      add("-drive", fmt::format("id=disk{},if=none,format=qcow2,discard=unmap,file={}.qcow2", i, path(disk.file)));
      add("-device", fmt::format("virtio-blk-pci,drive=disk{},serial={},bootindex={}", i, disk.serial, i + 1));
    }
    if (vm.serial.empty()) {
      add("-drive", fmt::format("id=seed,if=none,format=raw,readonly=on,file={}", path(vm.seed)));
      add("-device", "virtio-blk-pci,drive=seed");
    } else {
      add("-smbios", "type=1,serial=" + path(vm.serial));
    }
    for (std::size_t i = 0; i < vm.nics.size(); ++i) {
      const VmNic& nic = vm.nics[i];
      add("-netdev", fmt::format("tap,id=net{},ifname={},script=no,downscript=no", i, nic.device));
      add("-device", fmt::format("virtio-net-pci,netdev=net{},mac={},romfile=", i, nic.mac));
    }
    add("-device", "virtio-rng-pci");
    add("-chardev", fmt::format("socket,id=console,path={0}/console,server=on,wait=off,logfile={0}/console.log", path(vm.folder)));
    add("-serial", "chardev:console");
    add("-qmp", fmt::format("unix:{},server=on,wait=off", path(qmp_path(vm))));
    add("-pidfile", vm.folder + "/pid");
    out.emplace_back("-daemonize");
    return out;
  }

  bool kvm_ = false;
};

}  // namespace

std::string bridge_mark(const VmNetwork& network) {
  std::string out = "02";
  for (std::size_t i = 0; i < 8; i += 2) out += ":" + network.uuid.substr(i, 2);
  return out + ":" + network.uuid.substr(9, 2);
}

Result<NetworkFound> read_bridge(const VmNetwork& network, const HostQuestion& question, const HostAnswer& answer) {
  NetworkFound found;
  if (answer.exit_code != 0) {
    if (answer.errors.find("does not exist") == std::string::npos) return not_understood(question, answer);
    return found;
  }
  boost::system::error_code wrong;
  const json::value list = json::parse(answer.output, wrong);
  if (wrong || !list.is_array() || list.as_array().empty() || !list.as_array().front().is_object()) return not_understood(question, answer);
  const json::object& link = list.as_array().front().as_object();
  const json::value* flags = link.if_contains("flags");
  bool up = false;
  if (flags != nullptr && flags->is_array()) {
    for (const json::value& flag : flags->as_array()) up = up || (flag.is_string() && flag.as_string() == "UP");
  }
  found.state = up ? NetworkState::kUp : NetworkState::kDown;
  if (network.ours && member(list.as_array().front(), "address") != bridge_mark(network)) {
    found.state = NetworkState::kForeign;
    found.detail = fmt::format("the device {} has no mark of this site (MAC address {})", network.device, bridge_mark(network));
  }
  return found;
}

std::string accelerator_probe() {
  // mov dx, 0x501; mov al, 0x10; out dx, al; jmp $
  constexpr unsigned char kCode[] = {0xba, 0x01, 0x05, 0xb0, 0x10, 0xee, 0xeb, 0xfe};
  std::string out(512, '\0');
  for (std::size_t i = 0; i < sizeof kCode; ++i) out[i] = static_cast<char>(kCode[i]);
  out[510] = '\x55';
  out[511] = '\xaa';
  return out;
}

HostQuestion ask_kvm() {
  HostQuestion probe;
  probe.argv = {std::string(kQemu),
                "-accel",
                "kvm",
                "-cpu",
                "host",
                "-m",
                "16",
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-device",
                "isa-debug-exit,iobase=0x501,iosize=1",
                "-drive",
                "file={file},format=raw,if=ide"};
  probe.file = accelerator_probe();
  probe.timeout = std::chrono::seconds(10);
  return probe;
}

std::unique_ptr<VmDriver> make_qemu_driver() { return std::make_unique<QemuDriver>(); }

}  // namespace fairlead::bootstrap
