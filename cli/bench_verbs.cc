#include "cli/bench_verbs.h"

#include <cstdlib>
#include <ostream>
#include <system_error>
#include <unistd.h>

namespace fairlead::cli {
namespace {

namespace fs = std::filesystem;

void hand_over(const char* script, const std::vector<std::string>& arguments, CliEnvironment& environment) {
  const char* named = std::getenv("FAIRLEAD_BENCH");
  std::error_code ignored;
  const fs::path bench =
      find_bench(environment.program.empty() ? fs::read_symlink("/proc/self/exe", ignored) : fs::path(environment.program),
                 named == nullptr ? "" : named);
  if (bench.empty()) {
    throw VerbFailure{kExitFailed,
                      "the benchmark is not here: it comes with the package (share/fairlead/bench) and with the source (make "
                      "bench); FAIRLEAD_BENCH names its folder elsewhere"};
  }
  // -B: no compiled files beside the scripts of an installed package, which nobody would remove.
  std::vector<std::string> command{"python3", "-B", (bench / script).string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  environment.out.flush();
  const Error error = environment.replace_process(command);
  throw VerbFailure{kExitFailed, error.message()};
}

void add_value(std::vector<std::string>& arguments, const char* option, const std::string& value) {
  if (value.empty()) return;
  arguments.emplace_back(option);
  arguments.push_back(value);
}

}  // namespace

fs::path find_bench(const fs::path& program, const std::string& named) {
  const fs::path folder = program.parent_path();
  std::vector<fs::path> candidates;
  if (!named.empty()) candidates.emplace_back(named);
  candidates.push_back(folder.parent_path() / "share" / "fairlead" / "bench");  // PREFIX/bin/fairlead
  const bool built = folder.filename() == "bin" && folder.parent_path().filename() == "build";
  if (built) candidates.push_back(folder.parent_path().parent_path() / "bench");  // build/bin/fairlead of the source tree
  for (const fs::path& candidate : candidates) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate / "run.py", ignored)) return candidate;
  }
  return {};
}

void run_bench(const BenchRequest& request, CliEnvironment& environment) {
  std::vector<std::string> arguments;
  if (request.quick) arguments.emplace_back("--quick");
  if (request.fresh) arguments.emplace_back("--fresh");
  if (request.list) arguments.emplace_back("--list");
  const auto add = [&](const char* name, const std::string& value) { add_value(arguments, name, value); };
  add("--workloads", request.workloads);
  add("--contenders", request.contenders);
  add("--rounds", request.rounds);
  add("--seconds", request.seconds);
  add("--rate", request.rate);
  add("--haproxy3", request.haproxy3);
  add("--out", request.out);
  hand_over("run.py", arguments, environment);
}

void compare_bench(const std::string& before, const std::string& after, const BenchRequest& request, CliEnvironment& environment) {
  std::vector<std::string> arguments{before, after};
  add_value(arguments, "--workloads", request.workloads);
  add_value(arguments, "--contenders", request.contenders);
  hand_over("compare.py", arguments, environment);
}

Error replace_process(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  return errno_error("run " + command.front());
}

}  // namespace fairlead::cli
