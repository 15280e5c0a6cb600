// fairlead: pure
// One network interface as the kernel describes it, and an address that stands on one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/mac_address.h"
#include "base/time.h"

namespace fairlead::vip {

struct LinkState {
  std::string name;
  std::uint32_t index = 0;  ///< 0: it is not there (any more). Another one after it came back.
  bool up = false;          ///< By the administrator.
  bool carrier = false;     ///< The kernel calls it operational.
  bool loopback = false;
  std::optional<MacAddress> mac;  ///< Nothing when it is not Ethernet.
  bool operator==(const LinkState&) const = default;
};

struct PresentAddress {
  std::uint32_t index = 0;  ///< Of the interface.
  std::string device;       ///< Its name.
  IpPrefix address;
  std::optional<Duration> remaining;  ///< Until the kernel removes it; nothing: it stays.
  std::uint8_t protocol = 0;          ///< IFA_PROTO: who added it. 0: nobody said, or a kernel before 5.18.
  bool operator==(const PresentAddress&) const = default;
};

}  // namespace fairlead::vip
