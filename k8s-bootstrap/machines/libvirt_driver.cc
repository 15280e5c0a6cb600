// fairlead: pure
// virsh(1); formatdomain and formatnetwork of libvirt.org.
#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "k8s-bootstrap/machines/drivers.h"

namespace fairlead::bootstrap {
namespace {

constexpr const char* kNamespace = "urn:fairlead:site";

std::string xml_text(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default | pugi::format_no_declaration);
  return out.str();
}

pugi::xml_node add(pugi::xml_node to, const char* name, std::initializer_list<std::pair<const char*, std::string>> attributes = {}) {
  pugi::xml_node out = to.append_child(name);
  for (const auto& [key, value] : attributes) out.append_attribute(key).set_value(value.c_str());
  return out;
}

void add_text(pugi::xml_node to, const char* name, const std::string& text) { add(to, name).text().set(text.c_str()); }

void add_mark(pugi::xml_node to, const std::string& site) {
  add(add(to, "metadata"), "fairlead:site", {{"xmlns:fairlead", kNamespace}, {"name", site}});
}

struct GuestKind {
  std::string type;  ///< kvm | qemu | test
  std::string arch;
};

class LibvirtDriver final : public VmDriver {
 public:
  explicit LibvirtDriver(std::string uri) : uri_(std::move(uri)) {}

  [[nodiscard]] std::string_view name() const override { return "libvirt"; }
  [[nodiscard]] std::vector<NeededProgram> programs() const override {
    return {{"virsh", "libvirt-clients, and libvirt-daemon-system for the machine that runs them"},
            {"qemu-img", "qemu-utils"},
            {"ip", "iproute2"}};
  }

  [[nodiscard]] std::vector<HostQuestion> ask_host() const override { return {question({"capabilities"}), ask_kvm()}; }
  [[nodiscard]] Status learn_host(const std::vector<HostAnswer>& answers) override {
    const HostAnswer& answer = answers.front();
    if (answer.exit_code != 0) {
      Error error = not_understood(question({"capabilities"}), answer);
      error.context += fmt::format(" (is libvirtd running, and may this user use {}? groups: libvirt)", uri_);
      return error;
    }
    pugi::xml_document document;
    if (!document.load_string(answer.output.c_str())) return not_understood(question({"capabilities"}), answer);
    // libvirt says kvm as soon as there is a /dev/kvm. A user who may not touch that learns nothing by trying: libvirtd may.
    const HostAnswer probed = answers.size() > 1 ? answers[1] : HostAnswer{};
    const bool unusable = probed.there && probed.exit_code != kProbeExit && probed.errors.find("Permission denied") == std::string::npos;
    kind_ = choose(document, !unusable);
    if (kind_.type.empty()) return Error{Errc::kUnsupported, fmt::format("{} runs no machines of type hvm", uri_)};
    return {};
  }

  [[nodiscard]] std::vector<HostQuestion> ask(const Vm& vm) const override {
    std::vector<HostQuestion> out = ask_files(vm, "qcow2");
    out.insert(out.begin(), {question({"dumpxml", vm.name}), question({"domstate", vm.name})});
    return out;
  }
  [[nodiscard]] Result<VmFound> read(const Vm& vm, const std::vector<HostAnswer>& answers) const override {
    VmFound found;
    read_files(vm, answers, 2, found);
    const HostQuestion dump = question({"dumpxml", vm.name});
    if (answers[0].exit_code != 0) {
      if (answers[0].errors.find("failed to get domain") == std::string::npos) return not_understood(dump, answers[0]);
      return found;
    }
    pugi::xml_document document;
    if (!document.load_string(answers[0].output.c_str())) return not_understood(dump, answers[0]);
    const std::string uuid = document.child("domain").child("uuid").text().as_string();
    if (uuid != vm.uuid) {
      found.state = VmState::kForeign;
      found.detail = fmt::format("a domain {} is there, with the UUID {} and not {}", vm.name, uuid, vm.uuid);
      return found;
    }
    const std::string state = answers[1].output.substr(0, answers[1].output.find('\n'));
    if (state == "running" || state == "idle" || state == "in shutdown" || state == "no state") {
      found.state = VmState::kRunning;
    } else if (state == "paused" || state == "pmsuspended") {
      found.state = VmState::kPaused;
    } else if (state == "shut off" || state == "crashed") {
      found.state = VmState::kStopped;
    } else {
      return not_understood(question({"domstate", vm.name}), answers[1]);
    }
    return found;
  }

  [[nodiscard]] std::vector<HostQuestion> ask_network(const VmNetwork& network) const override {
    if (network.ours) return {question({"net-dumpxml", network.host}), question({"net-info", network.host})};
    HostQuestion bridge;
    bridge.argv = {"ip", "-json", "link", "show", "dev", network.device};
    return {bridge};
  }
  [[nodiscard]] Result<NetworkFound> read_network(const VmNetwork& network, const std::vector<HostAnswer>& answers) const override {
    const HostQuestion asked = ask_network(network).front();
    if (!network.ours) return read_bridge(network, asked, answers.front());
    NetworkFound found;
    if (answers[0].exit_code != 0) {
      if (answers[0].errors.find("failed to get network") == std::string::npos) return not_understood(asked, answers[0]);
      return found;
    }
    pugi::xml_document document;
    if (!document.load_string(answers[0].output.c_str())) return not_understood(asked, answers[0]);
    const std::string uuid = document.child("network").child("uuid").text().as_string();
    if (uuid != network.uuid) {
      found.state = NetworkState::kForeign;
      found.detail = fmt::format("a network {} is there, with the UUID {} and not {}", network.host, uuid, network.uuid);
      return found;
    }
    const std::size_t active = answers[1].output.find("Active:");
    const std::string word = active == std::string::npos ? std::string() : answers[1].output.substr(active, 24);
    if (word.find("yes") == std::string::npos && word.find("no") == std::string::npos)
      return not_understood(question({"net-info", network.host}), answers[1]);
    found.state = word.find("yes") != std::string::npos ? NetworkState::kUp : NetworkState::kDown;
    return found;
  }

  [[nodiscard]] std::vector<HostStep> create(const Vm& vm, const VmFound& found) const override {
    std::vector<HostStep> out = qcow2_disks(vm, found);
    HostStep define = run_step(vm, "defines it", command({"define", "/dev/stdin"}));
    define.text = domain_xml(vm);
    out.push_back(std::move(define));
    return out;
  }
  [[nodiscard]] std::vector<HostStep> start(const Vm& vm, const VmFound& found) const override {
    return {run_step(vm, "starts it", command({found.state == VmState::kPaused ? "resume" : "start", vm.name}))};
  }
  [[nodiscard]] std::vector<HostStep> stop(const Vm& vm, bool now) const override {
    return {run_step(vm, now ? "ends it" : "asks it to shut down", command({now ? "destroy" : "shutdown", vm.name}))};
  }
  [[nodiscard]] std::vector<HostStep> destroy(const Vm& vm, const VmFound& found) const override {
    std::vector<HostStep> out;
    if (found.state != VmState::kAbsent) out.push_back(run_step(vm, "undefines it", command({"undefine", vm.name})));
    if (found.folder) out.push_back(path_step(HostStep::Kind::kRemove, vm, "removes its disks", vm.folder));
    return out;
  }

  [[nodiscard]] std::vector<HostStep> bring_up(const VmNetwork& network, const NetworkFound& found) const override {
    std::vector<HostStep> out;
    if (found.state == NetworkState::kAbsent) {
      HostStep define = network_step(network, "defines network", {"net-define", "/dev/stdin"});
      define.text = network_xml(network);
      out.push_back(std::move(define));
    }
    if (found.state != NetworkState::kUp) out.push_back(network_step(network, "starts network", {"net-start", network.host}));
    return out;
  }
  [[nodiscard]] std::vector<HostStep> take_down(const VmNetwork& network, const NetworkFound& found) const override {
    std::vector<HostStep> out;
    if (found.state == NetworkState::kUp) out.push_back(network_step(network, "stops network", {"net-destroy", network.host}));
    if (found.state != NetworkState::kAbsent) out.push_back(network_step(network, "undefines network", {"net-undefine", network.host}));
    return out;
  }
  [[nodiscard]] std::vector<std::string> console(const Vm& vm) const override { return command({"console", vm.name}); }

 private:
  [[nodiscard]] std::vector<std::string> command(std::vector<std::string> words) const {
    std::vector<std::string> out = {"virsh", "-q", "-c", uri_};
    out.insert(out.end(), words.begin(), words.end());
    return out;
  }
  [[nodiscard]] HostQuestion question(std::vector<std::string> words) const {
    HostQuestion out;
    out.argv = command(std::move(words));
    return out;
  }
  [[nodiscard]] HostStep network_step(const VmNetwork& network, std::string_view what, std::vector<std::string> words) const {
    HostStep out;
    out.what = fmt::format("{} {}", what, network.host);
    out.argv = command(std::move(words));
    return out;
  }

  /// kvm before qemu, x86_64 before others; test:///default has neither.
  static GuestKind choose(const pugi::xml_document& capabilities, bool kvm) {
    GuestKind best;
    int best_rank = -1;
    for (const pugi::xml_node guest : capabilities.child("capabilities").children("guest")) {
      if (std::string_view(guest.child("os_type").text().as_string()) != "hvm") continue;
      const pugi::xml_node arch = guest.child("arch");
      for (const pugi::xml_node domain : arch.children("domain")) {
        const std::string type = domain.attribute("type").as_string();
        if (type == "kvm" && !kvm) continue;
        const std::string name = arch.attribute("name").as_string();
        const int rank = (name == "x86_64" ? 4 : 0) + (type == "kvm" ? 2 : type == "qemu" ? 1 : 0);
        if (rank > best_rank) best = {type, name};
        best_rank = std::max(rank, best_rank);
      }
    }
    return best;
  }

  [[nodiscard]] static std::string network_xml(const VmNetwork& network) {
    pugi::xml_document document;
    pugi::xml_node root = add(document, "network");
    add_text(root, "name", network.host);
    add_text(root, "uuid", network.uuid);
    // No <ip>: DHCP, DNS and the way out are the gateways'. Nor <forward>: the host's own firewall keeps it apart.
    add(root, "bridge", {{"name", network.device}, {"stp", "off"}});
    if (network.mtu != 0) add(root, "mtu", {{"size", std::to_string(network.mtu)}});
    return xml_text(document);
  }

  [[nodiscard]] std::string domain_xml(const Vm& vm) const {
    pugi::xml_document document;
    pugi::xml_node root = add(document, "domain", {{"type", kind_.type}});
    add_text(root, "name", vm.name);
    add_text(root, "uuid", vm.uuid);
    add_text(root, "description", vm.mark());
    add_mark(root, vm.site);
    pugi::xml_node memory = add(root, "memory", {{"unit", "bytes"}});
    memory.text().set(std::to_string(vm.memory).c_str());
    add_text(root, "vcpu", std::to_string(vm.cpus));
    pugi::xml_node os = add(root, "os");
    add(os, "type", {{"arch", kind_.arch}}).text().set("hvm");
    add(os, "boot", {{"dev", "hd"}});
    if (!vm.serial.empty()) {
      add(os, "smbios", {{"mode", "sysinfo"}});
      add(add(add(root, "sysinfo", {{"type", "smbios"}}), "system"), "entry", {{"name", "serial"}}).text().set(vm.serial.c_str());
    }
    add(add(root, "features"), "acpi");
    if (kind_.type == "kvm") add(root, "cpu", {{"mode", "host-passthrough"}});
    if (kind_.type == "qemu") add(root, "cpu", {{"mode", "maximum"}});
    add(root, "clock", {{"offset", "utc"}});
    add_text(root, "on_poweroff", "destroy");
    add_text(root, "on_reboot", "restart");
    add_text(root, "on_crash", "restart");
    add_devices(add(root, "devices"), vm);
    return xml_text(document);
  }

  static void add_devices(pugi::xml_node devices, const Vm& vm) {
    char letter = 'a';
    const auto disk = [&](const std::string& file, const std::string& format) {
      pugi::xml_node out = add(devices, "disk", {{"type", "file"}, {"device", "disk"}});
      add(out, "driver", {{"name", "qemu"}, {"type", format}});
      add(out, "source", {{"file", file}});
      add(out, "target", {{"dev", std::string("vd") + letter++}, {"bus", "virtio"}});
      return out;
    };
    for (const VmDisk& one : vm.disks) add_text(disk(one.file + ".qcow2", "qcow2"), "serial", one.serial);
    // A disk, not a CD: the cloud kernel knows no drive but virtio's.
    if (vm.serial.empty()) add(disk(vm.seed, "raw"), "readonly");
    for (const VmNic& nic : vm.nics) {
      pugi::xml_node card = add(devices, "interface", {{"type", nic.network.ours ? "network" : "bridge"}});
      add(card, "mac", {{"address", nic.mac}});
      add(card, "source", {{nic.network.ours ? "network" : "bridge", nic.network.host}});
      add(card, "model", {{"type", "virtio"}});
    }
    add(devices, "serial", {{"type", "pty"}});
    add(devices, "console", {{"type", "pty"}});
    pugi::xml_node random = add(devices, "rng", {{"model", "virtio"}});
    add(random, "backend", {{"model", "random"}}).text().set("/dev/urandom");
  }

  std::string uri_;
  GuestKind kind_;
};

}  // namespace

std::unique_ptr<VmDriver> make_libvirt_driver(std::string uri) { return std::make_unique<LibvirtDriver>(std::move(uri)); }

}  // namespace fairlead::bootstrap
