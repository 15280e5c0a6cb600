// `fairlead bench`: hands over to the benchmark harness (bench/run.py, bench/compare.py), which lies in the source tree or is installed.
#pragma once

#include <filesystem>
#include <string>

#include "cli/invocation.h"

namespace fairlead::cli {

struct BenchRequest {
  bool quick = false;
  bool fresh = false;
  bool list = false;
  std::string workloads;
  std::string contenders;
  std::string rounds;
  std::string seconds;
  std::string rate;
  std::string haproxy3;
  std::string out;
};

/// The harness's folder, seen from the program's own path; `named` ($FAIRLEAD_BENCH) goes first. Empty when there is none.
[[nodiscard]] std::filesystem::path find_bench(const std::filesystem::path& program, const std::string& named);

/// Both end in the harness's own exit code: this process becomes it.
void run_bench(const BenchRequest& request, CliEnvironment& environment);
/// Of the request its workloads and contenders only.
void compare_bench(const std::string& before, const std::string& after, const BenchRequest& request, CliEnvironment& environment);

}  // namespace fairlead::cli
