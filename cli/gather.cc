#include "cli/gather.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/result.h"
#include "base/system_clock.h"
#include "base/units.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace fairlead::cli {
namespace {

/// Its id; 0: not started, `errno` says why.
pid_t start(const std::vector<std::string>& command, int output, int errors) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
  posix_spawnattr_t how;
  ::posix_spawnattr_init(&how);
  ::posix_spawnattr_setpgroup(&how, 0);
  ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments.front(), &files, &how, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&how);
  errno = failed;
  return failed == 0 ? pid : 0;
}

/// Until the end of the output or `until`. False: the time is over, or `stop` says so.
bool read_all(int from, Instant until, std::size_t most, const std::function<bool()>& stop, Gathered& out) {
  const SystemClock clock;
  std::array<char, 16384> buffer{};
  for (;;) {
    const auto left = to_ms(until - clock.now());
    if (left <= 0 || (stop && stop())) return false;
    pollfd on{.fd = from, .events = POLLIN, .revents = 0};
    // In short steps where a signal may end it: one that comes just before poll(2) does not wake it.
    const int ready = ::poll(&on, 1, static_cast<int>(stop ? std::min<decltype(left)>(left, 200) : left));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    if (ready < 0) return false;
    const auto n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    const std::size_t room = most - out.output.size();
    out.output.append(buffer.data(), std::min(static_cast<std::size_t>(n), room));
    out.cut = out.cut || static_cast<std::size_t>(n) > room;
  }
}

/// -1: still there when the time was over.
int wait_for_end(pid_t pid, Instant until) {
  const SystemClock clock;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (clock.now() >= until) return -1;
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace

Gathered gather(const std::vector<std::string>& command, Duration limit, std::size_t most, const GatherOptions& options) {
  Gathered out;
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    out.problem = errno_error("pipe").message();
    return out;
  }
  const Fd from(ends[0]);
  Fd to(ends[1]);
  const pid_t pid = start(command, options.output >= 0 ? options.output : to.get(), to.get());
  const int failed = errno;
  to.reset();
  if (pid == 0) {
    out.problem = failed == ENOENT ? "no such program: " + command.front() : errno_error("start " + command.front(), failed).message();
    return out;
  }
  const Instant until = SystemClock().now() + limit;
  const bool whole = read_all(from.get(), until, most, options.stop, out);
  int status = whole ? wait_for_end(pid, until) : -1;
  if (status < 0) {
    ::kill(-pid, SIGKILL);
    // One that the kernel holds (a dead disk) is not waited for: it ends when it can.
    status = wait_for_end(pid, SystemClock().now() + std::chrono::seconds(1));
    out.problem = options.stop && options.stop() ? "interrupted" : "took longer than " + format_duration(limit);
    return out;
  }
  if (WIFSIGNALED(status)) out.problem = "ended by signal " + std::to_string(WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) out.problem = "exit " + std::to_string(WEXITSTATUS(status));
  return out;
}

}  // namespace fairlead::cli
