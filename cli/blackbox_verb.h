// `fairlead blackbox`: what the flight recorder holds. Of the daemon that runs; else what the last one left on this machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/blackbox_file.h"
#include "cli/daemon_calls.h"
#include "cli/local_node.h"

namespace fairlead::cli {

struct BlackboxRequest {
  std::string last = "500";  ///< Entries, or a duration before the newest one.
  std::string file;          ///< Read this one instead of asking.
  std::string out;           ///< Write the recorder's file there as well.
  std::string config;        ///< Where the dead daemon's files are is said there.
};
void show_blackbox(const BlackboxRequest& request, DaemonCalls& calls);

struct Flight {
  std::string origin;  ///< "the daemon", or a file.
  std::string file;    ///< Bytes (base/blackbox_file.h).
  bool live = false;
};
/// What a daemon left here: the newest of its ring and its files. Errors: kNotFound, and those of reading the newest one.
[[nodiscard]] Result<Flight> newest_local_flight(const LocalNode& node);

/// One line for each.
[[nodiscard]] std::string entry_text(const BlackboxEntry& entry, bool color);

}  // namespace fairlead::cli
