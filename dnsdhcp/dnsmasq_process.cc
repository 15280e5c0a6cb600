#include "dnsdhcp/dnsmasq_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system_clock.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr Duration kProbePatience = std::chrono::seconds(2);
constexpr std::size_t kProbeBytesMax = 16384;
constexpr std::size_t kReadBytes = 16384;
constexpr int kReadsPerTurn = 8;
constexpr int kReadsAtEnd = 64;
constexpr std::size_t kRestMax = 4096;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  out.push_back(nullptr);
  return out;
}

struct Prepared {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int nothing;
  int output;
  pid_t parent;
  const sigset_t* signals;
};

/// In the child, which shares this process's memory: nothing but system calls. Returns what went wrong.
int become(const Prepared& p) {
  for (int number = 1; number < SIGSYS + 1; ++number) {
    if (number != SIGKILL && number != SIGSTOP) (void)::signal(number, SIG_DFL);
  }
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
  if (::getppid() != p.parent) return ESRCH;  // It died before the line above could take effect.
  (void)::setpgid(0, 0);
  const sched_param ordinary{};
  (void)::sched_setscheduler(0, SCHED_OTHER, &ordinary);
  if (::dup2(p.nothing, STDIN_FILENO) < 0 || ::dup2(p.output, STDOUT_FILENO) < 0 || ::dup2(p.output, STDERR_FILENO) < 0) return errno;
  if (::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0) return errno;
  if (::sigprocmask(SIG_SETMASK, p.signals, nullptr) != 0) return errno;
  ::execve(p.program, p.arguments, p.environment);
  return errno;
}

/// `failed`: errno of the child before it became the program. Not inlined: the frame of a function that calls vfork(2) is used twice.
[[gnu::noinline]] pid_t run(const Prepared& prepared, volatile int& failed) {
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): see the header.
  if (pid == 0) {
    failed = become(prepared);
    ::_exit(127);
  }
  return pid;
}

Error not_started(const DnsmasqCommand& command, int number) {
  if (number == ENOENT) return {Errc::kNotFound, command.program + " is not there: install the package " + command.package, number};
  return errno_error("start " + command.program, number);
}

Result<DnsmasqChild> start(const DnsmasqCommand& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe for the log of " + command.program);
  Fd in(ends[0]);
  const Fd out(ends[1]);
  if (::fcntl(in.get(), F_SETFL, O_NONBLOCK) != 0) return errno_error("pipe for the log of " + command.program);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing.valid()) return errno_error("open /dev/null");
  std::vector<std::string> words{command.program};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  const auto arguments = pointers(words);
  const auto environment = pointers(command.environment);
  sigset_t all;
  sigset_t none;
  sigset_t before;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  const Prepared prepared{.program = command.program.c_str(),
                          .arguments = arguments.data(),
                          .environment = environment.data(),
                          .nothing = nothing.get(),
                          .output = out.get(),
                          .parent = ::getpid(),
                          .signals = &none};
  // No handler of this process may run in the child.
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  volatile int failed = 0;
  const pid_t pid = run(prepared, failed);
  const int why = pid < 0 ? errno : failed;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return errno_error("start " + command.program, why);
  if (why != 0) {
    (void)::waitpid(pid, nullptr, 0);
    return not_started(command, why);
  }
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const Error error = errno_error("pidfd of " + command.program);
    (void)::kill(pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
    return error;
  }
  return DnsmasqChild(pid, std::move(pidfd), std::move(in));
}

}  // namespace

DnsmasqChild::DnsmasqChild(DnsmasqChild&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), log_(std::move(other.log_)) {}

DnsmasqChild& DnsmasqChild::operator=(DnsmasqChild&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  log_ = std::move(other.log_);
  return *this;
}

void DnsmasqChild::end() {
  if (pid_ < 0) return;
  signal(SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);  // A killed process is gone in no time, unless the kernel holds it: then so is this one.
  pid_ = -1;
}

void DnsmasqChild::signal(int number) const {
  if (pid_ > 0) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

std::optional<int> DnsmasqChild::take_code() {
  siginfo_t how{};
  if (pid_ < 0) return std::nullopt;
  if (::waitid(P_PID, static_cast<id_t>(pid_), &how, WEXITED | WNOHANG) == 0 && how.si_pid == 0) return std::nullopt;
  pid_ = -1;
  return how.si_code == CLD_EXITED ? how.si_status : -how.si_status;
}

std::optional<std::string> DnsmasqChild::take_end(std::string_view last_words) {
  const auto code = take_code();
  if (!code) return std::nullopt;
  if (*code >= 0) return describe_exit(*code, last_words);
  return "ended by signal " + std::to_string(-*code);
}

Result<DnsmasqChild> start_dnsmasq(const DnsmasqCommand& command) { return start(command); }

Result<std::string> probe_dnsmasq(const std::string& program) {
  auto child = start({.program = program, .arguments = {"--version"}, .environment = {"LC_ALL=C"}});
  if (!child) return child.error();
  const SystemClock clock;
  const Instant deadline = clock.now() + kProbePatience;
  std::string output;
  std::array<char, 4096> block{};
  while (output.size() < kProbeBytesMax) {
    pollfd on{.fd = child->log(), .events = POLLIN, .revents = 0};
    const auto left = to_ms(deadline - clock.now());
    if (left <= 0) return Error{Errc::kTimeout, program + " --version does not end"};
    if (::poll(&on, 1, static_cast<int>(left)) < 0 && errno != EINTR) return errno_error(program + " --version");
    const ssize_t n = ::read(child->log(), block.data(), block.size());
    if (n == 0) break;
    if (n > 0) output.append(block.data(), static_cast<std::size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) return errno_error(program + " --version");
  }
  auto version = check_dnsmasq(output);
  if (!version) return Error{version.error().code, program + ": " + version.error().context};
  return version;
}

Status DnsmasqLog::attach(int fd) {
  detach();
  fd_ = fd;
  rest_.clear();
  last_.clear();
  trouble_.clear();
  if (auto watched = loop_.add_readable(fd, [this] { readable(); }); !watched) {
    fd_ = -1;
    return watched;
  }
  return {};
}

void DnsmasqLog::detach() {
  if (fd_ >= 0) {
    // Its script's helper may still write: not for ever.
    for (int n = 0; n < kReadsAtEnd && read_some(); ++n) {}
    loop_.remove(std::exchange(fd_, -1));
    if (!rest_.empty()) take(std::exchange(rest_, {}));
  }
  if (period_ == 0) return;
  loop_.cancel(std::exchange(period_, 0));
  period_over();
}

void DnsmasqLog::readable() {
  for (int n = 0; n < kReadsPerTurn; ++n) {
    if (!read_some()) return;
  }
}

/// False: there is nothing (any more).
bool DnsmasqLog::read_some() {
  std::array<char, kReadBytes> block{};
  const ssize_t n = ::read(fd_, block.data(), block.size());
  if (n == 0) loop_.remove(fd_);  // All who could write are gone; detach() follows with the process's end.
  if (n <= 0) return n < 0 && errno == EINTR;
  std::string_view text(block.data(), static_cast<std::size_t>(n));
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    rest_ += text.substr(0, end);
    if (rest_.size() > kRestMax) rest_.resize(kRestMax);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    take(std::exchange(rest_, {}));
  }
  return true;
}

void DnsmasqLog::take(std::string_view line) {
  DnsmasqLine read = read_dnsmasq_line(line);
  if (read.text.empty()) return;
  last_ = read.text;
  if (read.trouble) trouble_ = read.text;
  if (period_ == 0) {
    lines_ = 0;
    period_ = loop_.after(kLogPeriod, [this] {
      period_ = 0;
      period_over();
    });
  }
  if (++lines_ > kLogLinesMax) {
    ++left_out_;
    return;
  }
  callbacks_.on_line(read);
}

void DnsmasqLog::period_over() {
  if (const auto lines = std::exchange(left_out_, 0); lines > 0) callbacks_.on_left_out(lines);
}

}  // namespace fairlead::dnsdhcp
