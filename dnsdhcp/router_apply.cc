// fairlead: pure
#include "dnsdhcp/router_apply.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/overloaded.h"
#include "base/units.h"
#include "dnsdhcp/router_rules.h"

namespace fairlead::dnsdhcp {
namespace {

bool same(const std::optional<std::string>& one, const std::string& other) { return one && same_rules(*one, other); }

std::string seconds_text(Duration left) {
  return format_duration(std::chrono::ceil<std::chrono::seconds>(std::max(left, Duration::zero())));
}

RouterAnswer refuse(std::uint64_t ticket, Errc code, std::string why) { return {ticket, Error{code, std::move(why)}}; }

}  // namespace

bool has_lost_rules(std::string_view before, std::string_view now) {
  std::map<std::string_view, int> lines;
  const auto each = [&lines](std::string_view text, int count) {
    while (!text.empty()) {
      const auto end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
      if (!line.empty()) lines[line] += count;
    }
  };
  each(before, 1);
  each(now, -1);
  return std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line.second > 0; });
}

std::vector<RouterAction> RouterApply::step(const RouterInput& input, Instant now) {
  Out out;
  std::visit(Overloaded{
                 [&](const RouterStarted& in) {
                   wanted_ = in.wanted;
                   confirmed_ = in.memory.confirmed;
                   refused_ = in.memory.refused;
                   present_ = confirmed_ || in.memory.trial || refused_ || in.memory.settings;
                   if (in.memory.trial) {  // R1: whoever applied them lost the daemon, and perhaps the machine.
                     trial_ = Trial{{}, now};
                     trial_rules_ = in.memory.trial;
                   }
                   dirty_ = true;
                 },
                 [&](const RouterReloaded& in) {
                   const bool there = in.wanted && same(confirmed_, *in.wanted) && !trial_ && !busy_ && failure_.empty();
                   wanted_ = in.wanted;
                   dirty_ = !there;
                   said_refused_ = false;
                   retry_at_ = trial_ ? retry_at_ : now;
                 },
                 [&](const RouterApplyAsked& in) { apply(in, out); },
                 [&](const RouterConfirmAsked& in) { confirm(in, now, out); },
                 [&](const RouterJobDone& in) { done(in.result, now, out); },
                 [&](const RouterLost&) {
                   if (busy_ || lost_ || (!confirmed_ && !trial_)) return;
                   lost_ = true;
                   out.emplace_back(RouterNotice{RouterNoticeKind::kLost, {}});
                 },
                 [&](const RouterTick&) {},
             },
             input);
  settle(now, out);
  return out;
}

RouterState RouterApply::state() const {
  if (trial_) return RouterState::kOnTrial;
  return confirmed_ ? RouterState::kInForce : RouterState::kOff;
}

bool RouterApply::wanted_was_refused() const { return wanted_ && same(refused_, *wanted_); }

Duration RouterApply::trial_left(Instant now) const {
  return trial_ ? std::max(trial_->deadline - now, Duration::zero()) : Duration::zero();
}

void RouterApply::request(RouterJob job, std::uint64_t ticket, std::string session, Out& out) {
  busy_ = Busy{job, ticket, std::move(session), dirty_};
  // What settles it; a failure, or a reload meanwhile, makes it so again. A trial's steps leave it: what a reload wants waits for its end.
  if (job.kind == RouterJobKind::kPutInForce || job.kind == RouterJobKind::kRemove) dirty_ = false;
  out.emplace_back(std::move(job));
}

void RouterApply::apply(const RouterApplyAsked& asked, Out& out) {
  if (trial_) {
    out.emplace_back(refuse(asked.ticket, Errc::kConflict,
                            "rules are on trial: confirm them (fairlead router apply --confirm, over a new connection), or wait until the "
                            "ones from before are back"));
    return;
  }
  if (busy_) {
    out.emplace_back(refuse(asked.ticket, Errc::kConflict, "rules are being put in force; try again in a moment"));
    return;
  }
  // The same ones again: nothing can go wrong that has not yet, and what somebody changed by hand is mended.
  if (asked.sure || same(confirmed_, asked.rules))
    return request({RouterJobKind::kPutInForce, asked.rules, true}, asked.ticket, asked.session, out);
  request({RouterJobKind::kTry, asked.rules, false}, asked.ticket, asked.session, out);
}

void RouterApply::confirm(const RouterConfirmAsked& asked, Instant now, Out& out) {
  if (!trial_) {
    out.emplace_back(refuse(asked.ticket, Errc::kNotFound, "no rules are on trial; `fairlead router show` tells what is in force"));
  } else if (busy_ || now >= trial_->deadline) {
    out.emplace_back(refuse(asked.ticket, Errc::kConflict, "too late: the rules from before are being restored"));
  } else if (!trial_->session.empty() && (asked.session.empty() || asked.session == trial_->session)) {  // R2
    out.emplace_back(refuse(asked.ticket, Errc::kRefused,
                            "this is not a new connection: the one that applied the rules was let in before them. Log in once more and "
                            "confirm there, within " +
                                seconds_text(trial_->deadline - now)));
  } else {
    request({RouterJobKind::kKeep, {}, false}, asked.ticket, asked.session, out);
  }
}

void RouterApply::failed(const Error& error, const Busy& was, Instant now, Out& out) {
  dirty_ = dirty_ || was.dirty;
  if (was.ticket != 0) {  // Who asked decides what comes next.
    out.emplace_back(RouterAnswer{was.ticket, error});
    return;
  }
  failure_ = error.message();
  retry_at_ = now + (was.job.kind == RouterJobKind::kRestore ? kRestoreRetry : kRouterRetry);
  out.emplace_back(RouterNotice{RouterNoticeKind::kFailed, failure_});
}

void RouterApply::done(const Status& result, Instant now, Out& out) {
  if (!busy_) return;  // Of nobody: harmless.
  const Busy was = *std::exchange(busy_, std::nullopt);
  if (!result) return failed(result.error(), was, now, out);
  failure_.clear();
  std::string said;
  switch (was.job.kind) {
    case RouterJobKind::kPutInForce: {
      const bool again = same(confirmed_, was.job.rules);
      lost_ = false;
      confirmed_ = was.job.rules;
      if (was.job.forgive) refused_.reset();
      present_ = true;
      if (!again || was.ticket == 0) out.emplace_back(RouterNotice{RouterNoticeKind::kInForce, {}});
      said = again ? "these rules were in force; they were put there once more" : "the rules are in force";
      break;
    }
    case RouterJobKind::kTry:
      trial_ = Trial{was.session, now + trial_time_};
      trial_rules_ = was.job.rules;
      present_ = true;
      out.emplace_back(RouterNotice{RouterNoticeKind::kTrial, format_duration(trial_time_)});
      said = "the rules are on trial for " + format_duration(trial_time_) +
             ": log in once more, over a new connection, and say there: fairlead router apply --confirm";
      break;
    case RouterJobKind::kKeep:
      confirmed_ = std::exchange(trial_rules_, std::nullopt);
      trial_.reset();
      refused_.reset();
      out.emplace_back(RouterNotice{RouterNoticeKind::kConfirmed, {}});
      said = "confirmed: the rules are in force";
      break;
    case RouterJobKind::kRestore:
      refused_ = std::exchange(trial_rules_, std::nullopt);
      trial_.reset();
      out.emplace_back(RouterNotice{RouterNoticeKind::kRestored, {}});
      break;
    case RouterJobKind::kRemove:
      confirmed_.reset();
      refused_.reset();
      present_ = false;
      out.emplace_back(RouterNotice{RouterNoticeKind::kRemoved, {}});
      break;
  }
  if (was.ticket != 0) out.emplace_back(RouterAnswer{was.ticket, said});
}

// The only place that begins what nobody asked for: moves one step towards what trial, start and reload want.
void RouterApply::settle(Instant now, Out& out) {
  if (busy_) return;  // R4: its end brings us back here.
  if (trial_) {
    const Instant due = std::max(trial_->deadline, retry_at_);
    if (now < due) {
      out.emplace_back(RouterWakeAt{due});
      return;
    }
    return request({RouterJobKind::kRestore, {}, false}, 0, {}, out);
  }
  if (!confirmed_) lost_ = false;
  if (!dirty_ && !lost_) return;
  if (now < retry_at_) {
    out.emplace_back(RouterWakeAt{retry_at_});
    return;
  }
  if (!dirty_) return request({RouterJobKind::kPutInForce, *confirmed_, false}, 0, {}, out);  // R6
  if (!wanted_) {
    if (present_) return request({RouterJobKind::kRemove, {}, false}, 0, {}, out);
    dirty_ = false;  // R5
    failure_.clear();
    return;
  }
  if (!wanted_was_refused()) return request({RouterJobKind::kPutInForce, *wanted_, false}, 0, {}, out);
  if (!std::exchange(said_refused_, true)) out.emplace_back(RouterNotice{RouterNoticeKind::kRefusedKept, {}});
  if (confirmed_) return request({RouterJobKind::kPutInForce, *confirmed_, false}, 0, {}, out);  // R3
  dirty_ = false;
  failure_.clear();
}

}  // namespace fairlead::dnsdhcp
