#include "vip/netlink_messages.h"

#include <array>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

namespace fairlead::vip {
namespace {

// Before the main table's rule (32766), behind the local one (0), and out of the way of what people number by hand.
constexpr std::uint32_t kRulePriority = 20046;

std::uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

void append_address(nl_msg* message, int type, const IpAddress& address) {
  append_attribute(message, type, address.bytes().data(), address.is_v4() ? 4 : 16);
}

std::optional<IpAddress> read_ip(const nlattr* attribute, std::uint8_t family) {
  if (attribute == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(nla_data(attribute));
  if (family == AF_INET && nla_len(attribute) == 4) return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  if (family != AF_INET6 || nla_len(attribute) != 16) return std::nullopt;
  std::array<std::uint8_t, 16> copy{};
  std::copy(bytes, bytes + 16, copy.begin());
  return IpAddress::v6(copy);
}

// The attributes behind a family header of `T`; false when the message is not whole.
template <class T, int N>
bool parse(nlmsghdr* header, std::array<nlattr*, N>& attributes) {
  return nlmsg_valid_hdr(header, sizeof(T)) != 0 && nlmsg_parse(header, sizeof(T), attributes.data(), N - 1, nullptr) >= 0;
}
template <class T>
const T& family_header(nlmsghdr* header) {
  return *static_cast<const T*>(nlmsg_data(header));
}

NetlinkMessage address_message(int type, int flags, std::uint32_t index, const IpPrefix& address) {
  NetlinkMessage out = make_netlink_message(type, flags);
  ifaddrmsg header{};
  header.ifa_family = family_of(address.address);
  header.ifa_prefixlen = address.length;
  header.ifa_index = index;
  append_bytes(out.get(), &header, sizeof header);
  append_address(out.get(), IFA_LOCAL, address.address);
  append_address(out.get(), IFA_ADDRESS, address.address);
  return out;
}

}  // namespace

NetlinkMessage make_new_address(const LeasedAddress& what, bool without_subnet_route, int flags) {
  NetlinkMessage out = address_message(RTM_NEWADDR, flags, what.index, what.address);
  const bool v4 = what.address.address.is_v4();
  if (const auto broadcast = what.address.broadcast()) append_address(out.get(), IFA_BROADCAST, *broadcast);
  ifa_cacheinfo lifetime{};
  lifetime.ifa_valid = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(what.lease).count());
  lifetime.ifa_prefered = v4 ? lifetime.ifa_valid : 0;
  append_attribute(out.get(), IFA_CACHEINFO, &lifetime, sizeof lifetime);
  append_u32(out.get(), IFA_FLAGS,
             (v4 ? 0U : std::uint32_t{IFA_F_NODAD}) | (without_subnet_route ? std::uint32_t{IFA_F_NOPREFIXROUTE} : 0U));
  append_u8(out.get(), IFA_PROTO, kFairleadProtocol);
  return out;
}

NetlinkMessage make_delete_address(std::uint32_t index, const IpPrefix& address) { return address_message(RTM_DELADDR, 0, index, address); }

NetlinkMessage make_address_question() {
  NetlinkMessage out = make_netlink_message(RTM_GETADDR, NLM_F_DUMP);
  const ifaddrmsg header{};
  append_bytes(out.get(), &header, sizeof header);
  return out;
}

NetlinkMessage make_link_question() {
  NetlinkMessage out = make_netlink_message(RTM_GETLINK, NLM_F_DUMP);
  const ifinfomsg header{};
  append_bytes(out.get(), &header, sizeof header);
  return out;
}

std::optional<PresentAddress> read_address(nlmsghdr* header) {
  std::array<nlattr*, IFA_MAX + 1> at{};
  if (!parse<ifaddrmsg, IFA_MAX + 1>(header, at)) return std::nullopt;
  const auto& family = family_header<ifaddrmsg>(header);
  auto address = read_ip(at[IFA_LOCAL] != nullptr ? at[IFA_LOCAL] : at[IFA_ADDRESS], family.ifa_family);
  if (!address) return std::nullopt;
  PresentAddress out{.index = family.ifa_index, .device = {}, .address = {*address, family.ifa_prefixlen}, .remaining = {}, .protocol = 0};
  if (at[IFA_CACHEINFO] != nullptr && nla_len(at[IFA_CACHEINFO]) >= static_cast<int>(sizeof(ifa_cacheinfo))) {
    const auto* lifetime = static_cast<const ifa_cacheinfo*>(nla_data(at[IFA_CACHEINFO]));
    if (lifetime->ifa_valid != 0xffffffffU) out.remaining = std::chrono::seconds(lifetime->ifa_valid);
  }
  if (at[IFA_PROTO] != nullptr) out.protocol = nla_get_u8(at[IFA_PROTO]);
  return out;
}

std::optional<LinkState> read_link(nlmsghdr* header) {
  std::array<nlattr*, IFLA_MAX + 1> at{};
  if (!parse<ifinfomsg, IFLA_MAX + 1>(header, at)) return std::nullopt;
  const auto& family = family_header<ifinfomsg>(header);
  if (family.ifi_family != AF_UNSPEC || at[IFLA_IFNAME] == nullptr) return std::nullopt;
  LinkState out;
  out.name = nla_get_string(at[IFLA_IFNAME]);
  out.index = static_cast<std::uint32_t>(family.ifi_index);
  out.up = (family.ifi_flags & IFF_UP) != 0;
  out.carrier = (family.ifi_flags & IFF_RUNNING) != 0 && (family.ifi_flags & IFF_LOWER_UP) != 0;
  out.loopback = (family.ifi_flags & IFF_LOOPBACK) != 0;
  if (family.ifi_type == ARPHRD_ETHER && at[IFLA_ADDRESS] != nullptr && nla_len(at[IFLA_ADDRESS]) == 6) {
    MacAddress mac;
    const auto* bytes = static_cast<const std::uint8_t*>(nla_data(at[IFLA_ADDRESS]));
    std::copy(bytes, bytes + 6, mac.bytes.begin());
    out.mac = mac;
  }
  return out;
}

NetlinkMessage make_route_question(std::uint32_t index, const IpAddress& to) {
  NetlinkMessage out = make_netlink_message(RTM_GETROUTE, 0);
  rtmsg header{};
  header.rtm_family = family_of(to);
  header.rtm_dst_len = static_cast<std::uint8_t>(to.bits());
  header.rtm_flags = RTM_F_FIB_MATCH;
  append_bytes(out.get(), &header, sizeof header);
  append_address(out.get(), RTA_DST, to);
  append_u32(out.get(), RTA_OIF, index);
  return out;
}

std::optional<MatchedRoute> read_route(nlmsghdr* header) {
  std::array<nlattr*, RTA_MAX + 1> at{};
  if (header->nlmsg_type != RTM_NEWROUTE || !parse<rtmsg, RTA_MAX + 1>(header, at)) return std::nullopt;
  const auto& family = family_header<rtmsg>(header);
  MatchedRoute out;
  out.length = family.rtm_dst_len;
  out.table = at[RTA_TABLE] != nullptr ? nla_get_u32(at[RTA_TABLE]) : family.rtm_table;
  out.index = at[RTA_OIF] != nullptr ? nla_get_u32(at[RTA_OIF]) : 0;
  out.local = family.rtm_type == RTN_LOCAL;
  out.direct = at[RTA_GATEWAY] == nullptr;
  out.source = read_ip(at[RTA_PREFSRC], family.rtm_family);
  if (at[RTA_CACHEINFO] != nullptr && nla_len(at[RTA_CACHEINFO]) >= static_cast<int>(sizeof(rta_cacheinfo))) {
    const auto* cache = static_cast<const rta_cacheinfo*>(nla_data(at[RTA_CACHEINFO]));
    if (cache->rta_expires != 0) out.remaining = std::chrono::milliseconds(10LL * cache->rta_expires);  // In hundredths of a second.
  }
  return out;
}

NetlinkMessage make_rule(int type, const SourceRule& rule) {
  NetlinkMessage out = make_netlink_message(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0);
  fib_rule_hdr header{};
  header.family = family_of(rule.source);
  header.src_len = static_cast<std::uint8_t>(rule.source.bits());
  header.table = rule.table < 256 ? static_cast<std::uint8_t>(rule.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.action = FR_ACT_TO_TBL;
  append_bytes(out.get(), &header, sizeof header);
  append_address(out.get(), FRA_SRC, rule.source);
  append_u32(out.get(), FRA_TABLE, rule.table);
  append_u32(out.get(), FRA_PRIORITY, kRulePriority);
  append_u8(out.get(), FRA_PROTOCOL, kFairleadProtocol);
  return out;
}

NetlinkMessage make_default_route(int type, std::uint32_t index, const SourceRoute& route) {
  NetlinkMessage out = make_netlink_message(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0);
  rtmsg header{};
  header.rtm_family = family_of(route.gateway);
  header.rtm_table = route.table < 256 ? static_cast<std::uint8_t>(route.table) : std::uint8_t{RT_TABLE_COMPAT};
  header.rtm_protocol = kFairleadProtocol;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = RTNH_F_ONLINK;
  append_bytes(out.get(), &header, sizeof header);
  append_u32(out.get(), RTA_TABLE, route.table);
  append_u32(out.get(), RTA_OIF, index);
  append_address(out.get(), RTA_GATEWAY, route.gateway);
  return out;
}

NetlinkMessage make_rule_question(IpAddress::Family family) {
  NetlinkMessage out = make_netlink_message(RTM_GETRULE, NLM_F_DUMP);
  fib_rule_hdr header{};
  header.family = family == IpAddress::Family::kV4 ? AF_INET : AF_INET6;
  append_bytes(out.get(), &header, sizeof header);
  return out;
}

NetlinkMessage make_own_route_question(IpAddress::Family family) {
  NetlinkMessage out = make_netlink_message(RTM_GETROUTE, NLM_F_DUMP);
  rtmsg header{};
  header.rtm_family = family == IpAddress::Family::kV4 ? AF_INET : AF_INET6;
  header.rtm_protocol = kFairleadProtocol;  // Kernels that check strictly send no others; read_own_route() looks again.
  append_bytes(out.get(), &header, sizeof header);
  return out;
}

std::optional<SourceRule> read_own_rule(nlmsghdr* header) {
  std::array<nlattr*, FRA_MAX + 1> at{};
  if (header->nlmsg_type != RTM_NEWRULE || !parse<fib_rule_hdr, FRA_MAX + 1>(header, at)) return std::nullopt;
  if (at[FRA_PROTOCOL] == nullptr || nla_get_u8(at[FRA_PROTOCOL]) != kFairleadProtocol || at[FRA_TABLE] == nullptr) return std::nullopt;
  auto source = read_ip(at[FRA_SRC], family_header<fib_rule_hdr>(header).family);
  if (!source) return std::nullopt;
  return SourceRule{*source, nla_get_u32(at[FRA_TABLE])};
}

std::optional<OwnRoute> read_own_route(nlmsghdr* header) {
  std::array<nlattr*, RTA_MAX + 1> at{};
  if (header->nlmsg_type != RTM_NEWROUTE || !parse<rtmsg, RTA_MAX + 1>(header, at)) return std::nullopt;
  const auto& family = family_header<rtmsg>(header);
  if (family.rtm_protocol != kFairleadProtocol || family.rtm_dst_len != 0 || at[RTA_OIF] == nullptr) return std::nullopt;
  auto gateway = read_ip(at[RTA_GATEWAY], family.rtm_family);
  if (!gateway) return std::nullopt;
  const std::uint32_t table = at[RTA_TABLE] != nullptr ? nla_get_u32(at[RTA_TABLE]) : family.rtm_table;
  return OwnRoute{nla_get_u32(at[RTA_OIF]), {*gateway, table}};
}

}  // namespace fairlead::vip
