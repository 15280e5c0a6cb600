// takeover_replay FILE...: plays what `fairleadd --trace-takeover FILE` wrote again, and compares the answers. Exit: 0 as recorded, 1 not.
#include <cstdio>
#include <fstream>

#include "daemon/takeover_trace.h"

int main(int argc, char** argv) {
  bool all = argc > 1;
  for (int i = 1; i < argc; ++i) {
    std::ifstream trace(argv[i]);
    const auto replayed = fairlead::daemon::replay_trace(trace);
    if (replayed) {
      std::printf("%s: %zu lives, %zu inputs, %zu actions as recorded\n", argv[i], replayed->lives, replayed->inputs, replayed->actions);
    } else {
      std::fprintf(stderr, "%s: %s\n", argv[i], replayed.error().message().c_str());
      all = false;
    }
  }
  return all ? 0 : 1;
}
