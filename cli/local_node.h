// The node this program runs on, as its files tell: for verbs that have something to say when no daemon answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/invocation.h"
#include "config/load.h"

namespace fairlead::cli {

struct LocalNode {
  std::string config_file;
  std::optional<config::Snapshot> config;  ///< Nothing: the file is not there or not valid.
  std::vector<config::Problem> problems;
  std::string state_dir;  ///< Of the file, else the default.
  std::string socket;     ///< As --socket says, else the file's, else the default.
};

/// `config_file` empty: the environment's (/etc/fairlead/fairlead.yaml).
[[nodiscard]] LocalNode look_at_local_node(std::string config_file, const GlobalOptions& options, CliEnvironment& environment);

/// Whether a name that is a symbolic link is followed. Not where others may have put it there: a folder of the daemon's user, read by root.
enum class Links : bool { kFollow, kRefuse };

/// A file's bytes. Errors: kLimitExceeded (more than `most`), kInvalidArgument (no plain file), those of open(2) and read(2).
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t most, Links links = Links::kFollow);

/// Its last lines, `most` bytes of them at most; links are refused. Errors: as above, but for kLimitExceeded.
[[nodiscard]] Result<std::string> read_tail(const std::string& path, std::size_t lines, std::size_t most);

}  // namespace fairlead::cli
