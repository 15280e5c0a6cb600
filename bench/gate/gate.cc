// fairlead-gate: does one fixed piece of work, so that its instructions can be counted: `fairlead-gate list`, `fairlead-gate NAME`.
// Prints JSON: what was done, and how this program was compiled, without which a count means nothing.
#include <cstdio>
#include <cstring>

#include "bench/gate/scenario.h"

int main(int argc, char** argv) {
  using namespace fairlead::bench;
  std::vector<Scenario> all = relay_scenarios();
  for (const auto& more : {placement_scenarios(), control_scenarios()}) all.insert(all.end(), more.begin(), more.end());
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    std::printf("{\"compiler\": \"%s\", \"flags\": \"%s\", \"scenarios\": [", FL_GATE_COMPILER, FL_GATE_FLAGS);
    for (const Scenario& each : all)
      std::printf("%s{\"name\": \"%s\", \"unit\": \"%s\"}", &each == all.data() ? "" : ", ", each.name, each.unit);
    std::printf("]}\n");
    return 0;
  }
  for (const Scenario& each : all) {
    if (argc != 2 || std::strcmp(argv[1], each.name) != 0) continue;
    const Outcome outcome = each.run();
    std::printf("{\"units\": %llu, \"checksum\": %llu}\n", static_cast<unsigned long long>(outcome.units),
                static_cast<unsigned long long>(outcome.checksum));
    return 0;
  }
  std::fprintf(stderr, "usage: fairlead-gate list | fairlead-gate NAME\n");
  return 2;
}
