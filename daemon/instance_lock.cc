#include "daemon/instance_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

namespace fairlead::daemon {
namespace {

Status lock(const std::string& path, InstanceLock& held) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) {
    const bool of_another = (errno == EACCES || errno == EPERM) && ::access(path.c_str(), F_OK) == 0;
    if (!of_another) return {};  // No folder, or one that cannot be written: what needs it says so.
    return Error{Errc::kConflict,
                 "a fairleadd of another user has run, or runs (its " + path + " cannot be opened): start this one as that user"};
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

Result<InstanceLock> take_instance_lock(const config::Snapshot& snapshot) {
  InstanceLock held;
  if (!snapshot.admin.socket.empty()) {
    if (auto status = lock(snapshot.admin.socket + ".lock", held); !status) return status.error();
  }
  if (!snapshot.vips.empty() || snapshot.cluster) {
    if (auto status = lock(snapshot.state_dir + "/lock", held); !status) return status.error();
  }
  return held;
}

}  // namespace fairlead::daemon
