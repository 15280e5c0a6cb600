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
  if (!file.valid()) {
    const int why = errno;
    // No folder, or one that cannot be written and has no such file: what needs it says so.
    if (why == EACCES || why == EPERM ? ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) != 0 && errno == ENOENT
                                      : why != ELOOP && why != EISDIR)
      return {};
    return Error{Errc::kConflict, "a fairleadd of another user has run, or runs (" + path +
                                      " cannot be opened: " + std::generic_category().message(why) +
                                      "): start this one as that user, or chown what that one left while no daemon runs"};
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

}  // namespace fairlead::daemon
