#include "dnsdhcp/script_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/overloaded.h"
#include "dnsdhcp/unix_listener.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr int kConnectionsPerTurn = 64;

/// A file in memory with this text, read from its beginning.
Result<Fd> memory_file(std::string_view text) {
  Fd out(::memfd_create("fairlead-leases", MFD_CLOEXEC));
  if (!out.valid()) return errno_error("leases for dnsmasq: memory");
  while (!text.empty()) {
    const ssize_t n = ::write(out.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error("leases for dnsmasq: write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::lseek(out.get(), 0, SEEK_SET) != 0) return errno_error("leases for dnsmasq: rewind");
  return out;
}

}  // namespace

Result<std::unique_ptr<ScriptSocket>> ScriptSocket::open(QbLoop& loop, const std::string& path, Callbacks callbacks) {
  auto listener = listen_unix(path, SOCK_SEQPACKET);
  if (!listener) return listener.error();
  std::unique_ptr<ScriptSocket> out(new ScriptSocket(loop, path, std::move(*listener), std::move(callbacks)));
  if (auto watched = out->watch(); !watched) return watched.error();
  return out;
}

ScriptSocket::ScriptSocket(QbLoop& loop, std::string path, Fd listener, Callbacks callbacks)
    : loop_(loop), path_(std::move(path)), listener_(std::move(listener)), callbacks_(std::move(callbacks)) {}

ScriptSocket::~ScriptSocket() {
  if (watching_) loop_.remove(listener_.get());
  while (!connections_.empty()) close(connections_.begin()->first);
  (void)::unlink(path_.c_str());
}

Status ScriptSocket::watch() {
  if (auto watched = loop_.add_readable(listener_.get(), [this] { accept(); }); !watched) return watched;
  watching_ = true;
  return {};
}

void ScriptSocket::accept() {
  // What came by older connections comes first (X2).
  std::vector<std::uint64_t> open;
  for (const auto& [number, connection] : connections_) open.push_back(number);
  for (const std::uint64_t number : open) read(number);
  for (int n = 0; n < kConnectionsPerTurn; ++n) {
    if (connections_.size() >= kScriptConnectionsMax) {
      loop_.remove(listener_.get());
      watching_ = false;  // close() brings it back.
      return;
    }
    Fd fd = accept_own(listener_.get());
    if (!fd.valid()) return;
    const std::uint64_t number = ++last_number_;
    if (auto watched = loop_.add_readable(fd.get(), [this, number] { read(number); }); !watched) {
      callbacks_.on_problem(watched.error());
      continue;
    }
    connections_[number] = {std::move(fd), loop_.after(kScriptPatience, [this, number] { close(number); })};
    read(number);  // Mostly it is there already; and the next one's must not come before it.
  }
}

void ScriptSocket::read(std::uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  std::array<char, kScriptMessageBytesMax + 1> buffer{};
  const int fd = found->second.fd.get();
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (n > 0) take(fd, std::string_view(buffer.data(), static_cast<std::size_t>(n)));
  close(number);
}

void ScriptSocket::close(std::uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  loop_.cancel(found->second.deadline);
  loop_.remove(found->second.fd.get());
  connections_.erase(found);
  if (watching_ || connections_.size() >= kScriptConnectionsMax) return;
  if (auto watched = watch(); !watched) callbacks_.on_problem(watched.error());
}

void ScriptSocket::take(int connection, std::string_view message) {
  const auto call = parse_script_message(message);
  if (!call) return callbacks_.on_problem(call.error());
  std::visit(Overloaded{[&](const ScriptEvent& event) { callbacks_.on_event(event); },
                        [&](const ScriptInit&) {
                          if (auto answered = answer(connection, callbacks_.on_init()); !answered) callbacks_.on_problem(answered.error());
                        },
                        [](const ScriptOther&) {}},
             *call);
}

/// One byte, and the descriptor with it.
Status ScriptSocket::answer(int connection, const std::string& lines) {
  auto file = memory_file(lines);
  if (!file) return file.error();
  char mark = '+';
  iovec part{.iov_base = &mark, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = file->get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) return errno_error("leases for dnsmasq: send");
  return {};
}

}  // namespace fairlead::dnsdhcp
