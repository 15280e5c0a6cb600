#include "lab/keeper.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "lab/lab_process.h"

namespace fairlead::lab {
namespace {

namespace fs = std::filesystem;

Status mount_at(const char* source, const std::string& target, const char* type, unsigned long flags, const char* data = nullptr) {
  if (::mount(source, target.c_str(), type, flags, data) == 0) return {};
  return errno_error("mount " + target);
}
Status own_tmpfs(const std::string& at, const char* mode) { return mount_at("lab", at, "tmpfs", MS_NOSUID | MS_NODEV, mode); }

Status make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Status(errno_error("mkdir " + path, error.value())) : Status();
}

/// Makes `folder` the node's own, with what the host has in it still there to be read, except for the names in `own`: those are empty
/// folders of the node. The host's can be reached by no other name than /run/host, and not be written.
Status mirror(const std::string& folder, const std::vector<std::string>& own) {
  const std::string original = "/run/host" + folder;
  if (Status s = make_folder(original); !s) return s;
  if (Status s = mount_at(folder.c_str(), original, nullptr, MS_BIND); !s) return s;
  if (Status s = mount_at(nullptr, original, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY); !s) return s;
  if (Status s = own_tmpfs(folder, "mode=0755"); !s) return s;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(original, error)) {
    const std::string name = entry.path().filename();
    if (std::find(own.begin(), own.end(), name) != own.end()) continue;
    // A relative link would lead elsewhere from /run/host: it is copied.
    const fs::path to = entry.is_symlink(error) ? fs::read_symlink(entry.path(), error) : entry.path();
    fs::create_symlink(to, fs::path(folder) / name, error);
  }
  for (const std::string& name : own) {
    if (Status s = make_folder(folder + "/" + name); !s) return s;
  }
  return {};
}

Status mount_node(const KeeperSetup& setup) {
  if (Status s = own_tmpfs("/dev/shm", "mode=1777"); !s) return s;
  // /run hides the host's folder of this node: it waits in /dev/shm meanwhile.
  const std::string waiting = "/dev/shm/lab";
  if (Status s = make_folder(waiting); !s) return s;
  if (Status s = mount_at(setup.folder.c_str(), waiting, nullptr, MS_BIND); !s) return s;
  if (Status s = own_tmpfs("/run", "mode=0755"); !s) return s;
  for (const char* folder : {"/run/lab", "/run/fairlead", "/run/lock"}) {
    if (Status s = make_folder(folder); !s) return s;
  }
  if (Status s = mount_at(waiting.c_str(), "/run/lab", nullptr, MS_MOVE); !s) return s;
  ::rmdir(waiting.c_str());
  if (Status s = mirror("/etc", {"corosync", "fairlead", "lab", "udhcpc"}); !s) return s;
  if (Status s = mirror("/var/lib", {"corosync", "fairlead", "dhcp"}); !s) return s;
  // What a machine has on its disk is there again when it is switched on again.
  for (const char* kept : {"corosync", "fairlead"}) {
    const std::string disk = fmt::format("/run/lab/disk/{}", kept);
    if (Status s = make_folder(disk); !s) return s;
    if (Status s = mount_at(disk.c_str(), fmt::format("/var/lib/{}", kept), nullptr, MS_BIND); !s) return s;
  }
  return {};
}

void write_setting(const std::string& key, const char* value) {
  const Fd file(::open(("/proc/sys/net/" + key).c_str(), O_WRONLY | O_CLOEXEC));
  if (file.valid()) (void)write_all(file.get(), value);
}

/// /proc must be the node's own by now: it shows the network of who reads it, but processes of where it was mounted.
void set_network(const KeeperSetup& setup) {
  write_setting("ipv6/conf/default/accept_dad", "0");
  write_setting("ipv6/conf/default/router_solicitations", "0");
  write_setting("ipv4/ip_local_port_range", "10000 65000");
  write_setting("ipv4/conf/all/rp_filter", "0");
  write_setting("ipv4/conf/default/rp_filter", "0");
  if (setup.router) write_setting("ipv4/ip_forward", "1");
}

Status make_node(const KeeperSetup& setup) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0) return errno_error("cannot make namespaces");
  if (::sethostname(setup.host_name.c_str(), setup.host_name.size()) != 0) return errno_error("sethostname");
  if (Status s = mount_at(nullptr, "/", nullptr, MS_REC | MS_PRIVATE); !s) return s;
  if (!setup.folder.empty()) {
    if (Status s = mount_node(setup); !s) return s;
  }
  if (Status s = mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC); !s) return s;
  // Shows the interfaces of this network. Nothing here needs it: where it cannot be had, the host's stays.
  (void)mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  set_network(setup);
  return {};
}

/// Host's number and start time of the calling process, while /proc is still the host's.
std::string own_identity() {
  std::array<char, 32> number{};
  const ssize_t length = ::readlink("/proc/self", number.data(), number.size());
  const std::string pid(number.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  std::int64_t value = 0;
  std::from_chars(pid.data(), pid.data() + pid.size(), value);
  const auto process = process_now(value);
  return process ? fmt::format("{} {}\n", process->pid, process->start) : std::string("! /proc is not there\n");
}

/// `go` moves to descriptor 3, everything else is closed: whoever waits for an end of file on our starter's output shall get it.
void let_go_of_everything(int go) {
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, standard);
  if (go != 3) ::dup2(go, 3);
  ::close_range(4, ~0U, 0);
  ::setsid();
  if (::chdir("/") != 0) ::_exit(1);
}

[[noreturn]] void keep(const KeeperSetup& setup, bool dies_with_parent, int report, int go) {
  if (dies_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(number, SIG_DFL);  // Whatever the starter had.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  const std::string identity = own_identity();
  const Status made = make_node(setup);
  (void)write_all(report, made ? identity : "! " + made.error().message() + "\n");
  if (!made) ::_exit(1);
  let_go_of_everything(go);
  ::prctl(PR_SET_NAME, "lab-keeper");
  char word = 0;
  while (::read(3, &word, 1) < 0 && errno == EINTR) {}
  if (word != 'g') ::_exit(1);  // The starter is gone.
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::close(3);
  // Rationale: with SIGCHLD ignored the kernel reaps, in the last steps of who ends. For a program under SCHED_RR that was up to 950 ms of
  // one processor when somebody was looking at its /proc entry just then: it waits in a loop for a reader that waits for the processor.
  for (int number = 0; ::sigwait(&child_ended, &number) == 0;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
  }
  ::_exit(1);
}

struct Pipes {
  Fd report_in, report_out, go_in, go_out;
};
Result<Pipes> make_pipes() {
  int report[2];
  int go[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return errno_error("pipe");
  if (::pipe2(go, O_CLOEXEC) != 0) {
    ::close(report[0]);
    ::close(report[1]);
    return errno_error("pipe");
  }
  return Pipes{Fd(report[0]), Fd(report[1]), Fd(go[0]), Fd(go[1])};
}

/// Forked off twice, so that the keeper of a node is a child of the lab's first process, which reaps it.
Status fork_node(const KeeperSetup& setup, const ProcessId& lab, Pipes& pipes) {
  const Fd pidfd = open_process(lab);
  if (!pidfd.valid()) return Error{Errc::kUnavailable, "the lab is not there any more"};
  const pid_t outer = ::fork();
  if (outer < 0) return errno_error("fork");
  if (outer == 0) {
    pipes.go_out.reset();
    if (::setns(pidfd.get(), CLONE_NEWPID) != 0) ::_exit(1);
    const pid_t inner = ::fork();
    if (inner == 0) {
      if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
      const pid_t keeper = ::fork();
      if (keeper == 0) keep(setup, /*dies_with_parent=*/false, pipes.report_out.get(), pipes.go_in.get());
      ::_exit(keeper > 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(inner, &status, 0);
    ::_exit(inner > 0 && status == 0 ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(outer, &status, 0) < 0 && errno == EINTR) {}
  return {};
}

Status fork_switch(const KeeperSetup& setup, Pipes& pipes) {
  const Fd own(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
  if (!own.valid() || ::unshare(CLONE_NEWPID) != 0) return errno_error("cannot make a process namespace");
  const pid_t keeper = ::fork();
  if (keeper == 0) {
    pipes.go_out.reset();
    keep(setup, /*dies_with_parent=*/true, pipes.report_out.get(), pipes.go_in.get());
  }
  Status forked = keeper < 0 ? Status(errno_error("fork")) : Status();
  if (::setns(own.get(), CLONE_NEWPID) != 0) return errno_error("cannot leave the new process namespace");
  return forked;
}

}  // namespace

Result<NewKeeper> start_keeper(const KeeperSetup& setup, const std::optional<ProcessId>& lab) {
  auto pipes = make_pipes();
  if (!pipes) return pipes.error();
  Status forked = lab ? fork_node(setup, *lab, *pipes) : fork_switch(setup, *pipes);
  if (!forked) return forked.error();
  pipes->report_out.reset();
  const std::string said = read_to_end(pipes->report_in.get());
  NewKeeper out;
  const char* end = said.data() + said.size();
  const auto pid = std::from_chars(said.data(), end, out.process.pid);
  if (pid.ec != std::errc{} || pid.ptr == end) {
    const std::string reason = said.starts_with("! ") ? said.substr(2, said.find('\n') - 2) : "it ended before it was made";
    return Error{Errc::kUnavailable, fmt::format("node {}: {}", setup.host_name, reason)};
  }
  std::from_chars(pid.ptr + 1, end, out.process.start);
  out.go = std::move(pipes->go_out);
  return out;
}

Status release_keeper(NewKeeper& keeper) {
  Status told = write_all(keeper.go.get(), "g");
  keeper.go.reset();
  return told;
}

}  // namespace fairlead::lab
