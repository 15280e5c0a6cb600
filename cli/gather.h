// Runs a program for its output, for so long and so much at most.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/time.h"

namespace fairlead::cli {

struct Gathered {
  std::string output;   ///< Standard output and error.
  std::string problem;  ///< Why there is none, or not all: "no such program", "exit 1", "took longer than 10s". Empty: none.
  bool cut = false;     ///< There was more than `most` bytes: the end is missing.
};
struct GatherOptions {
  int output = -1;             ///< Standard output goes to this descriptor, and `Gathered::output` has standard error alone.
  std::function<bool()> stop;  ///< Asked after a signal: true ends it as when the time is over ("interrupted"). Empty: nobody stops it.
};
/// Reads nothing from standard input. When the time is over, the program and all it started that stayed in its group are killed.
[[nodiscard]] Gathered gather(const std::vector<std::string>& command, Duration limit, std::size_t most,
                              const GatherOptions& options = GatherOptions());

}  // namespace fairlead::cli
