// The fixed pieces of work whose instructions are counted (bench/gate/gate.py). Each is prepared outside what is counted; what is counted
// is one function whose name begins with fl_gate_, with C linkage so that valgrind's --toggle-collect finds it by that name.
//
// A scenario must do the same whenever it runs: no clock, no descriptor, no random device, no address in any decision.
#pragma once

#include <cstdint>
#include <vector>

namespace fairlead::bench {

struct Outcome {
  std::uint64_t units = 0;     ///< How much was done.
  std::uint64_t checksum = 0;  ///< Of what came out: the same every time, or the scenario is not what the baseline counted.
};
struct Scenario {
  const char* name;
  const char* unit;
  Outcome (*run)();
};

/// By room.
[[nodiscard]] std::vector<Scenario> relay_scenarios();
[[nodiscard]] std::vector<Scenario> placement_scenarios();
[[nodiscard]] std::vector<Scenario> control_scenarios();

}  // namespace fairlead::bench
