// fairlead: pure
#include "dnsdhcp/supervision_core.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/overloaded.h"

namespace fairlead::dnsdhcp {

std::string_view to_string(DnsmasqPhase phase) {
  switch (phase) {
    case DnsmasqPhase::kStopped: return "stopped";
    case DnsmasqPhase::kStarting: return "starting";
    case DnsmasqPhase::kRunning: return "running";
    case DnsmasqPhase::kStopping: return "stopping";
    case DnsmasqPhase::kWaiting: return "waiting";
  }
  return "stopped";
}

DnsmasqPhase SupervisionCore::phase() const {
  if (process_ == Process::kNone) return wanted_ ? DnsmasqPhase::kWaiting : DnsmasqPhase::kStopped;
  if (!wanted_ || replace_ || term_sent_) return DnsmasqPhase::kStopping;
  return ready_ ? DnsmasqPhase::kRunning : DnsmasqPhase::kStarting;
}

Instant SupervisionCore::next_deadline() const {
  Instant out = Instant::max();
  const auto at = [&](Instant deadline) { out = std::min(out, deadline); };
  if (process_ == Process::kNone && wanted_) at(not_before_);
  if (process_ != Process::kThere) return out;
  if (term_sent_ && !kill_sent_) at(term_at_ + kStopPatience);
  if (term_sent_ || kill_sent_) return out;
  if (!ready_) at(spawned_at_ + kReadyPatience);
  if (bus_lost_at_) at(*bus_lost_at_ + kBusGrace);
  if (ready_ && asks_) at(ask_at_);
  if (ready_ && (looping_ || quick_ends_ > 0)) at(ready_at_ + kSteady);
  return out;
}

SupervisionActions SupervisionCore::step(const SupervisionInput& input, Instant now) {
  SupervisionActions out;
  std::visit(Overloaded{[&](const RunDnsmasq&) { wanted_ = true; },
                        [&](const StopDnsmasq&) {
                          wanted_ = false;
                          replace_ = reload_ = false;
                          silent_since_.reset();
                          forget_ends();
                        },
                        [&](const RestartDnsmasq&) {
                          replace_ = process_ != Process::kNone;
                          wanted_ = true;
                          reload_ = false;  // A new one reads everything.
                          not_before_ = now;
                          forget_ends();
                        },
                        [&](const ReloadDnsmasq&) { reload_ = process_ != Process::kNone && wanted_ && !replace_; },
                        [&](const DnsmasqSpawned&) {
                          if (process_ == Process::kAsked) process_ = Process::kThere;
                        },
                        [&](const SpawnFailed& failed) {
                          if (process_ == Process::kAsked) ended(failed.reason, now, out);
                        },
                        [&](const DnsmasqReady& ready) {
                          // Its bus may be quicker than the answer to Spawn.
                          if (process_ == Process::kNone || ready_) return;
                          ready_ = true;
                          ready_at_ = now;
                          bus_lost_at_.reset();
                          silent_since_.reset();
                          ask_at_ = now + kAskEvery;
                          if (wanted_ && !replace_) out.emplace_back(SayReady{ready.version, now - spawned_at_});
                        },
                        [&](const DnsmasqBusLost&) {
                          // Of one that is not ready it is the bus of the one before.
                          if (ready_ && !bus_lost_at_) bus_lost_at_ = now;
                        },
                        [&](const DnsmasqAnswered&) {
                          asked_ = false;
                          missed_ = 0;
                          if (ready_) silent_since_.reset();
                        },
                        [&](const DnsmasqEnded& end) {
                          if (process_ == Process::kThere) ended(end.reason, now, out);
                        },
                        [](const SupervisionTick&) {}},
             input);
  settle(now, out);
  return out;
}

void SupervisionCore::forget_ends() {
  ends_.clear();
  quick_ends_ = 0;
  looping_ = false;
}

/// The process is gone, whatever it was to do.
void SupervisionCore::ended(const std::string& reason, Instant now, SupervisionActions& out) {
  const bool asked_for = !wanted_ || replace_ || (term_sent_ && killed_for_.empty());
  const bool was_steady = ready_ && now - ready_at_ >= kSteady;
  const std::string why = killed_for_.empty() ? reason : killed_for_;
  process_ = Process::kNone;
  ready_ = replace_ = reload_ = term_sent_ = kill_sent_ = false;
  bus_lost_at_.reset();
  asked_ = false;
  missed_ = 0;
  if (wanted_ && !silent_since_) silent_since_ = now;
  killed_for_.clear();
  if (!wanted_) out.emplace_back(SayStopped{});
  if (asked_for) return;
  last_end_ = why;
  if (was_steady) quick_ends_ = 0;
  Duration wait = Duration::zero();
  if (quick_ends_ > 0) wait = std::min(kBackOffMax, kBackOffFirst * (1U << std::min(quick_ends_ - 1, 16U)));
  ++quick_ends_;
  not_before_ = now + wait;
  out.emplace_back(SayEnded{why, wait});
  ends_.push_back(now);
  while (ends_.size() > kLoopEnds || now - ends_.front() > kLoopWindow) ends_.pop_front();
  if (ends_.size() < kLoopEnds || looping_) return;
  looping_ = true;
  out.emplace_back(SayCrashLoop{ends_.size(), why});
}

/// The only place that starts or ends anything: a step towards what is wanted.
void SupervisionCore::settle(Instant now, SupervisionActions& out) {
  if (process_ == Process::kNone) {
    if (!wanted_ || now < not_before_) return;
    process_ = Process::kAsked;  // S1
    spawned_at_ = now;
    if (!silent_since_) silent_since_ = now;
    out.emplace_back(SpawnDnsmasq{});
    return;
  }
  if (process_ == Process::kAsked) return;  // Its answer will bring us back here.
  if (!wanted_ || replace_ || term_sent_) return finish(now, out);
  watch(now, out);
}

/// S2
void SupervisionCore::finish(Instant now, SupervisionActions& out) {
  if (!term_sent_) {
    term_sent_ = true;
    term_at_ = now;
    out.emplace_back(TermDnsmasq{});
    return;
  }
  if (kill_sent_ || now - term_at_ < kStopPatience) return;
  kill_sent_ = true;
  out.emplace_back(KillDnsmasq{});
}

void SupervisionCore::kill(std::string why, SupervisionActions& out) {
  killed_for_ = std::move(why);
  term_sent_ = kill_sent_ = true;
  out.emplace_back(KillDnsmasq{});
}

/// S8
void SupervisionCore::ask(Instant now, SupervisionActions& out) {
  if (asked_) {
    if (missed_++ == 0) silent_since_ = ask_at_ - kAskEvery;
    if (missed_ == kAnswersMissedMax)
      return kill("it hangs: " + std::to_string(kAnswersMissedMax) + " questions in a row were not answered", out);
  }
  asked_ = true;
  ask_at_ = now + kAskEvery;
  out.emplace_back(AskDnsmasq{});
}

/// Of one that is there and wanted.
void SupervisionCore::watch(Instant now, SupervisionActions& out) {
  FL_DASSERT(!term_sent_);
  if (!ready_ && now - spawned_at_ >= kReadyPatience) return kill("not ready in time", out);  // S4
  if (bus_lost_at_ && now - *bus_lost_at_ >= kBusGrace) {                                     // S7
    killed_for_ = "its bus was lost";
    return finish(now, out);
  }
  if (!ready_) return;
  if (asks_ && now >= ask_at_) ask(now, out);
  if (kill_sent_) return;
  if (reload_) {  // S6
    reload_ = false;
    out.emplace_back(HangupDnsmasq{});
  }
  if (now - ready_at_ < kSteady) return;
  quick_ends_ = 0;
  if (!looping_) return;
  looping_ = false;
  ends_.clear();
  out.emplace_back(SayCrashLoopOver{});
}

}  // namespace fairlead::dnsdhcp
