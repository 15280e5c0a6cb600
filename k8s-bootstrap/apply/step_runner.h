// Runs a step's script on a machine so that it goes on when the connection is cut or this program is killed, and is found again: see
// apply/step_record.h for what lies there. Threading: any.
#pragma once

#include <string>
#include <vector>

#include "k8s-bootstrap/plan/plan.h"
#include "k8s-bootstrap/transport/transport.h"

namespace fairlead::bootstrap {

struct StepCall {
  std::string run;         ///< The journal's id: see is_run_id().
  std::string step;        ///< "mast-2/join"
  unsigned operation = 0;  ///< Its number in the step.
  RunScript script;        ///< Placeholders filled.
  std::string digest{};    ///< Of what the script is; empty: whatever it is.
  /// What failed or was interrupted earlier in this run is thrown away and run again. What is done is not, within a run, unless it was done
  /// with another digest or the script says `again`.
  bool anew = false;
};
enum class StepState : std::uint8_t { kDone, kFailed, kInterrupted };
struct StepOutcome {
  StepState state = StepState::kDone;
  int exit_code = 0;
  bool timed_out = false;  ///< It was ended on the machine at RunScript::timeout.
  bool found = false;      ///< It was begun by an earlier call, not by this one.
  std::string output;
  std::string errors;  ///< The end of them.
};

class StepRunner {
 public:
  /// `patience`: how long a machine that was cut off while a script ran may stay away (it may be booting).
  explicit StepRunner(Transport& transport, Duration patience = std::chrono::minutes(5)) : transport_(transport), patience_(patience) {}

  /// Begins it, or finds it; waits for its end. Errors: those of Transport::run; after kUnavailable with ECONNRESET, and after kTimeout, it
  /// may go on there. kLimitExceeded: the machine's disk is full, nothing ran. kInvalidArgument: no run id.
  [[nodiscard]] Result<StepOutcome> run(const std::string& machine, const StepCall& call);
  /// Removes what it said, which may hold secrets; that it ran stays known. For when the caller has what it needs of it.
  [[nodiscard]] Status forget_output(const std::string& machine, const StepCall& call);
  /// Removes all that these runs left there, but for scripts that still run.
  [[nodiscard]] Status forget_runs(const std::string& machine, const std::vector<std::string>& runs);

 private:
  Transport& transport_;
  Duration patience_;
};

/// A script that prints what is recorded on a machine, the oldest first: a line "RUN STEP STATE" for each script, then what it said, each
/// line behind "  " (standard output) or "! " (standard error), the last `lines` of each. Only those of `run`; empty: of all.
[[nodiscard]] std::string records_script(const std::string& run, unsigned lines);

/// For tests: the script that begins or finds a step.
[[nodiscard]] std::string step_script(const StepCall& call);

}  // namespace fairlead::bootstrap
