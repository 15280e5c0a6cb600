#include "admin/api_sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <grp.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sockaddr.h"

namespace fairlead::admin {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kSocketMode = 0666;

/// Removes a socket file nobody answers on; anything else at `path` stays and is an error.
Status clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("admin socket " + path);
  }
  if (!S_ISSOCK(info.st_mode))
    return Error{Errc::kConflict, "admin socket " + path + ": a file that is no socket is in the way; remove it or set admin.socket"};
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return errno_error("admin socket " + path);
  // EAGAIN: its backlog is full, so somebody lives there.
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN) {
    return Error{Errc::kConflict,
                 "admin socket " + path + ": another fairleadd answers there; stop it, or give this one its own admin.socket"};
  }
  if (errno != ECONNREFUSED && errno != ENOENT) return errno_error("admin socket " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("admin socket " + path + ": remove the stale socket");
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    return Error{Errc::kInvalidArgument,
                 "admin socket '" + path + "': a path of 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes is needed"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());

  std::error_code failed;
  if (const auto directory = std::filesystem::path(path).parent_path(); !directory.empty()) {
    std::filesystem::create_directories(directory, failed);
    if (failed) return errno_error("admin socket " + path + ": make its directory", failed.value());
  }
  if (auto cleared = clear_path(path, address); !cleared) return cleared.error();

  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("admin socket " + path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("admin socket " + path + ": bind");
  struct stat info {};
  if (::chmod(path.c_str(), kSocketMode) != 0 || ::lstat(path.c_str(), &info) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const Error error = errno_error("admin socket " + path);
    ::unlink(path.c_str());
    return error;
  }
  return UnixListener(std::move(fd), path, info.st_dev, info.st_ino);
}

UnixListener::~UnixListener() {
  if (!fd_.valid()) return;
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

Result<Fd> open_tcp_listener(const Endpoint& endpoint) {
  const std::string context = "admin.listen " + endpoint.to_string();
  const auto address = to_sockaddr(endpoint);
  Fd fd(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(context);
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return errno_error(context);
  if (!endpoint.address.is_v4() && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return errno_error(context);
  if (::bind(fd.get(), address.get(), address.size) != 0) return errno_error(context + ": bind");
  if (::listen(fd.get(), kBacklog) != 0) return errno_error(context + ": listen");
  return fd;
}

Result<std::optional<Fd>> accept_one(int listener) {
  Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) return std::optional<Fd>(std::move(fd));
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED || errno == EPROTO) return std::optional<Fd>();
  return errno_error("accept");
}

Result<PeerCredentials> peer_credentials(int unix_socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return errno_error("peer credentials");
  PeerCredentials out{.uid = peer.uid, .gid = peer.gid, .groups = std::vector<gid_t>(32)};
  for (;;) {
    size = static_cast<socklen_t>(out.groups.size() * sizeof(gid_t));
    const int answer = ::getsockopt(unix_socket, SOL_SOCKET, SO_PEERGROUPS, out.groups.data(), &size);
    if (answer != 0 && errno != ERANGE) return errno_error("peer groups");
    out.groups.resize(size / sizeof(gid_t));
    if (answer == 0) return out;
  }
}

ApiRole role_of(const PeerCredentials& peer, uid_t own_uid, std::optional<gid_t> operators) {
  if (peer.uid == 0 || peer.uid == own_uid) return ApiRole::kOperate;
  if (!operators) return ApiRole::kRead;
  const bool member = peer.gid == *operators || std::find(peer.groups.begin(), peer.groups.end(), *operators) != peer.groups.end();
  return member ? ApiRole::kOperate : ApiRole::kRead;
}

std::optional<gid_t> group_id(const std::string& name) {
  std::vector<char> space(4096);
  group entry{};
  group* found = nullptr;
  while (::getgrnam_r(name.c_str(), &entry, space.data(), space.size(), &found) == ERANGE && space.size() < (1U << 20U))
    space.resize(space.size() * 2);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

std::string user_label(uid_t uid) {
  std::string label = "uid " + std::to_string(uid);
  const std::unique_ptr<FILE, int (*)(FILE*)> users(std::fopen("/etc/passwd", "re"), &std::fclose);
  std::array<char, 4096> space{};
  passwd entry{};
  passwd* found = nullptr;
  while (users != nullptr && ::fgetpwent_r(users.get(), &entry, space.data(), space.size(), &found) == 0) {
    if (found->pw_uid == uid) return label + " (" + found->pw_name + ")";
  }
  return label;
}

}  // namespace fairlead::admin
