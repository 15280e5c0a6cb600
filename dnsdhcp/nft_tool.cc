#include "dnsdhcp/nft_tool.h"

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
#include "base/system_clock.h"
#include "base/units.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kOutputMax = std::size_t{4} << 20;  ///< The largest model's table is below 1 MiB.
constexpr std::size_t kShownMax = 300;                    ///< Bytes of nft's words in an error.

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("nft: pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

class Child {
 public:
  ~Child() { (void)end(); }
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Status start(const std::string& program, const std::vector<std::string>& arguments) {
    auto in = make_pipe();
    auto out = make_pipe();
    if (!in) return in.error();
    if (!out) return out.error();
    posix_spawnattr_t how;
    ::posix_spawnattr_init(&how);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&how, &none);
    ::posix_spawnattr_setsigdefault(&how, &all);
    ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, in->read.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, out->write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, out->write.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    std::vector<char*> words{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    std::string locale = "LC_ALL=C";  // Its words are looked at.
    std::array<char*, 2> environment{locale.data(), nullptr};
    const int failed = ::posix_spawn(&pid_, program.c_str(), &files, &how, words.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&how);
    if (failed != 0) {
      pid_ = -1;
      Error error = errno_error("start " + program, failed);
      error.code = Errc::kUnavailable;
      if (failed == ENOENT) error.context = "the router needs nft, and " + program + " is not there (apt install nftables)";
      return error;
    }
    input_ = std::move(in->write);
    output_ = std::move(out->read);
    return {};
  }

  /// Writes and reads until it closes its output. False: the deadline came first.
  bool talk(std::string_view input, std::string& output, Instant deadline) {
    (void)::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
    if (input.empty()) input_.reset();
    std::array<char, 16384> block{};
    for (;;) {
      const auto left = deadline - SystemClock().now();
      if (left <= Duration::zero()) return false;
      std::array<pollfd, 2> watched{pollfd{output_.get(), POLLIN, 0}, pollfd{input_.valid() ? input_.get() : -1, POLLOUT, 0}};
      const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(to_ms(left)) + 1);
      if (ready < 0 && errno != EINTR) return false;
      if (ready <= 0) continue;
      if (input_.valid() && watched[1].revents != 0) {
        const ssize_t count = ::write(input_.get(), input.data(), input.size());  // SIGPIPE: ignored by the daemon, blocked here.
        if (count > 0) input.remove_prefix(static_cast<std::size_t>(count));
        if (input.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) input_.reset();
      }
      if (watched[0].revents == 0) continue;
      const ssize_t count = ::read(output_.get(), block.data(), block.size());
      if (count == 0) return true;
      if (count < 0 && errno != EINTR && errno != EAGAIN) return true;
      if (count > 0 && output.size() < kOutputMax) output.append(block.data(), static_cast<std::size_t>(count));
    }
  }

  /// Its wait status; kills it if it still runs.
  int end(bool kill = true) {
    if (pid_ <= 0) return 0;
    if (kill) (void)::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  Fd input_;
  Fd output_;
};

/// A child that ends before it has read all makes no signal of the daemon's.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  ~NoPipeSignal() {
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    const timespec at_once{};
    while (::sigtimedwait(&pipe, nullptr, &at_once) == SIGPIPE) {}
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t before_{};
};

/// nft's first complaint in one line: "Error: syntax error, unexpected junk: <its line>".
std::string first_complaint(std::string_view words) {
  const auto at = words.find("Error: ");
  if (at != std::string_view::npos) words.remove_prefix(at);
  const auto end = words.find('\n');
  std::string out(words.substr(0, end));
  if (end != std::string_view::npos) {
    std::string_view line = words.substr(end + 1);
    line = line.substr(0, line.find('\n'));
    while (!line.empty() && (line.front() == '\t' || line.front() == ' ')) line.remove_prefix(1);
    if (!line.empty()) out += ": " + std::string(line);
  }
  return out.substr(0, kShownMax);
}

}  // namespace

Result<std::string> NftTool::run(const std::vector<std::string>& arguments, std::string_view input) const {
  const NoPipeSignal quiet;
  Child child;
  if (auto started = child.start(program_, arguments); !started) return started.error();
  std::string output;
  if (!child.talk(input, output, SystemClock().now() + timeout_))
    return Error{Errc::kTimeout, "nft did not answer in " + format_duration(timeout_) + " and was ended"};
  const int status = child.end(/*kill=*/false);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return output;
  if (WIFSIGNALED(status)) return Error{Errc::kUnavailable, "nft was ended by signal " + std::to_string(WTERMSIG(status))};
  const bool may_not = output.find("Operation not permitted") != std::string::npos;
  return Error{may_not ? Errc::kPermission : Errc::kInvalidArgument, "nft refuses: " + first_complaint(output)};
}

Status NftTool::apply(std::string_view text) const {
  const auto done = run({"-f", "-"}, text);
  return done ? Status() : Status(done.error());
}

Result<std::string> NftTool::list_table(std::string_view family, std::string_view name, bool counters) const {
  auto tables = run({"list", "tables", std::string(family)}, "");
  if (!tables) return tables;
  const std::string line = "table " + std::string(family) + " " + std::string(name) + "\n";
  if (("\n" + *tables).find("\n" + line) == std::string::npos) return std::string();
  std::vector<std::string> arguments{"list", "table", std::string(family), std::string(name)};
  if (!counters) arguments.insert(arguments.begin(), "--stateless");
  return run(arguments, "");
}

}  // namespace fairlead::dnsdhcp
