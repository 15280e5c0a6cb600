#include "vip/netlink_address_driver.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "vip/netlink_messages.h"

namespace fairlead::vip {
namespace {

constexpr int kReceivesPerTurn = 64;
constexpr std::size_t kPendingEventsMax = 4096;
constexpr std::size_t kEventsPerTurn = 256;
// A route that ends sooner came with an address of ours; those of router advertisements last for hours.
constexpr Duration kSoon = std::chrono::minutes(1);

std::string name_of(const LeasedAddress& what) { return what.address.to_string() + " on " + what.device; }

Status check(const LeasedAddress& what) {
  using std::chrono::seconds;
  if (what.lease < seconds(1) || what.lease % seconds(1) != Duration::zero())
    return Error{Errc::kInvalidArgument, "address " + name_of(what) + ": the kernel's lifetimes are whole seconds, at least one"};
  return {};
}

// What an answer means to the caller, where it is not what the number alone says.
Status explained(Status status) {
  if (status) return status;
  Error error = status.error();
  if (error.sys_errno == EACCES) error.code = Errc::kUnavailable;  // IPv6 is switched off on the interface.
  if (error.sys_errno == ENODEV) error.code = Errc::kNotFound;
  return error;
}

bool means_absent(const Status& status, std::initializer_list<int> numbers) {
  return !status && std::find(numbers.begin(), numbers.end(), status.error().sys_errno) != numbers.end();
}

}  // namespace

bool may_change_addresses() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return true;  // The kernel's answer to the first address says it, too.
  return (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

Result<std::unique_ptr<NetlinkAddressDriver>> NetlinkAddressDriver::open(Events which) {
  // Notifications first: what happens between the two is then in the queue.
  auto events =
      which == Events::kAll ? NetlinkSocket::open({RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}) : NetlinkSocket::open();
  if (!events) return events.error();
  auto requests = NetlinkSocket::open();
  if (!requests) return requests.error();
  std::unique_ptr<NetlinkAddressDriver> out(new NetlinkAddressDriver(std::move(*requests), std::move(*events)));
  if (auto status = out->load_links(); !status) return status.error();
  return out;
}

std::vector<NetlinkAddressDriver::Held>::iterator NetlinkAddressDriver::find_held(std::uint32_t index, const IpPrefix& address) {
  return std::find_if(held_.begin(), held_.end(), [&](const Held& h) { return h.what.index == index && h.what.address == address; });
}

Status NetlinkAddressDriver::load_links() {
  return requests_.dump(
      make_link_question, "list links", [this] { links_.clear(); },
      [this](nlmsghdr* header) {
        if (auto link = read_link(header)) links_[link->index] = *link;
      });
}

Result<std::vector<LinkState>> NetlinkAddressDriver::links() {
  (void)read_events(kReceivesPerTurn);
  std::vector<LinkState> out;
  for (const auto& [index, link] : links_) out.push_back(link);
  return out;
}

Result<std::vector<PresentAddress>> NetlinkAddressDriver::addresses() {
  std::vector<PresentAddress> out;
  auto status = requests_.dump(
      make_address_question, "list addresses", [&] { out.clear(); },
      [&](nlmsghdr* header) {
        auto address = read_address(header);
        if (!address) return;
        if (const auto link = links_.find(address->index); link != links_.end()) address->device = link->second.name;
        out.push_back(std::move(*address));
      });
  if (!status) return status.error();
  return out;
}

// The same address with our mark is what an earlier life left, and goes; any other keeps ours out.
Status NetlinkAddressDriver::clear_way(const LeasedAddress& what, const std::vector<PresentAddress>& present) {
  for (const PresentAddress& other : present) {
    if (other.address.address != what.address.address) continue;
    if (other.protocol != kFairleadProtocol)
      return Error{Errc::kConflict, "add address " + name_of(what) + ": " + other.address.to_string() + " is on " + other.device +
                                        " already and not ours (take it out of the system's network configuration)"};
    if (auto status = take(other.index, other.address); !status) return status;
  }
  return {};
}

// Whether the interface has the subnet's route from somebody else. One of ours is no route to lean on: it goes with the address that
// brought it (IPv4, where another VIP is promoted and brings its own), or expires with it (IPv6).
bool NetlinkAddressDriver::subnet_has_route(const LeasedAddress& what, const std::vector<PresentAddress>& present) {
  if (what.address.length == what.address.address.bits()) return true;  // A host address needs none.
  std::optional<MatchedRoute> match;
  const auto question = make_route_question(what.index, what.address.address);
  // No route at all is an error to the kernel, and an answer to us.
  (void)requests_.request(question.get(), "look up route", [&](nlmsghdr* header) { match = read_route(header); });
  if (!match || match->local || !match->direct || match->index != what.index || match->length != what.address.length) return false;
  if (match->remaining && *match->remaining <= kSoon) return false;
  return std::none_of(present.begin(), present.end(),
                      [&](const PresentAddress& p) { return p.protocol == kFairleadProtocol && match->source == p.address.address; });
}

Status NetlinkAddressDriver::put(const Held& held, int flags) {
  const auto message = make_new_address(held.what, held.subnet_route_exists, flags);
  const std::string verb = (flags & NLM_F_REPLACE) != 0 ? "refresh address " : "add address ";
  return explained(requests_.request(message.get(), verb + name_of(held.what)));
}

Status NetlinkAddressDriver::take(std::uint32_t index, const IpPrefix& address) {
  const auto message = make_delete_address(index, address);
  auto status = requests_.request(message.get(), "delete address " + address.to_string());
  if (means_absent(status, {EADDRNOTAVAIL, ENODEV})) return {};
  return explained(std::move(status));
}

Status NetlinkAddressDriver::add(const LeasedAddress& what) {
  if (auto status = check(what); !status) return status;
  if (held_.size() >= kHeldAddressesMax)
    return Error{Errc::kLimitExceeded, "add address " + name_of(what) + ": " + std::to_string(kHeldAddressesMax) + " are held already"};
  (void)read_events(kReceivesPerTurn);
  const auto link = links_.find(what.index);
  if (link == links_.end()) return Error{Errc::kNotFound, "add address " + name_of(what) + ": the interface is gone"};
  if (!link->second.up) return Error{Errc::kUnavailable, "add address " + name_of(what) + ": the interface is down"};
  auto present = addresses();
  if (!present) return present.error();
  if (auto status = clear_way(what, *present); !status) return status;
  std::erase_if(held_, [&](const Held& h) { return h.what.address.address == what.address.address; });
  (void)read_events(kReceivesPerTurn);  // Of clear_way's deletions, while nothing is held that they could be taken for.
  const Held held{.what = what, .subnet_route_exists = subnet_has_route(what, *present)};
  if (auto status = put(held, NLM_F_CREATE | NLM_F_EXCL); !status) return status;
  held_.push_back(held);
  if (!what.route) return {};
  auto status = add_route(what);
  if (!status) (void)remove(what);  // All or nothing; its lifetime ends it if even this fails.
  return status;
}

Status NetlinkAddressDriver::refresh(const LeasedAddress& what) {
  if (auto status = check(what); !status) return status;
  const Error gone{Errc::kNotFound, "refresh address " + name_of(what) + ": it is no longer there"};
  (void)read_events(kReceivesPerTurn);
  auto held = find_held(what.index, what.address);
  if (held == held_.end()) return gone;
  held->what = what;
  const bool route_lost = std::exchange(held->route_lost, false);
  if (auto status = put(*held, NLM_F_REPLACE); !status) return status;
  // Rationale: the kernel makes a new address of a refresh when there is none. Had it been deleted a moment ago, ours would be back without
  // the proof that R20 asks for.
  (void)read_events(kReceivesPerTurn);
  if (find_held(what.index, what.address) == held_.end()) {
    (void)take(what.index, what.address);
    return gone;
  }
  return route_lost && what.route ? add_route(what) : Status{};
}

Status NetlinkAddressDriver::remove(const LeasedAddress& what) {
  (void)read_events(kReceivesPerTurn);
  std::erase_if(held_, [&](const Held& h) { return h.what.index == what.index && h.what.address == what.address; });
  auto status = take(what.index, what.address);
  if (what.route) {
    auto routes = remove_route(what);
    if (status) status = std::move(routes);
  }
  return status;
}

Status NetlinkAddressDriver::add_route(const LeasedAddress& what) {
  const SourceRule rule{what.address.address, what.route->table};
  const auto new_rule = make_rule(RTM_NEWRULE, rule);
  auto status = requests_.request(new_rule.get(), "add rule for " + name_of(what));
  if (!status && status.error().sys_errno != EEXIST) return explained(std::move(status));
  const auto new_route = make_default_route(RTM_NEWROUTE, what.index, *what.route);
  return explained(requests_.request(new_route.get(), "add route for " + name_of(what) + " via " + what.route->gateway.to_string()));
}

Status NetlinkAddressDriver::remove_route(const LeasedAddress& what) {
  const auto old_rule = make_rule(RTM_DELRULE, {what.address.address, what.route->table});
  auto status = requests_.request(old_rule.get(), "delete rule of " + name_of(what));
  if (!status && !means_absent(status, {ENOENT, ESRCH, ENODEV})) return explained(std::move(status));
  const bool shared = std::any_of(held_.begin(), held_.end(), [&](const Held& h) { return h.what.route == what.route; });
  if (shared) return {};
  const auto old_route = make_default_route(RTM_DELROUTE, what.index, *what.route);
  status = requests_.request(old_route.get(), "delete route of " + name_of(what));
  if (means_absent(status, {ESRCH, ENOENT, ENODEV, ENETUNREACH})) return {};
  return explained(std::move(status));
}

Status NetlinkAddressDriver::remove_stray_routes(const std::vector<LeasedAddress>& keep) {
  std::vector<SourceRule> rules;
  std::vector<OwnRoute> routes;
  for (const auto family : {IpAddress::Family::kV4, IpAddress::Family::kV6}) {
    const std::size_t rules_before = rules.size();
    const std::size_t routes_before = routes.size();
    auto status = requests_.dump([&] { return make_rule_question(family); }, "list rules", [&] { rules.resize(rules_before); },
                                 [&](nlmsghdr* h) {
                                   if (auto rule = read_own_rule(h)) rules.push_back(*rule);
                                 });
    if (!status && status.error().code != Errc::kUnsupported) return status;
    status = requests_.dump([&] { return make_own_route_question(family); }, "list routes", [&] { routes.resize(routes_before); },
                            [&](nlmsghdr* h) {
                              if (auto route = read_own_route(h)) routes.push_back(*route);
                            });
    if (!status && status.error().code != Errc::kUnsupported) return status;
  }
  Status first;
  const auto note = [&](Status status) {
    if (!status && !means_absent(status, {ESRCH, ENOENT, ENODEV}) && first) first = explained(std::move(status));
  };
  for (const SourceRule& rule : rules) {
    const bool kept = std::any_of(keep.begin(), keep.end(), [&](const LeasedAddress& k) {
      return k.route && k.address.address == rule.source && k.route->table == rule.table;
    });
    if (kept) continue;
    const auto message = make_rule(RTM_DELRULE, rule);
    note(requests_.request(message.get(), "delete rule of " + rule.source.to_string()));
  }
  for (const OwnRoute& route : routes) {
    const bool kept = std::any_of(keep.begin(), keep.end(), [&](const LeasedAddress& k) { return k.route == route.route; });
    if (kept) continue;
    const auto message = make_default_route(RTM_DELROUTE, route.index, route.route);
    note(requests_.request(message.get(), "delete route via " + route.route.gateway.to_string()));
  }
  return first;
}

// ---- notifications ----

// True: more may be waiting.
bool NetlinkAddressDriver::read_events(int limit) {
  if (pending_.size() >= kPendingEventsMax) return true;  // The rest stays in the kernel, and if that drops it, compare_all() finds it.
  auto more = events_.receive(limit, [this](nlmsghdr* header) { on_message(header); });
  if (!more) unsure_ = true;  // ENOBUFS. Any other failure says as little of what we missed.
  return !more || *more;
}

void NetlinkAddressDriver::on_message(nlmsghdr* header) {
  if (header->nlmsg_type == RTM_DELADDR || header->nlmsg_type == RTM_NEWADDR) {
    const auto address = read_address(header);
    if (!address) return;
    const auto held = find_held(address->index, address->address);
    if (held == held_.end()) {
      // Before Linux 5.18 nothing marks our own removals here: one comparison too many.
      if (address->protocol != kFairleadProtocol) others_changed_ = true;
    } else if (header->nlmsg_type == RTM_DELADDR) {
      pending_.push_back(AddressGone{address->index, address->address});
      held_.erase(held);
    }
  } else if (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK) {
    if (const auto link = read_link(header)) on_link(*link, header->nlmsg_type == RTM_DELLINK);
  }
}

void NetlinkAddressDriver::on_link(const LinkState& link, bool gone) {
  const auto known = links_.find(link.index);
  if (known != links_.end() && !gone && known->second == link) return;
  const bool renamed = known != links_.end() && known->second.name != link.name;
  if (known != links_.end() && (gone || renamed)) {
    LinkState last = known->second;
    last.index = 0;
    last.up = last.carrier = false;
    pending_.push_back(LinkChanged{last});
  }
  if (gone) {
    links_.erase(link.index);
  } else {
    links_[link.index] = link;
    pending_.push_back(LinkChanged{link});
  }
  for (Held& held : held_) held.route_lost = held.route_lost || held.what.index == link.index;
}

// After the kernel dropped notifications: the same events from what is there now.
void NetlinkAddressDriver::compare_all() {
  const auto before = links_;
  if (!load_links()) {
    links_ = before;
    return;  // unsure_ stays: the next call tries again.
  }
  auto now = std::exchange(links_, before);
  for (const auto& [index, link] : before) {
    if (now.find(index) == now.end()) on_link(link, /*gone=*/true);
  }
  for (const auto& [index, link] : now) on_link(link, /*gone=*/false);
  auto present = addresses();
  if (!present) return;
  for (auto held = held_.begin(); held != held_.end();) {
    const bool there = std::any_of(present->begin(), present->end(),
                                   [&](const PresentAddress& p) { return p.index == held->what.index && p.address == held->what.address; });
    if (!there) pending_.push_back(AddressGone{held->what.index, held->what.address});
    held = there ? std::next(held) : held_.erase(held);
  }
  unsure_ = false;
  others_changed_ = true;  // Or not: nobody here knows them.
}

Result<std::vector<AddressEvent>> NetlinkAddressDriver::take_events() {
  (void)read_events(kReceivesPerTurn);
  if (unsure_) compare_all();
  std::vector<AddressEvent> out;
  while (!pending_.empty() && out.size() < kEventsPerTurn) {
    out.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  if (std::exchange(others_changed_, false)) out.emplace_back(AddressesChanged{});
  return out;
}

}  // namespace fairlead::vip
