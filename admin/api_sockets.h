// The API's sockets by plain system calls: close-on-exec from birth (a library's own accept(2) is not, and hooks are our children),
// and errors that name the path or address.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "admin/api_routes.h"
#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace fairlead::admin {

/// A listening unix socket; its file goes with it, unless somebody has replaced the file meanwhile.
class UnixListener {
 public:
  /// Makes the directory when missing and replaces a socket file nobody answers on; mode 0666: the kernel's credentials decide,
  /// not the file.
  /// Errors: kConflict (a live daemon, or a file that is no socket), kInvalidArgument (path too long), kPermission.
  [[nodiscard]] static Result<UnixListener> open(const std::string& path);

  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener();

  [[nodiscard]] int get() const { return fd_.get(); }

 private:
  UnixListener(Fd fd, std::string path, dev_t device, ino_t inode)
      : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}
  Fd fd_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

/// Errors: kConflict (in use), kUnavailable (no such address here), kPermission.
[[nodiscard]] Result<Fd> open_tcp_listener(const Endpoint& endpoint);

/// accept4(2), non-blocking and close-on-exec. nullopt: nobody is waiting.
/// Errors: kLimitExceeded (no descriptor left) and what else it says.
[[nodiscard]] Result<std::optional<Fd>> accept_one(int listener);

struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< Supplementary ones, as they were at connect(2).
};
[[nodiscard]] Result<PeerCredentials> peer_credentials(int unix_socket);
/// Root, `own_uid` and members of `operators` operate, everybody else reads.
[[nodiscard]] ApiRole role_of(const PeerCredentials& peer, uid_t own_uid, std::optional<gid_t> operators);

/// nullopt: no such group.
[[nodiscard]] std::optional<gid_t> group_id(const std::string& name);
/// "uid 0 (root)". Rationale: by /etc/passwd alone; a directory service may take half a minute, and the admin thread never waits.
[[nodiscard]] std::string user_label(uid_t uid);

}  // namespace fairlead::admin
