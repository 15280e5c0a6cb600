#include "cli/local_node.h"

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

Result<std::string> read_file(const std::string& path, std::size_t most) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // A pipe of that name is not waited for.
  if (!file.valid()) return errno_error("open " + path);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0) return errno_error("look at " + path);
  if (!S_ISREG(what.st_mode)) return Error{Errc::kInvalidArgument, path + " is no plain file"};
  std::string out;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(n));
    if (out.size() > most) return Error{Errc::kLimitExceeded, path + " is larger than " + std::to_string(most) + " bytes"};
  }
}

}  // namespace fairlead::cli
