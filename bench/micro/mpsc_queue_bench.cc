// The queue between threads. Expectation: an uncontended push is one CAS on a line the producer owns, a pop one load and one store:
// both together stay below 20 ns, with a 64-byte value below 30 ns. Two producers on one line pay for its transfer: below 200 ns.
#include <array>
#include <cstdint>

#include "base/mpsc_queue.h"
#include "bench/micro/expectation.h"

namespace fairlead {
namespace {

void push_and_pop(benchmark::State& state) {
  MpscQueue<std::uint64_t> queue(1024);
  std::uint64_t value = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue.push(++value));
    benchmark::DoNotOptimize(queue.pop());
  }
  bench::expect_ns(state, 20);
}
BENCHMARK(push_and_pop)->Name("mpsc_queue/push_and_pop");

void push_and_pop_64_bytes(benchmark::State& state) {
  MpscQueue<std::array<std::uint64_t, 8>> queue(1024);
  std::array<std::uint64_t, 8> value{};
  for (auto _ : state) {
    ++value[0];
    benchmark::DoNotOptimize(queue.push(value));
    benchmark::DoNotOptimize(queue.pop());
  }
  bench::expect_ns(state, 30);
}
BENCHMARK(push_and_pop_64_bytes)->Name("mpsc_queue/push_and_pop_64_bytes");

/// A worker's turn: many small events in, all of them out. The queue walks its cells instead of staying on one line.
void burst(benchmark::State& state) {
  const auto length = static_cast<std::uint64_t>(state.range(0));
  MpscQueue<std::uint64_t> queue(length);
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < length; ++i) benchmark::DoNotOptimize(queue.push(i));
    for (std::uint64_t i = 0; i < length; ++i) benchmark::DoNotOptimize(queue.pop());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  bench::expect_ns(state, 20.0 * static_cast<double>(length));
}
BENCHMARK(burst)->Name("mpsc_queue/burst")->Arg(64)->Arg(1024);

/// A full queue must refuse fast: shedding is what happens under overload.
void refuse_when_full(benchmark::State& state) {
  MpscQueue<std::uint64_t> queue(64);
  while (queue.push(1)) {}
  for (auto _ : state) benchmark::DoNotOptimize(queue.push(1));
  bench::expect_ns(state, 5);
}
BENCHMARK(refuse_when_full)->Name("mpsc_queue/refuse_when_full");

void two_producers(benchmark::State& state) {
  static MpscQueue<std::uint64_t> queue(4096);
  std::uint64_t pushed = 0;
  for (auto _ : state) {
    if (queue.push(1)) ++pushed;
    // The first thread is the one consumer; it drains what both pushed.
    if (state.thread_index() == 0) {
      for (int i = 0; i < 2; ++i) benchmark::DoNotOptimize(queue.pop());
    }
  }
  benchmark::DoNotOptimize(pushed);
  bench::expect_ns(state, 200);
}
BENCHMARK(two_producers)->Name("mpsc_queue/two_producers")->Threads(2);

}  // namespace
}  // namespace fairlead
