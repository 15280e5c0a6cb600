// Processes of a lab: looked at, ended, started inside a node. A node is named by its keeper (lab/keeper.h), whose namespaces are the node.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "lab/lab_state.h"

namespace fairlead::lab {

/// The process that has this id now; nothing when there is none, or only a zombie.
[[nodiscard]] std::optional<ProcessId> process_now(std::int64_t pid);
[[nodiscard]] bool is_alive(const ProcessId& process);
/// A descriptor (pidfd) of exactly this process, also for setns(2); not valid when it is gone.
[[nodiscard]] Fd open_process(const ProcessId& process);
/// SIGKILL to exactly this process; nothing happens when it is gone.
void kill_process(const ProcessId& process);

struct ToolResult {
  int exit_code = 0;
  std::string output;  ///< Standard output and error.
};
/// Runs a program of the host to its end, in the network of `network` where that is given.
/// Errors: kNotFound (no such program), those of fork(2).
[[nodiscard]] Result<ToolResult> run_tool(const std::vector<std::string>& argv, const std::string& input = {},
                                          const std::optional<ProcessId>& network = {});

struct NodeCommand {
  ProcessId keeper;
  std::vector<std::string> argv;
  std::string programs;  ///< Folder that comes first on PATH.
};
/// Starts it as a child of the node's keeper, in a session of its own, its output appended to `log`. Returns when it has become the
/// program. Errors: kNotFound, kUnavailable (the node is gone).
[[nodiscard]] Result<ProcessId> start_inside(const NodeCommand& command, const std::string& log);
/// Runs it in the foreground, with this program's terminal. Returns its exit code, 128 + N after signal N. It ends when the caller dies.
[[nodiscard]] Result<int> run_inside(const NodeCommand& command);

/// Writes all, or says why not.
[[nodiscard]] Status write_all(int fd, std::string_view text);
[[nodiscard]] std::string read_to_end(int fd);

}  // namespace fairlead::lab
