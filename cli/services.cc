#include "cli/services.h"

#include <array>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include "cli/progress.h"
#include "lab/lab_process.h"

namespace fairlead::cli {
namespace {

/// Empty: done. Else what systemctl says.
std::string systemctl(const std::vector<std::string>& arguments, CliEnvironment& environment) {
  std::vector<std::string> command{"systemctl"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto end = environment.run_program(command);
  if (!end) return end.error().message();
  if (end->exit_code == 0) return {};
  std::string said = end->output;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return fmt::format("{} ended with {}{}", fmt::join(command, " "), end->exit_code, said.empty() ? "" : ": " + said);
}

/// False: it did not start, and the report says so.
bool start(const std::string& unit, const char* verb, const char* done, ServiceReport& report, CliEnvironment& environment) {
  std::string problem;
  {
    const Progress progress(environment, unit + " starts");
    problem = systemctl({"enable", "--quiet", unit + ".service"}, environment);
    if (problem.empty()) problem = systemctl({verb, unit + ".service"}, environment);
  }
  if (problem.empty()) {
    report.done.push_back({unit, done});
    return true;
  }
  report.failure = fmt::format("{} does not start: {}. The files are written; see journalctl -u {} -n 20, mend it, then systemctl {} {}",
                               unit, problem, unit, verb, unit);
  return false;
}

}  // namespace

ServiceReport start_services(bool daemon, CliEnvironment& environment) {
  ServiceReport out;
  if (!start("corosync", "restart", "restarted", out, environment) || !daemon) return out;
  if (systemctl({"is-active", "--quiet", "fairleadd.service"}, environment).empty()) {
    out.done.push_back({"fairleadd", "runs already"});
    out.next.emplace_back("systemctl restart fairleadd   (when it began, this node had no such cluster)");
    return out;
  }
  (void)start("fairleadd", "start", "started", out, environment);
  return out;
}

bool systemd_runs() { return ::access("/run/systemd/system", F_OK) == 0; }

Result<ProgramEnd> run_program(const std::vector<std::string>& command) {
  auto ended = lab::run_tool(command);
  if (!ended) return ended.error();
  return ProgramEnd{ended->exit_code, std::move(ended->output)};
}

std::optional<IpAddress> default_router() {
  // A line: interface, destination, gateway (both hex, in memory order), flags ... of an IPv4 route.
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);
  while (std::getline(routes, line)) {
    std::istringstream fields(line);
    std::string device;
    std::string destination;
    std::uint32_t gateway = 0;
    if (!(fields >> device >> destination >> std::hex >> gateway) || destination != "00000000" || gateway == 0) continue;
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &gateway, bytes.size());
    return IpAddress::v4(bytes);
  }
  return std::nullopt;
}

}  // namespace fairlead::cli
