// Asks the VM host and carries steps out. Blocks; of one thread.
//
//   HR1  A program that is missing is told by name, with Debian's package, before anything is done.
//   HR2  A step that fails ends the run; the error names machine, step and what the program said.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/run_program.h"
#include "base/time.h"
#include "k8s-bootstrap/machines/machine_plan.h"

namespace fairlead::bootstrap {

struct HostWorld {
  std::function<Result<ProgramResult>(const ProgramCall&)> run = run_program;
  std::function<bool(Duration)> pause;                ///< Waits; false: stop waiting.
  std::function<bool()> stop;                         ///< Asked before each step: true ends the run. May be empty.
  std::function<void(const HostStep& step)> on_step;  ///< Before each; may be empty.
  const Clock& clock;
};

class HostRunner {
 public:
  /// Both outlive it.
  HostRunner(VmDriver& driver, const HostWorld& world) : driver_(driver), world_(world) {}

  /// HR1, then ask_host and learn_host. Errors: kNotFound, those of learn_host.
  [[nodiscard]] Status open();
  /// Errors: an answer that is not understood (VD2), a program that did not end in time.
  [[nodiscard]] Result<HostFacts> look(const VmSite& site);
  [[nodiscard]] Result<VmFound> look_at(const Vm& vm);
  [[nodiscard]] Status carry_out(const VmSite& site, const HostPlan& plan);

 private:
  [[nodiscard]] Result<std::vector<HostAnswer>> ask(const std::vector<HostQuestion>& questions);
  [[nodiscard]] Result<HostAnswer> ask(const HostQuestion& question);
  [[nodiscard]] Status carry_out(const VmSite& site, const HostStep& step);
  [[nodiscard]] Status run(const HostStep& step);
  [[nodiscard]] Status await_off(const VmSite& site, const HostStep& step);

  VmDriver& driver_;
  const HostWorld& world_;
};

/// Whether a program of that name is on PATH.
[[nodiscard]] bool is_on_path(const std::string& program);

}  // namespace fairlead::bootstrap
