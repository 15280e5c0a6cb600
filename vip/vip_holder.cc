// fairlead: pure
#include "vip/vip_holder.h"

#include <algorithm>

#include "vip/mutant.h"

namespace fairlead::vip {
namespace {

constexpr std::uint32_t kProbesInRound = 3;
constexpr Duration kProbeStep = kProbeSpread / (kProbesInRound - 1);
constexpr Duration kProbeWait = 10ms;  ///< After the last one: its answer's way.
constexpr Duration kProbeRound = kProbeSpread + kProbeWait;
constexpr Duration kProbesStale = 250ms;
constexpr Duration kForeignGrace = 500ms;    ///< R5: the kernel lease and this, then a claim is foreign.
constexpr Duration kWatchAfterTaking = 60s;  ///< R8
constexpr Duration kWatchInterval = 100ms;
constexpr Duration kClaimProof = 100ms;  ///< R8
constexpr Duration kTakenTogether = 150ms;
constexpr Duration kClaimNotesApart = 10s;
constexpr Duration kClaimsApart = 1s;   ///< Then they are no longer one dispute.
constexpr Duration kTakenBoth = 300ms;  ///< Both took it in this loneliness: the one of the higher rank gives it up.
/// R18. A thousand connections need some ms. Rationale: a bound for what is broken (a stalled worker) or far more, no share of the 20 ms:
/// not everybody whose RST comes after the deletion can be told (lb/listener_socket.h, outlive_address), which is worse than a longer move.
constexpr Duration kResetMax = 200ms;
constexpr Duration kRemoveRetry = 50ms;
constexpr Duration kRemoveNotesApart = 10s;
constexpr Duration kRepairWindow = 60s;  ///< R20
constexpr std::size_t kRepairsMax = 5;
constexpr Duration kYieldFor = 60s;
constexpr Duration kAddRetryAfter = 5s;  ///< The kernel refused: others first.

}  // namespace

std::string_view to_string(HolderState state) {
  switch (state) {
    case HolderState::kIdle: return "idle";
    case HolderState::kWaiting: return "waiting";
    case HolderState::kAdding: return "adding";
    case HolderState::kHeld: return "held";
    case HolderState::kResetting:
    case HolderState::kRemoving: return "releasing";
  }
  return "unknown";
}

// ---- assignments ----

void VipHolder::assign(Epoch epoch, Instant now) {
  switch (state_) {
    case HolderState::kIdle:
      state_ = HolderState::kWaiting;
      epoch_ = epoch;
      since_ = now;
      last_probe_ = Instant::min();
      silent_probes_ = 0;
      ready_ = false;
      contested_.reset();
      answering_mac_.clear();
      foreign_reported_ = false;
      conflict_until_ = Instant::min();
      by_promise_ = false;
      return;
    case HolderState::kWaiting:
    case HolderState::kAdding:
    case HolderState::kHeld: epoch_ = epoch; return;
    case HolderState::kResetting:
    case HolderState::kRemoving:
      if (epoch > epoch_) next_ = epoch;  // The present one is about to be released (I3).
      return;
  }
}

void VipHolder::unassign(bool planned, Instant now, Step& out) {
  next_.reset();
  switch (state_) {
    case HolderState::kIdle:
    case HolderState::kResetting:
    case HolderState::kRemoving: return;
    case HolderState::kWaiting:
      out.actions.push_back({HolderActionKind::kSayReleased, epoch_, /*was_present=*/false});  // Nothing was added (I3).
      return forget();
    case HolderState::kHeld:
      if (FL_RULE(kR18Reset, planned)) {
        state_ = HolderState::kResetting;
        since_ = now;
        out.actions.push_back({HolderActionKind::kReset, epoch_});
        out.notes.push_back({HolderEvent::kReleased, {}, now - acquired_});
        return;
      }
      [[fallthrough]];
    case HolderState::kAdding: return remove(out);
  }
}

void VipHolder::drop(HolderEvent why, Instant now, Step& out) {
  if (state_ == HolderState::kIdle) return;
  if (state_ == HolderState::kResetting) return remove(out);
  if (state_ == HolderState::kRemoving) return;
  if (state_ == HolderState::kWaiting) return unassign(/*planned=*/false, now, out);
  force_out(why, {}, now, out);
}

void VipHolder::force_out(HolderEvent why, const std::string& detail, Instant now, Step& out) {
  out.notes.push_back({why, detail, now - acquired_});
  remove(out);
}

void VipHolder::remove(Step& out) {
  state_ = HolderState::kRemoving;
  remove_pending_ = true;
  out.actions.push_back({HolderActionKind::kRemove, epoch_});
}

void VipHolder::forget() {
  state_ = HolderState::kIdle;
  claim_.reset();
  gone_.reset();
  contested_.reset();
  answering_mac_.clear();
  adding_ = false;
  remove_pending_ = false;
}

// ---- kernel and neighbours ----

void VipHolder::kernel_done(HolderActionKind what, const KernelAnswer& answer, Instant now, Step& out) {
  if (what == HolderActionKind::kRemove) return removed(answer, now, out);
  if (what != HolderActionKind::kAdd) return;
  const bool repair = state_ == HolderState::kHeld && adding_;
  if (!repair && state_ != HolderState::kAdding) return;  // Removed meanwhile: the removal stands behind it in the queue.
  adding_ = false;
  if (!answer.ok) {
    yield_until_ = now + kAddRetryAfter;
    if (answer.unsure) return force_out(HolderEvent::kAddFailed, answer.error, now, out);
    // What is there now, if anything, is somebody else's: it stays (R13).
    out.notes.push_back({HolderEvent::kAddFailed, answer.error, now - acquired_});
    return released(now, out, answer.foreign);
  }
  if (repair) {
    gone_.reset();
    out.notes.push_back({HolderEvent::kRepaired, {}, {}});
    return announce_again(now);
  }
  state_ = HolderState::kHeld;
  acquired_ = refreshed_ = now;
  out.notes.push_back({HolderEvent::kAcquired, {}, now - since_});
  announce_again(now);  // In the tick that follows, unless an own pause is to be made good first (R7).
}

void VipHolder::removed(const KernelAnswer& answer, Instant now, Step& out) {
  if (state_ != HolderState::kRemoving) return;
  if (answer.ok) return released(now, out);
  if (remove_pending_ && now >= remove_noted_ + kRemoveNotesApart) {
    remove_noted_ = now;
    out.notes.push_back({HolderEvent::kRemoveFailed, answer.error, {}});
  }
  remove_pending_ = false;  // tick() asks again; Released is not said before it worked (I3).
  remove_asked_ = now;
}

/// The kernel has nothing of ours. `foreign`: but somebody else's, which answers.
void VipHolder::released(Instant now, Step& out, bool foreign) {
  out.actions.push_back({HolderActionKind::kSayReleased, epoch_, /*was_present=*/true, foreign});
  forget();
  if (const auto next = std::exchange(next_, std::nullopt)) assign(*next, now);
}

void VipHolder::reset_done(Epoch epoch, Step& out) {
  if (state_ == HolderState::kResetting && epoch == epoch_) remove(out);  // Else a stalled worker's, of a stay before this one.
}

void VipHolder::kernel_gone(Instant now, Step&) {
  if (state_ == HolderState::kHeld && !gone_) gone_ = now;
}

void VipHolder::answered(const std::string& mac, bool gateway, Instant now, Step& out) {
  if (state_ == HolderState::kHeld && gateway) return;  // Proxy ARP: it answers for everything, and has it no more than before.
  if (state_ == HolderState::kHeld) return claimed(mac, now, out);
  if (state_ != HolderState::kWaiting) return;
  answering_mac_ = mac;
  last_answer_ = now;
  silent_probes_ = 0;
  if (!contested_) {
    contested_ = now;
    if (gateway) {
      foreign_reported_ = true;
      out.notes.push_back({HolderEvent::kProxyArp, mac, {}});
    }
  }
  if (!foreign_reported_ && now >= *contested_ + settings_.kernel_lease + kForeignGrace) {
    foreign_reported_ = true;
    out.notes.push_back({HolderEvent::kForeignClaim, mac, {}});
  }
}

void VipHolder::claimed(const std::string& mac, Instant now, Step& out) {
  if (state_ == HolderState::kWaiting) return answered(mac, /*gateway=*/false, now, out);
  if (state_ != HolderState::kHeld || claim_ || !FL_RULE(kR8Claims, true)) return;
  if (claimed_at_ == Instant::min() || now > claimed_at_ + kClaimsApart) claims_since_ = now;
  claimed_at_ = now;
  claim_ = now;
  if (claim_noted_ == Instant::min() || now >= claim_noted_ + kClaimNotesApart || mac != claim_noted_mac_) {
    claim_noted_ = now;
    claim_noted_mac_ = mac;
    out.notes.push_back({HolderEvent::kForeignClaim, mac, {}});
  }
  out.actions.push_back({HolderActionKind::kBeatNow, epoch_});
}

/// The first in rank has no backoff and goes on; the other finds it there. Once: nobody who sends such frames can keep the address away.
void VipHolder::probed(Duration backoff, Instant now) {
  if (state_ == HolderState::kWaiting && conflict_until_ == Instant::min()) conflict_until_ = now + backoff;
}

void VipHolder::probe_failed() { silent_probes_ = 0; }  // R5: nobody was asked. The next one is due as if it had been.

void VipHolder::announce_again(Instant now) {
  announced_ = 0;
  announce_base_ = now;
}

// ---- time ----

void VipHolder::tick(const HolderFacts& facts, Instant now, Step& out) {
  switch (state_) {
    case HolderState::kIdle: return;
    case HolderState::kWaiting: return wait(facts, now, out);
    case HolderState::kAdding:
      if (!facts.covered) force_out(HolderEvent::kLeaseLost, {}, now, out);  // I2
      return;
    case HolderState::kHeld: return hold(facts, now, out);
    case HolderState::kResetting:
      if (!facts.covered || now >= since_ + kResetMax) remove(out);
      return;
    case HolderState::kRemoving:
      if (!remove_pending_ && now >= remove_asked_ + kRemoveRetry) remove(out);
      return;
  }
}

/// I1
void VipHolder::wait(const HolderFacts& facts, Instant now, Step& out) {
  const bool was_ready = std::exchange(ready_, false);
  if (now < std::max(yield_until_, conflict_until_) || !facts.may_take) {
    silent_probes_ = 0;  // Who cannot take it may be one whom nobody hears.
    last_probe_ = Instant::min();
    return;
  }
  if (!facts.cleared) {
    by_promise_ = true;
    if (FL_RULE(kR5Probe, settings_.takeover_probe) && !probes_are_silent(facts, now, out)) return;
    if (now < facts.free_at) return;
  }
  if (!facts.covered || !facts.fresh) {
    ready_ = true;
    if (!was_ready) out.actions.push_back({HolderActionKind::kBeatNow, epoch_});
    return;
  }
  state_ = HolderState::kAdding;
  told_ = epoch_;
  out.actions.push_back({HolderActionKind::kAdd, epoch_});
}

/// R5(b): three probes over 60 ms before the promise ends; while somebody answers one each 50 ms, later each second.
bool VipHolder::probes_are_silent(const HolderFacts& facts, Instant now, Step& out) {
  const bool early = facts.free_at != Instant::min() && now + kProbeRound < facts.free_at && !contested_;
  const bool stale = silent_probes_ >= kProbesInRound && now > last_probe_ + kProbesStale;
  if (early || stale) {  // Silence of long ago means nothing.
    silent_probes_ = 0;
    last_probe_ = Instant::min();
  }
  if (early) return false;
  const Duration step = !contested_ ? kProbeStep : foreign_reported_ ? kForeignProbeInterval : kProbeInterval;
  if (silent_probes_ < kProbesInRound && (last_probe_ == Instant::min() || now >= last_probe_ + step)) {
    last_probe_ = now;
    ++silent_probes_;
    out.actions.push_back({HolderActionKind::kProbe, epoch_});
    return false;
  }
  return silent_probes_ >= kProbesInRound && now >= last_probe_ + (contested_ ? kProbeInterval : kProbeWait);
}

void VipHolder::hold(const HolderFacts& facts, Instant now, Step& out) {
  if (FL_RULE(kR6OnlyWithLease, !facts.covered)) return force_out(HolderEvent::kLeaseLost, {}, now, out);  // I2
  if (claim_) {
    // Of two nodes that are alone neither is acknowledged. Who took it in this loneliness waited the promise out and found silence: the
    // other one slept. It stays while the routers answer; who held it before gives it up.
    // At first they may have taken it together: then both give it up, and come back one after the other.
    const bool took_alone = by_promise_ && acquired_ >= facts.alone_since && *claim_ >= acquired_ + kTakenTogether;
    const bool goes_on = now > claims_since_ + kTakenBoth && facts.backoff > Duration::zero();
    if (facts.proved_sent >= *claim_ ||
        (took_alone && !goes_on && facts.alive_at >= *claim_)) {  // The beat of this turn is behind the claim.
      claim_.reset();
      announce_again(now);
    } else if (now > *claim_ + kClaimProof) {
      yield_until_ = now + facts.backoff;
      return force_out(HolderEvent::kClaimLost, {}, now, out);
    }
  }
  if (gone_) return repair(facts, now, out);
  if (!facts.fresh) return;  // R7
  const bool due = FL_RULE(kR6Refresh, now >= refreshed_ + settings_.kernel_lease / 4);
  if (due || FL_RULE(kR10Epoch, told_ != epoch_)) {
    refreshed_ = now;
    told_ = epoch_;
    out.actions.push_back({HolderActionKind::kRefresh, epoch_});
  }
  announce_due(now, out);
  if (watches() && now < acquired_ + kWatchAfterTaking && now >= last_probe_ + kWatchInterval) {  // R8
    last_probe_ = now;
    out.actions.push_back({HolderActionKind::kProbe, epoch_});
  }
}

/// R20
void VipHolder::repair(const HolderFacts& facts, Instant now, Step& out) {
  if (adding_ || facts.claimed || !facts.fresh || facts.alive_at < *gone_) return;
  while (!repaired_.empty() && now >= repaired_.front() + kRepairWindow) repaired_.pop_front();
  if (FL_RULE(kR20Yield, repaired_.size() >= kRepairsMax)) {
    yield_until_ = now + kYieldFor;
    return force_out(HolderEvent::kYielded, {}, now, out);
  }
  repaired_.push_back(now);
  adding_ = true;
  refreshed_ = now;
  told_ = epoch_;
  out.actions.push_back({HolderActionKind::kAdd, epoch_});
}

/// R19. Without `refresh` the schedule is all.
Instant VipHolder::announce_at() const {
  const auto& schedule = settings_.announce.repeat;
  if (announced_ == 0) return announce_base_;
  if (announced_ <= schedule.size()) return announce_base_ + schedule[announced_ - 1];
  return settings_.announce.refresh == Duration::zero() ? Instant::max() : announced_at_ + settings_.announce.refresh;
}

void VipHolder::announce_due(Instant now, Step& out) {
  const auto& schedule = settings_.announce.repeat;
  if (now < announce_at() || !FL_RULE(kR19Announce, true)) return;
  const std::uint32_t times = announced_ == 0 ? std::max(settings_.announce.count, 1U) : 1;
  announced_at_ = now;
  announced_ = std::min(announced_ + 1, schedule.size() + 1);
  out.actions.insert(out.actions.end(), times, {HolderActionKind::kAnnounce, epoch_});
}

Instant VipHolder::next_deadline(const HolderFacts& facts) const {
  switch (state_) {
    case HolderState::kIdle:
    case HolderState::kAdding: return Instant::max();
    case HolderState::kResetting: return since_ + kResetMax;
    case HolderState::kRemoving: return remove_pending_ ? Instant::max() : remove_asked_ + kRemoveRetry;
    case HolderState::kWaiting: {
      if (yield_until_ > since_) return yield_until_;
      if (facts.cleared || !settings_.takeover_probe) return facts.free_at;
      const bool early = facts.free_at != Instant::min() && !contested_;
      const Instant begin = early ? facts.free_at - kProbeRound : Instant::min();
      const Duration step = silent_probes_ >= kProbesInRound ? (contested_ ? kProbeInterval : kProbeWait)
                            : !contested_                    ? kProbeStep
                            : foreign_reported_              ? kForeignProbeInterval
                                                             : kProbeInterval;
      const Instant probe = last_probe_ == Instant::min() ? begin : std::max(begin, last_probe_ + step);
      return silent_probes_ >= kProbesInRound ? std::max(probe, facts.free_at) : probe;
    }
    case HolderState::kHeld: {
      Instant next = std::min(refreshed_ + settings_.kernel_lease / 4, announce_at());
      if (claim_) next = std::min(next, *claim_ + kClaimProof + 1ms);
      if (watches() && last_probe_ + kWatchInterval < acquired_ + kWatchAfterTaking) next = std::min(next, last_probe_ + kWatchInterval);
      return next;
    }
  }
  return Instant::max();
}

}  // namespace fairlead::vip
