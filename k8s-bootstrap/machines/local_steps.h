// Carries steps of this machine out that ask no hypervisor. Blocks; of one thread.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "base/run_program.h"
#include "k8s-bootstrap/machines/host_step.h"

namespace fairlead::bootstrap {

struct LocalWorld {
  std::function<Result<ProgramResult>(const ProgramCall&)> run = run_program;
  std::function<bool()> stop;                         ///< Asked before each step: true ends the run. May be empty.
  std::function<void(const HostStep& step)> on_step;  ///< Before each; may be empty.
};

/// Kinds kRun, kWrite, kMakeFolder, kRemove and kRename, one after the other. Errors: of the first that fails, with what it was about and
/// the end of what the program said; kUnavailable when it was stopped.
[[nodiscard]] Status carry_out(const std::vector<HostStep>& steps, const LocalWorld& world);

struct LocalProgram {
  const char* program;
  const char* package;  ///< Debian's.
};
/// Errors: kNotFound, with the package of the first that is missing.
[[nodiscard]] Status need_programs(const std::vector<LocalProgram>& programs);

}  // namespace fairlead::bootstrap
