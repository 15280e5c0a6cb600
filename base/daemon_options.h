// fairlead: pure
// The options of fairleadd in words: its --help and its manual page are made from them.
#pragma once

#include <array>

namespace fairlead {

struct DaemonOption {
  const char* name;   ///< "--config"
  const char* value;  ///< "FILE"; empty: it takes none.
  const char* text;
};

inline constexpr const char* kDaemonSummary =
    "Balances TCP connections to the API servers of a Kubernetes cluster. Runs in the foreground.";

inline constexpr std::array kDaemonOptions{
    DaemonOption{"--config", "FILE", "the node's fairlead.yaml (default /etc/fairlead/fairlead.yaml)"},
    DaemonOption{"--check", "", "report problems of the file, and of the files it names, as FILE:LINE:COLUMN and exit"},
    DaemonOption{"--check-start", "",
                 "as --check, but errors are only what a restart would do harm with: no start, servers down, VIPs or wishes forgotten"},
    DaemonOption{"--user", "NAME",
                 "started by root: who serves (default: the owner of state_dir); with a check: who has to be able to use the files"},
    DaemonOption{"--trace-takeover", "FILE",
                 "append what decides about VIPs and what was decided, to replay it (docs/internals/takeover.md)"},
    DaemonOption{"--release-vips", "", "remove the addresses an earlier life left, and exit; refused while a daemon runs"},
    DaemonOption{"--version", "", "print the version and exit"},
    DaemonOption{"--help", "", "print this and exit"},
};

inline constexpr const char* kDaemonSignals =
    "SIGHUP applies a changed file, SIGUSR1 reopens log files, SIGTERM drains and stops (a second one at once).";
inline constexpr const char* kDaemonExits = "0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 5 refused: a daemon runs.";

}  // namespace fairlead
