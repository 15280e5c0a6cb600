#include "lab/lab_process.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fairlead::lab {
namespace {

constexpr int kNotExecuted = 127;
constexpr int kNode = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS;

struct Pipe {
  Fd in;   ///< Read here.
  Fd out;  ///< Write here.
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

int wait_for_exit(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return kNotExecuted;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Becomes the program; returns only when that failed.
void become(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& word : argv)
    pointers.push_back(const_cast<char*>(word.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  pointers.push_back(nullptr);
  ::execvp(pointers.front(), pointers.data());
}

void default_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD}) ::signal(number, SIG_DFL);
}

/// What programs of a node find: ours first on PATH, the lab's authority for curl, nothing of the host's daemon.
void set_environment(const std::string& programs) {
  const std::string path = programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  ::setenv("PATH", path.c_str(), 1);
  ::setenv("CURL_CA_BUNDLE", "/etc/lab/ca.crt", 1);
  for (const char* name : {"FAIRLEAD_SOCKET", "NOTIFY_SOCKET"}) ::unsetenv(name);
}

/// The namespaces of a process, held by a descriptor that names exactly it.
Result<Fd> open_keeper(const ProcessId& keeper) {
  Fd pidfd = open_process(keeper);
  if (!pidfd.valid()) return Error{Errc::kUnavailable, "the node is not there any more"};
  return pidfd;
}

/// Runs in a child: into the namespaces, or out.
void enter_or_exit(const Fd& keeper, int which) {
  if (::setns(keeper.get(), which) != 0) ::_exit(kNotExecuted);
}

/// In the node, child of its keeper: reports the host's number of itself, then becomes the program; the pipe closes by that.
[[noreturn]] void run_as_orphan(const NodeCommand& command, int host_proc, int report) {
  char number[32];
  const ssize_t length = ::readlinkat(host_proc, "self", number, sizeof number);
  if (length > 0) (void)write_all(report, std::string_view(number, static_cast<std::size_t>(length)));
  (void)write_all(report, "\n");
  become(command.argv);
  (void)write_all(report, std::to_string(errno));  // Fails only when the reader is gone; nobody is left to tell.
  ::_exit(kNotExecuted);
}

/// In the host's process namespace, but entering: two forks make the last one the keeper's child.
[[noreturn]] void fork_twice(const NodeCommand& command, const Fd& keeper, int log, int host_proc, int report) {
  enter_or_exit(keeper, kNode);
  const pid_t inner = ::fork();
  if (inner > 0) ::_exit(wait_for_exit(inner));
  if (inner < 0) ::_exit(kNotExecuted);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::setsid();
  ::umask(022);
  if (::chdir("/") != 0) ::_exit(kNotExecuted);
  default_signals();
  set_environment(command.programs);
  const pid_t orphan = ::fork();
  if (orphan != 0) ::_exit(orphan > 0 ? 0 : kNotExecuted);
  run_as_orphan(command, host_proc, report);
}

}  // namespace

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::string read_to_end(int fd) {
  std::string out;
  char block[4096];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(block, static_cast<std::size_t>(n));
  }
}

std::optional<ProcessId> process_now(std::int64_t pid) {
  const Fd stat(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!stat.valid()) return std::nullopt;
  const std::string text = read_to_end(stat.get());
  // The name in parentheses may contain anything; the state follows its end, the start time is the 20th word from there.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size() || text[name_end + 2] == 'Z' || text[name_end + 2] == 'X')
    return std::nullopt;
  std::size_t at = name_end + 2;
  for (int skipped = 0; skipped < 19; ++skipped) {
    at = text.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  ProcessId out{pid, 0};
  std::from_chars(text.data() + at, text.data() + text.size(), out.start);
  return out;
}

bool is_alive(const ProcessId& process) { return process_now(process.pid) == process; }

Fd open_process(const ProcessId& process) {
  // glibc 2.36 has pidfd_open(), but its header has no C linkage for C++.
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(process.pid), 0)));
  // Looked at after it was opened: the descriptor can mean no other process any more.
  if (!is_alive(process)) pidfd.reset();
  return pidfd;
}

void kill_process(const ProcessId& process) {
  const Fd pidfd = open_process(process);
  if (pidfd.valid()) (void)::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
}

Result<ToolResult> run_tool(const std::vector<std::string>& argv, const std::string& input, const std::optional<ProcessId>& network) {
  auto in = make_pipe();
  auto out = make_pipe();
  if (!in || !out) return errno_error("pipe");
  Fd keeper;
  if (network) {
    auto opened = open_keeper(*network);
    if (!opened) return opened.error();
    keeper = std::move(*opened);
  }
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    if (keeper.valid()) enter_or_exit(keeper, CLONE_NEWNET);
    ::dup2(in->in.get(), STDIN_FILENO);
    ::dup2(out->out.get(), STDOUT_FILENO);
    ::dup2(out->out.get(), STDERR_FILENO);
    default_signals();
    become(argv);
    ::_exit(kNotExecuted);
  }
  in->in.reset();
  out->out.reset();
  // Texts for tools are far below the 64 KiB a pipe holds, or are read as they come: no deadlock with their output.
  const Status written = write_all(in->out.get(), input);
  in->out.reset();
  ToolResult result;
  result.output = read_to_end(out->in.get());
  result.exit_code = wait_for_exit(child);
  if (result.exit_code == kNotExecuted) return Error{Errc::kNotFound, fmt::format("cannot run {}: is it installed?", argv.front())};
  if (!written && result.exit_code == 0) return written.error();
  return result;
}

Result<ProcessId> start_inside(const NodeCommand& command, const std::string& log) {
  auto keeper = open_keeper(command.keeper);
  if (!keeper) return keeper.error();
  const Fd log_file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log_file.valid()) return errno_error("open " + log);
  const Fd host_proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto report = make_pipe();
  if (!report || !host_proc.valid()) return errno_error("open /proc");
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) fork_twice(command, *keeper, log_file.get(), host_proc.get(), report->out.get());
  report->out.reset();
  const std::string said = read_to_end(report->in.get());
  const int code = wait_for_exit(child);
  const auto line_end = said.find('\n');
  if (code != 0 || line_end == std::string::npos)
    return Error{Errc::kUnavailable, command.argv.front() + ": the node is not there any more"};
  if (line_end + 1 < said.size())
    return errno_error("cannot run " + command.argv.front(),
                       std::atoi(said.c_str() + line_end + 1));  // NOLINT(cert-err34-c): our own digits
  std::int64_t pid = 0;
  std::from_chars(said.data(), said.data() + line_end, pid);
  const auto process = process_now(pid);
  if (!process) return Error{Errc::kUnavailable, fmt::format("{} ended at once; its last words are in {}", command.argv.front(), log)};
  return *process;
}

Result<int> run_inside(const NodeCommand& command) {
  auto keeper = open_keeper(command.keeper);
  if (!keeper) return keeper.error();
  const pid_t caller = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != caller) ::_exit(kNotExecuted);
    const auto give_up = [](std::string_view what) {
      (void)write_all(STDERR_FILENO, fmt::format("fairlead: {}: {}\n", what, std::strerror(errno)));
      ::_exit(kNotExecuted);
    };
    if (::setns(keeper->get(), kNode) != 0) give_up("cannot enter the node; was it switched off this moment?");
    const pid_t inner = ::fork();
    if (inner < 0) give_up("fork");
    if (inner == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      default_signals();
      set_environment(command.programs);
      if (::chdir("/") != 0) give_up("cannot enter /");
      become(command.argv);
      give_up("cannot run " + command.argv.front());
    }
    // Ctrl-C is for the program; SIGTERM is handed on by dying with it.
    for (const int number : {SIGINT, SIGQUIT}) ::signal(number, SIG_IGN);
    ::_exit(wait_for_exit(inner));
  }
  for (const int number : {SIGINT, SIGQUIT}) ::signal(number, SIG_IGN);
  const int code = wait_for_exit(child);
  for (const int number : {SIGINT, SIGQUIT}) ::signal(number, SIG_DFL);
  return code;
}

}  // namespace fairlead::lab
