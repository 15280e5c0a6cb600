// What the netlink driver asks and what it reads, as values on one side and messages on the other. No socket here.
#pragma once

#include <optional>

#include "vip/address_driver.h"
#include "vip/netlink_socket.h"

namespace fairlead::vip {

/// RTM_NEWADDR. `flags`: NLM_F_CREATE | NLM_F_EXCL to add, NLM_F_REPLACE to refresh.
[[nodiscard]] NetlinkMessage make_new_address(const LeasedAddress& what, bool without_subnet_route, int flags);
[[nodiscard]] NetlinkMessage make_delete_address(std::uint32_t index, const IpPrefix& address);
[[nodiscard]] NetlinkMessage make_address_question();  ///< All addresses.
[[nodiscard]] NetlinkMessage make_link_question();     ///< All links.

/// RTM_NEWADDR and RTM_DELADDR; nothing for other families. The device's name is left empty.
[[nodiscard]] std::optional<PresentAddress> read_address(nlmsghdr* header);
/// RTM_NEWLINK and RTM_DELLINK; nothing for a bridge's or a family's words about a link.
[[nodiscard]] std::optional<LinkState> read_link(nlmsghdr* header);

/// The route the kernel would take to `to` through the interface.
[[nodiscard]] NetlinkMessage make_route_question(std::uint32_t index, const IpAddress& to);
struct MatchedRoute {
  std::uint8_t length = 0;  ///< Of its prefix.
  std::uint32_t index = 0;  ///< Of its interface.
  std::uint32_t table = 0;
  bool local = false;                 ///< An address of this node.
  bool direct = false;                ///< Without a gateway.
  std::optional<IpAddress> source;    ///< Of IPv4: the address that brought it.
  std::optional<Duration> remaining;  ///< Nothing: it stays.
};
[[nodiscard]] std::optional<MatchedRoute> read_route(nlmsghdr* header);

// "From VIP" rules and their routes. `type`: RTM_NEWRULE or RTM_DELRULE, RTM_NEWROUTE or RTM_DELROUTE.
struct SourceRule {
  IpAddress source;
  std::uint32_t table = 0;
};
[[nodiscard]] NetlinkMessage make_rule(int type, const SourceRule& rule);
[[nodiscard]] NetlinkMessage make_default_route(int type, std::uint32_t index, const SourceRoute& route);
[[nodiscard]] NetlinkMessage make_rule_question(IpAddress::Family family);
[[nodiscard]] NetlinkMessage make_own_route_question(IpAddress::Family family);
/// Only those that carry our protocol.
[[nodiscard]] std::optional<SourceRule> read_own_rule(nlmsghdr* header);
struct OwnRoute {
  std::uint32_t index = 0;
  SourceRoute route;
};
[[nodiscard]] std::optional<OwnRoute> read_own_route(nlmsghdr* header);

}  // namespace fairlead::vip
