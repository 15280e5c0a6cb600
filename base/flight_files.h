// What earlier lives of the daemon left of their flight recorders: the ring of one that was killed, files of those that crashed.
// Threading: none of its own; used at the start of a daemon, by `--release-vips`, and by the command.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fairlead {

/// Files kept below state_dir, the newest.
inline constexpr std::size_t kFlightsKept = 5;
inline constexpr std::string_view kFlightFolder = "blackbox";
/// The ring of the daemon with that admin.socket is SOCKET.flight; one that could not be written out is SOCKET.flight.old.
inline constexpr std::string_view kFlightRingSuffix = ".flight";
inline constexpr std::string_view kFlightAsideSuffix = ".old";

/// What the ring's file holds, as a file of the recorder; nothing when there is none. Its process may be dead, or stopped, or running.
/// Errors: those of open(2) and read(2); kInvalidArgument (not a ring).
struct LastFlight {
  std::string dump;
  std::string name;    ///< "20261127T063323Z-1234.fdata": when that life began, and its process id.
  bool saved = false;  ///< It was written out when it crashed.
};
[[nodiscard]] Result<std::optional<LastFlight>> read_flight(const std::string& ring);

/// Before a recorder takes the ring's place: what a life that ended badly left is written below state_dir (only the newest kFlightsKept
/// stay). Errors: those of reading and writing it; then it is put aside as RING.old, where `fairlead blackbox` finds it, and root, when it
/// is another user's. What is no ring is removed. The caller knows that no daemon runs there (instance lock).
[[nodiscard]] Status keep_last_flight(const std::string& ring, const std::string& state_dir);

/// The recorder's files below state_dir, in the order of their lives: what they are named by, then when they were written. Others that lie
/// there are left out.
[[nodiscard]] std::vector<std::string> kept_flights(const std::string& state_dir);
/// The newest of them, once: what was returned is not again, whatever process asks. Those before the newest kFlightsKept are removed.
[[nodiscard]] std::optional<std::string> take_untold_flight(const std::string& state_dir);

}  // namespace fairlead
