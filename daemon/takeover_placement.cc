// TakeoverRunner's eyes: the VIPs' interfaces, the ports on them, neighbours and routers, and what of it makes this node fit.
#include <algorithm>

#include "base/log.h"
#include "daemon/takeover_runner.h"
#include "vip/arp_socket.h"
#include "vip/interface_choice.h"
#include "vip/ndp_socket.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kMissingSaid = std::chrono::seconds(10);
constexpr Duration kCarrierBack = std::chrono::seconds(3);  ///< R17
constexpr Duration kNewMacAnnounced[] = {std::chrono::milliseconds(0), std::chrono::milliseconds(200), std::chrono::milliseconds(1100)};

}  // namespace

/// The router whose answers matter to this VIP.
std::optional<IpAddress> TakeoverRunner::gateway_of(const config::Vip& vip) {
  if (vip.track.gateway) return vip.track.gateway;
  return vip.route ? std::optional(vip.route->gateway) : std::nullopt;
}

// ---- kernel ----

void TakeoverRunner::kernel_events() {
  auto events = driver_->take_events();
  if (!events) return;  // Compared anew at the next call.
  bool ground = false;  // Links, or addresses that are not ours.
  for (const vip::AddressEvent& event : *events) {
    if (const auto* gone = std::get_if<vip::AddressGone>(&event)) {
      for (const auto& [name, v] : vips_) {
        if (v.added && v.added->index == gone->index && v.added->address == gone->address) { enter(vip::KernelGoneInput{name}); }
      }
    } else {
      ground = true;
    }
  }
  if (!ground) return;
  close_ports_of_gone_links();
  place_all();
}

/// An interface that comes back has another index, and gets another port.
void TakeoverRunner::close_ports_of_gone_links() {
  const auto links = driver_->links();
  if (!links) return;
  const auto is_there = [&](std::uint32_t index) {
    return std::any_of(links->begin(), links->end(), [index](const vip::LinkState& l) { return l.index == index; });
  };
  std::erase_if(prepared_, [&](std::uint32_t index) { return !is_there(index); });
  std::erase_if(ports_, [&](const auto& entry) {
    const auto& [key, port] = entry;
    if (is_there(key.first)) return false;
    loop_.remove(port.port->fd());
    return true;
  });
}

void TakeoverRunner::place_all() {
  if (auto addresses = driver_->addresses()) own_addresses_ = std::move(*addresses);
  if (const auto links = driver_->links()) {
    own_macs_.clear();
    for (const vip::LinkState& link : *links) {
      if (link.mac) own_macs_.insert(*link.mac);
    }
  }
  for (auto& [name, v] : vips_) place(name, v);
}

/// `auto` is chosen while nothing is held: an address that comes or goes elsewhere moves no VIP.
Result<vip::LinkState> TakeoverRunner::choose_link(const Vip& v) {
  const auto links = driver_->links();
  if (!links) return links.error();
  if (v.wanted == "auto" && v.added) {
    const auto at = std::find_if(links->begin(), links->end(), [&](const vip::LinkState& l) { return l.index == v.added->index; });
    if (at != links->end()) return *at;
  }
  return vip::choose_interface(v.wanted, v.settings.address, *links, own_addresses_);
}

/// Finds the VIP's interface as it is now.
void TakeoverRunner::place(const std::string& name, Vip& v) {
  const auto chosen = choose_link(v);
  const Instant now = clock_.now();
  if (!chosen) {
    v.problem = chosen.error().message();
    v.link.carrier = v.link.up = false;
  } else {
    v.problem.clear();
    v.link = *chosen;
  }
  const bool carrier = v.link.up && v.link.carrier;
  if (carrier && !v.had_carrier) {
    if (v.carrier_since == Instant{})
      v.carrier_since = now - kCarrierBack;  // At start it counts at once.
    else if (now >= v.carrier_lost + v.settings.carrier_delay)
      v.carrier_since = now;  // Else it was ridden out.
  }
  if (!carrier && v.had_carrier) v.carrier_lost = now;
  v.had_carrier = carrier;
  if (chosen && prepared_.insert(v.link.index).second && tell_from_ != Instant::max()) host_.prepare_interfaces(options_.snapshot);
  if (v.link.index != 0 && carrier) {
    const auto port = open_port(v.link, v.settings.address.address.family());
    if (!port) {
      v.problem = port.error().message();
    } else {
      const PortKey key{v.link.index, v.settings.address.address.family()};
      const Status status = watch_all(key, **port);
      const auto& watched = ports_.at(key).watched;
      const auto gateway = gateway_of(v.settings);
      const bool is_heard = watched.contains(v.settings.address.address) && (!gateway || watched.contains(*gateway));
      if (!status && !is_heard) v.problem = status.error().message();
    }
  }
  tell_local(name, v);
}

// ---- own facts ----

/// As the core wants them.
void TakeoverRunner::tell_local(const std::string& name, Vip& v) {
  const Instant now = clock_.now();
  const vip::VipHolder* holder = core_.holder(name);
  const bool holds = holder != nullptr && holder->is_wanted();
  vip::LocalVip local{.able = true,
                      .serves = v.health.serves,
                      .gateway_ok = !v.settings.track.gateway || v.gateway.is_ok(holds, now),
                      .reason = v.health.serves ? "" : v.health.reason};
  const bool carrier_lost = !v.had_carrier && now >= v.carrier_lost + v.settings.carrier_delay;
  const bool carrier_young = now < v.carrier_since + kCarrierBack;  // Also when it is lost again meanwhile.
  if (!v.problem.empty()) local = {.able = false, .serves = local.serves, .gateway_ok = true, .reason = v.problem};
  if (carrier_lost || carrier_young) {
    local.able = false;
    if (v.problem.empty())
      local.reason = v.had_carrier ? "the carrier of " + v.link.name + " came back a moment ago" : "no carrier on " + v.link.name;
  }
  if (!options_.missing_right.empty() && v.problem.empty()) local.able = false, local.reason = options_.missing_right;
  if (!guard_.can_guard(now)) local.able = false, local.reason = "no guard is running";
  if (!loops_turn_) local.able = false, local.reason = "a worker does not turn";
  tell_able(name, v, local);
  enter(vip::LocalInput{name, local});
}

void TakeoverRunner::tell_able(const std::string& name, Vip& v, const vip::LocalVip& local) {
  if (clock_.now() < tell_from_ || std::exchange(v.able_told, local.able) == local.able) return;
  if (local.able)
    FL_LOG(VIP_ELIGIBLE, "vip", name);
  else
    FL_LOG(VIP_INELIGIBLE, "vip", name, "reason", local.reason);
}

void TakeoverRunner::health(const std::string& vip, VipHealth health) {
  const auto found = vips_.find(vip);
  if (found == vips_.end() || found->second.health == health) return;
  found->second.health = std::move(health);
  tell_local(vip, found->second);
}

void TakeoverRunner::loops_turn(bool all) {
  if (std::exchange(loops_turn_, all) == all) return;
  for (auto& [name, v] : vips_) tell_local(name, v);
}

// ---- neighbours ----

Result<TakeoverRunner::Port*> TakeoverRunner::open_port(const vip::LinkState& link, IpAddress::Family family) {
  const PortKey key{link.index, family};
  if (const auto found = ports_.find(key); found != ports_.end()) {
    Port& port = found->second;
    if (port.mac == link.mac) return &port;
    if (auto status = port.port->bind_to(link); !status) return status.error();
    port.mac = link.mac;
    for (const Duration after : kNewMacAnnounced) loop_.after(after, [this, key] { announce_all(key); });
    return &port;
  }
  std::unique_ptr<vip::NeighbourPort> port;
  if (family == IpAddress::Family::kV4) {
    auto opened = vip::ArpSocket::open(link, *this, clock_);
    if (!opened) return opened.error();
    port = std::move(*opened);
  } else {
    auto opened = vip::NdpSocket::open(link, *this, clock_);
    if (!opened) return opened.error();
    port = std::move(*opened);
  }
  vip::NeighbourPort* raw = port.get();
  if (auto status = loop_.add_readable(raw->fd(), [raw] { (void)raw->receive(); }); !status)
    return status.error();  // The link's events say what is wrong.
  Port& kept = ports_[key];
  kept = {.port = std::move(port), .mac = link.mac, .watched = {}};
  return &kept;
}

/// R19: what is held on an interface that has another MAC now.
void TakeoverRunner::announce_all(PortKey key) {
  turn_with([this, key](auto&) {  // Behind the core's turn: an own pause comes first (R7).
    const auto port = ports_.find(key);
    if (port == ports_.end()) return;
    for (const auto& [name, v] : vips_) {
      const bool on_it = v.added && PortKey{v.added->index, v.added->address.address.family()} == key;
      if (on_it && core_.describe(name).held_here) (void)port->second.port->announce(v.added->address.address);
    }
  });
}

/// VIPs, their gateways and the tie-break's targets.
Status TakeoverRunner::watch_all(PortKey key, Port& port) {
  std::set<IpAddress> wanted;
  for (const auto& [name, v] : vips_) {
    if (v.link.index != key.first) continue;
    wanted.insert(v.settings.address.address);
    if (const auto gateway = gateway_of(v.settings)) wanted.insert(*gateway);
  }
  if (options_.snapshot.cluster && options_.snapshot.cluster->tie_break) {
    for (const IpAddress& target : options_.snapshot.cluster->tie_break->targets) wanted.insert(target);
  }
  std::erase_if(wanted, [&](const IpAddress& address) { return address.family() != key.second; });
  for (const IpAddress& address : port.watched) {
    if (!wanted.contains(address)) port.port->unwatch(address);
  }
  Status result;
  std::erase_if(port.watched, [&](const IpAddress& address) { return !wanted.contains(address); });
  for (const IpAddress& address : wanted) {
    if (port.watched.contains(address)) continue;
    if (auto status = port.port->watch(address); status)
      port.watched.insert(address);
    else
      result = status;  // Tried again with the next event.
  }
  return result;
}

vip::NeighbourPort* TakeoverRunner::port_of(const Vip& v) {
  const auto found = ports_.find({v.link.index, v.settings.address.address.family()});
  return found == ports_.end() ? nullptr : found->second.port.get();
}

/// The interface's own address in the target's network; unspecified when it has none.
IpAddress TakeoverRunner::own_address(std::uint32_t index, const IpAddress& target) const {
  for (const vip::PresentAddress& a : own_addresses_) {
    if (a.index == index && a.protocol != vip::kFairleadProtocol && a.address.contains(target)) return a.address.address;
  }
  return IpAddress::any(target.family());
}

/// Of interest for the VIP's eligibility (track.gateway), else only to be told from a holder when it answers for the VIP (proxy ARP, R5).
void TakeoverRunner::ask_gateway(Vip& v) {
  const auto gateway = gateway_of(v.settings);
  vip::NeighbourPort* port = gateway ? port_of(v) : nullptr;
  if (port != nullptr && v.gateway.ask(clock_.now())) (void)port->probe(*gateway, own_address(v.link.index, *gateway));
}

bool TakeoverRunner::is_router(const MacAddress& mac) const {
  return std::any_of(routers_.begin(), routers_.end(), [&](const auto& router) { return router.second == mac; });
}

/// Why a node is not in the ring Corosync does not say; another authkey looks like a cable that is cut.
void TakeoverRunner::watch_missing() {
  if (client_ == nullptr) return;
  const Instant now = clock_.now();
  for (const vip::NodeName& node : options_.settings.nodes) {
    if (!core_.in_view() || core_.current_view().has_node(node.id)) {
      missing_.erase(node.id);
      continue;
    }
    Absence& absence = missing_.try_emplace(node.id, Absence{.since = now, .said = false}).first->second;
    if (absence.said || now < absence.since + kMissingSaid) continue;
    absence.said = true;
    std::string links;
    for (const membership::LinkState& link : links_to(node.id))
      links += (links.empty() ? "" : " ") + std::to_string(link.link) + (link.connected ? ":up" : ":down");
    FL_LOG(CLUSTER_NODE_MISSING, "node", node.name, "for_s", static_cast<std::int64_t>(to_seconds(now - absence.since)), "links",
           links.empty() ? "unknown" : links);
  }
}

void TakeoverRunner::tell_links() {
  for (const membership::LinkState& link : facts_->links) {
    const bool in_ring = core_.in_view() && core_.current_view().has_node(link.node);
    switch (links_.see(link, in_ring, clock_.now())) {
      case LinkNews::kNone: break;
      case LinkNews::kUp: FL_LOG(CLUSTER_LINK_UP, "node", name_of(link.node), "link", link.link); break;
      case LinkNews::kDown: FL_LOG(CLUSTER_LINK_DOWN, "node", name_of(link.node), "link", link.link); break;
    }
  }
}

/// As Corosync last said.
std::vector<membership::LinkState> TakeoverRunner::links_to(NodeId node) const {
  std::vector<membership::LinkState> out;
  if (!facts_) return out;
  std::copy_if(facts_->links.begin(), facts_->links.end(), std::back_inserter(out), [node](const auto& link) { return link.node == node; });
  return out;
}

void TakeoverRunner::probe_tie() {
  if (!options_.snapshot.cluster || !options_.snapshot.cluster->tie_break) return;
  for (const IpAddress& target : options_.snapshot.cluster->tie_break->targets) {
    for (const auto& [key, port] : ports_) {
      if (key.second == target.family()) (void)port.port->probe(target, own_address(key.first, target));
    }
  }
}

/// R11: a router that is heard is not yet one that answers: what it says to everybody comes also to a node that nobody hears. Only a
/// question of IPv6 without a sender is answered to all.
bool TakeoverRunner::is_answer_of(const IpAddress& router, vip::NeighbourEventKind kind) const {
  if (kind == vip::NeighbourEventKind::kAnswer) return true;
  return kind == vip::NeighbourEventKind::kClaim && !router.is_v4() && std::any_of(ports_.begin(), ports_.end(), [&](const auto& entry) {
           return entry.first.second == router.family() && own_address(entry.first.first, router).is_unspecified();
         });
}

void TakeoverRunner::on_neighbour(const vip::NeighbourEvent& event) {
  if (const auto& cluster = options_.snapshot.cluster; cluster && cluster->tie_break) {
    const auto& targets = cluster->tie_break->targets;
    const auto target = std::find(targets.begin(), targets.end(), event.address);
    if (target != targets.end() && is_answer_of(event.address, event.kind)) {
      routers_[event.address] = event.mac;
      enter(vip::TieAnsweredInput{static_cast<std::uint32_t>(target - targets.begin())});
    }
  }
  for (auto& [name, v] : vips_) {
    if (gateway_of(v.settings) != event.address || !is_answer_of(event.address, event.kind)) continue;
    routers_[event.address] = event.mac;
    v.gateway.answered(clock_.now());
  }
  for (const auto& [name, v] : vips_) {
    if (v.settings.address.address != event.address) continue;
    if (v.here && own_macs_.contains(event.mac)) return;  // Another interface of this machine in the same network.
    // To a question of IPv6 without a sender everybody is told the answer: a router's is proxying, as its answer of ARP is.
    if (event.kind == vip::NeighbourEventKind::kClaim && !event.address.is_v4() && is_router(event.mac))
      return enter(vip::AnsweredInput{name, event.mac.to_string(), true});
    switch (event.kind) {
      case vip::NeighbourEventKind::kAnswer: return enter(vip::AnsweredInput{name, event.mac.to_string(), is_router(event.mac)});
      case vip::NeighbourEventKind::kClaim: return enter(vip::ClaimedInput{name, event.mac.to_string()});
      case vip::NeighbourEventKind::kProbe: return enter(vip::ProbedInput{name});
    }
    return;
  }
}

}  // namespace fairlead::daemon
