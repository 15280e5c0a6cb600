#include "base/run_program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system_clock.h"
#include "base/units.h"

namespace fairlead {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;
constexpr std::size_t kLastWordsMax = 400;

struct Pipe {
  Fd read;
  Fd write;
};
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("pipe");
  // Never one of 0, 1, 2, which the child's dup2() would overwrite: a parent may have closed those.
  Pipe out{Fd(ends[0]), Fd(ends[1])};
  for (Fd* end : {&out.read, &out.write}) {
    if (end->get() > STDERR_FILENO) continue;
    const int higher = ::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0) return errno_error("pipe");
    end->reset(higher);
  }
  return out;
}

/// The file that execvp(3) would run; that one may allocate, and a child of threads may not.
std::string find_on_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = ::getenv("PATH");
  std::string_view left = path != nullptr ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!left.empty()) {
    const auto end = left.find(':');
    const std::string_view folder = left.substr(0, end);
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    std::string file = std::string(folder.empty() ? "." : folder) + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::vector<std::string> child_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> out;
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const bool changed = std::any_of(changes.begin(), changes.end(), [&](const auto& c) { return name_of(c) == name_of(*entry); });
    if (!changed) out.emplace_back(*entry);
  }
  std::copy_if(changes.begin(), changes.end(), std::back_inserter(out), [](const auto& c) { return c.find('=') != std::string::npos; });
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  out.push_back(nullptr);
  return out;
}

/// A write to a child that has gone makes no signal of the parent's.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t pipe = only();
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  ~NoPipeSignal() {
    const sigset_t pipe = only();
    const timespec at_once{};
    if (::sigismember(&before_, SIGPIPE) == 0)
      while (::sigtimedwait(&pipe, nullptr, &at_once) == SIGPIPE) {}
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  static sigset_t only() {
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    return pipe;
  }
  sigset_t before_{};
};

struct Started {
  pid_t pid = -1;
  Fd pidfd;
  Fd input;
  Fd output;
  Fd errors;

  Started() = default;
  Started(Started&& other) noexcept
      : pid(std::exchange(other.pid, -1)),
        pidfd(std::move(other.pidfd)),
        input(std::move(other.input)),
        output(std::move(other.output)),
        errors(std::move(other.errors)) {}
  Started& operator=(Started&&) = delete;
  ~Started() {
    if (pid <= 0) return;
    (void)::kill(-pid, SIGKILL);
    (void)reap();
  }
  int reap() {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    pid = -1;
    return status;
  }
};

struct ChildPlan {
  const char* file;
  char* const* argv;
  char* const* environment;
  int in, out, errors, report;
  pid_t parent;
  bool dies_with_thread;
};

/// Between fork and exec in a process of threads: system calls only, no allocation, no lock.
[[noreturn]] void become(const ChildPlan& plan) {
  (void)::setpgid(0, 0);
  if (plan.dies_with_thread) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(127);
  }
  struct sigaction ordinary {};
  ordinary.sa_handler = SIG_DFL;
  for (int number = 1; number < SIGRTMIN; ++number) (void)::sigaction(number, &ordinary, nullptr);
  ::dup2(plan.in, STDIN_FILENO);
  ::dup2(plan.out, STDOUT_FILENO);
  ::dup2(plan.errors, STDERR_FILENO);
  // Everything of ours closes at exec; what a library opened otherwise, too. (CLOSE_RANGE_CLOEXEC = 4, Linux 5.11.)
  (void)::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4U);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.file, plan.argv, plan.environment);
  const int failed = errno;
  (void)!::write(plan.report, &failed, sizeof failed);
  ::_exit(127);
}

Error cannot_start(const std::string& program, int number) {
  Error error = errno_error("cannot run " + program, number);
  if (number == ENOENT) error = Error{Errc::kNotFound, program + " is not there: is it installed?", number};
  if (number == EACCES) error.code = Errc::kPermission;
  return error;
}

/// `errors_to`: where its standard error goes in place of a pipe; -1: a pipe.
Result<Started> start(const ProgramCall& call, bool dies_with_thread, int errors_to = -1) {
  if (call.argv.empty()) return Error{Errc::kInvalidArgument, "no program to run"};
  const std::string file = find_on_path(call.argv.front());
  if (file.empty()) return cannot_start(call.argv.front(), ENOENT);
  auto in = make_pipe();
  auto out = make_pipe();
  auto errors = make_pipe();
  auto report = make_pipe();
  for (const auto* pipe : {&in, &out, &errors, &report})
    if (!*pipe) return pipe->error();
  const auto argv = pointers(call.argv);
  const auto texts = child_environment(call.environment);
  const auto environment = pointers(texts);
  const int errors_end = errors_to >= 0 ? errors_to : errors->write.get();
  const ChildPlan plan{file.c_str(), argv.data(),         environment.data(), in->read.get(),  out->write.get(),
                       errors_end,   report->write.get(), ::getpid(),         dies_with_thread};
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // No handler of the parent's runs in the child.
  Started child;
  child.pid = ::fork();
  if (child.pid == 0) become(plan);
  const int failed = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child.pid < 0) return errno_error("start " + call.argv.front(), failed);
  (void)::setpgid(child.pid, child.pid);  // Here, too: whoever comes first, the group is there before anything is killed.
  report->write.reset();
  int number = 0;
  ssize_t told = 0;
  while ((told = ::read(report->read.get(), &number, sizeof number)) < 0 && errno == EINTR) {}
  if (told == static_cast<ssize_t>(sizeof number)) return cannot_start(call.argv.front(), number);
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd.valid()) return errno_error("pidfd of " + call.argv.front());
  child.input = std::move(in->write);
  child.output = std::move(out->read);
  child.errors = std::move(errors->read);
  for (const Fd* end : {&child.input, &child.output, &child.errors}) (void)::fcntl(end->get(), F_SETFL, O_NONBLOCK);
  return child;
}

Result<Fd> make_memory_file() {
  Fd file(::memfd_create("errors", MFD_CLOEXEC));
  if (!file.valid()) return errno_error("memfd");
  return file;
}
std::string text_of(const Fd& file) {
  std::string out(kBlock, '\0');
  const ssize_t count = ::pread(file.get(), out.data(), out.size(), 0);
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return out;
}

/// Its last words, in one line.
std::string last_words(std::string_view errors) {
  while (!errors.empty() && (errors.back() == '\n' || errors.back() == '\r')) errors.remove_suffix(1);
  if (errors.size() > kLastWordsMax) errors.remove_prefix(errors.size() - kLastWordsMax);
  std::string out(errors);
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

/// Writes and reads until it has ended.
class Conversation {
 public:
  Conversation(const ProgramCall& call, Started& child) : call_(call), child_(child), waiting_(call.input) {}

  Result<ProgramResult> hold() {
    const Instant deadline = SystemClock().now() + call_.timeout;
    feed();
    while (true) {
      const Duration left = deadline - SystemClock().now();
      if (left <= Duration::zero()) return overdue();
      std::array<pollfd, 4> watched{pollfd{child_.pidfd.get(), POLLIN, 0}, pollfd{child_.input.get(), POLLOUT, 0},
                                    pollfd{child_.output.get(), POLLIN, 0}, pollfd{child_.errors.get(), POLLIN, 0}};
      const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(std::min<std::int64_t>(to_ms(left) + 1, 3'600'000)));
      if (ready < 0 && errno != EINTR) return errno_error("poll");
      if (ready <= 0) continue;
      if (watched[1].revents != 0) feed();
      if (watched[2].revents != 0 && !drain(child_.output, /*is_output=*/true)) return Error{Errc::kUnavailable, failure_};
      if (watched[3].revents != 0) (void)drain(child_.errors, /*is_output=*/false);
      if (!failure_.empty()) return Error{Errc::kUnavailable, failure_};
      if (watched[0].revents != 0) break;
    }
    // What it wrote before it ended is in the pipes.
    if (!drain(child_.output, /*is_output=*/true)) return Error{Errc::kUnavailable, failure_};
    (void)drain(child_.errors, /*is_output=*/false);
    const int status = child_.reap();
    result_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result_.exit_code = result_.signal != 0 ? 128 + result_.signal : WEXITSTATUS(status);
    return std::move(result_);
  }

 private:
  Error overdue() {
    (void)drain(child_.errors, /*is_output=*/false);
    const std::string words = last_words(result_.errors);
    return Error{Errc::kTimeout, call_.argv.front() + " was not done in " + format_duration(call_.timeout) + " and was ended" +
                                     (words.empty() ? "" : ": " + words)};
  }

  void feed() {
    while (child_.input.valid()) {
      if (waiting_.empty() && !read_more()) return child_.input.reset();
      const ssize_t count = ::write(child_.input.get(), waiting_.data(), waiting_.size());
      if (count > 0) waiting_.remove_prefix(static_cast<std::size_t>(count));
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0 && errno != EINTR) return child_.input.reset();  // It wants no more.
    }
  }
  bool read_more() {
    if (call_.input_fd < 0 || !failure_.empty()) return false;
    block_.resize(kBlock);
    ssize_t count = 0;
    while ((count = ::read(call_.input_fd, block_.data(), block_.size())) < 0 && errno == EINTR) {}
    if (count < 0) failure_ = errno_error("read what " + call_.argv.front() + " shall get").message();
    if (count <= 0) return false;
    waiting_ = std::string_view(block_).substr(0, static_cast<std::size_t>(count));
    return true;
  }
  /// All that is there now. False: `on_output` had enough.
  bool drain(Fd& from, bool is_output) {
    std::array<char, kBlock> block;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
    while (from.valid()) {
      const ssize_t count = ::read(from.get(), block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return true;
      if (count <= 0) {
        from.reset();
        return true;
      }
      const std::string_view bytes(block.data(), static_cast<std::size_t>(count));
      if (is_output && call_.on_output) {
        if (call_.on_output(bytes)) continue;
        failure_ = call_.argv.front() + " was ended: its output was not wanted any more";
        return false;
      }
      std::string& into = is_output ? result_.output : result_.errors;
      const std::size_t taken = std::min(bytes.size(), call_.output_max - std::min(call_.output_max, into.size()));
      into.append(bytes.substr(0, taken));
      result_.cut |= taken < bytes.size();
    }
    return true;
  }

  const ProgramCall& call_;
  Started& child_;
  std::string_view waiting_;
  std::string block_;
  std::string failure_;
  ProgramResult result_;
};

}  // namespace

Result<ProgramResult> run_program(const ProgramCall& call) {
  const NoPipeSignal quiet;
  auto child = start(call, /*dies_with_thread=*/true);
  if (!child) return child.error();
  return Conversation(call, *child).hold();
}

Result<HeldProgram> HeldProgram::start(const ProgramCall& call, std::string_view ready) {
  // A file, not a pipe: nobody reads it while the program stays, and it must neither wait for a reader nor be killed for want of one.
  auto errors = make_memory_file();
  if (!errors) return errors.error();
  auto started = fairlead::start(call, /*dies_with_thread=*/false, errors->get());
  if (!started) return started.error();
  const Instant deadline = SystemClock().now() + call.timeout;
  std::array<char, 4096> block{};
  const std::string awaited = "\n" + std::string(ready) + "\n";
  std::string said = "\n";
  while (said.find(awaited) == std::string::npos) {
    const Duration left = deadline - SystemClock().now();
    if (left <= Duration::zero())
      return Error{Errc::kTimeout,
                   call.argv.front() + " was not ready in " + format_duration(call.timeout) + ": " + last_words(text_of(*errors) + said)};
    std::array<pollfd, 2> watched{pollfd{started->output.get(), POLLIN, 0}, pollfd{started->pidfd.get(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), static_cast<int>(to_ms(left)) + 1) <= 0) continue;
    if (watched[0].revents != 0) {
      const ssize_t count = ::read(started->output.get(), block.data(), block.size());
      if (count > 0) said.append(block.data(), static_cast<std::size_t>(count));
      if (said.size() > kBlock) said.erase(0, said.size() - kBlock / 2);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) started->output.reset();
    } else if (watched[1].revents != 0) {  // Its end counts when all that it said is read.
      return Error{Errc::kUnavailable, text_of(*errors) + said.substr(1)};
    }
  }
  HeldProgram out;
  out.pid_ = std::exchange(started->pid, -1);
  out.pidfd_ = std::move(started->pidfd);
  out.input_ = std::move(started->input);
  out.output_ = std::move(started->output);  // Held: a program that writes to nobody would be killed by it. Its errors are of no more use.
  return out;
}

HeldProgram::HeldProgram(HeldProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)) {}

HeldProgram& HeldProgram::operator=(HeldProgram&& other) noexcept {
  if (this == &other) return *this;
  end(Duration::zero());
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  input_ = std::move(other.input_);
  output_ = std::move(other.output_);
  return *this;
}

HeldProgram::~HeldProgram() { end(std::chrono::seconds(1)); }

bool HeldProgram::running() {
  if (pid_ <= 0) return false;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  return ::poll(&ended, 1, 0) == 0;
}

void HeldProgram::end(Duration patience) {
  input_.reset();
  if (pid_ <= 0) return;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  const Instant deadline = SystemClock().now() + patience;
  for (Duration left = patience; left > Duration::zero(); left = deadline - SystemClock().now())
    if (::poll(&ended, 1, static_cast<int>(to_ms(left)) + 1) > 0) break;
  (void)::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  pid_ = -1;
}

}  // namespace fairlead
