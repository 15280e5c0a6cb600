// fairlead: pure
// The state file of a lab: what was chosen, and which processes are the lab's. A process is its id and its start time, a pair the kernel
// never gives twice, so that `down` cannot end a stranger that got an old id.
//
//   fairlead-lab 1
//   options name=lab nodes=3 backends=3 clients=1 profile=vm one_link=0 qdevice=0 dhcp=0
//   keeper switch 4711 815
//   keeper gate-1 4713 816
//   program gate-1 corosync 4720 820
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/lab_plan.h"

namespace fairlead::lab {

struct ProcessId {
  std::int64_t pid = 0;
  std::uint64_t start = 0;  ///< Clock ticks since boot: field 22 of /proc/PID/stat.
  bool operator==(const ProcessId&) const = default;
};

struct LabState {
  struct Keeper {
    std::string node;
    ProcessId process;
    bool operator==(const Keeper&) const = default;
  };
  struct Program {
    std::string node;
    std::string name;
    ProcessId process;
    bool operator==(const Program&) const = default;
  };
  LabOptions options;
  std::vector<Keeper> keepers;
  std::vector<Program> programs;
  bool operator==(const LabState&) const = default;

  [[nodiscard]] std::optional<ProcessId> keeper(std::string_view node) const;
  [[nodiscard]] std::optional<ProcessId> program(std::string_view node, std::string_view name) const;
  void set_keeper(const std::string& node, ProcessId process);
  void set_program(const std::string& node, const std::string& name, ProcessId process);
  /// The node was switched off: its keeper and its programs are no longer.
  void forget(std::string_view node);
};

[[nodiscard]] std::string print_state(const LabState& state);
/// Errors: kInvalidArgument (not a state file of this version; names the line).
[[nodiscard]] Result<LabState> parse_state(std::string_view text);
/// The processes that a state file names although parse_state() refuses it (another version, damaged): lines that say nothing are left out.
/// Good enough to end the lab, and for nothing else.
[[nodiscard]] LabState salvage_state(std::string_view text);

}  // namespace fairlead::lab
