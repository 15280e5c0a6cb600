// The last minutes of everything that happened, in bounded memory: every event, logged or not, also those of level debug. Connections'
// lines are left out: they have a log of their own, and a busy minute of them would push out what led to it.
//
//   any thread --append()--> ring of kFlightBytes in shared memory --> dump(): `fairlead blackbox`, while the daemon lives
//                               |                                  --> a fatal signal: file below state_dir, then the signal goes on
//                               +--- the file stays when the process is killed: keep_last_flight() at the next start, `fairlead blackbox`
//
// The files have libqb's format (base/blackbox_file.h). Its own blackbox is not used: docs/decisions/0018-own-flight-recorder.md.
//
// Invariants:
//   I1  append() takes one lock for as long as copying one entry takes (640 bytes at most); reading holds it for 32 KiB at a time.
//   I2  Whatever moment the process ends at, what append() had returned for is in the ring, unless newer entries took its place.
//   I3  On a fatal signal: no lock, no memory, no stdio; what fails is left, and the signal's own action follows.
// Threading: append() and dump() from any thread; construction, dump_when_it_crashes() and destruction from one, before and after all
// others. One recorder at a time may be armed for crashes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead {

inline constexpr std::size_t kFlightBytes = std::size_t{2} << 20;
/// Files kept below state_dir, the newest.
inline constexpr std::size_t kFlightsKept = 5;
inline constexpr std::string_view kFlightFolder = "blackbox";
/// The ring of the daemon with that admin.socket is SOCKET.flight; one that could not be written out is SOCKET.flight.old.
inline constexpr std::string_view kFlightRingSuffix = ".flight";
inline constexpr std::string_view kFlightAsideSuffix = ".old";

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
  /// before comes after that: a core dump, the exit code and a sanitizer's report are what they were.
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

/// What the ring's file holds, as a file of the recorder; nothing when there is none. Its process may be dead, or stopped, or running.
/// Errors: those of open(2) and read(2); kInvalidArgument (not a ring).
struct LastFlight {
  std::string dump;
  std::string name;    ///< "20261127T063323Z-1234.fdata": when that life began, and its process id.
  bool saved = false;  ///< It was written out when it crashed.
};
[[nodiscard]] Result<std::optional<LastFlight>> read_flight(const std::string& ring);

/// Before a recorder takes the ring's place: what a life that ended badly left is written below state_dir (only the newest kFlightsKept
/// stay). Errors: those of writing it; then it is put aside as RING.old, where `fairlead blackbox` finds it. The caller knows that no
/// daemon runs there (instance lock).
[[nodiscard]] Status keep_last_flight(const std::string& ring, const std::string& state_dir);

/// Files below state_dir, the oldest first.
[[nodiscard]] std::vector<std::string> kept_flights(const std::string& state_dir);
/// The newest of them, once: what was returned is not again, whatever process asks.
[[nodiscard]] std::optional<std::string> take_untold_flight(const std::string& state_dir);

}  // namespace fairlead
