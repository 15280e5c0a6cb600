// A worker's deadlines. Expectation: one that is put off costs two list operations, below 40 ns, whether 64 or 10,000 are armed; one that
// is armed and fires, with its moves down the levels, below 60 ns; a turn of the loop in which nothing is due below 20 ns.
#include "base/prng.h"
#include "bench/micro/expectation.h"
#include "net/timer_wheel.h"

namespace fairlead::net {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

const Instant kStart{hours(1)};

/// Each connection puts its idle timeout off again and again.
void rearm(benchmark::State& state) {
  const auto connections = static_cast<TimerWheel::Id>(state.range(0));
  TimerWheel wheel(kStart);
  Instant now = kStart;
  for (TimerWheel::Id id = 0; id < connections; ++id) wheel.arm(id, now + hours(1));
  TimerWheel::Id id = 0;
  for (auto _ : state) {
    now += microseconds(10);
    wheel.arm(id, now + hours(1));
    id = id + 1 == connections ? 0 : id + 1;
    if (id % 64 == 0) (void)wheel.advance(now, [](TimerWheel::Id) {});
  }
  bench::expect_ns(state, 40);
}
BENCHMARK(rearm)->Name("timer_wheel/rearm")->Arg(64)->Arg(10'000);

/// Connects: armed for half a second, mostly cancelled, here all of them fire. Per firing, arming included.
void fire(benchmark::State& state) {
  constexpr TimerWheel::Id kIds = 1000;
  TimerWheel wheel(kStart);
  Prng prng(1);
  Instant now = kStart;
  std::uint64_t fired = 0;
  for (auto _ : state) {
    for (TimerWheel::Id id = 0; id < kIds; ++id) wheel.arm(id, now + milliseconds(1 + prng.below(500)));
    now += milliseconds(510);
    fired += wheel.advance(now, [](TimerWheel::Id) {});
  }
  if (fired != static_cast<std::uint64_t>(state.iterations()) * kIds) state.SkipWithError("a deadline did not fire");
  bench::expect_ns(state, 60.0 * kIds);
}
BENCHMARK(fire)->Name("timer_wheel/fire_1000");

void nothing_due(benchmark::State& state) {
  TimerWheel wheel(kStart);
  for (TimerWheel::Id id = 0; id < 20'000; ++id) wheel.arm(id, kStart + hours(1) + milliseconds(id));
  Instant now = kStart;
  for (auto _ : state) {
    now += std::chrono::nanoseconds(1);
    benchmark::DoNotOptimize(wheel.advance(now, [](TimerWheel::Id) {}));
    benchmark::DoNotOptimize(wheel.next_deadline());
  }
  bench::expect_ns(state, 20);
}
BENCHMARK(nothing_due)->Name("timer_wheel/nothing_due");

}  // namespace
}  // namespace fairlead::net
