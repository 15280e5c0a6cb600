#include "vip/netlink_socket.h"

#include <array>
#include <cerrno>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/assert.h"

namespace fairlead::vip {
namespace {

constexpr int kDumpAttempts = 3;
constexpr int kNotificationBytes = 1 << 20;   // Some thousand notifications: flapping links must not cost us a dropped one.
constexpr std::size_t kReceiveBytes = 32768;  // What the kernel fills at most per part of a dump.

struct ReceiveBuffer {
  alignas(nlmsghdr) std::array<char, kReceiveBytes> bytes;
};
// One per thread, outside the stack: the control thread and the guard have small locked ones.
ReceiveBuffer& receive_buffer() {
  static thread_local ReceiveBuffer buffer;
  return buffer;
}

// The kernel's words beside the number (NETLINK_EXT_ACK), empty when it has none.
std::string extended_text(const nlmsghdr* header, const nlmsgerr* error) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t skip = sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  if (skip > static_cast<std::size_t>(nlmsg_datalen(header))) return {};
  auto* first = reinterpret_cast<nlattr*>(static_cast<char*>(nlmsg_data(header)) + NLMSG_ALIGN(skip));
  const int size = nlmsg_datalen(header) - static_cast<int>(NLMSG_ALIGN(skip));
  const nlattr* text = size > 0 ? nla_find(first, size, NLMSGERR_ATTR_MSG) : nullptr;
  return text == nullptr ? std::string() : std::string(static_cast<const char*>(nla_data(text)));
}

Error refused(const std::string& what, int sys_errno, const std::string& text) {
  Error error = errno_error(text.empty() ? what : what + " (kernel: " + text + ")", sys_errno);
  if (sys_errno == EPERM) error.context += " (fairleadd needs CAP_NET_ADMIN)";
  return error;
}

}  // namespace

void NetlinkMessageFree::operator()(nl_msg* message) const { nlmsg_free(message); }

NetlinkMessage make_netlink_message(int type, int flags) {
  NetlinkMessage out(nlmsg_alloc_simple(type, flags));
  FL_ASSERT(out != nullptr);
  return out;
}
void append_bytes(nl_msg* message, const void* data, std::size_t size) {
  FL_ASSERT(nlmsg_append(message, const_cast<void*>(data), size, NLMSG_ALIGNTO) == 0);
}
void append_attribute(nl_msg* message, int type, const void* data, std::size_t size) {
  FL_ASSERT(nla_put(message, type, static_cast<int>(size), data) == 0);
}
void append_u32(nl_msg* message, int type, std::uint32_t value) { append_attribute(message, type, &value, sizeof value); }
void append_u8(nl_msg* message, int type, std::uint8_t value) { append_attribute(message, type, &value, sizeof value); }

Result<NetlinkSocket> NetlinkSocket::open(std::initializer_list<int> groups) {
  nl_sock* raw = nl_socket_alloc();
  if (raw == nullptr) return Error{Errc::kLimitExceeded, "netlink socket: out of memory"};
  NetlinkSocket out(raw);
  if (nl_connect(raw, NETLINK_ROUTE) < 0) return errno_error("netlink socket");
  const int on = 1;
  // Each is a comfort of newer kernels; without it there is less text, or more to read.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK})
    (void)::setsockopt(out.fd(), SOL_NETLINK, option, &on, sizeof on);
  if (groups.size() != 0 && ::setsockopt(out.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kNotificationBytes, sizeof kNotificationBytes) < 0)
    (void)::setsockopt(out.fd(), SOL_SOCKET, SO_RCVBUF, &kNotificationBytes, sizeof kNotificationBytes);
  for (const int group : groups) {
    if (nl_socket_add_membership(raw, group) < 0) return errno_error("netlink group " + std::to_string(group));
  }
  return out;
}

NetlinkSocket::~NetlinkSocket() {
  if (socket_ != nullptr) nl_socket_free(socket_);
}

int NetlinkSocket::fd() const { return nl_socket_get_fd(socket_); }

Result<std::uint32_t> NetlinkSocket::send(nl_msg* message, const std::string& what) {
  nl_complete_msg(socket_, message);
  nlmsghdr* header = nlmsg_hdr(message);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd(), header, header->nlmsg_len, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
    return errno_error(what);
  return header->nlmsg_seq;
}

Status NetlinkSocket::answers(std::uint32_t sequence, const std::string& what, const Use& use, bool& interrupted) {
  ReceiveBuffer& buffer = receive_buffer();
  while (true) {
    const auto got = ::recv(fd(), buffer.bytes.data(), buffer.bytes.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Error{Errc::kTimeout, what + ": the kernel has not answered"};
      return errno_error(what);
    }
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.bytes.data()); nlmsg_ok(header, left) != 0; header = nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence) continue;  // The rest of an attempt given up.
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
        if (error->error == 0) return {};
        return refused(what, -error->error, extended_text(header, error));
      }
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (use) use(header);
    }
  }
}

Status NetlinkSocket::request(nl_msg* message, const std::string& what, const Use& use) {
  auto sequence = send(message, what);
  if (!sequence) return sequence.error();
  bool interrupted = false;
  return answers(*sequence, what, use, interrupted);
}

Status NetlinkSocket::dump(const std::function<NetlinkMessage()>& question, const std::string& what, const std::function<void()>& begin,
                           const Use& use) {
  for (int attempt = 1;; ++attempt) {
    begin();
    const NetlinkMessage message = question();
    auto sequence = send(message.get(), what);
    if (!sequence) return sequence.error();
    bool interrupted = false;
    auto status = answers(*sequence, what, use, interrupted);
    if (!status || !interrupted || attempt == kDumpAttempts) return status;
  }
}

Result<bool> NetlinkSocket::receive(int limit, const Use& use) {
  ReceiveBuffer& buffer = receive_buffer();
  for (int n = 0; n < limit; ++n) {
    const auto got = ::recv(fd(), buffer.bytes.data(), buffer.bytes.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      if (errno == EINTR) continue;
      return errno_error("netlink notifications");
    }
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.bytes.data()); nlmsg_ok(header, left) != 0; header = nlmsg_next(header, &left))
      use(header);
  }
  return true;
}

}  // namespace fairlead::vip
