#include "cli/local_node.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace fairlead::cli {

LocalNode look_at_local_node(std::string config_file, const GlobalOptions& options, CliEnvironment& environment) {
  LocalNode out;
  out.config_file = config_file.empty() ? environment.cluster_paths.config : std::move(config_file);
  auto loaded = config::load_file(out.config_file, environment.host());
  out.config = std::move(loaded.snapshot);
  out.problems = std::move(loaded.problems);
  const config::Snapshot defaults;
  out.state_dir = out.config ? out.config->state_dir : defaults.state_dir;
  const std::string standard = ConnectOptions{}.socket;
  out.socket = options.connect.socket;
  if (out.socket == standard && out.config) out.socket = out.config->admin.socket;
  return out;
}

namespace {

/// A pipe of that name is not waited for.
Result<Fd> open_plain_file(const std::string& path, Links links) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::kRefuse ? O_NOFOLLOW : 0)));
  if (!file.valid() && links == Links::kRefuse && errno == ELOOP)
    return Error{Errc::kInvalidArgument, path + " is a symbolic link, which is not followed here"};
  if (!file.valid()) return errno_error("open " + path);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0) return errno_error("look at " + path);
  if (!S_ISREG(what.st_mode)) return Error{Errc::kInvalidArgument, path + " is no plain file"};
  return file;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most, Links links) {
  const auto opened = open_plain_file(path, links);
  if (!opened) return opened.error();
  const Fd& file = *opened;
  std::string out;
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(n));
    if (out.size() > most) return Error{Errc::kLimitExceeded, path + " is larger than " + std::to_string(most) + " bytes"};
  }
}

Result<std::string> read_tail(const std::string& path, std::size_t lines, std::size_t most) {
  const auto file = open_plain_file(path, Links::kRefuse);
  if (!file) return file.error();
  const off_t size = ::lseek(file->get(), 0, SEEK_END);
  if (size < 0) return errno_error("read " + path);
  const auto from = std::max<off_t>(size - static_cast<off_t>(most), 0);
  std::string out(static_cast<std::size_t>(size - from), '\0');
  std::size_t got = 0;
  while (got < out.size()) {
    const auto n = ::pread(file->get(), out.data() + got, out.size() - got, from + static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) break;  // It was cut off meanwhile.
    got += static_cast<std::size_t>(n);
  }
  out.resize(got);
  if (from > 0) out.erase(0, std::min(out.find('\n'), out.size() - 1) + 1);  // Half a line.
  std::size_t begin = out.size();
  for (std::size_t n = 0; n <= lines && begin > 0; ++n) {
    const std::size_t before = begin < 1 ? std::string::npos : out.rfind('\n', begin - 1);
    if (before == std::string::npos) return out;
    begin = before;
  }
  return out.substr(begin + 1);
}

}  // namespace fairlead::cli
