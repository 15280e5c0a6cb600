// fairlead: pure
#include "lb/resolver_tracker.h"

#include <algorithm>

#include "base/assert.h"
#include "base/host_name.h"

namespace fairlead::lb {

bool is_srv_name(std::string_view host) { return fairlead::is_srv_name(host); }

ResolveTracker::ResolveTracker(const config::Resolve& settings, Instant now) : settings_(settings), next_(now) {}

std::uint64_t ResolveTracker::start(Instant now) {
  FL_ASSERT(due(now));
  outstanding_ = true;
  next_ = now + kResolveLostAfter;
  return ++token_;
}

void ResolveTracker::refused(std::uint64_t token, Instant now) {
  if (!outstanding_ || token != token_) return;
  outstanding_ = false;
  next_ = now + std::min(settings_.interval, kResolveFirstPause);
}

ResolveTracker::Change ResolveTracker::answered(std::uint64_t token, const ResolveAnswer& answer, Instant now) {
  if (!outstanding_ || token != token_) return {};
  outstanding_ = false;
  Change change;
  if (answer.outcome == ResolveOutcome::kFound && !answer.endpoints.empty()) {
    good_at_ = now;
    error_.clear();
    const bool still_there = endpoint_ && std::find(answer.endpoints.begin(), answer.endpoints.end(), *endpoint_) != answer.endpoints.end();
    if (!still_there) {
      endpoint_ = answer.endpoints.front();
      change.endpoint_changed = true;
    }
  } else {
    change.failure_began = error_.empty();
    error_ = answer.error.empty() ? "no answer" : answer.error;
    if (answer.outcome == ResolveOutcome::kNotFound && endpoint_ && now - *good_at_ >= settings_.hold) {
      endpoint_.reset();
      change.endpoint_changed = true;
    }
  }
  next_ = now + (endpoint_ ? settings_.interval : std::min(settings_.interval, kResolveFirstPause));
  return change;
}

}  // namespace fairlead::lb
