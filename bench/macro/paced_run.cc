#include "bench/macro/paced_run.h"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <memory>

#include "base/system_clock.h"
#include "bench/macro/latency_histogram.h"
#include "bench/macro/message.h"
#include "bench/macro/turns.h"

namespace fairlead::bench {
namespace {

constexpr std::uint64_t kBehindMax = 200'000;  // requests outstanding at once: the rate is far from what can be served

/// When a stream's next requests are due, and on which of its connections.
struct Schedule {
  std::uint32_t first = 0;  ///< Slot.
  std::uint32_t connections = 0;
  std::uint32_t burst = 1;
  Duration interval{};
  Instant due{};
  std::uint32_t cursor = 0;

  [[nodiscard]] bool runs() const { return connections > 0 && interval > Duration{}; }
  [[nodiscard]] bool holds(std::uint32_t slot) const { return slot >= first && slot < first + connections; }
};

std::string json_of(const LatencyHistogram& h) {
  return fmt::format(R"({{"n": {}, "mean_ns": {:.0f}, "p50_ns": {}, "p99_ns": {}, "p999_ns": {}, "max_ns": {}}})", h.count(), h.mean_ns(),
                     h.percentile_ns(0.5), h.percentile_ns(0.99), h.percentile_ns(0.999), h.max_ns());
}

class PacedRun final : public ClientPool {
 public:
  PacedRun(Poller poller, const PacedOptions& options) : ClientPool(std::move(poller), options.client), plan_(options) {}

  Result<std::string> run() {
    ask_for_exact_timers();
    add_connections();
    if (auto done = ramp(); !done) return done.error();
    timed_.due = bulk_.due = clock_.now();
    if (auto done = keep_rate_until(clock_.now() + plan_.warmup); !done) return done.error();
    auto members = plan_.turns > 0 ? in_turns() : in_one();
    if (!members) return members.error();
    return fmt::format(R"({{{}, "latency": {}, "send_lag": {}, "events_in_all": {}}})", *members, json_of(latency_), json_of(lag_),
                       totals().events);
  }

 private:
  Result<std::string> in_one() {
    const WindowEdge from = take_edge(clock_, totals(), plan_.watched);
    // Looking at the processes took a while, longer for those of many threads: that is not the proxy's latency.
    window_begin_ = clock_.now();
    window_end_ = window_begin_ + plan_.measured;
    if (auto done = keep_rate_until(window_end_); !done) return done.error();
    const WindowEdge to = take_edge(clock_, totals(), plan_.watched);
    if (auto done = drain(to.at + plan_.drain_limit); !done) return done.error();
    count_unfinished();
    return json_members(window_between(from, to), errors());
  }
  Result<std::string> in_turns() {
    if (auto done = come_to_rest(); !done) return done.error();
    const auto taken = take({.count = plan_.turns,
                             .clock = clock_,
                             .watched = plan_.watched,
                             .totals = totals(),
                             .errors = errors(),
                             .load = [this] { return one_turn(); },
                             .idle = [this](Duration length) { return wait(clock_.now() + length, /*for_answers=*/false); }});
    if (!taken) return taken.error();
    if (auto done = drain(clock_.now() + plan_.drain_limit); !done) return done.error();
    count_unfinished();
    return json_members(*taken, errors());
  }
  Status one_turn() {
    if (plan_.watches > 0) tell_backend(kFlagGoOn);
    window_begin_ = timed_.due = bulk_.due = clock_.now();
    window_end_ = window_begin_ + plan_.measured;
    if (auto done = keep_rate_until(window_end_); !done) return done;
    return come_to_rest();
  }
  /// No more events, and everything under way at its end.
  Status come_to_rest() {
    if (plan_.watches > 0) tell_backend(kFlagHoldEvents);
    if (auto done = wait(clock_.now() + plan_.drain_limit, /*for_answers=*/true); !done) return done;
    if (outstanding() > 0) fail(&ErrorCounts::unfinished, "the load did not come to rest within the drain limit");
    return {};
  }
  void tell_backend(std::uint32_t flag) {
    if (!is_connected(teller_)) return;  // lost, and counted as that
    request(teller_, flag);
    flush(teller_);
  }
  Status wait(Instant end, bool for_answers) {
    for (Instant now = clock_.now(); now < end && errors().total() < kErrorsMax; now = clock_.now()) {
      if (for_answers && outstanding() == 0) break;
      if (auto polled = poll(std::min(end - now, kPollMax)); !polled) return polled;
    }
    return {};
  }
  void add_connections() {
    for (std::uint32_t i = 0; i < plan_.watches; ++i) (void)add_slot({plan_.timed.shape.request_length, plan_.event_length});
    timed_ = schedule_of(plan_.timed);
    bulk_ = schedule_of(plan_.bulk);
    if (plan_.watches > 0 && plan_.turns > 0) teller_ = add_slot(plan_.timed.shape);
    intended_.resize(slots());
  }
  Schedule schedule_of(const PacedStream& stream) {
    Schedule out{.first = slots(), .connections = stream.connections, .burst = stream.burst};
    if (stream.rate > 0) out.interval = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(stream.burst / stream.rate));
    for (std::uint32_t i = 0; i < stream.connections; ++i) (void)add_slot(stream.shape);
    return out;
  }
  Status ramp() {
    const Instant limit = clock_.now() + plan_.drain_limit;
    Slot next = 0;
    while (connected_ < slots() && clock_.now() < limit && errors().total() < kErrorsMax) {
      for (; next < slots() && next - connected_ < kOpeningMax; ++next) open_later(next);
      if (auto polled = poll(kPollMax); !polled) return polled;
    }
    if (connected_ < slots()) fail(&ErrorCounts::unfinished, fmt::format("only {} of {} connections came up", connected_, slots()));
    return {};
  }
  /// Sends what is due and waits for the next, until `end`.
  Status keep_rate_until(Instant end) {
    for (Instant now = clock_.now(); now < end && errors().total() < kErrorsMax; now = clock_.now()) {
      Instant next = std::min(end, now + kPollMax);
      for (Schedule* schedule : {&timed_, &bulk_}) {
        if (!schedule->runs()) continue;
        send_due(*schedule, now);
        next = std::min(next, schedule->due);
      }
      if (outstanding() > kBehindMax) {
        fail(&ErrorCounts::unfinished, fmt::format("{} requests outstanding: the rate is more than is answered", outstanding()));
        return {};
      }
      if (auto polled = poll(next - now); !polled) return polled;
    }
    for (Schedule* schedule : {&timed_, &bulk_}) {  // What came due in a last stall is charged, too.
      if (schedule->runs()) send_due(*schedule, end - Duration(1));
    }
    return {};
  }
  void send_due(Schedule& schedule, Instant now) {
    for (; schedule.due <= now; schedule.due += schedule.interval) {
      for (std::uint32_t i = 0; i < schedule.burst; ++i) {
        const Slot slot = schedule.first + schedule.cursor;
        schedule.cursor = (schedule.cursor + 1) % schedule.connections;
        if (!is_connected(slot)) continue;  // lost, and counted as that
        if (&schedule == &timed_) {
          intended_[slot].push_back(schedule.due);
          if (in_window(schedule.due)) lag_.add(static_cast<std::uint64_t>((clock_.now() - schedule.due).count()));
        }
        request(slot);
        flush(slot);
      }
    }
  }
  /// Ends the watches by a request each, so that whatever was sent before is known to have arrived; waits for all replies.
  Status drain(Instant limit) {
    for (Slot slot = 0; slot < plan_.watches; ++slot) {
      if (!is_connected(slot)) continue;
      request(slot);
      flush(slot);
    }
    return wait(limit, /*for_answers=*/true);
  }
  [[nodiscard]] bool in_window(Instant at) const { return at >= window_begin_ && at < window_end_; }

  void on_connected(Slot slot) override {
    ++connected_;
    if (slot < plan_.watches) watch(slot);
  }
  void on_reply(Slot slot) override {
    if (!timed_.holds(slot) || intended_[slot].empty()) return;
    const Instant intended = intended_[slot].front();
    intended_[slot].pop_front();
    if (in_window(intended)) latency_.add(static_cast<std::uint64_t>((clock_.now() - intended).count()));
  }
  void on_finished(Slot) override {}
  void on_lost(Slot) override {}

  const PacedOptions& plan_;
  SystemClock clock_;
  Schedule timed_;
  Schedule bulk_;
  std::vector<std::deque<Instant>> intended_;  ///< By slot: when each unanswered timed request was meant to leave.
  LatencyHistogram latency_;
  LatencyHistogram lag_;  ///< How late the load itself was: what of the latency is not the proxy's.
  Instant window_begin_{};
  Instant window_end_{};
  std::uint32_t connected_ = 0;
  Slot teller_ = 0;  ///< Where there are watches in turns: the connection over which the backend is told to hold its events.
};

}  // namespace

Result<std::string> run_paced(const PacedOptions& options) {
  auto poller = Poller::create();
  if (!poller) return poller.error();
  const auto run = std::make_unique<PacedRun>(std::move(*poller), options);  // the histograms are large
  return run->run();
}

}  // namespace fairlead::bench
