#include "lab/lab_rig.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "lab/certificates.h"
#include "lab/lab_files.h"
#include "lab/lab_process.h"
#include "lab/poll_until.h"

namespace fairlead::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/run/fairlead-lab";
using namespace std::chrono_literals;

constexpr int kPollMs = 20;
constexpr Duration kServiceMax = 40s;  ///< R13's start_wait of the last of 16 nodes is 20 s.
constexpr Duration kEndMax = 10s;

std::string state_file(const std::string& name) { return LabRig::folder_of(name) + "/state"; }
std::string keys_folder(const std::string& name) { return LabRig::folder_of(name) + "/keys"; }
std::string nodes_folder(const std::string& name) { return LabRig::folder_of(name) + "/nodes"; }
std::string node_folder(const std::string& name, const std::string& node) { return nodes_folder(name) + "/" + node; }
std::string root_of(const ProcessId& keeper) { return fmt::format("/proc/{}/root", keeper.pid); }

void pause() { (void)::poll(nullptr, 0, kPollMs); }

Status need_root() {
  if (::geteuid() == 0) return {};
  return Error{Errc::kPermission, "a lab is made of namespaces, for which one has to be root: sudo fairlead lab ..."};
}

/// Of a node (set_environment in lab_process.cc).
bool is_on_path(const std::string& program) {
  for (const char* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    if (::access(fmt::format("{}/{}", folder, program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Status need_programs(const std::string& programs, const LabOptions& options) {
  struct Need {
    const char* program;
    const char* package;
  };
  std::vector<Need> needs{{"ip", "iproute2"}, {"nginx", "nginx-light"}, {"corosync", "corosync"}, {"openssl", "openssl"}};
  if (options.dhcp)
    needs.insert(needs.end(), {{"dnsmasq", "dnsmasq-base"},
                               {"nft", "nftables"},
                               {"busybox", "busybox"},
                               {"dhclient", "isc-dhcp-client"},
                               {"dig", "bind9-dnsutils"}});
  if (options.qdevice) needs.insert(needs.end(), {{"corosync-qnetd", "corosync-qnetd"}, {"corosync-qdevice", "corosync-qdevice"}});
  for (const Need& need : needs) {
    if (!is_on_path(need.program))
      return Error{Errc::kNotFound, fmt::format("{} is not installed: apt-get install {}", need.program, need.package)};
  }
  // Beside fairlead in a source tree; the package has it in /usr/sbin.
  if (::access((programs + "/fairleadd").c_str(), X_OK) != 0 && !is_on_path("fairleadd"))
    return Error{Errc::kNotFound,
                 fmt::format("{}/fairleadd is not there: it belongs beside fairlead (make build) or comes with the package", programs)};
  return {};
}

Status make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Status(errno_error("mkdir " + path, error.value())) : Status();
}

/// A file of a node, written through /proc/KEEPER/root. What was there may be a link to the host's: it is removed, not followed.
Status write_file(const std::string& path, std::string_view text, unsigned mode) {
  if (Status s = make_folders(fs::path(path).parent_path()); !s) return s;
  ::unlink(path.c_str());
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return errno_error("write " + path);
  return write_all(file.get(), text);
}

Status copy_into(const std::string& from, const std::string& to, unsigned mode) {
  const auto text = read_small_file(from);
  if (!text) return text.error();
  if (!*text) return Error{Errc::kNotFound, from + " is not there"};
  return write_file(to, **text, mode);
}

Status ip_batch(const std::string& commands, const ProcessId& network) {
  const auto done = run_tool({"ip", "-batch", "-"}, commands, network);
  if (!done) return done.error();
  if (done->exit_code == 0) return {};
  return Error{Errc::kUnavailable, "ip: " + done->output.substr(0, done->output.find_last_not_of('\n') + 1)};
}

std::string last_lines(const std::string& path, std::size_t bytes = 1500) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (error || !file.valid()) return {};
  if (size > bytes) (void)::lseek(file.get(), static_cast<off_t>(size - bytes), SEEK_SET);
  return read_to_end(file.get());
}

bool holds(const ProcessId& keeper) {
  const auto shown = run_tool({"ip", "-o", "addr", "show", "to", std::string(kVip)}, {}, keeper);
  return shown && shown->exit_code == 0 && !shown->output.empty();
}

}  // namespace

std::string LabRig::folder_of(const std::string& name) { return fmt::format("{}/{}", kRoot, name); }

Result<std::optional<LabState>> LabRig::find(const std::string& name) const {
  if (Status s = check_name(name); !s) return s.error();
  if (Status s = need_root(); !s) return s.error();
  const auto text = read_small_file(state_file(name));
  if (!text) return text.error();
  if (!*text) return std::optional<LabState>();
  auto state = parse_state(**text);
  if (!state)
    return Error{Errc::kUnavailable, fmt::format("{}: {}. Nothing was changed: use the fairlead that made this lab, or another --name",
                                                 state_file(name), state.error().context)};
  const auto keeper = state->keeper(kSwitch);
  if (!keeper || !is_alive(*keeper)) return std::optional<LabState>();
  return std::optional<LabState>(std::move(*state));
}

Result<Fd> LabRig::lock(const std::string& name) const {
  const std::string folder = folder_of(name);
  for (;;) {
    if (Status s = make_folders(folder); !s) return s.error();
    Fd held(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!held.valid()) {
      if (errno == ENOENT) continue;
      return errno_error("open " + folder);
    }
    if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) {
      return Error{Errc::kConflict, fmt::format("another `fairlead lab` is at work on '{}': try again when it is done", name)};
    }
    struct stat locked {};
    struct stat there {};
    // A `down` may have removed the folder between open and flock.
    if (::fstat(held.get(), &locked) == 0 && ::stat(folder.c_str(), &there) == 0 && locked.st_ino == there.st_ino) return held;
  }
}

Status LabRig::check_interrupted() const { return hooks_.interrupted() ? Status(Error{Errc::kUnavailable, "interrupted"}) : Status(); }

Status LabRig::up(const LabPlan& plan, std::optional<NewKeeper>* keeper) {
  const std::string& name = plan.options.name;
  auto found = find(name);
  if (!found) return found.error();
  if (Status s = need_programs(programs_, plan.options); !s) return s;
  auto held = lock(name);
  if (!held) return held.error();
  found = find(name);  // It may have been changed while nobody held the lock.
  if (!found) return found.error();
  if (*found && (*found)->options != plan.options)
    return Error{Errc::kConflict, fmt::format("lab '{}' is up with other options: `fairlead lab down`, or another --name", name)};
  std::optional<NewKeeper> fresh;
  LabState state;
  if (*found) {
    state = **found;
  } else {
    if (Status s = remove(name); !s) return s;
    held = lock(name);
    if (!held) return held.error();
    state.options = plan.options;
  }
  Status done = build(plan, state, fresh);
  if (done && keeper != nullptr)
    *keeper = std::move(fresh);
  else if (done && fresh)
    done = release_keeper(*fresh);
  if (!done && !*found) {
    fresh = std::nullopt;
    if (const Status removed = remove(name); !removed)
      return Error{done.error().code,
                   fmt::format("{}; what was made is still there: {}", done.error().message(), removed.error().message())};
  }
  return done;
}

Status LabRig::build(const LabPlan& plan, LabState& state, std::optional<NewKeeper>& fresh) {
  const std::string& name = plan.options.name;
  const auto save = [&] { return write_file_atomically(state_file(name), print_state(state)); };
  if (!state.keeper(kSwitch)) {
    if (Status s = make_authority(keys_folder(name)); !s) return s;
    if (Status s = make_authkey(keys_folder(name)); !s) return s;
    auto keeper = start_keeper({.host_name = std::string(kSwitch), .folder = {}}, std::nullopt);
    if (!keeper) return keeper.error();
    state.set_keeper(std::string(kSwitch), keeper->process);
    fresh = std::move(*keeper);
    if (Status s = save(); !s) return s;
    if (Status s = ip_batch(bridge_commands(plan), fresh->process); !s) return s;
  }
  for (const LabNode& node : plan.nodes) {
    if (Status s = check_interrupted(); !s) return s;
    if (Status s = bring_up(plan, node, state); !s) return Error{s.error().code, node.name + ": " + s.error().context, s.error().sys_errno};
  }
  return await_service(plan, state);
}

Status LabRig::bring_up(const LabPlan& plan, const LabNode& node, LabState& state) {
  const auto keeper = state.keeper(node.name);
  if (keeper && is_alive(*keeper)) {
    // Somebody may have pulled a plug (its port is down, or out of its bridge), or taken an interface down (its default route goes).
    if (Status s = ip_batch(ports_up_commands(node), *state.keeper(kSwitch)); !s) return s;
    if (Status s = ip_batch(node_commands(node), *keeper); !s) return s;
  } else if (Status s = make_node(plan, node, state); !s) {
    return s;
  }
  return start_programs(plan, node, state);
}

Status LabRig::make_node(const LabPlan& plan, const LabNode& node, LabState& state) {
  const std::string& name = plan.options.name;
  const ProcessId lab = *state.keeper(kSwitch);
  const std::string folder = node_folder(name, node.name);
  state.forget(node.name);
  if (Status s = make_folders(folder); !s) return s;
  auto keeper = start_keeper({.host_name = node.name, .folder = folder, .router = node.role == Role::kRouter}, lab);
  if (!keeper) return keeper.error();
  state.set_keeper(node.name, keeper->process);
  if (Status s = write_file_atomically(state_file(name), print_state(state)); !s) return s;
  if (Status s = release_keeper(*keeper); !s) return s;
  (void)run_tool({"ip", "-force", "-batch", "-"}, unplug_commands(node), lab);  // Ports of an earlier life, if the kernel still has them.
  if (Status s = ip_batch(port_commands(node, keeper->process.pid), lab); !s) return s;
  if (Status s = ip_batch(node_commands(node), keeper->process); !s) return s;
  const std::string root = root_of(keeper->process);
  for (const LabFile& file : node.files) {
    if (Status s = write_file(root + file.path, file.text, file.mode); !s) return s;
  }
  const std::string keys = keys_folder(name);
  if (Status s = copy_into(keys + "/ca.crt", root + "/etc/lab/ca.crt", 0644); !s) return s;
  if (node.role == Role::kGateway) return copy_into(keys + "/authkey", root + "/etc/corosync/authkey", 0400);
  if (node.role != Role::kBackend) return {};
  if (Status s = make_certificate(keys, node.name, certificate_names(node)); !s) return s;
  if (Status s = copy_into(fmt::format("{}/{}.crt", keys, node.name), root + "/etc/lab/server.crt", 0644); !s) return s;
  return copy_into(fmt::format("{}/{}.key", keys, node.name), root + "/etc/lab/server.key", 0600);
}

Status LabRig::start_programs(const LabPlan& plan, const LabNode& node, LabState& state) {
  for (const LabProgram& program : node.programs) {
    const auto running = state.program(node.name, program.name);
    if (running && is_alive(*running)) continue;
    const std::string log = fmt::format("{}/{}.log", node_folder(plan.options.name, node.name), program.name);
    const auto process = start_inside({.keeper = *state.keeper(node.name), .argv = program.argv, .programs = programs_}, log);
    if (!process) return process.error();
    if (running) hooks_.say(fmt::format("{}: {} started again", node.name, program.name));
    state.set_program(node.name, program.name, *process);
    if (Status s = write_file_atomically(state_file(plan.options.name), print_state(state)); !s) return s;
  }
  return {};
}

Result<std::string> LabRig::missing_of(const LabPlan& plan, const LabState& state) const {
  std::string missing;
  unsigned holders = 0;
  for (const LabNode& node : plan.nodes) {
    for (const LabProgram& program : node.programs) {
      if (is_alive(*state.program(node.name, program.name))) continue;
      const std::string log = fmt::format("{}/{}.log", node_folder(plan.options.name, node.name), program.name);
      return Error{Errc::kUnavailable, fmt::format("{} on {} ended; its last words:\n{}", program.name, node.name, last_lines(log))};
    }
    if (node.role != Role::kGateway || !missing.empty()) continue;
    const ProcessId keeper = *state.keeper(node.name);
    const std::string why = hooks_.missing(root_of(keeper));
    if (!why.empty())
      missing = node.name + ": " + why;
    else
      holders += holds(keeper) ? 1 : 0;
  }
  if (missing.empty() && holders != 1) missing = fmt::format("{} nodes hold {}", holders, kVip);
  return missing;
}

Status LabRig::await_service(const LabPlan& plan, const LabState& state) const {
  return poll_until({.clock = clock_, .limit = kServiceMax, .pause = pause}, [&]() -> Result<std::string> {
    if (Status s = check_interrupted(); !s) return s.error();
    return missing_of(plan, state);
  });
}

Result<LabState> LabRig::what_to_end(const std::string& name) {
  const auto text = read_small_file(state_file(name));
  std::string why;
  if (!text) {
    why = text.error().message();
  } else if (!*text) {
    // The state is there before the first node, and goes after the last one.
    if (::access(nodes_folder(name).c_str(), F_OK) != 0) return LabState{};
    why = state_file(name) + " is not there any more";
  } else {
    LabState state = salvage_state(**text);
    if (state.keeper(kSwitch)) return state;
    why = state_file(name) + " does not name the lab's first process";
  }
  return Error{Errc::kUnavailable,
               fmt::format("lab '{0}': {1}. Nothing was ended and nothing removed, because processes may be left that nobody would find. "
                           "Those in its nodes: grep -l fairlead-lab/{0}/ /proc/[0-9]*/mountinfo; each `lab-keeper` among them has the "
                           "same parent (ps -o ppid= -p PID): kill -9 that one and all are gone, then rm -r {2}",
                           name, why, folder_of(name))};
}

Status LabRig::remove(const std::string& name) const {
  const auto state = what_to_end(name);
  if (!state) return state.error();
  std::vector<ProcessId> all;
  // The switch first: every other process is inside its process namespace and ends with it.
  if (const auto keeper = state->keeper(kSwitch)) all.push_back(*keeper);
  for (const auto& keeper : state->keepers) all.push_back(keeper.process);
  for (const auto& program : state->programs) all.push_back(program.process);
  for (const ProcessId& process : all) kill_process(process);
  const Status ended = poll_until({.clock = clock_, .limit = kEndMax, .pause = pause}, [&]() -> Result<std::string> {
    std::string stay;
    for (const ProcessId& process : all) stay += is_alive(process) ? fmt::format(" {}", process.pid) : "";
    return stay.empty() ? stay : "killed, but there:" + stay;
  });
  if (!ended) return Error{ended.error().code, fmt::format("lab '{}': {}", name, ended.error().context)};
  std::error_code error;
  fs::remove_all(nodes_folder(name), error);
  if (!error) fs::remove_all(folder_of(name), error);
  if (error) return errno_error("remove " + folder_of(name), error.value());
  ::rmdir(kRoot);  // Stays while other labs are in it.
  return {};
}

Result<bool> LabRig::down(const std::string& name) {
  if (Status s = check_name(name); !s) return s.error();
  if (Status s = need_root(); !s) return s.error();
  if (::access(folder_of(name).c_str(), F_OK) != 0) return false;
  auto held = lock(name);
  if (!held) return held.error();
  if (Status s = remove(name); !s) return s.error();
  return true;
}

Result<LabReport> LabRig::report(const std::string& name) const {
  const auto state = find(name);
  if (!state) return state.error();
  if (!*state) return Error{Errc::kNotFound, fmt::format("lab '{}' is not up: `fairlead lab up`", name)};
  const auto plan = plan_lab((*state)->options);
  if (!plan) return plan.error();
  LabReport out;
  out.options = plan->options;
  out.keeper = *(*state)->keeper(kSwitch);
  out.folder = folder_of(name);
  for (const LabNode& node : plan->nodes) {
    NodeReport shown;
    shown.node = node;
    const auto keeper = (*state)->keeper(node.name);
    const bool on = keeper && is_alive(*keeper);
    if (on) shown.keeper = keeper->pid;
    std::vector<std::string> programs;
    for (const LabProgram& program : node.programs) programs.push_back(program.name);
    // The plan of the state knows no corosync.conf; Corosync runs where there is a cluster.
    if (node.role == Role::kGateway && plan->options.nodes > 1) programs.insert(programs.begin(), "corosync");
    for (const std::string& program : programs) {
      const auto process = (*state)->program(node.name, program);
      shown.programs.push_back({program, process && is_alive(*process) ? std::optional(process->pid) : std::nullopt});
    }
    shown.holds_vip = on && node.role == Role::kGateway && holds(*keeper);
    out.nodes.push_back(std::move(shown));
  }
  return out;
}

Result<int> LabRig::exec(const std::string& name, const std::string& node, const std::vector<std::string>& argv) const {
  const auto state = find(name);
  if (!state) return state.error();
  if (!*state) return Error{Errc::kNotFound, fmt::format("lab '{}' is not up: `fairlead lab up`", name)};
  const auto plan = plan_lab((*state)->options);
  if (!plan) return plan.error();
  const auto names = plan->names();
  if (std::find(names.begin(), names.end(), node) == names.end())
    return Error{Errc::kNotFound, fmt::format("lab '{}' has no node '{}': there are {}", name, node, fmt::join(names, ", "))};
  const auto keeper = (*state)->keeper(node);
  if (!keeper || !is_alive(*keeper))
    return Error{Errc::kUnavailable, fmt::format("node {} is switched off: `fairlead lab up` switches it on", node)};
  return run_inside({.keeper = *keeper, .argv = argv, .programs = programs_});
}

}  // namespace fairlead::lab
