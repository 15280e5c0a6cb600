#include "k8s-bootstrap/transport/shell_transport.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace fairlead::bootstrap {
namespace {

/// A slow line carries 1 MiB/s; a dead one is found by the transport's keep-alives.
constexpr std::uint64_t kBytesPerSecondMin = 1 << 20;
constexpr Duration kFileTimeout = std::chrono::minutes(1);

Duration time_for(std::uint64_t bytes) { return kFileTimeout + std::chrono::seconds(bytes / kBytesPerSecondMin); }

/// Exit codes of the scripts below, far from those of programs.
constexpr int kIncomplete = 90;
constexpr int kMissing = 91;

std::string put_script(const std::string& to, unsigned mode, std::uint64_t bytes) {
  return fmt::format(R"SH(set -eu
umask 077
to={0}
beside=$to.fairlead-new.$$
trap 'rm -f "$beside"' EXIT
mkdir -p "$(dirname "$to")"
cat >"$beside"
[ "$(wc -c <"$beside")" -eq {1} ] || exit {3}
chmod {2:o} "$beside"
sync "$beside"
mv -f "$beside" "$to"
sync "$(dirname "$to")"
)SH",
                     shell_quote(to), bytes, mode, kIncomplete);
}

std::string fetch_script(const std::string& from) {
  return fmt::format(R"SH(set -eu
from={0}
[ -f "$from" ] || exit {1}
wc -c <"$from"
exec cat "$from"
)SH",
                     shell_quote(from), kMissing);
}

/// Its last words, in one line, for an error.
std::string one_line(std::string text) {
  constexpr std::size_t kShown = 300;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kShown) text.erase(0, text.size() - kShown);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

Error file_error(const std::string& machine, const std::string& what, const RemoteResult& result) {
  if (result.errors.find("No space left on device") != std::string::npos || result.errors.find("Disk quota exceeded") != std::string::npos)
    return Error{Errc::kLimitExceeded, fmt::format("{}: {}: the disk is full; make room on {} and run it again. Nothing was changed there",
                                                   machine, what, machine)};
  if (result.exit_code == kIncomplete)
    return Error{Errc::kUnavailable, fmt::format("{}: {}: not all of it arrived. Nothing was changed there; run it again", machine, what)};
  const bool may_not =
      result.errors.find("Permission denied") != std::string::npos || result.errors.find("Read-only file system") != std::string::npos;
  return Error{may_not ? Errc::kPermission : Errc::kUnavailable,
               fmt::format("{}: {}: {}", machine, what,
                           result.errors.empty() ? fmt::format("exit code {}", result.exit_code) : one_line(result.errors))};
}

/// What arrives: a line with the number of bytes, then the bytes.
class Arriving {
 public:
  explicit Arriving(int file) : file_(file) {}
  bool take(std::string_view bytes) {
    if (!expected_known_) {
      const auto end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (end == std::string_view::npos) return line_.size() < 64;
      expected_known_ = true;
      expected_ = std::strtoull(line_.c_str(), nullptr, 10);
      bytes.remove_prefix(end + 1);
    }
    while (!bytes.empty()) {
      const ssize_t count = ::write(file_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        problem_ = errno_error("write");
        return false;
      }
      written_ += static_cast<std::uint64_t>(count);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  [[nodiscard]] bool whole() const { return expected_known_ && written_ == expected_; }
  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }

 private:
  int file_;
  std::string line_;
  bool expected_known_ = false;
  std::uint64_t expected_ = 0;
  std::uint64_t written_ = 0;
  std::optional<Error> problem_;
};

/// Removed again unless it came to its place.
struct Beside {
  std::string path;
  Fd file;
  ~Beside() {
    if (!path.empty()) (void)::unlink(path.c_str());
  }
};

}  // namespace

ProgramCall ShellTransport::call_for(const Session& session, SessionOutput& output, std::string& kept) {
  ProgramCall call;
  call.input = session_script(session.command) + session.command.input;
  call.input_fd = session.input_fd;
  call.timeout = session.command.timeout;
  call.on_output = [&output, &kept, sink = session.on_output](std::string_view bytes) {
    const std::string_view mine = output.take(bytes);
    if (sink) return mine.empty() || sink(mine);
    if (kept.size() < kProgramOutputMax) kept.append(mine.substr(0, kProgramOutputMax - kept.size()));
    return true;
  };
  return call;
}

Result<RemoteResult> ShellTransport::run(const std::string& machine, const RemoteCommand& command) {
  return hold(machine, {.command = command, .input_fd = -1, .on_output = {}});
}

Status ShellTransport::put(const std::string& machine, const std::string& from, const std::string& to, unsigned mode) {
  const std::string what = "put " + to;
  const Fd file(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file.valid() || ::fstat(file.get(), &about) != 0) return errno_error("open " + from);
  if (!S_ISREG(about.st_mode)) return Error{Errc::kInvalidArgument, from + " is not a file"};
  const auto bytes = static_cast<std::uint64_t>(about.st_size);
  const RemoteCommand command{.script = put_script(to, mode, bytes), .input = {}, .timeout = time_for(bytes), .secret = false};
  auto result = hold(machine, {.command = command, .input_fd = file.get(), .on_output = {}});
  if (!result) return result.error();
  return result->exit_code == 0 ? Status() : Status(file_error(machine, what, *result));
}

Status ShellTransport::fetch(const std::string& machine, const std::string& from, const std::string& to) {
  const std::string what = "fetch " + from;
  Beside beside{to + ".fairlead-new", {}};
  (void)::unlink(beside.path.c_str());
  beside.file.reset(::open(beside.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!beside.file.valid()) {
    const Error error = errno_error("open " + beside.path);
    beside.path.clear();
    return error;
  }
  Arriving arriving(beside.file.get());
  // How large it is is not known before: the largest are etcd's snapshots, 8 GiB.
  const RemoteCommand command{.script = fetch_script(from), .input = {}, .timeout = std::chrono::hours(1), .secret = false};
  auto result =
      hold(machine, {.command = command, .input_fd = -1, .on_output = [&](std::string_view bytes) { return arriving.take(bytes); }});
  if (arriving.problem())
    return Error{arriving.problem()->code, fmt::format("{}: {}: {}", machine, what, arriving.problem()->context),
                 arriving.problem()->sys_errno};
  if (!result) return result.error();
  if (result->exit_code == kMissing) return Error{Errc::kNotFound, fmt::format("{}: {}: there is no such file", machine, what)};
  if (result->exit_code != 0) return file_error(machine, what, *result);
  if (!arriving.whole())
    return Error{Errc::kUnavailable,
                 fmt::format("{}: {}: it changed while it was read, or not all of it arrived; run it again", machine, what)};
  if (::fsync(beside.file.get()) != 0) return errno_error("sync " + beside.path);
  if (::rename(beside.path.c_str(), to.c_str()) != 0) return errno_error("rename " + beside.path);
  beside.path.clear();
  return {};
}

}  // namespace fairlead::bootstrap
