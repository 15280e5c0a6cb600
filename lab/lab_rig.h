// Builds, mends, shows and removes a lab. Everything of it is one tree of processes and namespaces (lab/keeper.h) and one folder:
//
//   /run/fairlead-lab/NAME/state        what it is made of (lab/lab_state.h)
//   /run/fairlead-lab/NAME/keys/        its own authority, its servers' certificates, Corosync's authkey
//   /run/fairlead-lab/NAME/nodes/NODE/  logs of the node's programs, and its disk; the node sees it as /run/lab
//
// Two calls for one lab never overlap: the folder is locked meanwhile.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "lab/keeper.h"
#include "lab/lab_plan.h"
#include "lab/lab_state.h"

namespace fairlead::lab {

struct RigHooks {
  std::function<void(const std::string&)> say;  ///< A line about what was done.
  std::function<bool()> interrupted;            ///< True: give up, as after Ctrl-C.
  /// Why the gateway whose file tree is at `root` does not serve yet; empty when it does.
  std::function<std::string(const std::string& root)> missing;
};

struct ProgramReport {
  std::string name;
  std::optional<std::int64_t> pid;  ///< Absent: it does not run.
};
struct NodeReport {
  LabNode node;
  std::optional<std::int64_t> keeper;  ///< Absent: the node is switched off.
  std::vector<ProgramReport> programs;
  bool holds_vip = false;  ///< By the word of the node's kernel.
};
struct LabReport {
  LabOptions options;
  ProcessId keeper;
  std::string folder;
  std::vector<NodeReport> nodes;
};

class LabRig {
 public:
  /// `programs`: the folder with fairleadd.
  LabRig(std::string programs, RigHooks hooks, const Clock& clock)
      : programs_(std::move(programs)), hooks_(std::move(hooks)), clock_(clock) {}

  /// What is up under this name; nothing when no lab is. Errors: kPermission, kUnavailable (a state file of another version).
  [[nodiscard]] Result<std::optional<LabState>> find(const std::string& name) const;
  /// Makes the lab, or what is missing of it: nodes that were switched off, programs that ended, links that are down. Returns when every
  /// gateway serves. A lab that could not be finished is removed; one that was up before stays.
  /// Errors: kPermission, kNotFound (a program is not installed), kConflict (another call works on it), kTimeout, kUnavailable.
  /// `keeper`: takes what a lab that was made now hangs on: it ends when that is closed, or this process dies. Absent: it lives on.
  [[nodiscard]] Status up(const LabPlan& plan, std::optional<NewKeeper>* keeper = nullptr);
  /// Removes it, whatever is left of it. False: there was nothing.
  /// Errors: kPermission, kConflict, kTimeout (names the processes that stay), kUnavailable (the state file does not say which processes
  /// are the lab's: everything stays, and what to do is said).
  [[nodiscard]] Result<bool> down(const std::string& name);
  /// Errors: kNotFound (no such lab).
  [[nodiscard]] Result<LabReport> report(const std::string& name) const;
  /// Runs a command in a node, with the caller's terminal; its exit code. Errors: kNotFound (no such lab, no such node), kUnavailable (the
  /// node is switched off).
  [[nodiscard]] Result<int> exec(const std::string& name, const std::string& node, const std::vector<std::string>& argv) const;

  [[nodiscard]] static std::string folder_of(const std::string& name);

 private:
  [[nodiscard]] Result<Fd> lock(const std::string& name) const;
  [[nodiscard]] Status build(const LabPlan& plan, LabState& state, std::optional<NewKeeper>& fresh);
  [[nodiscard]] Status bring_up(const LabPlan& plan, const LabNode& node, LabState& state);
  [[nodiscard]] Status make_node(const LabPlan& plan, const LabNode& node, LabState& state);
  [[nodiscard]] Status start_programs(const LabPlan& plan, const LabNode& node, LabState& state);
  /// Why the lab does not serve yet; empty: it does. Errors: kUnavailable (a program has ended).
  [[nodiscard]] Result<std::string> missing_of(const LabPlan& plan, const LabState& state) const;
  [[nodiscard]] Status await_service(const LabPlan& plan, const LabState& state) const;
  [[nodiscard]] static Result<LabState> what_to_end(const std::string& name);
  [[nodiscard]] Status remove(const std::string& name) const;
  [[nodiscard]] Status check_interrupted() const;

  std::string programs_;
  RigHooks hooks_;
  const Clock& clock_;
};

}  // namespace fairlead::lab
