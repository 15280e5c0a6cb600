// fairlead: pure
// TakeoverCore's half that talks: what it says of itself, and what delivered messages mean to it.
#include <algorithm>

#include "base/overloaded.h"
#include "vip/mutant.h"
#include "vip/takeover_core.h"

namespace fairlead::vip {
namespace {

constexpr std::size_t kRecordsMax = 64;  ///< Own VIPs and those of others: as many as one Assign names.
constexpr Duration kRequestLife = 5s;    ///< R16: then whoever asked for the move was told that it is not done.

std::string key_of(const Override& wish) { return std::to_string(static_cast<int>(wish.kind)) + ' ' + wish.name; }
std::uint32_t ms_of(Duration d) { return static_cast<std::uint32_t>(std::clamp<std::int64_t>(to_ms(d), 0, 0xffffffff)); }

}  // namespace

void TakeoverCore::delivered(const ClusterProcess& from, const ClusterMessage& message, TakeoverActions& out) {
  if (!in_view_ || !concerns_vips(message)) return;
  std::visit(Overloaded{
                 [](const NodeDigest&) {},
                 [](const LeaseUpdate&) {},
                 [](const LeaseDigest&) {},
                 [&](const NodeState& m) { on_state(from, m, out); },
                 [&](const GuardHello& m) {
                   exchange_.guard(from, m);
                   if (!completed_ && exchange_.is_complete()) completed(out);
                 },
                 [&](const Beat& m) { on_beat(from, m, out); },
                 [&](const BeatAck& m) { on_ack(from, m); },
                 [&](const Assign& m) { on_assign(from, m, out); },
                 [&](const Released& m) { on_released(m, out); },
                 [&](const Exclude& m) { on_exclude(m, out); },
                 [&](const SetOverride& m) {
                   on_wish(m.wish, out);
                   state_dirty_ = true;
                 },
                 [&](const MoveVip& m) {
                   const auto found = records_.find(m.vip);
                   if (found != records_.end()) requests_.push_back({{m.vip, m.to}, found->second.owner, now_ + kRequestLife});
                 },
             },
             message);
  // Beats and acknowledgements are most of what comes; unless somebody waits for a proof only time acts on them, in tick().
  const bool only_beat = std::holds_alternative<Beat>(message) || std::holds_alternative<BeatAck>(message);
  if (only_beat && std::none_of(records_.begin(), records_.end(), [](const auto& r) { return r.second.holder.waits_for_proof(); })) return;
  if (!only_beat) plan_due_ = true;
  settle(out);
}

// ---- what this node says ----

NodeState TakeoverCore::own_state() const {
  NodeState state;
  state.round = exchange_.round();
  state.incarnation = incarnation_;
  state.version = settings_.version;
  state.token_ms = ms_of(own_timing_.token);
  state.consensus_ms = ms_of(own_timing_.consensus);
  state.cluster_hash = settings_.cluster_hash;
  state.up_ms = ms_of(now_ - started_);
  state.settled = settled_;
  state.tie_armed = tie_.is_armed(now_);
  for (const VipSettings& vip : settings_.vips) {
    const Record& record = records_.at(vip.name);
    VipState s;
    s.name = vip.name;
    s.address = vip.address;
    s.config_hash = vip.config_hash;
    s.group = vip.group;
    s.prefer = vip.prefer;
    s.able = record.local.able && !leaving_ && now_ >= record.holder.yield_until();
    s.serves = record.local.serves;
    s.gateway_ok = record.local.gateway_ok;
    s.serves_for_ms = s.serves ? ms_of(now_ - record.serves_since) : 0;
    s.reason = leaving_ ? "stopping" : now_ < record.holder.yield_until() ? "gave it up a moment ago" : record.local.reason;
    s.epoch = record.epoch;
    s.owner = record.owner;
    s.released = record.released;
    s.holding = record.holder.may_be_present();
    s.held_with.assign(record.held_with.begin(), record.held_with.end());
    s.promises = promises_.own(vip.name, now_, vip.kernel_lease, /*forgot=*/!met_everybody_);
    state.vips.push_back(std::move(s));
  }
  for (const auto& [key, wish] : overrides_) state.overrides.push_back(wish);
  return state;
}

void TakeoverCore::start_promise() {
  if (FL_RULE(kR4Start, true)) promises_.started(joined_, timing_.promise());
}

void TakeoverCore::send_state(TakeoverActions& out) {
  state_dirty_ = false;
  start_promise();
  NodeState state = own_state();
  own_armed_said_ = state.tie_armed;
  for (auto& [name, record] : records_) record.yield_said = now_ < record.holder.yield_until();
  out.emplace_back(SendMessage{std::move(state)});
}

/// Who waits is named when only the lease is missing, or when the holder before is here; who is bound to one that is not would not
/// acknowledge it.
bool TakeoverCore::is_named(const Record& record) const {
  if (record.holder.state() == HolderState::kResetting)
    return true;  // It is here still: without its name no lease would cover the reset (R18).
  if (record.holder.state() != HolderState::kWaiting) return record.holder.is_wanted();
  return record.holder.is_ready() || (record.owner_before != settings_.self && exchange_.member(record.owner_before) != nullptr);
}

/// Nobody is bound to another than itself while it holds the address, nor to two at a time, unless both are here: then a plan tells one of
/// them to go. Without this a member of two rings in turn (it hears two nodes that do not hear each other) would prolong both leases.
bool TakeoverCore::is_bound_elsewhere(NodeId holder, const Beat& beat) const {
  return std::any_of(beat.held.begin(), beat.held.end(), [&](const HeldVip& vip) {
    if (const auto found = records_.find(vip.name);
        found != records_.end() && found->second.holder.may_be_present() && found->second.holder.is_wanted())
      return true;
    const auto others = promises_.bound_to(vip.name, holder, now_);
    return std::any_of(others.begin(), others.end(), [this](NodeId other) { return exchange_.member(other) == nullptr; });
  });
}

/// R4
void TakeoverCore::send_beat(TakeoverActions& out) {
  beat_now_ = false;
  beat_at_ = now_ + kBeatInterval;
  Beat beat{.ring = exchange_.view().ring, .incarnation = incarnation_, .sequence = lease_.sent(now_, timing_.lease()), .held = {}};
  for (auto& [name, record] : records_) {
    if (!is_named(record)) continue;
    record.first_beat = std::min(record.first_beat, beat.sequence);
    beat.held.push_back({name, record.holder.epoch()});
  }
  out.emplace_back(SendMessage{std::move(beat)});
}

// ---- what others say ----

void TakeoverCore::on_state(const ClusterProcess& from, const NodeState& state, TakeoverActions& out) {
  const bool returns = completed_ && exchange_.is_excluded(from);
  if (!exchange_.state(from, state, now_)) return;
  if (completed_) count_silent();
  agree_on_timing();
  start_promise();
  const bool known = std::find(accounted_.begin(), accounted_.end(), from.node) != accounted_.end();
  if (!known) accounted_.push_back(from.node);
  promises_.begin_report(from.node);
  for (const VipState& vip : state.vips) meet(vip);
  for (const Override& wish : state.overrides) on_wish(wish, out);
  if (from.node == peer()) peer_armed_ = state.tie_armed;
  for (const VipState& vip : state.vips) {
    const auto found = records_.find(vip.name);
    if (found == records_.end()) continue;
    if (from.node != settings_.self) {
      for (const PromiseLeft& p : vip.promises) {
        if (p.holder == kNoNode && is_everybody_here()) continue;  // What an earlier life may have promised is of no account then.
        promises_.reported(from.node, vip.name, p.holder, now_ + std::chrono::milliseconds(p.ms));
      }
    }
    if (found->second.owner == from.node) found->second.owner_hash = vip.config_hash;
    if (completed_ && !vip.holding) found->second.claims.erase(from.node);
    if (completed_) count_move(vip.name, found->second);
  }
  if (!completed_ && exchange_.is_complete()) return completed(out);
  if (returns) {  // It may know of assignments that nobody here does; the plan begins anew, in the same place of the order everywhere.
    merge_states();
    assigned_ = false;
    proposed_.reset();
  }
}

/// R17, by who is seen to have it: what a half assigned that could not take it, and what was taken back by its holder, moved nothing.
void TakeoverCore::count_move(const std::string& vip, Record& record) {
  const NodeId holder = holder_of(vip, record);
  if (holder == kNoNode) return;
  const NodeId before = std::exchange(record.seen_on, holder);
  if (before != kNoNode && before != holder) record.moves.push_back(now_);
}

/// R4: the longest of the members', as they were delivered. While some are still to speak it only grows.
void TakeoverCore::agree_on_timing() {
  Timing agreed = completed_ ? Timing{Duration::zero(), Duration::zero()} : timing_;
  for (const Exchange::Member* m : exchange_.members()) {
    agreed.token = std::max(agreed.token, Duration(std::chrono::milliseconds(m->state.token_ms)));
    agreed.consensus = std::max(agreed.consensus, Duration(std::chrono::milliseconds(m->state.consensus_ms)));
  }
  timing_ = agreed;
}

/// R15: a VIP that is in other members' configurations only. This node never has it, and plans it when it is the proposer.
void TakeoverCore::meet(const VipState& vip) {
  VipSettings theirs;
  theirs.name = vip.name;
  theirs.address = vip.address;
  theirs.group = vip.group.empty() ? "vip " + vip.name : vip.group;
  theirs.prefer = vip.prefer;
  theirs.config_hash = vip.config_hash;
  const auto found = records_.find(vip.name);
  if (found == records_.end()) {
    if (records_.size() < kRecordsMax) records_.emplace(vip.name, Record(std::move(theirs))).first->second.configured = false;
  } else if (!found->second.configured && !found->second.holder.may_be_present()) {
    found->second.holder.set_settings(std::move(theirs));
  }
}

void TakeoverCore::forget_unnamed() {
  std::erase_if(records_, [this](const auto& entry) {
    const auto& [vip, record] = entry;
    if (record.configured || record.holder.state() != HolderState::kIdle) return false;
    const auto& members = exchange_.members();
    return std::none_of(members.begin(), members.end(), [&name = vip](const Exchange::Member* m) {
      return std::any_of(m->state.vips.begin(), m->state.vips.end(), [&name](const VipState& s) { return s.name == name; });
    });
  });
}

void TakeoverCore::completed(TakeoverActions& out) {
  completed_ = true;
  agree_on_timing();
  forget_unnamed();
  prune_wishes();
  count_silent();
  for (const NodeId node : silent_) fell_silent(node, round_began_);
  merge_states();
  for (auto& [vip, record] : records_) count_move(vip, record);
  settle_lease();  // The silent ones' votes are known now.
  if (is_everybody_here()) {
    met_everybody_ = true;
    promises_.forget_starts();
  }
  check_settled();
  std::string members;
  for (const Exchange::Member* m : exchange_.members())
    members += (members.empty() ? "" : " ") + std::to_string(to_number(m->process.node));
  out.emplace_back(TakeoverNote{
      MessageId::CLUSTER_MEMBERS,
      {{"ring", exchange_.view().ring.to_string()}, {"members", members}, {"quorate", exchange_.view().quorate ? "true" : "false"}}});
}

/// What the members know of assignments, and who says he has what.
void TakeoverCore::merge_states() {
  for (const Exchange::Member* m : exchange_.members()) {
    for (const VipState& s : m->state.vips) {
      const auto found = records_.find(s.name);
      if (found == records_.end()) continue;
      Record& record = found->second;
      if (s.holding && m->process.node != settings_.self) record.claims.insert(m->process.node);
      if (s.epoch > record.epoch) {
        if (s.owner != record.owner) record.owner_hash = 0;  // Unknown, unless it is here.
        record.epoch = s.epoch;
        record.owner = s.owner;
        record.released = s.released;
        record.given_up = false;
        record.owner_before = kNoNode;
        record.released_before = false;
      } else if (s.epoch == record.epoch && s.owner != record.owner) {
        record.released = false;  // Two halves assigned alike: who holds is in the claims.
      } else if (s.epoch == record.epoch) {
        record.released = record.released || s.released;
      }
    }
  }
  for (auto& [vip, record] : records_) learn_hash(vip, record);
}

/// R15: what counts is the configuration of whose the VIP is now; of one that is not here, what it said last.
void TakeoverCore::learn_hash(const std::string& vip, Record& record) {
  const Exchange::Member* owner = exchange_.member(record.owner);
  if (owner == nullptr) return;
  const auto& vips = owner->state.vips;
  const auto state = std::find_if(vips.begin(), vips.end(), [&vip](const VipState& s) { return s.name == vip; });
  if (state != vips.end()) record.owner_hash = state->config_hash;
}

void TakeoverCore::on_beat(const ClusterProcess& from, const Beat& beat, TakeoverActions& out) {
  exchange_.heard(from, now_);
  if (from.node == peer()) {
    if (is_peer_quiet()) alone_grace_ = now_ + kSilenceMax;
    peer_heard_ = now_;
  }
  if (beat.ring != exchange_.view().ring) return;
  if (from == self_) {
    if (beat.incarnation != incarnation_) return;
    lease_.acknowledged(settings_.self, beat.sequence);
    third_vote_.turned(now_);
    return settle_lease();
  }
  if (beat.held.empty() || FL_RULE(kR4OneHolder, is_bound_elsewhere(from.node, beat))) return;
  promises_.acknowledged(from.node, beat.held, now_ + timing_.promise());
  out.emplace_back(SendMessage{BeatAck{beat.ring, from.node, beat.incarnation, beat.sequence}});
}

void TakeoverCore::on_ack(const ClusterProcess& from, const BeatAck& ack) {
  exchange_.heard(from, now_);
  if (from == self_ || ack.holder != settings_.self || ack.incarnation != incarnation_ || ack.ring != exchange_.view().ring) return;
  lease_.acknowledged(from.node, ack.sequence);
  settle_lease();
}

void TakeoverCore::settle_lease() {
  const ClusterView& view = exchange_.view();
  HolderLease::Quorum quorum{
      .self = settings_.self, .quorate = view.quorate, .expected_votes = settings_.expected_votes(), .extra_votes = 0, .silent = 0};
  if (is_quorate_by_third_vote()) quorum.extra_votes = settings_.qdevice_votes;
  quorum.silent = static_cast<std::uint32_t>(silent_.size());
  (void)lease_.settle(quorum, timing_.lease());
  settle_forced();
}

/// R16: with a majority again the lease takes over from the operator's word.
void TakeoverCore::settle_forced() {
  if (!exchange_.view().quorate || lease_.until() <= now_) return;
  for (auto& [name, record] : records_) {
    if (FL_RULE(kR16Forced, lease_.proved() >= record.first_beat)) record.forced = false;
  }
}

/// A node without a daemon that speaks may have promised what nobody here knows; unless it spoke in this ring, where everybody delivers,
/// and acknowledges, the same beats.
void TakeoverCore::fell_silent(NodeId node, Instant since) {
  if (std::find(accounted_.begin(), accounted_.end(), node) == accounted_.end()) promises_.silent_node(node, since + timing_.promise());
}

void TakeoverCore::count_silent() {
  silent_ = exchange_.silent_nodes();
  if (!FL_RULE(kR4SilentVotes, true)) silent_.clear();
}

void TakeoverCore::on_assign(const ClusterProcess& from, const Assign& assign, TakeoverActions& out) {
  if (FL_RULE(kR1OnlyThisRound, assign.round != exchange_.round() || exchange_.proposer() != from)) return;
  for (const Assignment& a : assign.table) {
    if (const auto found = records_.find(a.vip); found != records_.end()) adopt(a.vip, found->second, a, out);
  }
  if (!assigned_ && FL_RULE(kR19Merge, merged_)) {
    for (auto& [name, record] : records_) {
      if (record.owner == settings_.self && record.holder.is_held()) record.holder.announce_again(now_);
    }
  }
  assigned_ = true;
  proposed_.reset();
  forget_requests(assign);
}

/// R16: those that this plan carried out, and those that none did in time.
void TakeoverCore::forget_requests(const Assign& assign) {
  std::erase_if(requests_, [&](const PendingRequest& pending) {
    if (now_ >= pending.until) return true;
    return std::any_of(assign.table.begin(), assign.table.end(), [&](const Assignment& a) {
      if (a.vip != pending.request.vip) return false;
      return pending.request.to == kNoNode ? a.owner != pending.from : a.owner == pending.request.to;
    });
  });
}

void TakeoverCore::adopt(const std::string& vip, Record& record, const Assignment& a, TakeoverActions& out) {
  if (a.owner != settings_.self && a.owner != kNoNode) record.assigned_to.insert(a.owner);
  record.outdated = a.epoch < record.epoch;  // Planned before somebody came who knew more: the next plan names a newer one.
  if (record.outdated) return;
  VipHolder::Step step;
  if (a.owner != settings_.self) {
    record.forced = false;
    record.holder.unassign(/*planned=*/true, now_, step);
    carry(vip, record, std::move(step), out);  // With what was known before: whether the way was clear.
  }
  if (a.epoch > record.epoch) {
    const bool still_waits = a.owner == settings_.self && record.owner == settings_.self && record.holder.is_wanted();
    if (!still_waits) {
      record.epoch_before = record.epoch;
      record.owner_before = record.owner;
      record.released_before = record.released;
    }
    record.released = a.owner == kNoNode && record.released;
    record.given_up = false;
    record.epoch = a.epoch;
  }
  record.owner = a.owner;
  learn_hash(vip, record);
  if (a.owner != settings_.self || leaving_ || !record.configured || a.epoch <= record.said_released) return;
  if (!record.holder.is_wanted()) {
    record.first_beat = kNotNamed;
    beat_now_ = true;
  }
  record.holder.assign(a.epoch, now_);
}

void TakeoverCore::on_released(const Released& released, TakeoverActions&) {
  const auto found = records_.find(released.vip);
  if (found == records_.end()) return;
  Record& record = found->second;
  const Epoch newest = released.holder == record.owner ? record.epoch : record.epoch_before;
  promises_.released(released, /*newest=*/released.epoch >= newest, now_);
  record.claims.erase(released.holder);
  if (released.holder == record.owner && released.epoch >= record.epoch) {
    record.released = record.released || released.clear;
    record.given_up = true;
  } else if (released.holder == record.owner_before && released.epoch >= record.epoch_before && released.clear) {
    record.released_before = true;
    if (record.owner == kNoNode) record.released = true;
  }
}

void TakeoverCore::on_exclude(const Exclude& exclude, TakeoverActions& out) {
  if (exclude.round != exchange_.round() || exchange_.is_excluded(exclude.process)) return;
  exchange_.excluded(exclude);
  fell_silent(exclude.process.node, now_);
  out.emplace_back(TakeoverNote{MessageId::CLUSTER_MEMBER_EXCLUDED,
                                {{"node", std::to_string(to_number(exclude.process.node))}, {"pid", std::to_string(exclude.process.pid)}}});
  if (exclude.process == self_) state_dirty_ = true;
  if (!completed_ && exchange_.is_complete()) return completed(out);
  if (completed_) count_silent();
  settle_lease();
}

/// A wish for a name that no file has any more says nothing, and must not fill the messages.
void TakeoverCore::prune_wishes() {
  std::erase_if(overrides_, [this](const auto& entry) {
    const Override& wish = entry.second;
    switch (wish.kind) {
      case OverrideKind::kVipDisabled: return in_view_ && completed_ && !records_.contains(wish.name);
      case OverrideKind::kNodeStandby:
        return std::none_of(settings_.nodes.begin(), settings_.nodes.end(), [&](const NodeName& n) { return n.name == wish.name; });
      case OverrideKind::kFrozen: return false;
    }
    return false;
  });
}

/// The later stamp wins, whatever the order of arrival.
void TakeoverCore::on_wish(const Override& wish, TakeoverActions& out) {
  last_wish_ = std::max(last_wish_, wish.stamp.sequence);
  const auto known = overrides_.find(key_of(wish));
  if (known != overrides_.end() && known->second.stamp >= wish.stamp) return;
  overrides_[key_of(wish)] = wish;
  prune_wishes();
  KeepOverrides keep;
  for (const auto& [key, value] : overrides_) keep.overrides.push_back(value);
  out.emplace_back(std::move(keep));
}

}  // namespace fairlead::vip
