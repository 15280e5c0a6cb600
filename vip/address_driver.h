// fairlead: pure
// What taking and giving up an address needs of the kernel. `NetlinkAddressDriver` carries it out.
//
//   - an address is added with a lifetime and refreshed while its holder may hold it: the kernel removes it alone after the worst (R6)
//   - it carries a mark (IFA_PROTO, kernel 5.18 and later), so that a later life knows what an earlier one left (R13)
//   - nothing without the mark is ever replaced or removed here, but by `remove`, which is told exactly what
//   - facts beat memory: refresh() never brings an address back that somebody else has deleted (R20 asks for a new proof first)
//
// Rationale: calls are synchronous. The kernel carries out a request of RTM_NEWADDR and RTM_DELADDR inside sendmsg(2) and has queued its
// answer before that returns; the receive that follows is told not to wait (so there is no SO_RCVTIMEO to run into). An asynchronous form
// would wait for the same lock (RTNL) in the same call, and its answer would come one turn of the loop later. Measured by
// `NetlinkAddressDriverTest.ReportsWhatItCosts`, real-time, three processes switching links all the while on 2 busy processors: refresh
// 8 us at the median and 40 to 400 us at p99.9; remove and add together 50 us and 1 to 8 ms. A driver that holds RTNL for seconds (a
// network card being reset) holds the caller too; only another thread would not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "vip/link_state.h"

namespace fairlead::vip {

/// IFA_PROTO of what Fairlead adds; also the protocol of its routes and rules. 'F'.
inline constexpr std::uint8_t kFairleadProtocol = 0x46;

/// "from VIP lookup TABLE" and a default route in that table (`vips[].route`).
struct SourceRoute {
  IpAddress gateway;
  std::uint32_t table = 0;
  bool operator==(const SourceRoute&) const = default;
};

struct LeasedAddress {
  std::string device;
  std::uint32_t index = 0;  ///< Of `device`; what the kernel goes by.
  IpPrefix address;
  Duration lease{};  ///< Whole seconds, at least 1.
  std::optional<SourceRoute> route{};
  bool operator==(const LeasedAddress&) const = default;
};

/// An address of ours went away without our asking: deleted by somebody, or its lifetime ended.
struct AddressGone {
  std::uint32_t index = 0;
  IpPrefix address;
  bool operator==(const AddressGone&) const = default;
};
/// Anything about an interface is another than last time. `link.index` 0: it is gone.
struct LinkChanged {
  LinkState link;
  bool operator==(const LinkChanged&) const = default;
};
/// Addresses that are not ours came, went or changed: addresses() is another than before. One per take_events().
struct AddressesChanged {
  bool operator==(const AddressesChanged&) const = default;
};
using AddressEvent = std::variant<AddressGone, LinkChanged, AddressesChanged>;

class AddressDriver {
 public:
  virtual ~AddressDriver() = default;

  /// Adds it, and its route when it has one (all or nothing). One that an earlier life left is taken over.
  /// Errors: kConflict (there already, and not ours), kNotFound (interface gone), kUnavailable (interface down),
  /// kPermission (CAP_NET_ADMIN is missing), kInvalidArgument, kTimeout.
  [[nodiscard]] virtual Status add(const LeasedAddress& what) = 0;
  /// Starts the lifetime anew. Errors: kNotFound (no longer there: an AddressGone is on its way), else as add().
  [[nodiscard]] virtual Status refresh(const LeasedAddress& what) = 0;
  /// Removes it and its route. Done as well when it is not there. Errors: kPermission, kTimeout.
  [[nodiscard]] virtual Status remove(const LeasedAddress& what) = 0;

  /// All addresses of this network namespace.
  [[nodiscard]] virtual Result<std::vector<PresentAddress>> addresses() = 0;
  [[nodiscard]] virtual Result<std::vector<LinkState>> links() = 0;
  /// Removes routes and rules that carry our protocol and belong to none of `keep`.
  [[nodiscard]] virtual Status remove_stray_routes(const std::vector<LeasedAddress>& keep) = 0;

  /// Readable when the kernel has something to tell.
  [[nodiscard]] virtual int fd() const = 0;
  /// The other calls read what the kernel has told meanwhile: then take_events() has something to do, and fd() does not show it.
  [[nodiscard]] virtual bool has_events() const = 0;
  /// What has happened since the last call, in order; at most some hundred, the rest with the next call. When the kernel dropped
  /// notifications, everything is compared anew and the differences are events.
  [[nodiscard]] virtual Result<std::vector<AddressEvent>> take_events() = 0;
};

}  // namespace fairlead::vip
