// The flight recorder. Expectation: an event is formatted and copied in below 2 us on the thread that makes it; no worker makes any. A dump
// of a full ring (2 MiB) takes below 5 ms, of which any writer waits for 32 KiB at most.
#include "base/flight_recorder.h"
#include "base/system_clock.h"
#include "bench/micro/expectation.h"

namespace fairlead {
namespace {

LogEvent server_down() {
  return {SystemClock().wall(),
          MessageId::SERVER_DOWN,
          {{"pool", "masters"},
           {"server", "mast-1"},
           {"address", "192.168.1.11:6443"},
           {"reason", "check: refused (2 of 2)"},
           {"after_ms", "412"}}};
}

void append(benchmark::State& state) {
  FlightRecorder recorder({.ring = "", .state_dir = "", .bytes = kFlightBytes});
  const LogEvent event = server_down();
  for (auto _ : state) recorder.append(event);
  bench::expect_ns(state, 2000);
}
BENCHMARK(append)->Name("flight_recorder/append");

void dump(benchmark::State& state) {
  FlightRecorder recorder({.ring = "", .state_dir = "", .bytes = kFlightBytes});
  const LogEvent event = server_down();
  for (int i = 0; i < 20000; ++i) recorder.append(event);
  for (auto _ : state) benchmark::DoNotOptimize(recorder.dump());
  bench::expect_ns(state, 5e6);
}
BENCHMARK(dump)->Name("flight_recorder/dump_full");

}  // namespace
}  // namespace fairlead
