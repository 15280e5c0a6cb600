// fairlead-dhcp-event: dnsmasq's dhcp-script. Tells the daemon of a lease, or asks it for all of them and prints them (`init`).
//
//   fairlead-dhcp-event add|old|del MAC ADDRESS [NAME]      fairlead-dhcp-event init
//
// Exit 0: done (also for actions that are nothing of ours), 1: the daemon did not take it; dnsmasq logs that, and does not start without
// its leases. Never waits more than kPatience in all.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/system_clock.h"
#include "dnsdhcp/script_event.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr Duration kPatience = std::chrono::seconds(2);
constexpr int kRetryMs = 10;  // A full backlog gives no sign when it has room again.

class Teller {
 public:
  Teller() : deadline_(clock_.now() + kPatience) {}

  Status connect(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (std::strlen(path) >= sizeof address.sun_path)
      return Error{Errc::kInvalidArgument, std::string(kScriptSocketVariable) + " is too long"};
    std::strcpy(address.sun_path, path);  // NOLINT(clang-analyzer-security.insecureAPI.strcpy): measured above.
    socket_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_.valid()) return errno_error("socket");
    while (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return errno_error(std::string("connect to fairleadd at ") + path);
      if (left_ms() <= 0) return Error{Errc::kTimeout, "fairleadd does not take connections"};
      (void)::poll(nullptr, 0, kRetryMs);
    }
    return {};
  }

  Status send(std::string_view message) {
    for (;;) {
      if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size())) return {};
      if (errno == EINTR) continue;
      if (errno != EAGAIN || !ready(POLLOUT)) return errno_error("tell fairleadd");
    }
  }

  /// The descriptor that the answer carries.
  Result<Fd> receive() {
    char mark = 0;
    iovec part{.iov_base = &mark, .iov_len = 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n = 0;
    do {
      if (!ready(POLLIN)) return Error{Errc::kTimeout, "fairleadd does not tell its leases"};
      n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    const cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return Error{Errc::kUnavailable, "fairleadd gave no leases"};
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return Fd(fd);
  }

 private:
  [[nodiscard]] int left_ms() const { return static_cast<int>(to_ms(deadline_ - clock_.now())); }
  [[nodiscard]] bool ready(short event) const {
    pollfd on{.fd = socket_.get(), .events = event, .revents = 0};
    for (;;) {
      const int left = left_ms();
      const int n = left > 0 ? ::poll(&on, 1, left) : 0;
      if (n >= 0 || errno != EINTR) return n > 0;
    }
  }

  SystemClock clock_;
  Instant deadline_;
  Fd socket_;
};

Status print(int fd) {
  std::array<char, 65536> block{};
  for (;;) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read the leases");
    if (n == 0) break;
    if (std::fwrite(block.data(), 1, static_cast<std::size_t>(n), stdout) != static_cast<std::size_t>(n))
      return errno_error("print the leases");
  }
  return std::fflush(stdout) == 0 ? Status() : errno_error("print the leases");
}

Status run(const std::vector<std::string_view>& words) {
  const char* path = std::getenv(kScriptSocketVariable);
  if (path == nullptr || *path == 0)
    return Error{Errc::kInvalidArgument, std::string(kScriptSocketVariable) + " is not set: only fairleadd's dnsmasq runs this"};
  std::vector<std::string_view> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  Teller teller;
  if (auto connected = teller.connect(path); !connected) return connected;
  if (auto sent = teller.send(build_script_message(words, environment)); !sent) return sent;
  if (words.front() != "init") return {};
  auto leases = teller.receive();
  return leases ? print(leases->get()) : leases.error();
}

}  // namespace
}  // namespace fairlead::dnsdhcp

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (words.empty()) {
    std::fputs("usage: fairlead-dhcp-event add|old|del MAC ADDRESS [NAME] | init   (dnsmasq runs it as its dhcp-script)\n", stderr);
    return 2;
  }
  if (!fairlead::dnsdhcp::is_told(words.front())) return 0;
  const auto done = fairlead::dnsdhcp::run(words);
  if (done) return 0;
  std::fprintf(stderr, "fairlead-dhcp-event: %s\n", done.error().message().c_str());
  return 1;
}
