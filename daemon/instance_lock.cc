#include "daemon/instance_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

namespace fairlead::daemon {
namespace {

Status lock(const std::string& path, InstanceLock& held) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid() && errno == EROFS) file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) {
    const int why = errno;
    if (why == ENOENT || why == ENOTDIR || why == ENAMETOOLONG) return {};  // No folder: what needs it says so.
    const bool forbidden = why == EACCES || why == EPERM;
    if (forbidden && ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) != 0 && errno == ENOENT) return {};  // Nor can one be made.
    return Error{Errc::kConflict,
                 (forbidden ? "a fairleadd of another user has run, or runs (" : "it cannot be told whether a fairleadd runs (") + path +
                     " cannot be opened: " + std::generic_category().message(why) + ")" +
                     (forbidden ? ": start this one as that user, or chown what that one left while no daemon runs" : "")};
  }
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return {};  // A file system without locks.
    return Error{Errc::kConflict,
                 "another fairleadd runs (it holds " + path + "): stop it, or give this one an admin.socket and a state_dir of its own"};
  }
  held.push_back(std::move(file));
  return {};
}

}  // namespace

Result<InstanceLock> take_instance_lock(const config::Snapshot& snapshot, bool with_state_dir) {
  InstanceLock held;
  if (!snapshot.admin.socket.empty()) {
    if (auto status = lock(snapshot.admin.socket + ".lock", held); !status) return status.error();
  }
  if (with_state_dir) {
    if (auto status = lock(snapshot.state_dir + "/lock", held); !status) return status.error();
  }
  return held;
}

namespace {

/// flock(2) on the namespace itself (namespaces(7)): there is one inode of each, whatever folders a daemon has.
Fd open_network() { return Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Fd keep_sweeps_away() {
  Fd network = open_network();
  if (network.valid() && ::flock(network.get(), LOCK_SH | LOCK_NB) != 0) network.reset();
  return network;
}

Result<Fd> be_alone_to_sweep() {
  Fd network = open_network();
  if (network.valid() && ::flock(network.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return Error{Errc::kConflict, "another fairleadd with virtual IPs runs in this network: stop it first"};
  return network;
}

}  // namespace fairlead::daemon
