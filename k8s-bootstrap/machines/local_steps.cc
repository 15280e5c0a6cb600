#include "k8s-bootstrap/machines/local_steps.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>

#include "base/assert.h"
#include "base/atomic_file.h"
#include "k8s-bootstrap/machines/host_runner.h"

namespace fairlead::bootstrap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSaidTail = 1500;

Status run_step(const HostStep& step, const LocalWorld& world) {
  ProgramCall call;
  call.argv = step.argv;
  call.environment = {"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"};
  call.timeout = step.timeout;
  auto ran = world.run(call);
  if (!ran) return ran.error();
  if (ran->exit_code == 0) return {};
  std::string said = ran->errors.empty() ? ran->output : ran->errors;
  while (said.ends_with('\n')) said.pop_back();
  if (said.size() > kSaidTail) said = "..." + said.substr(said.size() - kSaidTail);
  return Error{Errc::kUnavailable, fmt::format("{} ended with {}: {}", call.argv.front(), ran->exit_code, said)};
}

Status carry_out(const HostStep& step, const LocalWorld& world) {
  std::error_code wrong;
  switch (step.kind) {
    case HostStep::Kind::kRun: return run_step(step, world);
    case HostStep::Kind::kWrite: return write_file_atomically(step.path, step.text, step.mode);
    case HostStep::Kind::kMakeFolder:
      fs::create_directories(step.path, wrong);
      if (wrong) return errno_error(step.path, wrong.value());
      return {};
    case HostStep::Kind::kRemove:
      fs::remove_all(step.path, wrong);
      if (wrong) return errno_error(step.path, wrong.value());
      return {};
    case HostStep::Kind::kRename:
      if (::rename(step.path.c_str(), step.text.c_str()) != 0) return errno_error(step.path);
      return {};
    case HostStep::Kind::kQmp:
    case HostStep::Kind::kAwait:
    case HostStep::Kind::kSeed: break;
  }
  FL_ASSERT(false);
}

}  // namespace

Status carry_out(const std::vector<HostStep>& steps, const LocalWorld& world) {
  for (const HostStep& step : steps) {
    if (world.stop && world.stop()) return Error{Errc::kUnavailable, "stopped; it begins anew when it is said again"};
    if (world.on_step) world.on_step(step);
    if (auto done = carry_out(step, world); !done)
      return Error{done.error().code, step.what + ": " + done.error().context, done.error().sys_errno};
  }
  return {};
}

Status need_programs(const std::vector<LocalProgram>& programs) {
  for (const LocalProgram& needed : programs) {
    if (!is_on_path(needed.program))
      return Error{Errc::kNotFound, fmt::format("{} is not on this machine. Install it (Debian: {})", needed.program, needed.package)};
  }
  return {};
}

}  // namespace fairlead::bootstrap
