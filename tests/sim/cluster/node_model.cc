#include "tests/sim/cluster/node_model.h"

#include <algorithm>

#include "base/overloaded.h"
#include "tests/sim/cluster/cluster_site.h"
#include "tests/sim/cluster/newer_release.h"
#include "vip/mutant.h"

namespace fairlead::vip::sim {
namespace {

constexpr Instant kBoot{1h};

}  // namespace

NodeModel::NodeModel(Site& site, int index, Settings settings, Timing timing)
    : site_(site), index_(index), settings_(std::move(settings)), timing_(timing) {}

World& NodeModel::world() const { return site_.world(); }
CorosyncModel& NodeModel::corosync() const { return site_.corosync(); }
Instant NodeModel::clock() const { return kBoot + Duration(world().now - mono_lag_); }
Instant NodeModel::boot_clock() const { return kBoot + Duration(world().now - boot_lag_); }
std::string NodeModel::name_of(int vip) { return "v" + std::to_string(vip); }
int NodeModel::index_of(const std::string& vip) const { return vip[1] - '0'; }

// ---- the control loop ----

void NodeModel::wake(At at) {
  if (at >= wake_at_) return;
  wake_at_ = at;
  world().queue.push(std::max(at, world().now), EventKind::kDaemon, index_, 0, ++wake_generation_);
}

void NodeModel::turn(std::uint32_t generation) {
  if (generation != wake_generation_) return;
  wake_at_ = kNever;
  if (daemon_alive_ && daemon_hung_) return;
  if (!daemon_alive_) {
    take_ring();
    inputs_.clear();
    if (const At next = corosync().next_at(index_); next != kNever) wake(next);
    return;
  }
  actions_.clear();
  note_pause();
  (void)tell(TurnInput{clock(), boot_clock()});
  if (std::any_of(inputs_.begin(), inputs_.end(), [](const Input& in) { return in.kind == Input::Kind::kLost; })) {
    (void)tell(LostInput{});  // The dead handles are seen before there can be new ones (R9).
    std::erase_if(inputs_, [](const Input& in) { return in.kind == Input::Kind::kLost; });
  }
  take_ring();
  take_inputs();
  (void)tell(TickInput{});
  carry_out();
  plan_next_turn();
}

Status NodeModel::tell(const TakeoverInput& input) {
  Recorder* recorder = site_.options().recorder;
  if (recorder != nullptr) recorder->told(index_, input);
  const std::size_t before = actions_.size();
  Status status = apply(*core_, input, actions_);
  for (std::size_t i = before; recorder != nullptr && i < actions_.size(); ++i) recorder->answered(index_, actions_[i]);
  return status;
}

void NodeModel::tell_local() {
  for (int vip = 0; vip < site_.vips(); ++vip) (void)tell(LocalInput{name_of(vip), local_facts()});
}

Status NodeModel::run(const TakeoverInput& first, bool and_local) {
  actions_.clear();
  note_pause();
  (void)tell(TurnInput{clock(), boot_clock()});
  Status status = tell(first);
  if (and_local) tell_local();
  carry_out();
  plan_next_turn();
  return status;
}

void NodeModel::note_pause() {
  after_pause_ = turned_ != Instant{} && boot_clock() - turned_ > 200ms;
  turned_ = boot_clock();
}

void NodeModel::plan_next_turn() {
  At next = corosync().next_at(index_);
  for (const Input& in : inputs_) next = std::min(next, in.at);
  const Instant deadline = core_->next_deadline();
  if (deadline != Instant::max()) {
    const At late = world().between(0, 200 * kUs);
    turn_late_ = world().busy(2 * kMs, std::min(world().hiccup, 40 * kMs));  // R22
    next = std::min(next, world().now + std::max<At>((deadline - clock()).count(), 0) + late + turn_late_);
  }
  if (next != kNever) wake(next);
}

void NodeModel::take_ring() {
  while (corosync().has_item(index_, world().now)) {
    const CorosyncModel::Item item = corosync().take(index_);
    if (daemon_alive_ && connected_) {
      const ClusterProcess self{settings_.self, daemon_pid_};
      if (item.is_view) {
        const ClusterView& view = corosync().view(item.index);
        if (view.has_process(self)) {
          in_group_ = true;
          if (world().trace) {
            std::string who;
            for (const NodeId n : view.nodes) who += " " + std::to_string(to_number(n));
            site_.log(index_, "view " + view.ring.to_string() + " nodes" + who + " processes " + std::to_string(view.processes.size()) +
                                  (view.quorate ? " quorate" : ""));
          }
          (void)tell(ViewInput{view, self});
          if (++views_ % 8 == 0) (void)tell(ViewInput{view, self});  // Corosync's callbacks may come twice.
        }
      } else if (in_group_) {
        const CorosyncModel::Packet& packet = corosync().packet(item.index);
        (void)tell(DeliveredInput{packet.from, packet.message});
      }
    }
    corosync().done_with(item);
  }
}

void NodeModel::take_inputs() {
  for (std::size_t i = 0; i < inputs_.size();) {
    if (inputs_[i].at > world().now) {
      ++i;
      continue;
    }
    const Input in = inputs_[i];
    inputs_.erase(inputs_.begin() + static_cast<std::ptrdiff_t>(i));
    switch (in.kind) {
      case Input::Kind::kKernelDone: (void)tell(KernelDoneInput{name_of(in.vip), in.what, {in.ok, in.ok ? "" : "EBUSY", in.unsure}}); break;
      case Input::Kind::kResetDone: (void)tell(ResetDoneInput{name_of(in.vip), in.epoch}); break;
      case Input::Kind::kGone: (void)tell(KernelGoneInput{name_of(in.vip)}); break;
      case Input::Kind::kAnswered:
        (void)tell(AnsweredInput{name_of(in.vip), "02:00:00:00:00:0" + std::to_string(in.from + 1), false});
        break;
      case Input::Kind::kClaimed: (void)tell(ClaimedInput{name_of(in.vip), "02:00:00:00:00:0" + std::to_string(in.from + 1)}); break;
      case Input::Kind::kProbeFailed: (void)tell(ProbeFailedInput{name_of(in.vip)}); break;
      case Input::Kind::kProbed: (void)tell(ProbedInput{name_of(in.vip)}); break;
      case Input::Kind::kTie: (void)tell(TieAnsweredInput{static_cast<std::uint32_t>(in.from)}); break;
      case Input::Kind::kLocal: tell_local(); break;
      case Input::Kind::kVoteRead: read_vote(); break;
      case Input::Kind::kVoteTold: (void)tell(ThirdVoteInput{in.ok, in.asked}); break;
      case Input::Kind::kLost: break;
    }
  }
}

/// Another thread asks Corosync each 100 ms; one that stands still does not answer.
void NodeModel::read_vote() {
  input({.kind = Input::Kind::kVoteRead, .at = world().now + 100 * kMs});
  if (!connected_ || !corosync().is_up(index_)) return;
  input({.kind = Input::Kind::kVoteTold,
         .at = world().now + world().between(50 * kUs, 6 * kMs),
         .ok = corosync().has_third_vote(index_),
         .asked = clock()});
}

void NodeModel::input(Input in) {
  if (!daemon_alive_) return;
  const At at = in.at;
  inputs_.push_back(in);
  if (!daemon_hung_) wake(at);
}

void NodeModel::carry_out() {
  for (std::size_t i = 0; i < actions_.size(); ++i) {
    std::visit(Overloaded{
                   [&](SendMessage& send) {
                     if (const auto* released = std::get_if<Released>(&send.message)) {
                       site_.log(index_, "says Released " + released->vip + " epoch " + std::to_string(released->epoch) +
                                             (released->clear ? "" : " (not clear)"));
                       site_.oracle().said_released(index_, index_of(released->vip), released->epoch, incarnation_);
                     }
                     if (const auto* assign = std::get_if<Assign>(&send.message); assign != nullptr && world().trace) {
                       std::string table;
                       for (const Assignment& a : assign->table)
                         table += " " + a.vip + ":" + std::to_string(to_number(a.owner)) + "@" + std::to_string(a.epoch);
                       site_.log(index_, "assigns" + table);
                     }
                     if (const auto* state = std::get_if<NodeState>(&send.message); state != nullptr && world().trace)
                       site_.log(index_,
                                 "says its state" + std::string(state->settled ? ", settled" : "") + (connected_ ? "" : ", to nobody"));
                     if (site_.options().newer == index_) send.message = as_newer_release_says(send.message);
                     if (connected_) corosync().multicast(index_, daemon_pid_, std::move(send.message));
                   },
                   [&](VipAction& action) { act(action); },
                   [&](ProbeTie&) { site_.probe_tie(index_); },
                   [&](KeepOverrides& keep) { kept_ = keep.overrides; },
                   [&](TakeoverNote& note) {
                     if (!world().trace) return;
                     std::string text(to_string(note.id));
                     for (const LogField& field : note.fields) text += " " + std::string(field.key) + "=" + field.value;
                     site_.log(index_, text);
                   },
               },
               actions_[i]);
  }
  actions_.clear();
}

void NodeModel::act(const VipAction& action) {
  const int vip = index_of(action.vip);
  if (world().trace && action.kind != HolderActionKind::kRefresh && action.kind != HolderActionKind::kProbe) {
    static constexpr const char* kNames[] = {"probe", "add", "refresh", "remove", "announce", "reset", "released", "beat"};
    site_.log(index_,
              std::string("action ") + kNames[static_cast<int>(action.kind)] + " " + action.vip + " epoch " + std::to_string(action.epoch));
  }
  site_.oracle().acted(index_, vip, action.kind, action.epoch, incarnation_);
  if (after_pause_ && (action.kind == HolderActionKind::kAnnounce || action.kind == HolderActionKind::kRefresh))
    site_.oracle().violation("R7: announced or refreshed right after an own pause");
  switch (action.kind) {
    case HolderActionKind::kProbe:
      // A slow kernel's queues are full, too. Counted and not drawn: what else happens in a schedule stays the same.
      if (world().now < slow_until_ && ++slow_probes_ % 2 == 0)
        return input({.kind = Input::Kind::kProbeFailed, .at = world().now, .vip = vip});
      return site_.probe(index_, vip);
    case HolderActionKind::kAnnounce: return site_.announce(index_, vip);
    case HolderActionKind::kReset:
      return input(
          {.kind = Input::Kind::kResetDone, .at = world().now + world().between(100 * kUs, 9 * kMs), .vip = vip, .epoch = action.epoch});
    case HolderActionKind::kAdd:
    case HolderActionKind::kRefresh:
      if (guard_alive_) told_[vip] = {action.epoch, incarnation_};  // Before the kernel hears of it (R10).
      wanted_[static_cast<std::size_t>(vip)] = action.epoch;
      [[fallthrough]];
    case HolderActionKind::kRemove: return to_kernel(vip, action.kind, incarnation_);
    default: return;
  }
}

// ---- the kernel ----

void NodeModel::to_kernel(int vip, HolderActionKind kind, Incarnation incarnation) {
  At took = world().between(80 * kUs, 600 * kUs);
  if (world().now < slow_until_) took += world().between(5 * kMs, 30 * kMs);
  kernel_free_ = std::max(kernel_free_, world().now) + took;
  ops_.push_back({vip, kind, incarnation});
  world().queue.push(kernel_free_, EventKind::kKernelDone, index_, static_cast<std::uint32_t>(ops_.size() - 1));
}

void NodeModel::kernel_done(std::uint32_t index) {
  const KernelOp op = ops_[index];
  if (!powered_ || !daemon_alive_ || op.incarnation != incarnation_) return;  // Died with its caller.
  Address& address = addresses_[static_cast<std::size_t>(op.vip)];
  // A slow kernel also refuses to add, or does not answer in time whatever it did. (One that refuses to delete keeps nobody's promise.)
  const bool fails = op.kind == HolderActionKind::kAdd && !address.present && world().now < slow_until_ && world().one_in(6);
  const bool unsure = fails && world().one_in(2);
  if (fails && (!unsure || world().one_in(2))) {
    if (!unsure) told_.erase(op.vip);
    return input({.kind = Input::Kind::kKernelDone, .at = world().now, .vip = op.vip, .what = op.kind, .ok = false, .unsure = unsure});
  }
  if (op.kind == HolderActionKind::kRemove) {
    set_address(op.vip, false);
    told_.erase(op.vip);
  } else {
    const At late = world().one_in(20) ? 250 * kMs : world().between(5 * kMs, 60 * kMs);
    address.expires = world().now + 2 * kSecond + late;
    if (!address.expiry_set) {
      address.expiry_set = true;
      world().queue.push(address.expires, EventKind::kExpire, index_, static_cast<std::uint32_t>(op.vip));
    }
    set_address(op.vip, true);
  }
  if (op.kind != HolderActionKind::kRefresh)
    input({.kind = Input::Kind::kKernelDone, .at = world().now, .vip = op.vip, .what = op.kind, .ok = !fails, .unsure = unsure});
}

void NodeModel::set_address(int vip, bool present) {
  Address& address = addresses_[static_cast<std::size_t>(vip)];
  if (address.present == present) return;
  address.present = present;
  site_.log(index_, std::string(present ? "HAS v" : "has no longer v") + std::to_string(vip));
  site_.address_changed(index_, vip);
}

void NodeModel::expire(int vip) {
  Address& address = addresses_[static_cast<std::size_t>(vip)];
  address.expiry_set = false;
  if (!address.present) return;
  if (world().now < address.expires) {
    address.expiry_set = true;
    world().queue.push(address.expires, EventKind::kExpire, index_, static_cast<std::uint32_t>(vip));
    return;
  }
  site_.log(index_, "lifetime over");
  set_address(vip, false);
  input({.kind = Input::Kind::kGone, .at = world().now + 100 * kUs, .vip = vip});
}

void NodeModel::delete_address(int vip) {
  if (!has_address(vip)) return;
  set_address(vip, false);
  input({.kind = Input::Kind::kGone, .at = world().now + world().between(50 * kUs, 500 * kUs), .vip = vip});
}

// ---- what the network says ----

void NodeModel::answered(int vip, int from) { input({.kind = Input::Kind::kAnswered, .at = world().now, .vip = vip, .from = from}); }
void NodeModel::claimed(int vip, int from) { input({.kind = Input::Kind::kClaimed, .at = world().now, .vip = vip, .from = from}); }
void NodeModel::probed(int vip) { input({.kind = Input::Kind::kProbed, .at = world().now, .vip = vip}); }
void NodeModel::tie_answered(std::uint32_t target) {
  input({.kind = Input::Kind::kTie, .at = world().now, .from = static_cast<int>(target)});
}

LocalVip NodeModel::local_facts() const {
  LocalVip facts;
  facts.able = carrier_ && world().now >= carrier_counts_;
  facts.serves = serves_;
  if (!facts.able)
    facts.reason = "no carrier";
  else if (!facts.serves)
    facts.reason = "no server is up";
  return facts;
}

void NodeModel::set_carrier(bool up) {
  carrier_ = up;
  if (up) reappears(), carrier_back_at_ = world().now;
  if (up) carrier_counts_ = world().now + 3 * kSecond;  // R17
  site_.node_changed();
  input({.kind = Input::Kind::kLocal, .at = world().now + world().between(kMs, 8 * kMs)});
  if (up) input({.kind = Input::Kind::kLocal, .at = carrier_counts_ + kMs});
}

void NodeModel::set_serves(bool serves) {
  serves_ = serves;
  site_.node_changed();
  input({.kind = Input::Kind::kLocal, .at = world().now + world().between(kMs, 5 * kMs)});
}

void NodeModel::set_settings(Settings settings) {
  settings_ = std::move(settings);
  if (!daemon_alive()) return;
  if (proxy_runs()) (void)run(ConfigureInput{settings_}, /*and_local=*/true);
}

std::optional<Status> NodeModel::command(const TakeoverInput& what) {
  if (!proxy_runs()) return std::nullopt;
  return run(what);
}

// ---- lives of the daemon ----

void NodeModel::start_daemon(std::uint32_t generation) {
  if (!powered_ || daemon_alive_ || restart_held_ || generation != daemon_generation_) return;
  for (int vip = 0; vip < site_.vips(); ++vip) set_address(vip, false);  // R13: what an earlier life left.
  if (guard_alive_) kill_guard();
  daemon_alive_ = true;
  daemon_hung_ = false;
  daemon_pid_ = ++next_pid_;
  incarnation_ = next_pid_;
  connected_ = in_group_ = false;
  inputs_.clear();
  told_.clear();
  turned_ = {};
  core_ = std::make_unique<TakeoverCore>(settings_, incarnation_, kept_, clock());
  if (Recorder* recorder = site_.options().recorder) recorder->begins(index_, settings_, incarnation_, kept_, clock());
  site_.log(index_, "daemon starts");
  site_.node_changed();
  guard_alive_ = true;
  guard_hung_ = false;
  guard_pid_ = ++next_pid_;
  (void)run(TimingInput{timing_}, /*and_local=*/true);
  if (settings_.qdevice_votes > 0) read_vote();
  if (world().now < carrier_counts_) input({.kind = Input::Kind::kLocal, .at = carrier_counts_ + kMs});
  world().push(world().between(3 * kMs, 60 * kMs), EventKind::kJoin, index_, 0);
  world().push(world().between(3 * kMs, 60 * kMs), EventKind::kJoin, index_, 1);
}

void NodeModel::start_guard(std::uint32_t generation) {
  if (!daemon_alive_ || guard_alive_ || generation != guard_generation_) return;
  if (daemon_hung_) return world().push(50 * kMs, EventKind::kStartGuard, index_, 0, generation);
  guard_alive_ = true;
  guard_hung_ = false;
  guard_pid_ = ++next_pid_;
  for (int vip = 0; vip < site_.vips(); ++vip) {
    const VipHolder* holder = core_->holder(name_of(vip));
    if (holder != nullptr && holder->may_be_present()) told_[vip] = {wanted_[static_cast<std::size_t>(vip)], incarnation_};
  }
  world().push(world().between(3 * kMs, 20 * kMs), EventKind::kJoin, index_, 1);
}

void NodeModel::join(std::uint32_t who) {
  if (who == 2) return corosync().leave(index_, std::exchange(leave_later_, 0), false);
  if (!corosync().is_up(index_)) {
    if (corosync().is_alive(index_)) world().push(50 * kMs, EventKind::kJoin, index_, who);
    return;
  }
  if (who == 0) {
    if (!daemon_alive_ || connected_) return;
    if (daemon_hung_) return world().push(100 * kMs, EventKind::kJoin, index_, who);
    connected_ = true;
    corosync().join(index_, daemon_pid_);
  } else if (guard_alive_ && joined_guard_ != guard_pid_) {
    joined_guard_ = guard_pid_;
    corosync().join(index_, guard_pid_);
  }
}

void NodeModel::hold_restart(bool on) {
  if (restart_held_ && !on && powered_ && !daemon_alive_)
    world().push(world().between(10 * kMs, 60 * kMs), EventKind::kStartDaemon, index_, 0, ++daemon_generation_);
  restart_held_ = on;
}

void NodeModel::kill_daemon() {
  if (daemon_alive_) daemon_died();
}

void NodeModel::daemon_died() {
  site_.log(index_, "daemon is dead");
  if (daemon_hung_) hung_until_death_ = world().now;
  daemon_alive_ = false;
  daemon_hung_ = false;
  connected_ = in_group_ = false;
  inputs_.clear();
  core_.reset();
  corosync().leave(index_, daemon_pid_, true);
  site_.node_changed();
  if (guard_alive_) world().push(world().between(500 * kUs, 4 * kMs), EventKind::kGuard, index_, 0, guard_pid_);
  world().push(world().between(100 * kMs, 160 * kMs), EventKind::kStartDaemon, index_, 0, ++daemon_generation_);
  wake(world().now);
}

void NodeModel::hang_daemon(bool guard_too) {
  if (!daemon_alive_ || pause_ != Pause::kNone) return;
  daemon_hung_ = true;
  guard_hung_ = guard_hung_ || guard_too;
  site_.log(index_, guard_too ? "daemon and guard stand still" : "daemon stands still");
  site_.node_changed();
  if (guard_alive_) world().push(kSecond + world().between(0, 60 * kMs), EventKind::kGuard, index_, 0, guard_pid_);
}

void NodeModel::wake_daemon() {
  if (guard_hung_) {
    guard_hung_ = false;
    if (!daemon_alive_ && guard_alive_) world().push(kMs, EventKind::kGuard, index_, 0, guard_pid_);
    if (guard_alive_ && joined_guard_ == guard_pid_ && last_view_ != 0) hello(last_view_ - 1);
  }
  if (!daemon_alive_ || !daemon_hung_) return;
  daemon_hung_ = false;
  if (slept_ != Pause::kClockStops || world().now - woken_at_ > 3 * kSecond) slept_ = Pause::kClockRuns;
  woken_at_ = world().now;
  site_.log(index_, "daemon runs again");
  site_.node_changed();
  wake_at_ = kNever;
  wake(world().now + world().between(0, 500 * kUs));
}

// ---- the guard ----

void NodeModel::guard_acts(std::uint32_t pid) {
  if (!powered_ || !guard_alive_ || pid != guard_pid_ || guard_hung_) return;
  if (daemon_alive_ && !daemon_hung_) return;
  site_.log(index_, "guard acts");
  const bool hung = daemon_alive_;
  guard_deletes();
  if (hung) daemon_died();
  guard_alive_ = false;  // Its work is done; the next daemon brings its own.
  ++guard_generation_;
  leave_later_ = guard_pid_;
  world().push(2 * kMs, EventKind::kJoin, index_, 2);
}

void NodeModel::guard_deletes() {
  if (!FL_RULE(kR10Guard, true)) return;
  for (const auto& [vip, told] : told_) {
    set_address(vip, false);
    site_.oracle().said_released(index_, vip, told.epoch, told.incarnation);
    send_later(world().between(100 * kUs, 800 * kUs), guard_pid_,
               Released{name_of(vip), told.epoch, settings_.self, told.incarnation, true});
  }
  told_.clear();
}

void NodeModel::kill_guard() {
  if (!guard_alive_) return;
  guard_alive_ = false;
  guard_hung_ = false;
  told_.clear();
  ++guard_generation_;
  corosync().leave(index_, guard_pid_, true);
  if (daemon_alive_) world().push(world().between(10 * kMs, 100 * kMs), EventKind::kStartGuard, index_, 0, guard_generation_);
}

void NodeModel::view_arrives(std::uint32_t view, At at) {
  if (!guard_alive_) return;
  if (!corosync().view(view).has_process({settings_.self, guard_pid_})) return;
  last_view_ = view + 1;
  if (guard_hung_) return;
  send_later(at - world().now + world().between(100 * kUs, 2 * kMs), guard_pid_, GuardHello{corosync().view(view).round()});
}

void NodeModel::hello(std::uint32_t view) {
  send_later(world().between(100 * kUs, 2 * kMs), guard_pid_, GuardHello{corosync().view(view).round()});
}

void NodeModel::send_later(At delay, std::uint32_t pid, ClusterMessage message) {
  outbox_.push_back({pid, std::move(message)});
  world().push(delay, EventKind::kMessage, index_, static_cast<std::uint32_t>(outbox_.size() - 1));
}

void NodeModel::message_out(std::uint32_t index) {
  if (!powered_ || guard_hung_) return;
  corosync().multicast(index_, outbox_[index].pid, outbox_[index].message);
}

// ---- Corosync and the machine ----

void NodeModel::corosync_died() {
  joined_guard_ = 0;
  if (!daemon_alive_) return;
  connected_ = in_group_ = false;
  input({.kind = Input::Kind::kLost, .at = world().now + world().between(100 * kUs, 15 * kMs)});
}

void NodeModel::corosync_started() { world().push(world().between(380 * kMs, 600 * kMs), EventKind::kReconnect, index_); }

void NodeModel::reconnect() {
  if (!corosync().is_alive(index_)) return;
  if (daemon_hung_) return world().push(100 * kMs, EventKind::kReconnect, index_);
  if (daemon_alive_ && !connected_) join(0);
  if (guard_alive_) join(1);
}

void NodeModel::pause(Pause kind) {
  if (pause_ != Pause::kNone || !powered_) return;
  pause_ = kind;
  paused_at_ = world().now;
  pause_number_ = world().queue.number();
  site_.log(index_, "machine stands still");
  corosync().freeze(index_);
  site_.node_changed();
}

void NodeModel::resume() {
  if (pause_ == Pause::kNone) return;
  const At slept = world().now - paused_at_;
  // What an earlier pause took from its clock is still missing.
  if (slept_ != Pause::kClockStops || world().now - woken_at_ > 3 * kSecond) slept_ = pause_;
  if (pause_ != Pause::kClockRuns) mono_lag_ += slept;
  if (pause_ == Pause::kClockStops) boot_lag_ += slept;
  const bool stopped = pause_ != Pause::kClockRuns;
  pause_ = Pause::kNone;
  woken_at_ = world().now;
  late_when_woken_ = turn_late_;
  reappears();
  site_.log(index_, "machine runs again");
  if (stopped) {
    if (kernel_free_ > paused_at_) kernel_free_ += slept;  // What it was asked before is done before what it is asked now.
    for (Address& address : addresses_) address.expires += slept;
  }
  for (const Event& e : std::exchange(postponed_, {})) {
    const At left = stopped && e.number <= pause_number_ ? e.at - paused_at_ : 0;
    world().queue.push(world().now + left, e.kind, index_, e.arg, e.generation);
  }
  corosync().thaw(index_);
  site_.node_changed();
}

void NodeModel::power_off() {
  if (!powered_) return;
  site_.log(index_, "machine is dead");
  if (pause_ != Pause::kNone) {
    pause_ = Pause::kNone;
    postponed_.clear();
  }
  powered_ = restart_held_ = false;
  daemon_alive_ = daemon_hung_ = false;
  guard_alive_ = guard_hung_ = false;
  connected_ = in_group_ = false;
  core_.reset();
  inputs_.clear();
  told_.clear();
  ++daemon_generation_;
  ++guard_generation_;
  joined_guard_ = 0;
  for (int vip = 0; vip < site_.vips(); ++vip) set_address(vip, false);
  corosync().kill(index_, false);
  site_.node_changed();
}

void NodeModel::power_on() {
  if (powered_) return;
  powered_ = true;
  wake_at_ = kNever;
  corosync().start(index_);
  world().push(world().between(50 * kMs, 800 * kMs), EventKind::kStartDaemon, index_, 0, daemon_generation_);
}

}  // namespace fairlead::vip::sim
