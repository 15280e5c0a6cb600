#include "bench/macro/load_run.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/system_clock.h"
#include "bench/macro/turns.h"
#include "bench/macro/window_edge.h"

namespace fairlead::bench {
namespace {

class LoadRun final : public ClientPool {
 public:
  LoadRun(Poller poller, const LoadOptions& options) : ClientPool(std::move(poller), options.client), plan_(options) {}

  Result<std::string> run() {
    for (std::uint32_t i = 0; i < options().connections; ++i) open_later(add_slot());
    if (auto done = turn_until(clock_.now() + plan_.warmup, /*stop_when_answered=*/false); !done) return done.error();
    if (plan_.turns > 0) return run_in_turns();
    const WindowEdge from = take_edge(clock_, totals(), plan_.watched);
    if (auto done = turn_until(from.at + plan_.measured, /*stop_when_answered=*/false); !done) return done.error();
    const WindowEdge to = take_edge(clock_, totals(), plan_.watched);
    draining_ = true;
    if (auto done = turn_until(to.at + plan_.drain_limit, /*stop_when_answered=*/true); !done) return done.error();
    count_unfinished();
    return "{" + json_members(window_between(from, to), errors()) + "}";
  }

 private:
  Status turn_until(Instant end, bool stop_when_answered) {
    for (Instant now = clock_.now(); now < end && errors().total() < kErrorsMax; now = clock_.now()) {
      if (stop_when_answered && outstanding() == 0) break;
      if (auto polled = poll(std::min(end - now, kPollMax)); !polled) return polled;
    }
    return {};
  }
  Result<std::string> run_in_turns() {
    if (auto done = come_to_rest(); !done) return done.error();
    const auto taken = take({.count = plan_.turns,
                             .clock = clock_,
                             .watched = plan_.watched,
                             .totals = totals(),
                             .errors = errors(),
                             .load = [this] { return one_turn(); },
                             .idle = [this](Duration length) { return turn_until(clock_.now() + length, /*stop_when_answered=*/false); }});
    if (!taken) return taken.error();
    return "{" + json_members(*taken, errors()) + "}";
  }
  Status one_turn() {
    const Instant end = clock_.now() + plan_.measured;
    resume();
    if (auto done = turn_until(end, /*stop_when_answered=*/false); !done) return done;
    return come_to_rest();
  }
  /// Lets everything under way come to its end.
  Status come_to_rest() {
    pausing_ = true;
    const Instant limit = clock_.now() + plan_.drain_limit;
    while (!quiet() && clock_.now() < limit && errors().total() < kErrorsMax) {
      if (auto polled = poll(kPollMax); !polled) return polled;
    }
    if (!quiet()) fail(&ErrorCounts::unfinished, "the load did not come to rest within the drain limit");
    return {};
  }
  void resume() {
    pausing_ = false;
    for (Slot slot = 0; slot < slots(); ++slot) {
      if (!is_open(slot)) {
        open_later(slot);
      } else if (is_connected(slot)) {
        on_connected(slot);
        flush(slot);
      }
    }
  }
  [[nodiscard]] bool quiet() const {
    if (is_opening()) return false;
    for (Slot slot = 0; slot < slots() && options().per_connection > 0; ++slot) {
      if (is_open(slot)) return false;
    }
    return outstanding() == 0;
  }
  void on_connected(Slot slot) override {
    for (std::uint32_t i = 0; i < options().window && wants_more(slot); ++i) request(slot);
  }
  void on_reply(Slot slot) override {
    if (wants_more(slot)) {
      request(slot);
    } else if (options().per_connection > 0 && outstanding(slot) == 0) {
      finish(slot);
    }
  }
  void on_finished(Slot slot) override {
    if (!draining_ && !pausing_) open_later(slot);
  }
  void on_lost(Slot slot) override { on_finished(slot); }
  [[nodiscard]] bool wants_more(Slot slot) const {
    if (draining_) return false;
    // In a pause a connection that was opened for its requests still makes them; kept ones make no new ones.
    return options().per_connection == 0 ? !pausing_ : asked(slot) < options().per_connection;
  }

  const LoadOptions& plan_;
  SystemClock clock_;
  bool draining_ = false;
  bool pausing_ = false;
};

class IdleRun final : public ClientPool {
 public:
  IdleRun(Poller poller, const IdleOptions& options) : ClientPool(std::move(poller), options.client), plan_(options) {}

  Result<std::string> run() {
    limit_ = clock_.now() + plan_.limit;
    std::string marks;
    for (const std::uint32_t mark : plan_.marks) {
      if (auto done = ramp_to(mark); !done) return done.error();
      if (auto done = rest(plan_.settle); !done) return done.error();
      marks += fmt::format(R"({}{{"connections": {}, "resident_bytes": {}}})", marks.empty() ? "" : ", ", slots(),
                           resident_bytes(plan_.watched.proxy));
    }
    const WindowEdge from = take_edge(clock_, totals(), plan_.watched);
    if (auto done = rest(plan_.hold); !done) return done.error();
    const WindowEdge to = take_edge(clock_, totals(), plan_.watched);
    if (auto done = ask_all_again(); !done) return done.error();
    count_unfinished();
    return fmt::format(R"({{"marks": [{}], {}}})", marks, json_members(window_between(from, to), errors()));
  }

 private:
  [[nodiscard]] bool may_go_on() const { return clock_.now() < limit_ && errors().total() < kErrorsMax; }
  Status ramp_to(std::uint32_t mark) {
    while (may_go_on() && answered_ < mark) {
      while (slots() < mark && slots() - answered_ < kOpeningMax) open_later(add_slot());
      if (auto polled = poll(kPollMax); !polled) return polled;
    }
    if (answered_ < mark) fail(&ErrorCounts::unfinished, fmt::format("only {} of {} connections came up", answered_, mark));
    return {};
  }
  Status rest(Duration length) {
    const Instant end = clock_.now() + length;
    for (Instant now = clock_.now(); now < end && errors().total() < kErrorsMax; now = clock_.now()) {
      if (auto polled = poll(std::min(end - now, kPollMax)); !polled) return polled;
    }
    return {};
  }
  /// Proof that all of them were alive: a proxy that had dropped some would look thrifty.
  Status ask_all_again() {
    Slot next = 0;
    while (may_go_on() && (next < slots() || outstanding() > 0)) {
      for (; next < slots() && outstanding() < kOpeningMax; ++next) {
        if (!is_open(next)) continue;
        request(next);
        flush(next);
      }
      if (auto polled = poll(kPollMax); !polled) return polled;
    }
    return {};
  }
  void on_connected(Slot slot) override { request(slot); }
  void on_reply(Slot) override { ++answered_; }
  void on_finished(Slot) override {}
  void on_lost(Slot) override {}

  const IdleOptions& plan_;
  SystemClock clock_;
  Instant limit_;
  std::uint32_t answered_ = 0;
};

}  // namespace

Result<std::string> run_load(const LoadOptions& options) {
  auto poller = Poller::create();
  if (!poller) return poller.error();
  return LoadRun(std::move(*poller), options).run();
}

Result<std::string> run_idle(const IdleOptions& options) {
  auto poller = Poller::create();
  if (!poller) return poller.error();
  return IdleRun(std::move(*poller), options).run();
}

}  // namespace fairlead::bench
