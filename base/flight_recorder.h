// The last minutes of everything that happened, in bounded memory: every event, logged or not, also those of level debug. Connections'
// lines are left out: they have a log of their own, and a busy minute of them would push out what led to it.
//
//   any thread --append()--> ring of kFlightBytes in shared memory --> dump(): `fairlead blackbox`, while the daemon lives
//                               |                                  --> a fatal signal: file below state_dir, then the signal goes on
//                               +--- the file stays when the process is killed: base/flight_files.h, at the next start
//
// The files have libqb's format (base/blackbox_file.h). Its own blackbox is not used: docs/decisions/0018-own-flight-recorder.md.
//
// Invariants:
//   I1  append() takes one lock for as long as copying one entry takes (640 bytes at most); reading holds it for 32 KiB at a time.
//   I2  Whatever moment the process ends at, what append() had returned for is in the ring, unless newer entries took its place.
//   I3  On a fatal signal: no lock, no memory, no stdio; what fails is left, and the signal's own action follows. After 2 s SIGALRM
//       ends the process, and a file that could not be finished is removed. A thread that the kernel keeps in an uninterruptible wait for
//       a dead disk holds up the process's end all the same; the other threads stop.
// Threading: append() and dump() from any thread; construction, dump_when_it_crashes() and destruction from one, before and after all
// others. One recorder at a time may be armed for crashes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"

namespace fairlead {

inline constexpr std::size_t kFlightBytes = std::size_t{2} << 20;

struct FlightRecorderOptions {
  /// The ring's file, removed at an end in order. Only where it is memory (tmpfs): a page that waits for its disk would stop who writes
  /// it. Elsewhere, or empty: memory without a name, which ends with the process.
  std::string ring;
  std::string state_dir;             ///< Dumps go below it, when it is there. Empty: none are made.
  std::size_t bytes = kFlightBytes;  ///< A multiple of 4, at least 4096.
};

class FlightRecorder {
 public:
  explicit FlightRecorder(FlightRecorderOptions options);
  FlightRecorder(const FlightRecorder&) = delete;
  FlightRecorder& operator=(const FlightRecorder&) = delete;
  ~FlightRecorder();

  void append(const LogEvent& event) noexcept;
  /// All there is, as a file.
  [[nodiscard]] std::string dump() const;
  /// From now on SIGSEGV, SIGABRT, SIGBUS, SIGFPE and SIGILL leave a last entry (DAEMON_CRASHED) and a file. What was installed for them
  /// before comes after that: a core dump, the exit code and a sanitizer's report are what they were. Other threads that may overrun their
  /// stack have a CrashStack.
  void dump_when_it_crashes();
  /// The end in order: nothing is to be left. What is appended later is forgotten with the process.
  void retire();
  /// Whether the ring outlives the process.
  [[nodiscard]] bool outlives() const;
  /// Where a crash would be written; empty: nowhere.
  [[nodiscard]] const std::string& crash_file() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace fairlead
