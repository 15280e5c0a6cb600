// fairlead: pure
#include "k8s-bootstrap/machines/vm_driver.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s-bootstrap/machines/drivers.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

/// Quoted where a shell would need it.
std::string word(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%") ==
                                          std::string::npos;
  return plain ? text : shell_quote(text);
}

std::string words(const std::vector<std::string>& argv) {
  std::vector<std::string> out;
  out.reserve(argv.size());
  for (const std::string& one : argv) out.push_back(word(one));
  return fmt::format("{}", fmt::join(out, " "));
}

}  // namespace

std::string_view to_string(VmState state) {
  switch (state) {
    case VmState::kAbsent: return "absent";
    case VmState::kForeign: return "not ours";
    case VmState::kHalfMade: return "half made";
    case VmState::kStopped: return "stopped";
    case VmState::kRunning: return "running";
    case VmState::kPaused: return "paused";
  }
  FL_ASSERT(false);
}

std::string step_text(const HostStep& step) {
  switch (step.kind) {
    case HostStep::Kind::kRun: {
      if (step.text.empty()) return words(step.argv);
      return fmt::format("{} <<'END'\n{}{}END", words(step.argv), step.text, step.text.ends_with('\n') ? "" : "\n");
    }
    case HostStep::Kind::kWrite: return fmt::format("cat > {} <<'END'\n{}END", word(step.path), step.text);
    case HostStep::Kind::kMakeFolder: return fmt::format("mkdir -p -m {:04o} {}", step.mode, word(step.path));
    case HostStep::Kind::kRename: return fmt::format("mv {} {}", word(step.path), word(step.text));
    case HostStep::Kind::kRemove: return "rm -rf " + word(step.path);
    case HostStep::Kind::kQmp: return fmt::format("# QMP at {}: {}", step.path, fmt::join(step.argv, " "));
    case HostStep::Kind::kAwait: return fmt::format("# waits until {} is off", step.machine);
    case HostStep::Kind::kSeed: return words(step.argv);
  }
  FL_ASSERT(false);
}

HostStep run_step(const Vm& vm, std::string what, std::vector<std::string> argv) {
  HostStep out;
  out.machine = vm.machine;
  out.what = std::move(what);
  out.argv = std::move(argv);
  return out;
}

HostStep path_step(HostStep::Kind kind, const Vm& vm, std::string what, std::string path) {
  HostStep out;
  out.kind = kind;
  out.machine = vm.machine;
  out.what = std::move(what);
  out.path = std::move(path);
  out.mode = vm.folder_mode;
  return out;
}

std::vector<HostStep> seed_steps(const Vm& vm, const Seed& seed) {
  using Kind = HostStep::Kind;
  const std::string folder = vm.folder + "/seed";
  std::vector<HostStep> out;
  out.push_back(path_step(Kind::kMakeFolder, vm, "makes its folder", vm.folder));
  out.push_back(path_step(Kind::kMakeFolder, vm, "makes the folder of its seed", folder));
  const auto write = [&](const std::string& what, const std::string& path, const std::string& text) {
    HostStep step = path_step(Kind::kWrite, vm, what, path);
    step.text = text;
    out.push_back(std::move(step));
  };
  write("writes user-data", folder + "/user-data", seed.user_data);
  write("writes network-config", folder + "/network-config", seed.network_config);
  write("writes meta-data", folder + "/meta-data", seed.meta_data);
  const std::string part = vm.seed + ".part";
  // genisoimage takes the same words; the runner takes whichever of the two is there.
  HostStep iso = path_step(Kind::kSeed, vm, "makes its seed", part);
  iso.argv = {"xorriso", "-as", "mkisofs", "-quiet", "-volid", "cidata", "-joliet", "-rock", "-output", part, folder};
  HostStep rename = path_step(Kind::kRename, vm, "puts it in place", part);
  rename.text = vm.seed;
  out.push_back(std::move(iso));
  out.push_back(std::move(rename));
  write("notes which seed it is", vm.folder + "/seed.id", seed.meta_data);  // Last: it vouches for the ISO.
  return out;
}

std::vector<HostStep> qcow2_disks(const Vm& vm, const VmFound& found) {
  std::vector<HostStep> out;
  for (std::size_t i = 0; i < vm.disks.size(); ++i) {
    const VmDisk& disk = vm.disks[i];
    if (std::find(found.disks.begin(), found.disks.end(), disk.name) != found.disks.end()) continue;
    const std::string part = disk.file + ".qcow2.part";
    const std::string size = std::to_string(disk.bytes);
    if (i == 0) {
      HostStep copy = run_step(vm, "copies the image", {"qemu-img", "convert", "-O", "qcow2", vm.image, part});
      copy.timeout = std::chrono::minutes(30);
      out.push_back(std::move(copy));
      out.push_back(run_step(vm, "sets the size of its disk", {"qemu-img", "resize", "-q", part, size}));
    } else {
      out.push_back(run_step(vm, "makes the disk " + disk.name, {"qemu-img", "create", "-q", "-f", "qcow2", part, size}));
    }
    HostStep rename = path_step(HostStep::Kind::kRename, vm, "puts it in place", part);
    rename.text = disk.file + ".qcow2";
    out.push_back(std::move(rename));
  }
  return out;
}

std::vector<HostQuestion> ask_files(const Vm& vm, std::string_view ending) {
  std::vector<HostQuestion> out;
  const auto ask = [&](HostQuestion::Kind kind, std::string path) {
    HostQuestion question;
    question.kind = kind;
    question.path = std::move(path);
    out.push_back(std::move(question));
  };
  ask(HostQuestion::Kind::kRead, vm.folder + "/seed.id");
  ask(HostQuestion::Kind::kExists, vm.seed);
  ask(HostQuestion::Kind::kExists, vm.folder);
  for (const VmDisk& disk : vm.disks) ask(HostQuestion::Kind::kExists, fmt::format("{}.{}", disk.file, ending));
  return out;
}

void read_files(const Vm& vm, const std::vector<HostAnswer>& answers, std::size_t from, VmFound& found) {
  if (answers.at(from).there && answers.at(from + 1).there) found.meta_data = answers[from].output;
  found.folder = answers.at(from + 2).there;
  for (std::size_t i = 0; i < vm.disks.size(); ++i) {
    if (answers.at(from + 3 + i).there) found.disks.push_back(vm.disks[i].name);
  }
}

Error not_understood(const HostQuestion& question, const HostAnswer& answer) {
  const std::string& said = answer.errors.empty() ? answer.output : answer.errors;
  const std::string first = said.substr(0, said.find('\n'));
  return Error{Errc::kUnavailable,
               fmt::format("{}: {}", words(question.argv), first.empty() ? fmt::format("it ended with {}", answer.exit_code) : first)};
}

Result<std::unique_ptr<VmDriver>> make_vm_driver(const std::string& driver, const std::string& uri) {
  if (driver == "libvirt") return make_libvirt_driver(uri.empty() ? "qemu:///system" : uri);
  if (driver == "qemu") return make_qemu_driver();
  if (driver == "virtualbox") return make_virtualbox_driver();
  return Error{Errc::kUnsupported, fmt::format("vms.driver {} makes no VMs in this release; libvirt, qemu and virtualbox do", driver)};
}

}  // namespace fairlead::bootstrap
