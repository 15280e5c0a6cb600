// fairlead: pure
#include "lb/health_tracker.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace fairlead::lb {
namespace {

std::uint32_t at_least_one(std::uint32_t value) { return std::max<std::uint32_t>(value, 1); }

std::string check_text(const ProbeResult& result, std::uint32_t count, std::uint32_t of) {
  std::string text = "check: " + std::string(word_of(result.outcome));
  if (!result.detail.empty()) text += " " + result.detail;
  if (of > 1) text += " (" + std::to_string(count) + " of " + std::to_string(of) + ")";
  return text;
}

}  // namespace

TrackerSettings tracker_settings(const config::Health& health, const config::Passive& passive) {
  return {.checked = health.type != config::HealthType::kNone,
          .interval = health.interval,
          .fast_interval = health.fast_interval,
          .down_interval = health.down_interval,
          .timeout = health.timeout,
          .rise = at_least_one(health.rise),
          .fall = at_least_one(health.fall),
          .connect_failures = passive.connect_failures,
          .fast_check = passive.fast_check};
}

HealthTracker::HealthTracker(const TrackerSettings& settings, bool has_address, Instant now)
    : settings_(settings),
      has_address_(has_address),
      since_(now),
      admin_since_(now),
      next_probe_(now),
      last_passive_(now),
      stay_until_(now) {
  settings_.rise = at_least_one(settings_.rise);
  settings_.fall = at_least_one(settings_.fall);
  if (!settings_.checked && has_address_) verdict_ = Verdict::kUp;
  if (!has_address_) last_.outcome = ProbeOutcome::kUnresolved;
}

HealthTracker::Change HealthTracker::change_settings(const TrackerSettings& settings, bool recheck, Instant now) {
  const bool was_checked = settings_.checked;
  settings_ = settings;
  settings_.rise = at_least_one(settings_.rise);
  settings_.fall = at_least_one(settings_.fall);
  if (was_checked != settings_.checked) {
    forget_history();
    last_ = {};
    if (settings_.checked) {
      decide_at_once_ = true;  // Up was an assumption until now: the first check settles it, and traffic goes on meanwhile.
      next_probe_ = now;
      return std::nullopt;
    }
    return has_address_ && admin_ != AdminState::kMaint ? become(Verdict::kUp, "not checked any more", now) : std::nullopt;
  }
  if (recheck) {
    good_ = bad_ = bad_hard_ = 0;
    outstanding_ = false;  // It asks the old question.
    next_probe_ = now;
  } else if (!outstanding_ && probe_began_) {
    next_probe_ = std::min(next_probe_, now + pace(0));
  }
  return std::nullopt;
}

HealthTracker::Change HealthTracker::set_admin(AdminState state, Instant now) {
  const AdminState before = std::exchange(admin_, state);
  if (before != state) admin_since_ = now;
  if (before == state || (before != AdminState::kMaint && state != AdminState::kMaint)) return std::nullopt;
  // Into maintenance and out of it: unchecked time passes in between, so what was known is void either way.
  forget_history();
  decide_at_once_ = true;
  was_out_ = true;
  next_probe_ = now;
  if (state == AdminState::kMaint) return become(Verdict::kUnknown, "maintenance begins", now);
  if (!settings_.checked && has_address_) return become(Verdict::kUp, "maintenance ends", now);
  return std::nullopt;
}

HealthTracker::Change HealthTracker::address_changed(Instant now) {
  has_address_ = true;
  forget_history();
  decide_at_once_ = true;
  next_probe_ = now;
  if (admin_ == AdminState::kMaint) return std::nullopt;
  return become(settings_.checked ? Verdict::kUnknown : Verdict::kUp, "new address", now);
}

HealthTracker::Change HealthTracker::address_lost(std::string detail, Instant now) {
  const bool had = std::exchange(has_address_, false);
  last_ = {ProbeOutcome::kUnresolved, std::move(detail), Duration{}};
  if (!had) return std::nullopt;
  forget_history();
  decide_at_once_ = true;
  if (verdict_ == Verdict::kUnknown) return std::nullopt;
  return become(Verdict::kDown, "unresolved: " + last_.detail, now);
}

bool HealthTracker::probe_due(Instant now) const {
  if (!probes_wanted()) return false;
  return outstanding_ ? now >= *probe_began_ + settings_.timeout + kProbeLostAfter : now >= next_probe_;
}

std::uint64_t HealthTracker::start_probe(Instant now) {
  FL_ASSERT(probe_due(now));
  outstanding_ = true;
  recheck_ = false;
  probe_began_ = now;
  return ++token_;
}

void HealthTracker::probe_refused(std::uint64_t token, Instant now) {
  if (!outstanding_ || token != token_) return;
  outstanding_ = false;
  next_probe_ = now + settings_.fast_interval;
}

HealthTracker::Change HealthTracker::probe_done(const ProbeResult& result, Instant now, Context context) {
  if (!outstanding_ || result.token != token_ || !probes_wanted()) return std::nullopt;  // I4
  outstanding_ = false;
  last_ = {result.outcome, result.detail, result.duration};
  ++counts_.checks[static_cast<std::size_t>(result.outcome)];
  Change change;
  if (result.outcome == ProbeOutcome::kOk) {
    change = good_check(result, now, context);
  } else if (result.outcome != ProbeOutcome::kLocal || verdict_ == Verdict::kUnknown) {
    change = bad_check(result, now);
  }
  next_probe_ = now + (std::exchange(recheck_, false) ? std::min(settings_.fast_interval, pace(0)) : pace(context.jitter));
  return change;
}

HealthTracker::Change HealthTracker::good_check(const ProbeResult& result, Instant now, Context context) {
  bad_ = bad_hard_ = 0;
  good_ = std::min(good_ + 1, settings_.rise);
  passive_failures_ = 0;
  hard_down_ = false;  // It answers: what dies from here on dies anew.
  if (verdict_ == Verdict::kUp) {
    decide_at_once_ = false;
    return std::nullopt;
  }
  const bool contradicts = ejected_ && verdict_ == Verdict::kDown;
  if (contradicts && recheck_) {
    good_ = 0;  // That probe began before the ejection: it proves nothing about the time after.
    return std::nullopt;
  }
  const bool alone = contradicts && context.others_usable == 0;  // Nobody else serves: its check calls it up, so it serves.
  if (!decide_at_once_ && !alone && (good_ < settings_.rise || (contradicts && now < stay_until_))) return std::nullopt;
  if (contradicts) returned_ = now;
  return become(Verdict::kUp, check_text(result, good_, decide_at_once_ || alone ? 1 : settings_.rise), now);
}

HealthTracker::Change HealthTracker::bad_check(const ProbeResult& result, Instant now) {
  good_ = 0;
  bad_ = std::min(bad_ + 1, settings_.fall);
  bad_hard_ = is_hard(result.outcome) ? std::min(bad_hard_ + 1, settings_.fall) : 0;
  const bool agrees = std::exchange(ejected_, false) && verdict_ == Verdict::kDown;
  if (agrees) contradicted_ = 0;
  Change change;
  if (verdict_ != Verdict::kDown && (decide_at_once_ || bad_ >= settings_.fall)) {
    change = become(Verdict::kDown, check_text(result, bad_, decide_at_once_ ? 1 : settings_.fall), now);
  }
  if (verdict_ == Verdict::kDown) {
    hard_down_ =
        hard_down_ || bad_hard_ >= settings_.fall || (is_hard(result.outcome) && (agrees || (change && change->from == Verdict::kUnknown)));
  }
  return change;
}

HealthTracker::Change HealthTracker::connect_failed(ConnectCause cause, Instant now, Context context) {
  if (cause == ConnectCause::kLocal || verdict_ != Verdict::kUp || admin_ == AdminState::kMaint) return std::nullopt;  // I3
  if (settings_.fast_check) check_soon(now);
  if (cause == ConnectCause::kTimeout) return std::nullopt;
  passive_failures_ = now - last_passive_ > kPassiveWindow ? 1 : passive_failures_ + 1;
  last_passive_ = now;
  if (settings_.connect_failures == 0 || passive_failures_ < settings_.connect_failures) return std::nullopt;
  passive_failures_ = settings_.connect_failures;
  if (usable() && context.others_usable == 0) return std::nullopt;  // I2
  return eject("connect: " + std::string(word_of(cause)), now);
}

HealthTracker::Change HealthTracker::eject(std::string reason, Instant now) {
  contradicted_ = returned_ && now - *returned_ <= kEjectionMemory ? contradicted_ + 1 : 0;
  // Without checks time is the only way back, so even the first ejection lasts. With checks the first one lasts as long as they say;
  // only a server whose checks keep contradicting its clients is held back longer and longer.
  const std::uint32_t doublings = std::min<std::uint32_t>(contradicted_, 16);
  Duration stay{};
  if (!settings_.checked)
    stay = settings_.down_interval * (1U << doublings);
  else if (doublings > 0)
    stay = settings_.down_interval * (1U << (doublings - 1));
  stay_until_ = now + std::min(stay, std::max(kStayMax, settings_.down_interval));
  good_ = bad_ = bad_hard_ = 0;
  ejected_ = true;
  passive_failures_ = 0;
  Change change = become(Verdict::kDown, std::move(reason), now);
  check_soon(now);
  return change;
}

void HealthTracker::connect_succeeded() { passive_failures_ = 0; }

HealthTracker::Change HealthTracker::tick(Instant now) {
  if (settings_.checked || !ejected_ || verdict_ != Verdict::kDown || now < stay_until_) return std::nullopt;
  returned_ = now;
  return become(Verdict::kUp, "tried again (not checked)", now);
}

std::optional<Instant> HealthTracker::next_deadline() const {
  if (!settings_.checked) return ejected_ && verdict_ == Verdict::kDown ? std::optional(stay_until_) : std::nullopt;
  if (!probes_wanted()) return std::nullopt;
  return outstanding_ ? *probe_began_ + settings_.timeout + kProbeLostAfter : next_probe_;
}

HealthTracker::Change HealthTracker::become(Verdict verdict, std::string reason, Instant now) {
  decide_at_once_ = decide_at_once_ && verdict == Verdict::kUnknown;
  if (verdict == verdict_) return std::nullopt;
  VerdictChange change{.from = verdict_, .to = verdict, .reason = std::move(reason), .after = now - since_};
  if (verdict_ == Verdict::kDown) counts_.down += change.after;
  if (verdict == Verdict::kUp) ++counts_.ups;
  if (verdict == Verdict::kDown) ++counts_.downs;
  verdict_ = verdict;
  since_ = now;
  if (verdict == Verdict::kDown) was_out_ = true;
  if (verdict == Verdict::kUp) {
    ejected_ = false;
    good_ = bad_ = bad_hard_ = 0;
    if (std::exchange(was_out_, false)) back_since_ = now;
  }
  if (verdict != Verdict::kDown) hard_down_ = false;
  return change;
}

void HealthTracker::forget_history() {
  good_ = bad_ = bad_hard_ = 0;
  outstanding_ = false;
  recheck_ = false;
  hard_down_ = false;
  passive_failures_ = 0;
  ejected_ = false;
  contradicted_ = 0;
  returned_.reset();
}

/// At once, but never closer than fast_interval to the last one: a storm of reports must not become a storm of checks (I5).
void HealthTracker::check_soon(Instant now) {
  if (outstanding_) {
    recheck_ = true;  // That probe may have begun before the trouble did.
    return;
  }
  const Instant earliest = probe_began_ ? *probe_began_ + settings_.fast_interval : now;
  next_probe_ = std::min(next_probe_, std::max(now, earliest));
}

Duration HealthTracker::pace(std::uint32_t jitter) const {
  const bool changing = verdict_ == Verdict::kUp ? bad_ > 0 : good_ > 0 || ejected_;
  const Duration base = changing ? settings_.fast_interval : verdict_ == Verdict::kUp ? settings_.interval : settings_.down_interval;
  return base - base / 10 / kJitterMax * std::min(jitter, kJitterMax);
}

std::uint32_t ramped_weight(std::uint32_t weight, Duration slow_start, Duration back_for) {
  if (weight == 0 || slow_start <= Duration::zero() || back_for >= slow_start) return weight;
  if (back_for <= Duration::zero()) return 1;
  const double share = to_seconds(back_for) / to_seconds(slow_start);
  return std::clamp<std::uint32_t>(static_cast<std::uint32_t>(share * weight), 1, weight);
}

Duration ramp_step(Duration slow_start) {
  return std::clamp<Duration>(slow_start / 10, std::chrono::milliseconds(100), std::chrono::seconds(1));
}

}  // namespace fairlead::lb
