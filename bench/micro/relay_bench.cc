// A worker without a kernel (bench/gate/scripted_relay.h): relay core, buffers, timers and the choice of a server. Expectation: of some
// 20 us that a relayed request takes, what runs in user space is about a hundredth, and does not grow with the number of connections but
// for the caches: a request and its answer below 300 ns, a whole connection below 1 us, a piece of bulk below 100 ns.
#include "bench/gate/scripted_relay.h"
#include "bench/micro/expectation.h"

namespace fairlead {
namespace {

using bench::ScriptedRelay;
using lb::Side;

void request(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  ScriptedRelay relay(connections);
  for (std::uint32_t id = 0; id < connections; ++id) relay.open(id);
  std::uint32_t id = 0;
  for (auto _ : state) {
    relay.deliver(id, Side::kClient, 200);
    relay.deliver(id, Side::kServer, 2000);
    if (++id == connections) {
      id = 0;
      relay.pass(std::chrono::milliseconds(1));
    }
  }
  benchmark::DoNotOptimize(relay.delivered());
  bench::expect_ns(state, 300);
}
BENCHMARK(request)->Name("relay/request")->Arg(64)->Arg(10'000);

void connection(benchmark::State& state) {
  ScriptedRelay relay(64);
  std::uint32_t id = 0;
  for (auto _ : state) {
    relay.open(id);
    relay.deliver(id, Side::kClient, 200);
    relay.deliver(id, Side::kServer, 200);
    relay.end(id, Side::kClient);
    relay.end(id, Side::kServer);
    relay.pass(std::chrono::microseconds(50));
    id = (id + 1) % 64;
  }
  if (relay.finished() != static_cast<std::uint64_t>(state.iterations())) state.SkipWithError("a connection did not end");
  bench::expect_ns(state, 1000);
}
BENCHMARK(connection)->Name("relay/connection");

void bulk_piece(benchmark::State& state) {
  ScriptedRelay relay(1);
  relay.open(0);
  while (!relay.in_bulk(0, Side::kServer)) relay.deliver(0, Side::kServer, net::kBufferBytes);
  for (auto _ : state) {
    relay.move(0, Side::kServer, 64 * 1024);
    relay.pass(std::chrono::microseconds(10));
  }
  bench::expect_ns(state, 100);
}
BENCHMARK(bulk_piece)->Name("relay/bulk_piece");

}  // namespace
}  // namespace fairlead
