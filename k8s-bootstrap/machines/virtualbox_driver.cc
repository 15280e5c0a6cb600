// fairlead: pure
// VBoxManage(1), VirtualBox 7.
#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "k8s-bootstrap/machines/drivers.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::size_t kNicsMax = 8;  ///< VirtualBox's own limit with its default chipset.

/// KEY="VALUE" and KEY=VALUE lines of `showvminfo --machinereadable`.
std::map<std::string, std::string> readable(const std::string& text) {
  std::map<std::string, std::string> out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equal = line.find('=');
    if (equal == std::string::npos) continue;
    std::string value = line.substr(equal + 1);
    if (value.ends_with('\r')) value.pop_back();
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    out.emplace(line.substr(0, equal), value);
  }
  return out;
}

std::string vbox_mac(std::string mac) {
  std::erase(mac, ':');
  std::transform(mac.begin(), mac.end(), mac.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return mac;
}

class VirtualBoxDriver final : public VmDriver {
 public:
  [[nodiscard]] std::string_view name() const override { return "virtualbox"; }
  [[nodiscard]] std::vector<NeededProgram> programs() const override {
    return {{"VBoxManage", "virtualbox of Oracle's repository: Debian 12 has none"}, {"qemu-img", "qemu-utils"}};
  }
  [[nodiscard]] std::vector<HostQuestion> ask_host() const override { return {question({"--version"})}; }
  [[nodiscard]] Status learn_host(const std::vector<HostAnswer>& answers) override {
    if (answers.front().exit_code != 0) return not_understood(question({"--version"}), answers.front());
    return {};
  }

  [[nodiscard]] std::vector<HostQuestion> ask(const Vm& vm) const override {
    std::vector<HostQuestion> out = ask_files(vm, "vdi");
    out.insert(out.begin(), question({"showvminfo", vm.name, "--machinereadable"}));
    return out;
  }
  [[nodiscard]] Result<VmFound> read(const Vm& vm, const std::vector<HostAnswer>& answers) const override {
    VmFound found;
    read_files(vm, answers, 1, found);
    const HostQuestion asked = question({"showvminfo", vm.name, "--machinereadable"});
    if (answers[0].exit_code != 0) {
      if (answers[0].errors.find("Could not find a registered machine") == std::string::npos) return not_understood(asked, answers[0]);
      return found;
    }
    const auto info = readable(answers[0].output);
    const auto uuid = info.find("UUID");
    const auto state = info.find("VMState");
    if (uuid == info.end() || state == info.end()) return not_understood(asked, answers[0]);
    const auto description = info.find("description");
    if (uuid->second != vm.uuid) {
      found.state = VmState::kForeign;
      found.detail = fmt::format("a machine {} is there, with the UUID {} and not {}", vm.name, uuid->second, vm.uuid);
    } else if (description == info.end() || description->second != vm.mark()) {
      found.state = VmState::kHalfMade;  // The description is written last.
    } else if (state->second == "paused") {
      found.state = VmState::kPaused;
    } else if (state->second == "poweroff" || state->second == "aborted" || state->second == "saved" || state->second == "aborted-saved") {
      found.state = VmState::kStopped;
    } else {
      found.state = VmState::kRunning;  // running, starting, stopping, saving, ...
    }
    return found;
  }

  [[nodiscard]] std::vector<HostQuestion> ask_network(const VmNetwork&) const override { return {}; }
  [[nodiscard]] Result<NetworkFound> read_network(const VmNetwork&, const std::vector<HostAnswer>&) const override {
    return NetworkFound{NetworkState::kUp, {}};  // An internal network is there while a machine uses it.
  }
  [[nodiscard]] std::vector<HostStep> bring_up(const VmNetwork&, const NetworkFound&) const override { return {}; }
  [[nodiscard]] std::vector<HostStep> take_down(const VmNetwork&, const NetworkFound&) const override { return {}; }

  [[nodiscard]] std::vector<HostStep> create(const Vm& vm, const VmFound& found) const override {
    std::vector<HostStep> out;
    add_disks(vm, found, out);
    const auto run = [&](const std::string& what, std::vector<std::string> words) { out.push_back(vbox(vm, what, std::move(words))); };
    run("registers it",
        {"createvm", "--name", vm.name, "--uuid", vm.uuid, "--ostype", "Debian_64", "--basefolder", vm.folder, "--register"});
    run("sets its size", {"modifyvm",
                          vm.name,
                          "--cpus",
                          std::to_string(vm.cpus),
                          "--memory",
                          std::to_string(vm.memory / kMiB),
                          "--ioapic",
                          "on",
                          "--rtcuseutc",
                          "on",
                          "--vram",
                          "16",
                          "--graphicscontroller",
                          "vmsvga",
                          "--boot1",
                          "disk",
                          "--boot2",
                          "none",
                          "--boot3",
                          "none",
                          "--boot4",
                          "none"});
    run("gives it a console", {"modifyvm", vm.name, "--uart1", "0x3F8", "4", "--uartmode1", "server", vm.folder + "/console"});
    for (std::size_t i = 0; i < std::min(vm.nics.size(), kNicsMax); ++i) add_nic(vm, i, out);
    add_storage(vm, out);
    run("marks it as ours", {"modifyvm", vm.name, "--description", vm.mark()});
    return out;
  }
  [[nodiscard]] std::vector<HostStep> start(const Vm& vm, const VmFound& found) const override {
    if (found.state == VmState::kPaused) return {vbox(vm, "lets it run", {"controlvm", vm.name, "resume"})};
    return {vbox(vm, "starts it", {"startvm", vm.name, "--type", "headless"})};
  }
  [[nodiscard]] std::vector<HostStep> stop(const Vm& vm, bool now) const override {
    return {vbox(vm, now ? "ends it" : "asks it to shut down", {"controlvm", vm.name, now ? "poweroff" : "acpipowerbutton"})};
  }
  [[nodiscard]] std::vector<HostStep> destroy(const Vm& vm, const VmFound& found) const override {
    std::vector<HostStep> out;
    if (found.state != VmState::kAbsent) {
      out.push_back(vbox(vm, "unregisters it, with its disks", {"unregistervm", vm.name, "--delete"}));
    } else {
      for (const std::string& disk : found.disks)
        out.push_back(vbox(vm, "removes its disk " + disk, {"closemedium", "disk", vm.folder + "/" + disk + ".vdi", "--delete"}));
    }
    if (found.folder) out.push_back(path_step(HostStep::Kind::kRemove, vm, "removes its folder", vm.folder));
    return out;
  }
  [[nodiscard]] std::vector<std::string> console(const Vm& vm) const override {
    return {"socat", "-,raw,echo=0,escape=0x1d", "UNIX-CONNECT:" + vm.folder + "/console"};
  }

 private:
  static HostQuestion question(std::vector<std::string> words) {
    HostQuestion out;
    out.argv = {"VBoxManage"};
    out.argv.insert(out.argv.end(), words.begin(), words.end());
    return out;
  }
  static HostStep vbox(const Vm& vm, std::string what, std::vector<std::string> words) {
    return run_step(vm, std::move(what), question(std::move(words)).argv);
  }

  static void add_disks(const Vm& vm, const VmFound& found, std::vector<HostStep>& out) {
    for (std::size_t i = 0; i < vm.disks.size(); ++i) {
      const VmDisk& disk = vm.disks[i];
      const std::string file = disk.file + ".vdi";
      const bool there = std::find(found.disks.begin(), found.disks.end(), disk.name) != found.disks.end();
      if (i == 0) {
        if (!there) {
          HostStep copy = run_step(vm, "copies the image", {"qemu-img", "convert", "-O", "vdi", vm.image, file + ".part"});
          copy.timeout = std::chrono::minutes(30);
          out.push_back(std::move(copy));
          HostStep rename = path_step(HostStep::Kind::kRename, vm, "puts it in place", file + ".part");
          rename.text = file;
          out.push_back(std::move(rename));
        }
        out.push_back(vbox(vm, "sets the size of its disk", {"modifymedium", "disk", file, "--resizebyte", std::to_string(disk.bytes)}));
      } else if (!there) {
        out.push_back(vbox(vm, "makes the disk " + disk.name,
                           {"createmedium", "disk", "--filename", file, "--sizebyte", std::to_string(disk.bytes), "--format", "VDI"}));
      }
    }
  }

  static void add_nic(const Vm& vm, std::size_t i, std::vector<HostStep>& out) {
    const VmNic& nic = vm.nics[i];
    const std::string n = std::to_string(i + 1);
    out.push_back(vbox(
        vm, "gives it a card in network " + nic.network.name,
        {"modifyvm", vm.name, "--nic" + n, nic.network.ours ? "intnet" : "bridged", (nic.network.ours ? "--intnet" : "--bridgeadapter") + n,
         nic.network.host, "--nictype" + n, "virtio", "--macaddress" + n, vbox_mac(nic.mac), "--cableconnected" + n, "on"}));
  }

  static void add_storage(const Vm& vm, std::vector<HostStep>& out) {
    const auto run = [&](const std::string& what, std::vector<std::string> words) { out.push_back(vbox(vm, what, std::move(words))); };
    run("gives it a controller", {"storagectl", vm.name, "--name", "sata", "--add", "sata", "--controller", "IntelAhci", "--portcount",
                                  std::to_string(vm.disks.size() + 1), "--bootable", "on"});
    const auto attach = [&](std::size_t port, const std::string& type, const std::string& file) {
      run("attaches " + file.substr(file.rfind('/') + 1), {"storageattach", vm.name, "--storagectl", "sata", "--port", std::to_string(port),
                                                           "--device", "0", "--type", type, "--medium", file});
    };
    for (std::size_t i = 0; i < vm.disks.size(); ++i) {
      attach(i, "hdd", vm.disks[i].file + ".vdi");
      run("sets the serial number of " + vm.disks[i].name,
          {"setextradata", vm.name, fmt::format("VBoxInternal/Devices/ahci/0/Config/Port{}/SerialNumber", i), vm.disks[i].serial});
    }
    if (vm.serial.empty()) return attach(vm.disks.size(), "dvddrive", vm.seed);
    run("tells where its seed is", {"setextradata", vm.name, "VBoxInternal/Devices/pcbios/0/Config/DmiSystemSerial", vm.serial});
  }
};

}  // namespace

std::unique_ptr<VmDriver> make_virtualbox_driver() { return std::make_unique<VirtualBoxDriver>(); }

}  // namespace fairlead::bootstrap
