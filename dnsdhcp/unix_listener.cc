#include "dnsdhcp/unix_listener.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace fairlead::dnsdhcp {
namespace {

constexpr int kBacklog = 128;
constexpr int kStrangersPerTurn = 16;

Status remove_old_socket(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return errno == ENOENT ? Status{} : errno_error("look at " + path);
  if (!S_ISSOCK(there.st_mode)) return Error{Errc::kConflict, path + " is there and is no socket: move it away"};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path);
  return {};
}

bool is_own(int connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

Result<Fd> listen_unix(const std::string& path, int type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Error{Errc::kInvalidArgument, path + ": a socket's path has at most 107 bytes: choose a shorter state_dir"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (auto removed = remove_old_socket(path); !removed) return removed.error();
  Fd out(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.valid()) return errno_error("socket");
  if (::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno_error("bind " + path);
  // Nobody can connect before the listen below.
  if (::chmod(path.c_str(), 0600) != 0) return errno_error("chmod " + path);
  if (::listen(out.get(), kBacklog) != 0) return errno_error("listen " + path);
  return out;
}

Fd accept_own(int listener) {
  for (int n = 0; n < kStrangersPerTurn; ++n) {
    Fd connection(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection.valid() || is_own(connection.get())) return connection;
  }
  return {};
}

}  // namespace fairlead::dnsdhcp
