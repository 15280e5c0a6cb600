// `--watch`: of the status, and of other documents of the daemon.
#pragma once

#include <functional>
#include <string>

#include "cli/daemon_calls.h"

namespace fairlead::cli {

/// A document that is looked at again and again.
struct Watched {
  std::string target;                                               ///< What is fetched.
  std::function<std::string(const std::string& document)> text;     ///< For people.
  std::function<std::string(const std::string& document)> settled;  ///< What counts of it as a change: another one is news.
};

/// Once a second, until SIGINT, SIGTERM or SIGHUP. On a terminal: one screen, drawn anew in place, and the last state left behind at the
/// end. Elsewhere, and as JSON or YAML: the state at first and whenever something has changed, counters and ages aside. A daemon that stops
/// answering is waited for. Throws VerbFailure when it does not answer at first.
void watch(DaemonCalls& calls, const Watched& what);
void watch_status(DaemonCalls& calls);

}  // namespace fairlead::cli
