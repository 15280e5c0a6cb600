// fairlead: pure
#include "dnsdhcp/lease_steps.h"

#include <algorithm>
#include <utility>

#include "dnsdhcp/lease_mutant.h"

namespace fairlead::dnsdhcp {

void LeaseSteps::step_to(LeaseStep step, Instant now) {
  since_ = now;
  step_ = step;
}

void LeaseSteps::begin(Epoch epoch, Instant now, LeaseBook& book, BookActions& out) {
  pausing_ = told_ = swept_ = false;
  fenced_at_ = now;
  sweep_retry_ = {};
  book.hold(network_, epoch, now, out);
  step_to(LeaseStep::kFencing, now);
}

void LeaseSteps::gone(Instant now, LeaseBook& book) {
  pausing_ = told_ = false;
  book.let_go(network_);
  step_to(LeaseStep::kAway, now);
}

bool LeaseSteps::close(Instant now) {
  if (step_ == LeaseStep::kAway) return false;
  pausing_ = false;  // S3
  if (step_ == LeaseStep::kClosed) return false;
  if (step_ != LeaseStep::kClosingGate && step_ != LeaseStep::kClosing) begin_closing(now, kBarrierMax);
  close_by_ = std::min(close_by_, now + kBarrierMax);
  return true;
}

void LeaseSteps::restart(Instant now) {
  pausing_ = false;  // S3
  if (step_ == LeaseStep::kOpening || step_ == LeaseStep::kOpen) begin_closing(now, kBarrierMax);
  if (step_ == LeaseStep::kSweeping) step_to(LeaseStep::kFencing, now);  // It is asked anew after the start.
}

void LeaseSteps::dnsmasq_ended(bool leaving, Instant now) {
  if (step_ == LeaseStep::kAway) return;
  told_ = pausing_ = false;
  fenced_at_ = now;
  step_to(leaving ? LeaseStep::kClosed : LeaseStep::kFencing, now);
}

StepWish LeaseSteps::dnsmasq_ready(LeaseBook& book, BookActions& out) {
  if (step_ != LeaseStep::kClosed && step_ != LeaseStep::kAway) return StepWish::kNothing;
  if (!told_) return StepWish::kBegin;
  open(book, out);  // Closed for a restart, and nothing was given meanwhile.
  return StepWish::kNothing;
}

StepWish LeaseSteps::turn(const StepFacts& facts, LeaseBook& book, BookActions& out) {
  switch (step_) {
    case LeaseStep::kAway:
    case LeaseStep::kSweeping: return StepWish::kNothing;
    case LeaseStep::kFencing: return turn_fencing(facts, book, out);
    case LeaseStep::kOpening:
      if (!book.may_open(network_) || !facts.gate_open) return StepWish::kNothing;
      opened_after_ = facts.now - since_;
      step_to(LeaseStep::kOpen, facts.now);
      return StepWish::kOpened;
    case LeaseStep::kOpen:
      if (!book.has_news(network_) && !facts.refused) return StepWish::kNothing;
      begin_closing(facts.now, kFenceMax);  // Nobody waits for it.
      pausing_ = true;
      return StepWish::kNothing;
    case LeaseStep::kClosingGate:
      // What the socket has taken already dnsmasq answers still.
      if (!facts.gate_closed || !facts.queue_empty) return facts.now < close_by_ ? StepWish::kNothing : closed(/*told=*/false, facts.now);
      step_to(LeaseStep::kClosing, facts.now);
      book.close(network_, out);
      return StepWish::kNothing;
    case LeaseStep::kClosing:
      if (!book.may_release(network_) && facts.now < close_by_) return StepWish::kNothing;
      return closed(book.may_release(network_), facts.now);
    case LeaseStep::kClosed: return turn_closed(facts, book, out);
  }
  return StepWish::kNothing;
}

StepWish LeaseSteps::turn_fencing(const StepFacts& facts, LeaseBook& book, BookActions& out) {
  if (facts.restart_due || !facts.ready) return StepWish::kNothing;
  if (!book.fenced(network_)) {
    if (facts.now < fenced_at_ + kFenceMax) return StepWish::kNothing;
    fenced_at_ = facts.now;
    book.fence_again(out);
    return StepWish::kNothing;
  }
  if (!book.handed_over(network_)) {  // S1
    if (!book.synchronised() && facts.now < since_ + kBooksMax) return StepWish::kNothing;
    if (facts.sweeps) return facts.now < sweep_retry_ ? StepWish::kNothing : StepWish::kSweep;
  }
  open(book, out);
  return StepWish::kNothing;
}

StepWish LeaseSteps::turn_closed(const StepFacts& facts, LeaseBook& book, BookActions& out) {
  if (!facts.here || facts.restart_due) return StepWish::kNothing;
  if (pausing_) {
    if (!facts.ready) return StepWish::kNothing;
    pausing_ = false;
    // What came meanwhile is told to dnsmasq, which gives nothing now. Some of its own may be untold: then the pool is asked as well (S2).
    if (!told_) return StepWish::kBegin;
    book.tick(facts.now, out);
    open(book, out);
    return StepWish::kNothing;
  }
  return facts.now < since_ + kClosedMax ? StepWish::kNothing : StepWish::kBegin;  // It was to go, and stayed after all.
}

StepWish LeaseSteps::closed(bool told, Instant now) {
  told_ = !FL_LEASE_RULE(kTold, !told) && was_open_;
  step_to(LeaseStep::kClosed, now);
  return StepWish::kStopped;
}

void LeaseSteps::begin_closing(Instant now, Duration patience) {
  pausing_ = false;
  was_open_ = step_ == LeaseStep::kOpening || step_ == LeaseStep::kOpen;
  close_by_ = now + patience;
  step_to(LeaseStep::kClosingGate, now);
}

void LeaseSteps::open(LeaseBook& book, BookActions& out) {
  pausing_ = false;
  step_ = LeaseStep::kOpening;
  book.open(network_, out);
}

void LeaseSteps::sweep_done(LeaseBook& book, BookActions& out) {
  swept_ = true;
  open(book, out);
}

void LeaseSteps::sweep_failed(Instant retry) {
  sweep_retry_ = retry;
  step_ = LeaseStep::kFencing;
}

bool LeaseSteps::wants_gate(const LeaseBook& book) const {
  return (step_ == LeaseStep::kOpening || step_ == LeaseStep::kOpen) && book.may_open(network_);
}

Instant LeaseSteps::next_due(const StepFacts& facts) const {
  Instant next = Instant::max();
  const auto at = [&](Instant when) {
    if (when > facts.now) next = std::min(next, when);
  };
  switch (step_) {
    case LeaseStep::kFencing:
      at(since_ + kBooksMax);
      at(fenced_at_ + kFenceMax);
      at(sweep_retry_);
      break;
    case LeaseStep::kClosingGate:
      if (facts.gate_closed) at(facts.now + kQueueLook);
      at(close_by_);
      break;
    case LeaseStep::kClosing: at(close_by_); break;
    case LeaseStep::kClosed:
      if (!facts.here || facts.restart_due) break;
      if (pausing_ && facts.ready) at(facts.now + 1ms);
      at(since_ + kClosedMax);
      break;
    case LeaseStep::kAway:
    case LeaseStep::kSweeping:
    case LeaseStep::kOpening:
    case LeaseStep::kOpen: break;
  }
  return next;
}

}  // namespace fairlead::dnsdhcp
