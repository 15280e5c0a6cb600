// A route netlink socket that never waits: a request's answer is in its queue when the send returns (vip/address_driver.h says why).
// libnl's headers appear in netlink_*.cc only.
//
// Threading: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/result.h"

struct nl_msg;
struct nl_sock;
struct nlmsghdr;

namespace fairlead::vip {

struct NetlinkMessageFree {
  void operator()(nl_msg* message) const;
};
using NetlinkMessage = std::unique_ptr<nl_msg, NetlinkMessageFree>;
/// An empty message of this type. Aborts when memory is out.
[[nodiscard]] NetlinkMessage make_netlink_message(int type, int flags);
void append_bytes(nl_msg* message, const void* data, std::size_t size);  ///< A header of the family.
void append_attribute(nl_msg* message, int type, const void* data, std::size_t size);
void append_u32(nl_msg* message, int type, std::uint32_t value);
void append_u8(nl_msg* message, int type, std::uint8_t value);

class NetlinkSocket {
 public:
  using Use = std::function<void(nlmsghdr*)>;

  /// Errors: kLimitExceeded, kUnsupported.
  [[nodiscard]] static Result<NetlinkSocket> open(std::initializer_list<int> groups = {});
  ~NetlinkSocket();
  NetlinkSocket(NetlinkSocket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  NetlinkSocket& operator=(NetlinkSocket&&) = delete;

  /// Sends `message` and takes the kernel's answer; `use` gets what comes before the acknowledgement of a question. The error's context is
  /// `what` with what the kernel added to the number; its sys_errno is the number. Errors: as the kernel answers; kTimeout when it did not.
  [[nodiscard]] Status request(nl_msg* message, const std::string& what, const Use& use = {});
  /// The same for a question with several answers. Asked again when the tables changed underneath (at most three times), so `begin` is
  /// called before the first answer of each attempt.
  [[nodiscard]] Status dump(const std::function<NetlinkMessage()>& question, const std::string& what, const std::function<void()>& begin,
                            const Use& use);
  /// Notifications, at most `limit` receives. False: nothing is left. Errors: kLimitExceeded: the kernel dropped some.
  [[nodiscard]] Result<bool> receive(int limit, const Use& use);

  [[nodiscard]] int fd() const;

 private:
  explicit NetlinkSocket(nl_sock* socket) : socket_(socket) {}
  [[nodiscard]] Result<std::uint32_t> send(nl_msg* message, const std::string& what);
  [[nodiscard]] Status answers(std::uint32_t sequence, const std::string& what, const Use& use, bool& interrupted);

  nl_sock* socket_;
};

}  // namespace fairlead::vip
