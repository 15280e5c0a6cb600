// The AddressDriver of the real kernel, by route netlink.
//
//   requests ----> socket 1 ----> kernel           (add, refresh, remove: answered before the call returns)
//   take_events <- socket 2 <---- notifications    (addresses and links, whoever changed them)
//
// Before each request, and after a refresh, the notifications are read: so what others did is known before we act on it, and what we did
// ourselves is never taken for somebody else's deed.
//
// How an address is added: whole seconds of lifetime; IFA_F_NOPREFIXROUTE when the interface has the subnet's route already, from somebody
// else (which would be changed with ours otherwise); IPv6 without duplicate address detection (R5 has probed) and deprecated from the
// start, so that the node's own connections never choose it (R21). Linux drops every IPv4 route of an interface together with its last
// IPv4 address: where a VIP is the only one, that is the VIP, and routes added by hand go with it.
//
// Threading: one thread. Limits: kHeldAddressesMax.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "vip/address_driver.h"
#include "vip/netlink_socket.h"

namespace fairlead::vip {

inline constexpr std::size_t kHeldAddressesMax = 64;

/// Addresses can be added and removed: CAP_NET_ADMIN is among this thread's effective capabilities.
[[nodiscard]] bool may_change_addresses();

class NetlinkAddressDriver final : public AddressDriver {
 public:
  /// kNone is for who only removes and lists: nothing is told, and refresh() cannot know what others did.
  enum class Events : std::uint8_t { kAll, kNone };
  /// For the network namespace of the calling thread. Errors: kLimitExceeded, kUnsupported.
  [[nodiscard]] static Result<std::unique_ptr<NetlinkAddressDriver>> open(Events which = Events::kAll);

  [[nodiscard]] Status add(const LeasedAddress& what) override;
  [[nodiscard]] Status refresh(const LeasedAddress& what) override;
  [[nodiscard]] Status remove(const LeasedAddress& what) override;
  [[nodiscard]] Result<std::vector<PresentAddress>> addresses() override;
  [[nodiscard]] Result<std::vector<LinkState>> links() override;
  [[nodiscard]] Status remove_stray_routes(const std::vector<LeasedAddress>& keep) override;
  [[nodiscard]] int fd() const override { return events_.fd(); }
  [[nodiscard]] bool has_events() const override { return !pending_.empty() || unsure_ || others_changed_; }
  [[nodiscard]] Result<std::vector<AddressEvent>> take_events() override;

 private:
  struct Held {
    LeasedAddress what;
    bool subnet_route_exists = false;  // Then ours came without one.
    bool route_lost = false;           // The link changed: the kernel may have dropped our route with it.
  };

  NetlinkAddressDriver(NetlinkSocket requests, NetlinkSocket events) : requests_(std::move(requests)), events_(std::move(events)) {}
  [[nodiscard]] Status load_links();
  [[nodiscard]] Status clear_way(const LeasedAddress& what, const std::vector<PresentAddress>& present);
  [[nodiscard]] bool subnet_has_route(const LeasedAddress& what, const std::vector<PresentAddress>& present);
  [[nodiscard]] Status put(const Held& held, int flags);
  [[nodiscard]] Status take(std::uint32_t index, const IpPrefix& address);
  [[nodiscard]] Status add_route(const LeasedAddress& what);
  [[nodiscard]] Status remove_route(const LeasedAddress& what);
  [[nodiscard]] std::vector<Held>::iterator find_held(std::uint32_t index, const IpPrefix& address);

  // Notifications.
  [[nodiscard]] bool read_events(int limit);
  void on_message(nlmsghdr* header);
  void on_link(const LinkState& link, bool gone);
  void compare_all();

  NetlinkSocket requests_;
  NetlinkSocket events_;
  std::vector<Held> held_;
  std::map<std::uint32_t, LinkState> links_;  // By index.
  std::deque<AddressEvent> pending_;          // Bounded by kPendingEventsMax.
  bool unsure_ = false;                       // The kernel dropped notifications.
  bool others_changed_ = false;               // AddressesChanged is due.
};

}  // namespace fairlead::vip
