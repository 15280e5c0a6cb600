#include "daemon/hooks.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "daemon/privileges.h"

namespace fairlead::daemon {
namespace {

constexpr std::string_view kOwnPrefix = "FAIRLEAD_";
/// Names that mean something to a service of systemd and must not reach its hooks.
constexpr std::array<std::string_view, 4> kNotInherited{"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_FDS="};

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

/// No descriptor of ours, ordinary priority, no signal blocked, a process group of its own; output goes where the daemon's errors go.
int spawn(pid_t& pid, const config::Hook& hook, const std::vector<std::string>& environment) {
  posix_spawnattr_t how;
  ::posix_spawnattr_init(&how);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setsigdefault(&how, &all);
  ::posix_spawnattr_setpgroup(&how, 0);
  const sched_param ordinary{};
  ::posix_spawnattr_setschedpolicy(&how, SCHED_OTHER);
  ::posix_spawnattr_setschedparam(&how, &ordinary);
  ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSCHEDULER);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  // libqb sets close-on-exec after making its sockets; a child that kept one would keep a dead daemon in the group.
  ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  const auto arguments = pointers(hook.command);
  const auto names = pointers(environment);
  const int failed = ::posix_spawn(&pid, hook.command.front().c_str(), &files, &how, arguments.data(), names.data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&how);
  return failed;
}

Result<HookRunner::Child> start(const config::Hook& hook, const std::vector<std::string>& environment) {
  HookRunner::Child out;
  if (const int failed = spawn(out.pid, hook, environment); failed != 0) return errno_error("start it", failed);
  reset_oom_score(out.pid);
  out.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, out.pid, 0)));
  if (out.pidfd.valid()) return out;
  const Error error = errno_error("pidfd of it");
  (void)::kill(-out.pid, SIGKILL);
  (void)::waitpid(out.pid, nullptr, 0);
  return error;
}

/// It and what it started; it must not have been waited for.
void kill_group(const HookRunner::Child& child) {
  if (child.pid > 0) (void)::kill(-child.pid, SIGKILL);
}

}  // namespace

std::string_view to_string(HookEvent event) { return event == HookEvent::kAcquire ? "acquire" : "release"; }

std::vector<std::string> hook_environment(const std::vector<std::string>& inherited, const config::Vip& vip, HookEvent event,
                                          const std::string& device) {
  std::vector<std::string> out;
  for (const std::string& entry : inherited) {
    const auto named = [&](std::string_view name) { return entry.starts_with(name); };
    if (!named(kOwnPrefix) && std::none_of(kNotInherited.begin(), kNotInherited.end(), named)) out.push_back(entry);
  }
  out.push_back("FAIRLEAD_EVENT=" + std::string(to_string(event)));
  out.push_back("FAIRLEAD_VIP=" + vip.name);
  out.push_back("FAIRLEAD_ADDRESS=" + vip.address.to_string());
  out.push_back("FAIRLEAD_INTERFACE=" + device);
  return out;
}

HookRunner::~HookRunner() {
  for (auto& [vip, lane] : lanes_) {
    loop_.cancel(lane.deadline);
    if (!lane.child.pidfd.valid()) continue;
    loop_.remove(lane.child.pidfd.get());
    kill_group(lane.child);
    (void)::waitpid(lane.child.pid, nullptr, WNOHANG);
  }
}

bool HookRunner::is_idle() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane.second.waiting.empty(); });
}

void HookRunner::run(const config::Vip& vip, HookEvent event, const std::string& device) {
  const auto& hooks = event == HookEvent::kAcquire ? vip.on_acquire : vip.on_release;
  if (hooks.empty()) return;
  const auto environment = hook_environment(own_environment(), vip, event, device);
  Lane& lane = lanes_[vip.name];
  for (const config::Hook& hook : hooks) {
    if (lane.waiting.size() >= kHookRunsMax) {
      FL_LOG(HOOK_FAILED, "vip", vip.name, "event", to_string(event), "command", hook.command.front(), "reason",
             "not run: too many hooks wait already");
      continue;
    }
    lane.waiting.push_back({vip.name, event, hook, environment});
  }
  if (!lane.running) start_next(vip.name);
}

void HookRunner::start_next(const std::string& vip) {
  Lane& lane = lanes_[vip];
  if (lane.waiting.empty()) return;
  const Run& run = lane.waiting.front();
  lane.running = true;
  lane.killed = false;
  lane.serial = ++last_serial_;
  lane.begun = loop_.now();
  // Also the deadline of the start: its answer may be lost, or the jobs thread be busy.
  lane.deadline = loop_.after(run.hook.timeout, [this, vip] { overdue(vip); });
  const bool posted = host_.post_job([this, vip, serial = lane.serial, hook = run.hook, environment = run.environment, host = host_] {
    auto child = std::make_shared<Result<Child>>(start(hook, environment));
    host.on_control([this, vip, serial, child] { started(vip, serial, std::move(*child)); });
  });
  if (!posted) finish(vip, "not started: too many jobs are waiting");
}

void HookRunner::started(const std::string& vip, std::uint64_t serial, Result<Child> child) {
  Lane& lane = lanes_[vip];
  if (!lane.running || lane.serial != serial) {  // Given up meanwhile.
    if (!child) return;
    kill_group(*child);
    (void)host_.post_job([pid = child->pid] { (void)::waitpid(pid, nullptr, 0); });
    return;
  }
  if (!child) return finish(vip, child.error().message());
  lane.child = std::move(*child);
  if (auto watched = loop_.add_readable(lane.child.pidfd.get(), [this, vip] { ended(vip); }); !watched) {
    kill_group(lane.child);
    (void)::waitpid(lane.child.pid, nullptr, WNOHANG);
    lane.child = {};
    finish(vip, watched.error().message());
  }
}

void HookRunner::overdue(const std::string& vip) {
  Lane& lane = lanes_[vip];
  lane.deadline = 0;
  if (lane.child.pid <= 0) return finish(vip, "could not be started in " + format_duration(lane.waiting.front().hook.timeout));
  lane.killed = true;
  kill_group(lane.child);  // ended() follows.
}

void HookRunner::ended(const std::string& vip) {
  Lane& lane = lanes_[vip];
  siginfo_t how{};
  if (::waitid(P_PID, static_cast<id_t>(lane.child.pid), &how, WEXITED | WNOHANG) == 0 && how.si_pid == 0) return;
  loop_.remove(lane.child.pidfd.get());
  lane.child = {};
  if (lane.killed) return finish(vip, "killed after " + format_duration(lane.waiting.front().hook.timeout));
  if (how.si_code == CLD_EXITED) return finish(vip, how.si_status == 0 ? "" : "exit code " + std::to_string(how.si_status));
  finish(vip, "ended by signal " + std::to_string(how.si_status));
}

/// `failure` empty: it did what it should.
void HookRunner::finish(const std::string& vip, const std::string& failure) {
  Lane& lane = lanes_[vip];
  loop_.cancel(lane.deadline);
  lane.deadline = 0;
  lane.running = false;
  const Run run = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  if (failure.empty()) {
    FL_LOG(HOOK_DONE, "vip", vip, "event", to_string(run.event), "command", run.hook.command.front(), "took_ms",
           to_ms(loop_.now() - lane.begun));
  } else {
    FL_LOG(HOOK_FAILED, "vip", vip, "event", to_string(run.event), "command", run.hook.command.front(), "reason", failure);
  }
  start_next(vip);
}

}  // namespace fairlead::daemon
