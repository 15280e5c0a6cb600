// fairlead: pure
#include "vip/takeover_core.h"

#include <algorithm>

#include "base/overloaded.h"
#include "vip/mutant.h"

namespace fairlead::vip {
namespace {

constexpr Duration kBackoffStep = 300ms;  ///< Longer than three probes and their answers.

std::string key_of(OverrideKind kind, const std::string& name) { return std::to_string(static_cast<int>(kind)) + ' ' + name; }

}  // namespace

TakeoverCore::TakeoverCore(Settings settings, Incarnation incarnation, std::vector<Override> kept, Instant now)
    : settings_(std::move(settings)),
      incarnation_(incarnation),
      started_(now),
      joined_(now),
      wait_from_(now),
      now_(now),
      tie_(settings_.is_two_node() ? TieBreak(settings_.tie_count(), settings_.tie_needs_all, now) : TieBreak()) {
  for (const VipSettings& vip : settings_.vips) records_.emplace(vip.name, Record(vip));
  for (Override& wish : kept) {
    last_wish_ = std::max(last_wish_, wish.stamp.sequence);
    const std::string key = key_of(wish.kind, wish.name);
    overrides_[key] = std::move(wish);
  }
}

// ---- time ----

void TakeoverCore::turn(Instant now, Instant boot, TakeoverActions& out) {
  if (!FL_RULE(kR7BootClock, true)) boot = now;
  const Duration gap = turned_ ? boot - now_ : Duration::zero();
  now_ = boot;
  ahead_ = boot - now;
  turned_ = true;
  if (gap <= kOwnPauseMax || !FL_RULE(kR7Pause, true)) return;
  pause_end_ = now_;
  third_vote_.forget();
  for (auto& [name, record] : records_) {
    // R19; as soon as the lease is proved anew (R7).
    if (FL_RULE(kR7Announce, record.holder.is_held())) record.holder.announce_again(now_);
  }
  exchange_.forgive(now_);
  tie_.probe_soon();
  peer_heard_ = now_;
  const bool too_long = gap > sleep_max();
  if (too_long) {  // R7: before any descriptor is read.
    lease_.drop();
    for (auto& [name, record] : records_) {
      VipHolder::Step step;
      record.holder.drop(HolderEvent::kLeaseLost, now_, step);
      carry(name, record, std::move(step), out);
    }
  }
  out.emplace_back(
      TakeoverNote{MessageId::CLUSTER_OWN_PAUSE, {{"paused_ms", std::to_string(to_ms(gap))}, {"released", too_long ? "true" : "false"}}});
  beat_now_ = true;
}

void TakeoverCore::tick(TakeoverActions& out) {
  if (in_view_) {
    leave_out_silent(out);
    check_settled();
    for (const auto& [name, record] : records_) state_dirty_ = state_dirty_ || (record.yield_said && now_ >= record.holder.yield_until());
    if (tie_.is_configured() && own_armed_said_ != tie_.is_armed(now_)) state_dirty_ = true;
  }
  settle(out);
}

/// What every input ends with.
void TakeoverCore::settle(TakeoverActions& out) {
  run_holders(out);
  if (tie_.probe_due(is_tie_urgent(), now_)) out.emplace_back(ProbeTie{});
  if (!in_view_) return;
  if (beat_now_ || now_ >= beat_at_) send_beat(out);
  if (state_dirty_) send_state(out);
  propose(out);
}

Instant TakeoverCore::next_deadline() const {
  Instant next = Instant::max();
  const auto consider = [&](Instant at) {
    if (at > now_) next = std::min(next, at);  // What is overdue waits for facts, not for time; the next beat looks again.
  };
  for (const auto& [name, record] : records_) {
    consider(record.holder.next_deadline(facts_of(name, record)));
    if (record.holder.may_be_present()) consider(alone_grace_);
    if (record.holder.may_be_present()) consider(is_alone() && tie_.is_configured() ? tie_.last() + kTieAnswerFresh + 1ms : lease_.until());
    consider(record.holder.yield_until());
  }
  if (!in_view_) return on_callers_clock(next);
  next = std::min(next, std::max(beat_at_, now_));
  consider(exchange_.next_overdue(kSilenceMax));
  consider(tie_.next_probe(is_tie_urgent()));
  return on_callers_clock(next);
}

/// Counts for everybody from the delivery of the state that says so: L of the holder and P of the others have to go together (R4).
void TakeoverCore::timing(const Timing& timing) {
  if (timing == own_timing_) return;
  own_timing_ = timing;
  state_dirty_ = true;
}

// ---- views ----

void TakeoverCore::view(const ClusterView& view, const ClusterProcess& self, TakeoverActions& out) {
  self_ = self;
  if (in_view_ && view.round() == exchange_.round()) {
    exchange_.set_quorate(view.quorate);
    plan_due_ = true;
    settle_lease();
    return settle(out);
  }
  begin_round(view, out);
  settle(out);
}

void TakeoverCore::begin_round(const ClusterView& view, TakeoverActions& out) {
  const std::vector<NodeId> before = in_view_ ? exchange_.view().nodes : std::vector<NodeId>{};
  const bool was_alone = is_alone() || is_peer_quiet();
  for (auto& [name, record] : records_) {
    if (record.holder.may_be_present()) record.held_with.insert(before.begin(), before.end());
    record.claims.clear();
    record.assigned_to.clear();
  }
  if (settings_.is_two_node()) {
    const bool had_peer = std::find(before.begin(), before.end(), peer()) != before.end();
    if (view.has_node(peer())) {
      disarmed_ = false;
    } else if (had_peer && tie_.is_configured() && !peer_armed_ && !own_armed_said_) {
      disarmed_ = true;
      out.emplace_back(TakeoverNote{MessageId::TIE_BREAK_DISARMED, {}});
    }
  }
  if (!in_view_) {
    joined_ = now_;
    met_everybody_ = false;
  }
  third_vote_.begin_round(is_other_silent(), now_);
  exchange_.begin(view, now_);
  if (was_alone && !is_alone()) alone_grace_ = now_ + kSilenceMax;
  const bool new_ring = view.ring != accounted_ring_;
  if (new_ring) accounted_.clear();
  accounted_ring_ = view.ring;
  promises_.begin_round(accounted_);
  lease_.begin_round();
  in_view_ = true;
  completed_ = assigned_ = false;
  proposed_.reset();
  silent_.clear();
  plan_due_ = true;
  merged_ = new_ring && view.nodes.size() > 1;
  if (!is_alone())
    alone_since_ = Instant::max();
  else if (alone_since_ == Instant::max())
    alone_since_ = now_;
  asked_out_.clear();
  round_began_ = now_;
  peer_heard_ = now_;
  state_dirty_ = true;
  beat_now_ = true;
}

void TakeoverCore::lost(TakeoverActions& out) {
  if (!FL_RULE(kR9Lost, true)) return;
  in_view_ = completed_ = assigned_ = false;
  settled_ = false;
  began_apart_ = true;
  wait_from_ = now_;
  proposed_.reset();
  alone_since_ = Instant::max();
  lease_.drop();
  for (auto& [name, record] : records_) {
    record.forced = false;
    VipHolder::Step step;
    record.holder.drop(HolderEvent::kLeaseLost, now_, step);
    carry(name, record, std::move(step), out);
  }
}

/// By id.
int TakeoverCore::rank() const {
  const auto self =
      std::find_if(settings_.nodes.begin(), settings_.nodes.end(), [this](const NodeName& n) { return n.id == settings_.self; });
  return static_cast<int>(self - settings_.nodes.begin());
}

/// R13
void TakeoverCore::check_settled() {
  if (!completed_) return;
  const bool everybody = exchange_.members().size() == settings_.nodes.size();
  if (everybody) began_apart_ = false;
  if (settled_) return;
  const bool waited = now_ >= wait_from_ + settings_.start_wait + rank() * Duration(1s) && exchange_.view().quorate &&
                      (!is_alone() || (tie_.is_configured() && tie_.is_fresh(now_)));
  if (FL_RULE(kR13Start, !everybody && !waited)) return;
  settled_ = true;
  state_dirty_ = true;
}

/// R2
void TakeoverCore::leave_out_silent(TakeoverActions& out) {
  for (const ClusterProcess& process : exchange_.overdue(now_, kSilenceMax)) {
    if (process == self_ || !asked_out_.insert(process).second) continue;
    out.emplace_back(SendMessage{Exclude{exchange_.round(), process}});
  }
}

// ---- who is alone (R11) ----

NodeId TakeoverCore::peer() const {
  for (const NodeName& node : settings_.nodes) {
    if (node.id != settings_.self) return node.id;
  }
  return kNoNode;
}

bool TakeoverCore::is_alone() const { return in_view_ && settings_.is_two_node() && !exchange_.view().has_node(peer()); }

/// The ring says it is there, and nothing is heard of it: a link that is cut one way, or a ring that has not noticed yet.
bool TakeoverCore::is_peer_quiet() const {
  if (!in_view_ || !settings_.is_two_node() || is_alone()) return false;
  return exchange_.has_daemon(peer()) && now_ > peer_heard_ + kTieAnswerFresh;
}

/// Two majorities share a node that remembers; these two would share the device, which does not. Such a view takes by probes only (R5b).
bool TakeoverCore::is_quorate_by_third_vote() const {
  return settings_.qdevice_votes > 0 && exchange_.view().nodes.size() < settings_.majority();
}

/// R7, R12: how long this machine may stand still and hold all the same. What it proved with the device's vote binds nobody else.
Duration TakeoverCore::sleep_max() const {
  if (!in_view_ || !FL_RULE(kR12Sleep, is_quorate_by_third_vote())) return timing_.lease();
  return exchange_.view().quorate ? kThirdVoteSleepMax : kOwnPauseMax;
}

/// R12: of two nodes the other daemon says nothing in a ring that turns, as when it hangs. Whatever it does next, it delivers the holder's
/// beats before; after kSilenceMax it is left out, and its vote counts as given (vip/lease.h).
bool TakeoverCore::is_other_silent() const {
  return FL_RULE(kR12OtherSilent, in_view_) && settings_.nodes.size() == 2 && exchange_.view().quorate && third_vote_.is_counted(now_) &&
         exchange_.has_daemon(peer()) && now_ > peer_heard_ + kThirdVoteFresh;
}

bool TakeoverCore::may_stay_alone() const { return !FL_RULE(kR11Stay, true) || !tie_.is_configured() || disarmed_ || tie_.is_fresh(now_); }

// ---- leases ----

bool TakeoverCore::is_covered(const Record& record) const {
  if (!in_view_) return false;
  if (record.forced) return true;
  if (!FL_RULE(kR4Lease, lease_.until() <= now_) && lease_.proved() >= record.first_beat) return true;
  // The peer cannot take it meanwhile: this node claims it in the exchange, and being left out of that takes as long.
  if (FL_RULE(kR11Return, now_ < alone_grace_) && record.holder.may_be_present()) return may_stay_alone();
  // Of more than two nodes the others may be a majority without the device, so that its vote says nothing about them.
  if (settings_.qdevice_votes > 0 && settings_.nodes.size() == 2 && record.holder.may_be_present())
    return FL_RULE(kR12StandsIn, third_vote_.stands_in(exchange_.view().quorate, now_)) || is_other_silent();
  if (!is_alone() && !is_peer_quiet()) return false;
  if (record.holder.may_be_present()) return may_stay_alone();
  return is_alone() && (!FL_RULE(kR11Take, true) || (tie_.is_configured() && !disarmed_ && tie_.is_fresh(now_)));
}

/// R5(a), and when not to believe it: while somebody is bound to another holder, or may have forgotten that he is (a member that has just
/// started, a node whose daemon is gone and was not heard in this ring): there may have been a later holder that this one has not heard of.
bool TakeoverCore::trusts_release(const std::string& vip, const Record& record) const {
  if (!FL_RULE(kR5Release, true)) return true;
  if (!record.released_before || !completed_ || !record.claims.empty()) return false;
  if (is_alone() || FL_RULE(kR12NoMemory, is_quorate_by_third_vote())) return false;
  if (is_everybody_here()) return true;
  // A promise that has ended does not say that the address is gone: its holder may be one whose daemon and guard are both dead.
  const Duration own_memory = timing_.promise() + record.holder.settings().kernel_lease;
  return (met_everybody_ || now_ >= joined_ + own_memory) &&
         promises_.is_free(vip, settings_.self, now_ - record.holder.settings().kernel_lease);
}

/// Every configured node is a member: who has the address said so, and cleaned up when it started (R13).
bool TakeoverCore::is_everybody_here() const { return completed_ && exchange_.members().size() == settings_.nodes.size(); }

HolderFacts TakeoverCore::facts_of(const std::string& vip, const Record& record) const {
  HolderFacts facts;
  facts.covered = is_covered(record);
  facts.proved_sent = lease_.proved_sent();
  facts.alive_at = is_alone() ? std::max(lease_.proved_sent(), tie_.last()) : lease_.proved_sent();
  facts.fresh = record.forced || !FL_RULE(kR7Fresh, facts.alive_at < pause_end_);
  facts.alone_since = alone_since_;
  facts.claimed = !record.claims.empty();
  if (is_alone()) facts.backoff = rank() * kBackoffStep;
  if (record.holder.state() != HolderState::kWaiting) return facts;  // The rest is for those who wait.
  facts.cleared = trusts_release(vip, record);
  if (FL_RULE(kR4Promise, true))
    facts.free_at = is_everybody_here() ? promises_.to(vip, record.assigned_to) : promises_.of_view(vip, settings_.self);
  const bool alone_may = !is_alone() || !FL_RULE(kR11Take, true) || (tie_.is_configured() && !disarmed_ && tie_.is_fresh(now_));
  facts.may_take = in_view_ && assigned_ && !leaving_ && record.owner == settings_.self && !facts.claimed && record.local.able &&
                   exchange_.view().quorate && alone_may;
  if (record.forced) {
    facts.may_take = in_view_;  // The probes still have to find nobody: the operator may be wrong.
    facts.free_at = Instant::min();
  }
  return facts;
}

// ---- holders ----

void TakeoverCore::run_holders(TakeoverActions& out) {
  for (auto& [name, record] : records_) {
    VipHolder::Step step;
    if (record.next_settings && !record.holder.may_be_present()) {
      record.holder.set_settings(*record.next_settings);
      record.next_settings.reset();
    }
    record.holder.tick(facts_of(name, record), now_, step);
    carry(name, record, std::move(step), out);
    if (!is_named(record)) record.first_beat = kNotNamed;
  }
}

void TakeoverCore::carry(const std::string& vip, Record& record, VipHolder::Step&& step, TakeoverActions& out) {
  for (const HolderNote& n : step.notes) note(vip, n, out);
  for (const HolderAction& action : step.actions) {
    switch (action.kind) {
      case HolderActionKind::kSayReleased: {
        const bool clear = !action.foreign && (action.was_present || (record.released_before && record.claims.empty()));
        record.said_released = std::max(record.said_released, action.epoch);
        record.first_beat = kNotNamed;
        out.emplace_back(SendMessage{Released{vip, action.epoch, settings_.self, incarnation_, clear}});
        state_dirty_ = true;
        break;
      }
      case HolderActionKind::kBeatNow:
        beat_now_ = true;
        if (is_alone()) tie_.probe_soon();  // Its answer is the proof then.
        break;
      case HolderActionKind::kAdd:
        if (record.holder.state() == HolderState::kAdding) record.held_with.clear();
        out.emplace_back(VipAction{action.kind, vip, action.epoch});
        break;
      default: out.emplace_back(VipAction{action.kind, vip, action.epoch}); break;
    }
  }
}

void TakeoverCore::note(const std::string& vip, const HolderNote& n, TakeoverActions& out) {
  const auto id = [&] {
    switch (n.event) {
      case HolderEvent::kAcquired: return MessageId::VIP_ACQUIRED;
      case HolderEvent::kReleased: return MessageId::VIP_RELEASED;
      case HolderEvent::kLeaseLost: return MessageId::VIP_LEASE_LOST;
      case HolderEvent::kForeignClaim: return MessageId::VIP_FOREIGN_CLAIM;
      case HolderEvent::kProxyArp: return MessageId::VIP_PROXY_ARP;
      case HolderEvent::kAddFailed: return MessageId::VIP_ADD_FAILED;
      case HolderEvent::kRemoveFailed: return MessageId::VIP_REMOVE_FAILED;
      case HolderEvent::kRepaired: return MessageId::VIP_REPAIRED;
      case HolderEvent::kYielded: return MessageId::VIP_YIELDED;
      case HolderEvent::kClaimLost: return MessageId::VIP_CLAIM_LOST;
    }
    return MessageId::VIP_LEASE_LOST;
  }();
  std::vector<LogField> fields{{"vip", vip}, {"address", records_.at(vip).holder.settings().address.to_string()}};
  switch (n.event) {
    case HolderEvent::kAcquired: fields.push_back({"took_ms", std::to_string(to_ms(n.took))}); break;
    case HolderEvent::kReleased:
    case HolderEvent::kLeaseLost: fields.push_back({"held_ms", std::to_string(to_ms(n.took))}); break;
    case HolderEvent::kForeignClaim:
    case HolderEvent::kProxyArp: fields.push_back({"mac", n.detail}); break;
    case HolderEvent::kAddFailed:
    case HolderEvent::kRemoveFailed: fields.push_back({"error", n.detail}); break;
    case HolderEvent::kRepaired:
    case HolderEvent::kYielded:
    case HolderEvent::kClaimLost: break;
  }
  out.emplace_back(TakeoverNote{id, std::move(fields)});
}

// ---- own inputs ----

void TakeoverCore::local(const std::string& vip, LocalVip facts, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end() || found->second.local == facts) return;
  Record& record = found->second;
  if (facts.serves && !record.local.serves) record.serves_since = now_;
  record.local = std::move(facts);
  state_dirty_ = true;
  settle(out);
}

void TakeoverCore::tie_answered(std::uint32_t target) {
  if (FL_RULE(kR7Answer, now_ < pause_end_ + kStaleFrames)) return tie_.probe_soon();  // Perhaps of before this machine slept.
  tie_.answered(target, now_);
}

void TakeoverCore::third_vote(bool counted, Instant asked, TakeoverActions& out) {
  const Instant at = asked + ahead_;
  if (at < pause_end_) return;  // Asked before this machine slept.
  third_vote_.seen(counted, at);
  settle(out);
}

void TakeoverCore::kernel_done(const std::string& vip, HolderActionKind what, const KernelAnswer& answer, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end()) return;
  VipHolder::Step step;
  found->second.holder.kernel_done(what, answer, now_, step);
  carry(vip, found->second, std::move(step), out);
  state_dirty_ = true;
  settle(out);
}

void TakeoverCore::reset_done(const std::string& vip, Epoch epoch, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end()) return;
  VipHolder::Step step;
  found->second.holder.reset_done(epoch, step);
  carry(vip, found->second, std::move(step), out);
}

void TakeoverCore::kernel_gone(const std::string& vip, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end()) return;
  VipHolder::Step step;
  found->second.holder.kernel_gone(now_, step);
  carry(vip, found->second, std::move(step), out);
  beat_now_ = true;  // R20 waits for a proof after this.
  settle(out);
}

void TakeoverCore::answered(const std::string& vip, const std::string& mac, bool gateway, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end()) return;
  VipHolder::Step step;
  found->second.holder.answered(mac, gateway, now_, step);
  carry(vip, found->second, std::move(step), out);
  settle(out);
}

void TakeoverCore::claimed(const std::string& vip, const std::string& mac, TakeoverActions& out) {
  const auto found = records_.find(vip);
  if (found == records_.end()) return;
  VipHolder::Step step;
  found->second.holder.claimed(mac, now_, step);
  carry(vip, found->second, std::move(step), out);
  settle(out);
}

/// R13. Only after a start alone: whoever met the others since knows who is to take it, and other programs ask by such frames, too.
void TakeoverCore::probed(const std::string& vip) {
  const auto found = records_.find(vip);
  if (found == records_.end() || !began_apart_ || !is_alone() || !FL_RULE(kR13Conflict, true)) return;
  found->second.holder.probed(rank() * kBackoffStep, now_);
}

void TakeoverCore::probe_failed(const std::string& vip) {
  if (const auto found = records_.find(vip); found != records_.end()) found->second.holder.probe_failed();
}

void TakeoverCore::leave(TakeoverActions& out) {
  leaving_ = true;
  for (auto& [name, record] : records_) {
    VipHolder::Step step;
    record.holder.unassign(/*planned=*/true, now_, step);
    carry(name, record, std::move(step), out);
  }
  state_dirty_ = true;
  settle(out);
}

bool TakeoverCore::is_clear() const {
  return std::all_of(records_.begin(), records_.end(), [](const auto& entry) { return entry.second.holder.state() == HolderState::kIdle; });
}

void TakeoverCore::configure(Settings settings, TakeoverActions& out) {
  for (auto& [name, record] : records_) {
    if (!record.configured || settings.find(name) != nullptr) continue;
    record.configured = false;
    VipHolder::Step step;
    record.holder.unassign(/*planned=*/true, now_, step);
    carry(name, record, std::move(step), out);
  }
  for (const VipSettings& vip : settings.vips) {
    Record& record = records_.try_emplace(vip.name, vip).first->second;
    const VipSettings& now = record.holder.settings();
    const bool elsewhere = now.address != vip.address || now.placement != vip.placement;
    record.configured = true;
    record.next_settings.reset();
    if (!record.holder.may_be_present() || !elsewhere) {
      record.holder.set_settings(vip);
      continue;
    }
    record.next_settings = vip;  // What is deleted has to be what was added.
    VipHolder::Step step;
    record.holder.unassign(/*planned=*/true, now_, step);
    carry(vip.name, record, std::move(step), out);
  }
  const bool other_tie = settings.is_two_node() != settings_.is_two_node() || settings.tie_targets != settings_.tie_targets ||
                         settings.tie_needs_all != settings_.tie_needs_all;
  if (other_tie) tie_.retarget(settings.is_two_node() ? settings.tie_count() : 0, settings.tie_needs_all, now_);
  settings_ = std::move(settings);
  forget_unnamed();
  prune_wishes();
  state_dirty_ = plan_due_ = true;
  settle(out);
}

// ---- what there is to see ----

const VipHolder* TakeoverCore::holder(const std::string& vip) const {
  const auto found = records_.find(vip);
  return found == records_.end() ? nullptr : &found->second.holder;
}

bool TakeoverCore::is_on(OverrideKind kind, const std::string& name) const {
  const auto found = overrides_.find(key_of(kind, name));
  return found != overrides_.end() && found->second.on;
}

TakeoverCore::VipView TakeoverCore::describe(const std::string& vip) const {
  const auto found = records_.find(vip);
  return found == records_.end() ? VipView{} : describe(vip, found->second, plan_input());
}

std::map<std::string, TakeoverCore::VipView> TakeoverCore::describe_all() const {
  std::map<std::string, VipView> views;
  const PlanInput input = plan_input();
  for (const auto& [name, record] : records_) views[name] = describe(name, record, input);
  return views;
}

NodeId TakeoverCore::holder_seen(const std::string& vip) const {
  const auto found = records_.find(vip);
  return found == records_.end() ? kNoNode : holder_of(vip, found->second);
}

NodeId TakeoverCore::holder_of(const std::string& vip, const Record& record) const {
  if (record.holder.is_here()) return settings_.self;
  if (!in_view_) return kNoNode;
  NodeId holder = kNoNode;
  for (const Exchange::Member* m : exchange_.members()) {
    if (m->process.node == settings_.self) continue;
    const auto& vips = m->state.vips;
    const bool holds = std::any_of(vips.begin(), vips.end(), [&](const VipState& s) { return s.name == vip && s.holding; });
    if (holds && (holder == kNoNode || m->process.node == record.owner)) holder = m->process.node;
  }
  return holder;
}

/// For people; the conditions are those of VipHolder::wait() and facts_of(), in their order.
std::string TakeoverCore::waits_for(const std::string& vip, const Record& record) const {
  const HolderFacts facts = facts_of(vip, record);
  if (now_ < record.holder.yield_until()) return "it was given up a moment ago";
  if (!facts.may_take) {
    if (!exchange_.view().quorate) return "this part of the cluster is not quorate";
    if (!record.claims.empty()) return name_of(*record.claims.begin()) + " says that it has it";
    if (!record.local.able) return record.local.reason;
    if (is_alone() && !tie_.is_configured()) return "of two nodes without tie_break and qdevice none takes over when it loses the other";
    if (is_alone())
      return disarmed_ ? "the tie-break routers were silent already before the other node was lost" : "no tie-break router answers";
    return "the plan of this membership is not made yet";
  }
  if (!facts.cleared && !record.holder.answering_mac().empty()) return record.holder.answering_mac() + " answers for the address";
  if (!facts.cleared && facts.free_at > now_)
    return "the one before may still have it, for " + std::to_string(to_ms(facts.free_at - now_)) + " ms at most";
  if (!facts.covered || !facts.fresh) return "a majority has not acknowledged it yet";
  return "the others are being asked whether anybody has it";
}

TakeoverCore::VipView TakeoverCore::describe(const std::string& vip, const Record& record, const PlanInput& input) const {
  VipView view;
  view.state = record.holder.state();
  view.epoch = record.epoch;
  view.owner = record.owner;
  view.holder = holder_of(vip, record);
  view.held_here = record.holder.is_here();
  if (record.holder.state() == HolderState::kWaiting)
    view.waits_for = waits_for(vip, record);
  else if (in_view_ && view.holder == kNoNode && record.owner != kNoNode && record.owner != settings_.self)
    view.waits_for = name_of(record.owner) + " is to take it, and knows what it waits for: ask there";
  view.flapping = is_flapping(record);
  if (view.held_here) view.lease_left = lease_left();
  if (!completed_) return view;
  for (const MemberFacts& m : input.members) view.ineligible[m.node] = why_ineligible(input, vip, m.node);
  return view;
}

}  // namespace fairlead::vip
