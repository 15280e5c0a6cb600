// A packet socket (packet(7)) on one interface: whole Ethernet frames of one protocol, chosen by a filter inside the kernel, so that a busy
// LAN does not wake the control thread for frames that do not concern it.
//
// Threading: one thread. It never waits.
#pragma once

#include <cstdint>
#include <functional>
#include <linux/filter.h>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "vip/frame_bytes.h"
#include "vip/link_state.h"

namespace fairlead::vip {

using Filter = std::vector<sock_filter>;

class PacketSocket {
 public:
  /// Receives nothing before bind_to(). Errors: kPermission (CAP_NET_RAW is missing), kLimitExceeded.
  [[nodiscard]] static Result<PacketSocket> open(std::uint16_t ether_type);

  /// Errors: kUnsupported (no Ethernet), kNotFound (no such interface any more).
  [[nodiscard]] Status bind_to(const LinkState& link);
  /// Replaces the filter; frames received before it stay queued.
  [[nodiscard]] Status set_filter(Filter filter);
  /// Tells the interface to receive (or no longer) frames to this Ethernet group. Errors: kNotFound, kUnavailable.
  [[nodiscard]] Status join(const MacAddress& group, bool joined);

  [[nodiscard]] Status send(ConstBytes frame, const std::string& what);
  /// Up to `limit` frames that came from outside. Errors: kUnavailable (interface down), kNotFound (gone).
  [[nodiscard]] Status receive(int limit, const std::function<void(ConstBytes)>& use);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const LinkState& link() const { return link_; }
  /// Of the interface it is bound to.
  [[nodiscard]] const MacAddress& mac() const { return mac_; }

 private:
  PacketSocket(Fd fd, std::uint16_t ether_type) : fd_(std::move(fd)), ether_type_(ether_type) {}
  [[nodiscard]] Error failed(const std::string& what, int sys_errno) const;

  Fd fd_;
  std::uint16_t ether_type_;
  LinkState link_;
  MacAddress mac_;
};

}  // namespace fairlead::vip
