#include "daemon/takeover_runner.h"

#include <algorithm>
#include <ctime>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/overloaded.h"
#include "daemon/takeover_settings.h"
#include "vip/arp_socket.h"
#include "vip/interface_choice.h"
#include "vip/ndp_socket.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kBeat = std::chrono::milliseconds(50);
constexpr Duration kStartQuiet = std::chrono::seconds(1);   ///< What is missing for a moment at the start is nothing to tell.
constexpr Duration kCarrierBack = std::chrono::seconds(3);  ///< R17
constexpr Duration kNewMacAnnounced[] = {std::chrono::milliseconds(0), std::chrono::milliseconds(200), std::chrono::milliseconds(1100)};
constexpr int kRoundsMax = 64;  ///< Of answers that lead to actions that lead to answers.

/// The router whose answers matter to this VIP.
std::optional<IpAddress> gateway_of(const config::Vip& vip) {
  if (vip.track.gateway) return vip.track.gateway;
  return vip.route ? std::optional(vip.route->gateway) : std::nullopt;
}

Instant boot_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_BOOTTIME, &ts);
  return Instant(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

/// Alone, this node is the whole cluster, and what it says it hears.
ClusterView view_of_one(NodeId self, const ClusterProcess& process) {
  return {.ring = {self, 1}, .nodes = {self}, .processes = {process}, .quorate = true};
}

}  // namespace

TakeoverRunner::TakeoverRunner(QbLoop& loop, Options options, TakeoverHost host)
    : loop_(loop),
      options_(std::move(options)),
      host_(std::move(host)),
      boot_offset_(boot_now() - clock_.now()),
      core_(options_.settings, options_.incarnation, options_.kept, clock_.now()),
      guard_({.node = options_.settings.self, .hang = options_.snapshot.guard.hang}) {
  for (const config::Vip& vip : options_.snapshot.vips) {
    Vip& v = vips_[vip.name];
    v.settings = vip;
    v.wanted = device_of(options_.snapshot, vip);
  }
}

TakeoverRunner::~TakeoverRunner() {
  loop_.cancel(timer_);
  loop_.cancel(events_timer_);
  for (const auto& [key, port] : ports_) loop_.remove(port.port->fd());
  if (driver_) loop_.remove(driver_->fd());
  if (guard_link_fd_ >= 0) loop_.remove(guard_link_fd_);
  if (guard_death_fd_ >= 0) loop_.remove(guard_death_fd_);
  guard_.goodbye();
  if (client_) client_->stop();
  for (const PendingMove& move : moves_) move.done(Error{Errc::kUnavailable, "vip move " + move.vip + ": the daemon ends"});
}

Status TakeoverRunner::start() {
  auto driver = vip::NetlinkAddressDriver::open();
  if (!driver) return driver.error();
  driver_ = std::move(*driver);
  if (auto status = loop_.add_readable(driver_->fd(), [this] { kernel_events(); }); !status) return status;
  place_all();  // What is there was prepared before the first thread.
  if (options_.guard.valid()) guard_.attach(std::move(options_.guard), clock_.now());
  watch_guard();
  if (options_.snapshot.cluster) {
    const auto& cluster = *options_.snapshot.cluster;
    client_ = std::make_unique<membership::CorosyncClient>(
        loop_, membership::ConnectorOptions{.cluster_name = cluster.name, .node = options_.settings.self},
        static_cast<membership::ClusterSink&>(*this));
    client_->start();
  } else {
    const ClusterProcess self{options_.settings.self, static_cast<std::uint32_t>(::getpid())};
    enter_now([&](auto& out) { core_.view(view_of_one(options_.settings.self, self), self, out); });
  }
  tell_from_ = clock_.now() + kStartQuiet;
  beat();
  return {};
}

void TakeoverRunner::leave() {
  enter([this](auto& out) { core_.leave(out); });
}

// ---- turning the core ----

/// T1
void TakeoverRunner::enter(const std::function<void(vip::TakeoverActions&)>& input) {
  if (carrying_) {  // From inside an action (a port, the driver): behind what is being carried out. T4
    answers_.push_back(input);
    return;
  }
  enter_now(input);
}

void TakeoverRunner::enter_now(const std::function<void(vip::TakeoverActions&)>& input) {
  FL_ASSERT(!carrying_);
  vip::TakeoverActions actions;
  core_.turn(clock_.now(), boot_now() - boot_offset_, actions);
  carry(std::move(actions));
  actions.clear();
  input(actions);
  core_.tick(actions);
  carry(std::move(actions));
  const ClusterProcess self{options_.settings.self, static_cast<std::uint32_t>(::getpid())};
  for (int round = 0; round < kRoundsMax; ++round) {
    take_up_all();  // Before an add that a later round brings.
    if (answers_.empty() && to_self_.empty()) break;
    actions.clear();
    if (!answers_.empty()) {
      const auto answer = std::move(answers_.front());
      answers_.pop_front();
      answer(actions);
    } else {
      const ClusterMessage message = std::move(to_self_.front());
      to_self_.pop_front();
      core_.delivered(self, message, actions);
    }
    carry(std::move(actions));
  }
  answer_moves();
  arm();
  tell_changes();
  if (driver_ && driver_->has_events() && events_timer_ == 0) {
    events_timer_ = loop_.at(loop_.now(), [this] {
      events_timer_ = 0;
      kernel_events();
    });
  }
}

/// Last in a turn: what it leads to is in nobody's way. An address that came back within the turn did not change.
void TakeoverRunner::tell_changes() {
  for (auto& [name, v] : vips_) tell_change(v);
}
void TakeoverRunner::tell_change(Vip& v) {
  if (std::exchange(v.here_told, v.here) != v.here) host_.address_changed(v.settings, v.link.name, v.here);
}

void TakeoverRunner::carry(vip::TakeoverActions&& actions) {
  carrying_ = true;
  for (vip::TakeoverAction& action : actions) {
    std::visit(Overloaded{
                   [this](vip::SendMessage& a) { send(a.message); },
                   [this](vip::VipAction& a) { carry(a); },
                   [this](vip::ProbeTie&) { probe_tie(); },
                   [this](vip::KeepOverrides& a) { host_.keep_overrides(std::move(a.overrides)); },
                   [](vip::TakeoverNote& a) { log_fields(a.id, std::move(a.fields)); },
               },
               action);
  }
  carrying_ = false;
}

void TakeoverRunner::send(const ClusterMessage& message) {
  if (client_ == nullptr) {
    to_self_.push_back(message);
    return;
  }
  (void)client_->send(message);  // Not in the group: on_lost() is on its way or was here, and a new round says everything anew.
}

void TakeoverRunner::arm() {
  const Instant next = core_.next_deadline();
  if (next == timer_at_ && timer_ != 0) return;
  loop_.cancel(timer_);
  timer_at_ = next;
  timer_ = next == Instant::max() ? 0 : loop_.at(next, [this] {
    timer_ = 0;
    enter([](auto&) {});  // Its tick is what was due.
  });
}

// ---- one VIP ----

vip::LeasedAddress TakeoverRunner::leased(const Vip& v) const {
  vip::LeasedAddress out{.device = v.link.name, .index = v.link.index, .address = v.settings.address, .lease = v.settings.lease};
  if (v.settings.route) out.route = vip::SourceRoute{.gateway = v.settings.route->gateway, .table = v.settings.route->table};
  return out;
}

vip::GuardHold TakeoverRunner::hold_of(const std::string& name, const vip::LeasedAddress& what, Epoch epoch) const {
  return {.serial = 0, .vip = name, .epoch = epoch, .incarnation = options_.incarnation, .address = what};
}

void TakeoverRunner::carry(const vip::VipAction& action) {
  const auto found = vips_.find(action.vip);
  if (found == vips_.end()) return;
  Vip& v = found->second;
  vip::NeighbourPort* port = port_of(v);
  switch (action.kind) {
    case vip::HolderActionKind::kAdd: return begin_add(action.vip, v, action.epoch);
    case vip::HolderActionKind::kRemove: {
      v.adding.reset();
      const Status done = driver_->remove(v.added.value_or(leased(v)));
      if (done) {
        guard_.drop(action.vip);
        v.added.reset();
        v.here = false;
      }
      return kernel_done(action.vip, action.kind, done);
    }
    case vip::HolderActionKind::kRefresh:
      if (!v.added) return;
      v.added->lease = v.settings.lease;
      // R10: the guard's Released has to name the newest epoch. What no guard can be told of is not kept up either.
      if (guard_.keep(hold_of(action.vip, *v.added, action.epoch))) (void)driver_->refresh(*v.added);
      return;  // A failure shows as AddressGone (R20).
    case vip::HolderActionKind::kProbe:
      if (port != nullptr) (void)port->probe(v.settings.address.address, IpAddress::any(v.settings.address.address.family()));
      return;
    case vip::HolderActionKind::kAnnounce:
      if (port != nullptr) (void)port->announce(v.settings.address.address);
      return;
    case vip::HolderActionKind::kReset:
      return host_.reset_connections(v.settings.address.address,
                                     [this, name = action.vip] { enter([this, name](auto& out) { core_.reset_done(name, out); }); });
    case vip::HolderActionKind::kSayReleased:
    case vip::HolderActionKind::kBeatNow: return;  // The core's own.
  }
}

void TakeoverRunner::kernel_done(const std::string& name, vip::HolderActionKind what, const Status& status) {
  answers_.push_back([this, name, what, ok = status.has_value(), error = status ? std::string() : status.error().message()](auto& out) {
    core_.kernel_done(name, what, ok, error, out);
  });
}

/// T2
void TakeoverRunner::begin_add(const std::string& name, Vip& v, Epoch epoch) {
  if (v.link.index == 0) return kernel_done(name, vip::HolderActionKind::kAdd, Error{Errc::kNotFound, v.problem});
  v.adding = epoch;
  v.to_add = leased(v);
  if (auto status = guard_.keep(hold_of(name, v.to_add, epoch)); !status) return kernel_done(name, vip::HolderActionKind::kAdd, status);
  if (guard_.knows(name, epoch)) finish_add(name, epoch);
}

void TakeoverRunner::finish_add(const std::string& name, Epoch epoch) {
  const auto found = vips_.find(name);
  if (found == vips_.end() || found->second.adding != epoch) return;  // Given up meanwhile.
  Vip& v = found->second;
  v.adding.reset();
  Status done;
  if (v.added && v.added->index != v.to_add.index) done = driver_->remove(*v.added);  // A repair on an interface that returned.
  if (done) {
    v.added = v.to_add;  // Even if it fails: what is half there has to go, too.
    done = driver_->add(v.to_add);
  }
  if (done) v.here = true;
  kernel_done(name, vip::HolderActionKind::kAdd, done);
}

// ---- Corosync ----

void TakeoverRunner::on_view(const ClusterView& view) {
  const auto self = client_->self();
  if (!self) return;
  enter([this, view, self = *self](auto& out) { core_.view(view, self, out); });
}
void TakeoverRunner::on_message(const ClusterProcess& from, const ClusterMessage& message) {
  enter([this, from, message](auto& out) { core_.delivered(from, message, out); });
}
void TakeoverRunner::on_lost(const std::string& reason) {
  lost_ = reason;
  enter([this](auto& out) { core_.lost(out); });
}
void TakeoverRunner::on_facts(const membership::CorosyncFacts& facts) {
  facts_ = facts;
  core_.timing({.token = std::chrono::milliseconds(facts.token_ms), .consensus = std::chrono::milliseconds(facts.consensus_ms)});
}

// ---- guard ----

void TakeoverRunner::beat() {
  loop_.after(kBeat, [this] { beat(); });
  guard_.beat();
  guard_turn();
  for (auto& [name, v] : vips_) {
    ask_gateway(v);
    tell_local(name, v);
  }
  std::erase_if(vips_, [this](const auto& entry) {
    const vip::VipHolder* holder = core_.holder(entry.first);
    return !entry.second.configured && (holder == nullptr || holder->state() == vip::HolderState::kIdle);
  });
}

// ---- configuration ----

Status TakeoverRunner::configure(const config::Snapshot& snapshot) {
  auto settings = takeover_settings(snapshot, options_.settings.version);
  if (!settings) return settings.error();
  options_.snapshot = snapshot;
  options_.settings = *settings;
  for (auto& [name, v] : vips_) v.configured = false;
  for (const config::Vip& vip : snapshot.vips) {
    Vip& v = vips_[vip.name];
    v.configured = true;
    v.next = vip;
  }
  enter_now([&](auto& out) { core_.configure(std::move(*settings), out); });
  for (auto& [name, v] : vips_) {  // All but what has to be given up as it is.
    const bool same_place = v.next && v.next->address == v.settings.address && v.next->route == v.settings.route &&
                            device_of(options_.snapshot, *v.next) == v.wanted;
    if (same_place) take_up(name, v);
  }
  for (auto& [key, port] : ports_) {
    if (auto status = watch_all(key, port); !status) FL_LOG(VIP_START_PROBLEM, "error", status.error().message());
  }
  return {};
}

bool TakeoverRunner::may_be_present(const std::string& vip) const {
  const vip::VipHolder* holder = core_.holder(vip);
  return holder != nullptr && holder->may_be_present();
}

void TakeoverRunner::take_up(const std::string& name, Vip& v) {
  if (!v.next) return;
  const config::Vip next = *std::exchange(v.next, std::nullopt);
  tell_change(v);  // As what it was.
  if (gateway_of(next) != gateway_of(v.settings)) v.gateway = {};
  v.settings = next;
  v.wanted = device_of(options_.snapshot, next);
  if (driver_) place(name, v);
}

/// Between two rounds: what it tells the core stands behind the answers that are there.
void TakeoverRunner::take_up_all() {
  carrying_ = true;
  for (auto& [name, v] : vips_) {
    if (v.next && !may_be_present(name)) take_up(name, v);
  }
  carrying_ = false;
}

void TakeoverRunner::guard_turn() {
  for (const vip::GuardLinkEvent& event : guard_.turn(clock_.now())) {
    std::visit(Overloaded{
                   [](const vip::GuardUp& e) { FL_LOG(GUARD_UP, "pid", e.pid, "notes", e.notes); },
                   [this](const vip::GuardKnows& e) { enter([this, e](auto&) { finish_add(e.vip, e.epoch); }); },
                   [this](const vip::GuardLost& e) { FL_LOG(GUARD_LOST, "reason", e.reason, "too_often", e.too_often); },
                   [this](const vip::GuardWanted&) {
                     host_.spawn_guard([this](Result<vip::GuardChild> child) {
                       if (child)
                         guard_.attach(std::move(*child), clock_.now());
                       else
                         guard_.spawn_failed(child.error(), clock_.now());
                       watch_guard();
                     });
                   },
               },
               event);
  }
  watch_guard();
}

/// Its descriptors change with every new guard.
void TakeoverRunner::watch_guard() {
  const auto follow = [this](int& watched, int now) {
    if (watched == now) return;
    if (watched >= 0) loop_.remove(watched);
    watched = now;
    if (now >= 0 && !loop_.add_readable(now, [this] { guard_turn(); })) watched = -1;  // beat() looks too.
  };
  follow(guard_link_fd_, guard_.link_fd());
  follow(guard_death_fd_, guard_.death_fd());
}

// ---- kernel ----

void TakeoverRunner::kernel_events() {
  auto events = driver_->take_events();
  if (!events) return;  // Compared anew at the next call.
  bool ground = false;  // Links, or addresses that are not ours.
  for (const vip::AddressEvent& event : *events) {
    if (const auto* gone = std::get_if<vip::AddressGone>(&event)) {
      for (const auto& [name, v] : vips_) {
        if (v.added && v.added->index == gone->index && v.added->address == gone->address) {
          enter([this, vip = name](auto& out) { core_.kernel_gone(vip, out); });
        }
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
  if (carrier && !v.had_carrier) v.carrier_since = v.carrier_since == Instant{} ? now - kCarrierBack : now;  // At start it counts at once.
  if (!carrier && v.had_carrier) v.carrier_lost = now;
  v.had_carrier = carrier;
  if (chosen && prepared_.insert(v.link.index).second && tell_from_ != Instant::max()) host_.prepare_interfaces(options_.snapshot);
  if (v.link.index != 0 && carrier) {
    const auto port = open_port(v.link, v.settings.address.address.family());
    if (!port) {
      v.problem = port.error().message();
    } else {
      if (auto status = watch_all({v.link.index, v.settings.address.address.family()}, **port); !status)
        v.problem = status.error().message();
    }
  }
  tell_local(name, v);
}

/// Own facts, as the core wants them.
void TakeoverRunner::tell_local(const std::string& name, Vip& v) {
  const Instant now = clock_.now();
  const vip::VipHolder* holder = core_.holder(name);
  const bool holds = holder != nullptr && holder->is_wanted();
  vip::LocalVip local{.able = true,
                      .serves = v.health.serves,
                      .gateway_ok = !v.settings.track.gateway || v.gateway.is_ok(holds, now),
                      .reason = v.health.serves ? "" : v.health.reason};
  const bool carrier_lost = !v.had_carrier && now >= v.carrier_lost + v.settings.carrier_delay;
  const bool carrier_young = v.had_carrier && now < v.carrier_since + kCarrierBack;
  if (!v.problem.empty()) local = {.able = false, .serves = local.serves, .gateway_ok = true, .reason = v.problem};
  if (carrier_lost || carrier_young) {
    local.able = false;
    if (v.problem.empty())
      local.reason = carrier_lost ? "no carrier on " + v.link.name : "the carrier of " + v.link.name + " came back a moment ago";
  }
  if (!options_.missing_right.empty() && v.problem.empty()) local.able = false, local.reason = options_.missing_right;
  if (!guard_.can_guard(now)) local.able = false, local.reason = "no guard is running";
  if (!v.health.loops_turn) local.able = false, local.reason = v.health.reason;
  tell_able(name, v, local);
  enter([this, name, local](auto& out) { core_.local(name, local, out); });
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
    auto opened = vip::NdpSocket::open(link, options_.snapshot.router.has_value(), *this, clock_);
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
  enter([this, key](auto&) {  // Behind the core's turn: an own pause comes first (R7).
    const auto port = ports_.find(key);
    if (port == ports_.end()) return;
    for (const auto& [name, v] : vips_) {
      const bool on_it = v.added && PortKey{v.added->index, v.added->address.address.family()} == key;
      const auto view = core_.describe(name);
      if (on_it && view.held_here && view.lease_left > Duration::zero()) (void)port->second.port->announce(v.added->address.address);
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
  for (const IpAddress& address : wanted) {
    if (port.watched.contains(address)) continue;
    if (auto status = port.port->watch(address); !status) result = status;
  }
  port.watched = std::move(wanted);
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

void TakeoverRunner::probe_tie() {
  if (!options_.snapshot.cluster || !options_.snapshot.cluster->tie_break) return;
  for (const IpAddress& target : options_.snapshot.cluster->tie_break->targets) {
    for (const auto& [key, port] : ports_) {
      if (key.second == target.family()) (void)port.port->probe(target, own_address(key.first, target));
    }
  }
}

void TakeoverRunner::on_neighbour(const vip::NeighbourEvent& event) {
  if (const auto& cluster = options_.snapshot.cluster; cluster && cluster->tie_break) {
    const auto& targets = cluster->tie_break->targets;
    const auto target = std::find(targets.begin(), targets.end(), event.address);
    if (target != targets.end() && event.kind != vip::NeighbourEventKind::kProbe) {
      routers_[event.address] = event.mac;
      enter([this, at = static_cast<std::uint32_t>(target - targets.begin())](auto&) { core_.tie_answered(at); });
    }
  }
  for (auto& [name, v] : vips_) {
    if (event.kind == vip::NeighbourEventKind::kProbe || gateway_of(v.settings) != event.address) continue;
    routers_[event.address] = event.mac;
    v.gateway.answered(clock_.now());
  }
  for (const auto& [name, v] : vips_) {
    if (v.settings.address.address != event.address) continue;
    enter([this, event, vip = name](auto& out) {
      switch (event.kind) {
        case vip::NeighbourEventKind::kAnswer: return core_.answered(vip, event.mac.to_string(), is_router(event.mac), out);
        case vip::NeighbourEventKind::kClaim: return core_.claimed(vip, event.mac.to_string(), out);
        case vip::NeighbourEventKind::kProbe: return;  // The kernel answers for itself.
      }
    });
    return;
  }
}

// ---- status ----

std::string TakeoverRunner::name_of(NodeId node) const {
  for (const vip::NodeName& n : options_.settings.nodes) {
    if (n.id == node) return n.name;
  }
  return std::to_string(to_number(node));
}

void TakeoverRunner::describe(admin::NodeReport& report) const {
  if (client_ != nullptr) {
    admin::ClusterStatus cluster;
    cluster.quorate = core_.is_quorate();
    if (core_.in_view()) cluster.ring = core_.current_view().ring.to_string();
    if (facts_) cluster.votes = facts_->votes;
    cluster.tie_break = !options_.settings.has_tie_break ? "off" : core_.is_tie_disarmed() || !core_.is_tie_armed() ? "disarmed" : "armed";
    cluster.frozen = core_.is_on(OverrideKind::kFrozen, "");
    cluster.token_ms = static_cast<std::uint32_t>(to_ms(core_.timing().token));
    cluster.consensus_ms = static_cast<std::uint32_t>(to_ms(core_.timing().consensus));
    if (!core_.in_view()) cluster.problem = lost_.empty() ? "waiting for Corosync" : lost_;
    for (const vip::NodeName& n : options_.settings.nodes) {
      admin::NodeStatus node{.name = n.name,
                             .id = to_number(n.id),
                             .online = false,
                             .standby = core_.is_on(OverrideKind::kNodeStandby, n.name),
                             .version = {},
                             .config_match = true};
      if (const auto* member = core_.in_view() ? core_.exchange().member(n.id) : nullptr) {
        node.online = true;
        node.version = member->state.version;
        node.config_match = member->state.cluster_hash == options_.settings.cluster_hash;
      }
      cluster.nodes.push_back(std::move(node));
    }
    report.cluster = std::move(cluster);
  }
  for (const auto& [name, v] : vips_) {
    const auto view = core_.describe(name);
    admin::VipStatus out;
    out.name = name;
    out.address = v.settings.address.to_string();
    out.interface = v.link.index == 0 ? v.wanted : v.link.name;
    out.state = std::string(vip::to_string(view.state));
    if (view.owner != kNoNode) out.holder = name_of(view.owner);
    out.held_here = view.held_here;
    out.epoch = view.epoch;
    out.lease_ms = to_ms(view.lease_left);
    out.enabled = !core_.is_on(OverrideKind::kVipDisabled, name);
    out.flapping = view.flapping;
    for (const auto& [node, why] : view.ineligible) out.eligible.push_back({.node = name_of(node), .ok = why.empty(), .reason = why});
    report.vips.push_back(std::move(out));
  }
}

}  // namespace fairlead::daemon
