// `fairlead logs`: the daemon's log, where it goes. Reading it is the work of journalctl and tail, which this program becomes.
#pragma once

#include <string>
#include <vector>

#include "cli/daemon_calls.h"
#include "cli/local_node.h"

namespace fairlead::cli {

struct LogsRequest {
  bool follow = false;
  std::size_t lines = 200;
  std::string config;
};
void show_logs(const LogsRequest& request, DaemonCalls& calls);

/// Where a log is to be read.
struct LogPlace {
  std::string target;        ///< journal, stderr, syslog, file; empty: nobody knows.
  std::string path;          ///< file only.
  std::uint32_t daemon = 0;  ///< Its process; 0: none runs.
};
/// The program that shows it, or what to tell instead. `root`: where /proc and /run are; tests have their own.
struct LogReader {
  std::vector<std::string> command;
  std::string file;  ///< What it reads, when that is a file of the daemon alone.
};
[[nodiscard]] Result<LogReader> log_reader(const LogPlace& place, bool follow, std::size_t lines, const std::string& root = "");

/// As the daemon says; when none answers, that is said and its file asked.
[[nodiscard]] LogPlace find_log(const std::string& config, DaemonCalls& calls);
/// As the file says.
[[nodiscard]] LogPlace log_of(const LocalNode& node);

}  // namespace fairlead::cli
