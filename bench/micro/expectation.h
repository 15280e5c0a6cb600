// Every micro-benchmark says what it expects before it measures: the number is exported as the counter `expect_ns` (time per iteration),
// and `bench/micro.py` puts it beside what was measured. An expectation is a design statement; a miss is a question, not a failure.
#pragma once

#include <benchmark/benchmark.h>

namespace fairlead::bench {

/// Upper bound of the CPU time of one iteration, on a server core of about 3 GHz.
inline void expect_ns(benchmark::State& state, double at_most) { state.counters["expect_ns"] = at_most; }

}  // namespace fairlead::bench
