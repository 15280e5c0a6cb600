// fairlead: pure
// What is done and asked on the VM host, as values: drivers write them, host_runner.h carries them out, --dry-run prints them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace fairlead::bootstrap {

struct HostStep {
  enum class Kind : std::uint8_t {
    kRun,         ///< argv, with `text` as its standard input.
    kWrite,       ///< `text` into `path`, 0600, by rename.
    kMakeFolder,  ///< `path` with `mode`, and those above it; one that is there is left as it is.
    kRename,      ///< `path` to `text`.
    kRemove,      ///< `path` with everything below it; nothing there is fine.
    kQmp,         ///< `argv`: commands, one after the other, to the monitor at the socket `path`.
    kAwait,       ///< Waits until the hypervisor says that `machine` is off, at most `timeout`.
    kSeed,        ///< kRun of xorriso, or of genisoimage where that is what there is.
  };
  Kind kind = Kind::kRun;
  std::string machine;  ///< Of the site; empty: of a network, or the host itself.
  std::string what;     ///< "makes the disk system"
  std::vector<std::string> argv;
  std::string path;
  std::string text;
  unsigned mode = 0700;
  Duration timeout = std::chrono::minutes(2);
  bool operator==(const HostStep&) const = default;
};

/// A question: what it needs to be known about a VM or a network.
struct HostQuestion {
  enum class Kind : std::uint8_t {
    kRun,     ///< argv
    kRead,    ///< The text of the file `path`.
    kExists,  ///< Whether `path` is there.
    kQmp,     ///< argv: commands to the monitor at the socket `path`.
  };
  Kind kind = Kind::kRun;
  std::vector<std::string> argv;
  std::string path;
  std::string file;  ///< kRun: bytes of a file that is there meanwhile; its path stands for "{file}" in argv.
  Duration timeout = std::chrono::seconds(30);
  bool operator==(const HostQuestion&) const = default;
};
struct HostAnswer {
  bool there = false;  ///< kRead, kExists: the file; kQmp: somebody listens; kRun: always, but for a probe whose program is missing.
  int exit_code = 0;   ///< kRun; -1: it had no end within its time.
  std::string output;  ///< kRun: standard output; kRead: the text; kQmp: one answer a line.
  std::string errors;  ///< kRun: standard error.
};

/// A step as a line to be read, as close to the shell's words as it can be: "virsh -c qemu:///system define /srv/...".
[[nodiscard]] std::string step_text(const HostStep& step);

}  // namespace fairlead::bootstrap
