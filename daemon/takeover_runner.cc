#include "daemon/takeover_runner.h"

#include <algorithm>
#include <ctime>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/overloaded.h"
#include "daemon/flight_notes.h"
#include "daemon/takeover_settings.h"
#include "daemon/takeover_trace.h"
#include "membership/message_codec.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::daemon {
namespace {

constexpr Duration kBeat = std::chrono::milliseconds(50);
constexpr Duration kStartQuiet = std::chrono::seconds(1);  ///< What is missing for a moment at the start is nothing to tell.
constexpr int kRoundsMax = 64;                             ///< Of answers that lead to actions that lead to answers.

bool has_third_vote(const membership::CorosyncFacts& facts) {
  return facts.qdevice_registered && facts.qdevice_alive && facts.qdevice_votes;
}
std::string why_no_third_vote(const membership::CorosyncFacts& facts) {
  if (!facts.qdevice_registered) return "corosync-qdevice does not run on this node; systemctl enable --now corosync-qdevice";
  if (!facts.qdevice_alive) return "corosync-qdevice on this node does not answer; `corosync-qdevice-tool -s` says more";
  return "corosync-qnetd is not reached or votes for other nodes; `corosync-qdevice-tool -s` says which";
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
      born_(clock_.now()),
      core_(options_.settings, options_.incarnation, options_.kept, born_),
      guard_({.node = options_.settings.self, .hang = options_.snapshot.guard.hang}) {
  for (const config::Vip& vip : options_.snapshot.vips) {
    Vip& v = vips_[vip.name];
    v.settings = vip;
    v.wanted = device_of(options_.snapshot, vip);
  }
  guard_.before_close([this] { unwatch_guard(); });
  if (options_.trace) options_.trace->add(trace_begin(options_.settings, options_.incarnation, options_.kept, born_));
}

TakeoverRunner::~TakeoverRunner() {
  loop_.cancel(timer_);
  loop_.cancel(events_timer_);
  for (const auto& [key, port] : ports_) loop_.remove(port.port->fd());
  if (driver_) loop_.remove(driver_->fd());
  unwatch_guard();
  guard_.goodbye();
  if (client_) client_->stop();
  for (const PendingDrain& drain : drains_) drain.done(Error{Errc::kUnavailable, "vip move " + drain.vip + ": the daemon ends"});
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
    enter(vip::ViewInput{view_of_one(options_.settings.self, self), self});
    tell_members();
  }
  tell_from_ = clock_.now() + kStartQuiet;
  beat();
  return {};
}

void TakeoverRunner::leave() { enter(vip::LeaveInput{}); }

// ---- turning the core ----

/// Whatever the core is told goes through here.
Status TakeoverRunner::apply(const vip::TakeoverInput& input, vip::TakeoverActions& out) {
  if (!options_.trace || !options_.trace->is_on()) return vip::apply(core_, input, out);
  options_.trace->add(trace_input(input));
  const std::size_t before = out.size();
  Status status = vip::apply(core_, input, out);
  for (std::size_t i = before; i < out.size(); ++i) options_.trace->add(trace_action(out[i]));
  return status;
}

void TakeoverRunner::enter(vip::TakeoverInput input) {
  turn_with([this, input = std::move(input)](auto& out) { (void)apply(input, out); });
}

/// An operator's. Errors: as the core refuses it.
Status TakeoverRunner::enter_now(const vip::TakeoverInput& input) {
  Status status;
  turn_now_with([&](auto& out) { status = apply(input, out); });
  return status;
}

/// T1
void TakeoverRunner::turn_with(const std::function<void(vip::TakeoverActions&)>& input) {
  if (carrying_) {  // From inside an action (a port, the driver): behind what is being carried out. T4
    answers_.push_back(input);
    return;
  }
  turn_now_with(input);
}

void TakeoverRunner::turn_now_with(const std::function<void(vip::TakeoverActions&)>& input) {
  FL_ASSERT(!carrying_);
  vip::TakeoverActions actions;
  (void)apply(vip::TurnInput{clock_.now(), boot_now() - boot_offset_}, actions);
  carry(std::move(actions));
  actions.clear();
  input(actions);
  (void)apply(vip::TickInput{}, actions);
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
      const vip::DeliveredInput own{self, std::move(to_self_.front())};
      to_self_.pop_front();
      (void)apply(own, actions);
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
  if (std::exchange(holders_due_, false)) tell_history();
}
void TakeoverRunner::tell_change(Vip& v) {
  if (v.taking) v.history.taken(*std::exchange(v.taking, std::nullopt), clock_.now());
  if (std::exchange(v.here_told, v.here) == v.here) return;
  holders_due_ = true;
  host_.address_changed(v.settings, v.link.name, v.here);
}

void TakeoverRunner::carry(vip::TakeoverActions&& actions) {
  carrying_ = true;
  for (vip::TakeoverAction& action : actions) {
    std::visit(Overloaded{
                   [this](vip::SendMessage& a) { send(a.message); },
                   [this](vip::VipAction& a) { carry(a); },
                   [this](vip::ProbeTie&) { probe_tie(); },
                   [this](vip::KeepOverrides& a) { host_.keep_overrides(std::move(a.overrides)); },
                   [this](vip::TakeoverNote& a) {
                     if (a.id == MessageId::VIP_ACQUIRED) note_taken(a);
                     log_fields(a.id, std::move(a.fields));
                   },
               },
               action);
  }
  carrying_ = false;
}

void TakeoverRunner::send(const ClusterMessage& message) {
  if (const auto about = note_of(message)) FL_LOG(CLUSTER_SAID, "kind", membership::kind_name(message), "about", *about);
  if (client_ == nullptr) {
    to_self_.push_back(message);
    return;
  }
  // Not in the group: on_lost() is on its way or was here, and a new round says everything anew. What no message can hold the client logs.
  (void)client_->send(message);
}

void TakeoverRunner::arm() {
  const Instant next = core_.next_deadline();
  if (next == timer_at_ && timer_ != 0) return;
  loop_.cancel(timer_);
  timer_at_ = next;
  timer_ = next == Instant::max() ? 0 : loop_.at(next, [this] {
    timer_ = 0;
    turn_with([](auto&) {});  // Its tick is what was due.
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
  if (is_worth_a_note(action.kind)) FL_LOG(VIP_STEP, "vip", action.vip, "step", step_name(action.kind), "epoch", action.epoch);
  switch (action.kind) {
    case vip::HolderActionKind::kAdd: return begin_add(action.vip, v, action.epoch);
    case vip::HolderActionKind::kRemove: {
      v.adding.reset();
      const Status done = driver_->remove(v.added.value_or(leased(v)));
      if (done) {
        guard_.drop(action.vip);
        not_here(v);
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
      if (!say(action.vip, v, /*probe=*/true))
        answers_.push_back([this, name = action.vip](auto& out) { (void)apply(vip::ProbeFailedInput{name}, out); });
      return;
    case vip::HolderActionKind::kAnnounce: return (void)say(action.vip, v, /*probe=*/false);  // The next one is due soon (R19).
    case vip::HolderActionKind::kReset:
      return host_.reset_connections(v.settings.address.address, [this, name = action.vip, epoch = action.epoch] {
        enter(vip::ResetDoneInput{name, epoch});
      });
    case vip::HolderActionKind::kSayReleased:
    case vip::HolderActionKind::kBeatNow: return;  // The core's own.
  }
}

/// Sends a probe or an announcement of the VIP; what cannot be sent is logged.
Status TakeoverRunner::say(const std::string& name, Vip& v, bool probe) {
  vip::NeighbourPort* port = port_of(v);
  const IpAddress& address = v.settings.address.address;
  const Status said = port == nullptr ? Status(Error{Errc::kUnavailable, "there is no interface to send on"})
                      : probe         ? port->probe(address, IpAddress::any(address.family()))
                                      : port->announce(address);
  if (said) return said;
  if (const auto count = v.unheard.again(clock_.now()))
    FL_LOG(VIP_UNHEARD, "vip", name, "frame", probe ? "probe" : "announcement", "error", said.error().message(), "count", *count);
  return said;
}

void TakeoverRunner::kernel_done(const std::string& name, vip::HolderActionKind what, const Status& status) {
  vip::KernelAnswer answer;
  if (!status)
    answer = {.ok = false,
              .error = status.error().message(),
              .unsure = status.error().code == Errc::kTimeout,
              .foreign = status.error().code == Errc::kConflict};
  answers_.push_back([this, done = vip::KernelDoneInput{name, what, answer}](auto& out) { (void)apply(done, out); });
}

void TakeoverRunner::not_here(Vip& v) {
  v.added.reset();
  v.here = false;
  v.place_due = v.wanted == "auto";
  host_.close_connections(v.settings.address.address);
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
  if (!done) {
    done = Error{Errc::kTimeout, done.error().context, done.error().sys_errno};  // Whether it is there is not sure: it is asked for again.
  } else {
    host_.address_coming();
    done = driver_->add(v.to_add);
    if (done || done.error().code == Errc::kTimeout) {
      v.added = v.to_add;
      v.here = v.here || done.has_value();
    } else {  // Nothing of ours is there: neither we nor the guard must remove what is.
      guard_.drop(name);
      if (v.here) not_here(v);  // A repair. Else somebody else's may have been there all the time, and is none of ours to end.
      v.added.reset();
    }
  }
  kernel_done(name, vip::HolderActionKind::kAdd, done);
}

// ---- Corosync ----

void TakeoverRunner::on_view(const ClusterView& view) {
  const auto self = client_->self();
  if (!self) return;
  lost_.clear();
  digests_.hurry();
  note_lost_holders(view);
  holders_due_ = true;
  ++views_;
  enter(vip::ViewInput{view, *self});
  tell_members();
}
void TakeoverRunner::on_message(const ClusterProcess& from, const ClusterMessage& message) {
  if (const auto* digest = std::get_if<NodeDigest>(&message)) {
    if (from.node != options_.settings.self) digests_.received(from.node, *digest, clock_.now());  // Ours: show() has a newer one.
    return;
  }
  if (!concerns_vips(message)) return host_.group_message(from.node, message);
  holders_due_ = holders_due_ || std::holds_alternative<NodeState>(message);
  if (const auto about = note_of(message)) {
    FL_LOG(CLUSTER_HEARD, "from", std::to_string(to_number(from.node)) + "/" + std::to_string(from.pid), "kind",
           membership::kind_name(message), "about", *about);
  }
  const bool says_what_it_is = std::holds_alternative<NodeState>(message) || std::holds_alternative<GuardHello>(message);
  enter(vip::DeliveredInput{from, message});
  if (says_what_it_is) tell_members();
}
void TakeoverRunner::on_lost(const std::string& reason) {
  lost_ = reason;
  holders_due_ = true;
  facts_.reset();
  links_.forget();
  enter(vip::LostInput{});
  tell_members();
}
/// A guard alone is no member: nobody there keeps a book.
void TakeoverRunner::tell_members() {
  std::vector<NodeId> nodes;
  if (core_.in_view()) {
    for (const NodeId node : core_.current_view().nodes) {
      if (core_.exchange().has_daemon(node)) nodes.push_back(node);
    }
  }
  if (nodes == members_told_ && core_.exchange().round() == round_told_) return;
  members_told_ = nodes;
  round_told_ = core_.exchange().round();
  host_.members_changed(members_told_);
}
void TakeoverRunner::say_members() { host_.members_changed(members_told_); }
bool TakeoverRunner::tell(const ClusterMessage& message) { return client_ != nullptr && core_.in_view() && bool(client_->send(message)); }
std::optional<vip::LinkState> TakeoverRunner::link_of(const std::string& vip) const {
  const auto found = vips_.find(vip);
  if (found == vips_.end() || found->second.link.index == 0) return std::nullopt;
  return found->second.link;
}
void TakeoverRunner::on_facts(const membership::CorosyncFacts& facts, Instant asked) {
  tell_qdevice(facts);
  facts_ = facts;
  tell_links();
  vip::TakeoverActions none;
  (void)apply(
      vip::TimingInput{{.token = std::chrono::milliseconds(facts.token_ms), .consensus = std::chrono::milliseconds(facts.consensus_ms)}},
      none);
  if (options_.settings.qdevice_votes == 0) return;
  enter(vip::ThirdVoteInput{has_third_vote(facts), asked});
}

/// An event at each change, and at the start when it is missing.
void TakeoverRunner::tell_qdevice(const membership::CorosyncFacts& facts) {
  if (options_.settings.qdevice_votes == 0) return;
  const bool votes = has_third_vote(facts);
  if (std::exchange(third_vote_told_, votes) == votes) return;
  if (votes)
    FL_LOG(QDEVICE_VOTE);
  else
    FL_LOG(QDEVICE_VOTE_LOST, "reason", why_no_third_vote(facts));
}

// ---- guard ----

void TakeoverRunner::beat() {
  loop_.after(kBeat, [this] { beat(); });
  if (loops_turn_) guard_.beat();
  if (options_.trace) options_.trace->flush();
  guard_turn();
  tend_drains();
  watch_missing();
  watch_lease();
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
  (void)enter_now(vip::ConfigureInput{std::move(*settings)});
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
    if (std::exchange(v.place_due, false)) {
      tell_change(v);  // As where it was.
      place(name, v);
    }
  }
  carrying_ = false;
}

void TakeoverRunner::guard_turn() {
  for (const vip::GuardLinkEvent& event : guard_.turn(clock_.now())) {
    std::visit(Overloaded{
                   [](const vip::GuardUp& e) { FL_LOG(GUARD_UP, "pid", e.pid, "notes", e.notes); },
                   [this](const vip::GuardKnows& e) {
                     turn_with([](auto&) {});  // What has ended meanwhile is given up, and not added.
                     turn_with([this, e](auto&) { finish_add(e.vip, e.epoch); });
                   },
                   [](const vip::GuardLost& e) { FL_LOG(GUARD_LOST, "reason", e.reason, "too_often", e.too_often); },
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
  const auto watch = [this](int& watched, int fd) {
    if (watched < 0 && fd >= 0 && loop_.add_readable(fd, [this] { guard_turn(); })) watched = fd;  // Else beat() looks.
  };
  watch(guard_link_fd_, guard_.link_fd());
  watch(guard_death_fd_, guard_.death_fd());
}

void TakeoverRunner::unwatch_guard() {
  for (int* watched : {&guard_link_fd_, &guard_death_fd_}) {
    if (const int fd = std::exchange(*watched, -1); fd >= 0) loop_.remove(fd);
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
    const Instant now = clock_.now();
    cluster.quorate = core_.is_quorate();
    if (core_.in_view()) cluster.ring = core_.current_view().ring.to_string();
    if (facts_) cluster.votes = facts_->votes;
    cluster.tie_break = !options_.settings.has_tie_break ? "off" : core_.is_tie_disarmed() || !core_.is_tie_armed() ? "disarmed" : "armed";
    if (options_.settings.qdevice_votes > 0) cluster.qdevice = facts_ && has_third_vote(*facts_) ? "votes" : "lost";
    cluster.frozen = core_.is_on(OverrideKind::kFrozen, "");
    cluster.token_ms = static_cast<std::uint32_t>(to_ms(core_.timing().token));
    cluster.consensus_ms = static_cast<std::uint32_t>(to_ms(core_.timing().consensus));
    cluster.lease_ms = static_cast<std::uint32_t>(to_ms(core_.timing().lease()));
    if (lease_low_ || lease_low_before_)
      cluster.lease_low_ms = to_ms(std::min(lease_low_.value_or(Duration::max()), lease_low_before_.value_or(Duration::max())));
    cluster.view_changes = views_;
    if (!core_.in_view()) cluster.problem = lost_.empty() ? "waiting for Corosync" : lost_;
    for (const vip::NodeName& n : options_.settings.nodes) {
      admin::NodeStatus node{.name = n.name,
                             .id = to_number(n.id),
                             .online = false,
                             .standby = core_.is_on(OverrideKind::kNodeStandby, n.name),
                             .version = {},
                             .config_match = true,
                             .links = {},
                             .digest = {}};
      if (const auto* member = core_.in_view() ? core_.exchange().member(n.id) : nullptr) {
        node.online = true;
        node.version = member->state.version;
        node.config_match = member->state.cluster_hash == options_.settings.cluster_hash;
      }
      for (const membership::LinkState& link : links_to(n.id)) node.links.push_back({.number = link.link, .up = link.connected});
      digests_.fill(node, now);
      cluster.nodes.push_back(std::move(node));
    }
    report.cluster = std::move(cluster);
  }
  auto views = core_.describe_all();
  for (const auto& [name, v] : vips_) {
    const vip::TakeoverCore::VipView& view = views[name];  // Of one that the core does not know yet: nothing.
    admin::VipStatus out;
    out.name = name;
    out.address = v.settings.address.to_string();
    out.interface = v.link.index == 0 ? v.wanted : v.link.name;
    out.state = std::string(vip::to_string(view.state));
    if (view.holder != kNoNode) out.holder = name_of(view.holder);
    out.waits_for = view.waits_for;
    out.held_here = view.held_here;
    out.epoch = view.epoch;
    out.lease_ms = to_ms(view.lease_left);
    out.enabled = !core_.is_on(OverrideKind::kVipDisabled, name);
    out.flapping = view.flapping;
    for (const PendingDrain& d : drains_) {
      if (d.vip == name) out.drains_for_ms = std::max<std::int64_t>(to_ms(d.until - clock_.now()), 1);
    }
    describe_history(v.history, out);
    for (const auto& [node, why] : view.ineligible) out.eligible.push_back({.node = name_of(node), .ok = why.empty(), .reason = why});
    report.vips.push_back(std::move(out));
  }
}

void TakeoverRunner::show(const admin::NodeReport& report) {
  if (client_ == nullptr) return;
  NodeDigest own = digest_of(report, options_.incarnation);
  const Instant now = clock_.now();
  digests_.received(options_.settings.self, own, now);  // Nobody else has to hear it, and in no cluster nobody does.
  if (core_.in_view() && digests_.due(own, now)) send(std::move(own));
}

}  // namespace fairlead::daemon
