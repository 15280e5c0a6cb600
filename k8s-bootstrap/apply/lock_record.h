// fairlead: pure
// The lock's file on every machine of a plan, /var/lib/fairlead/bootstrap/lock, lines "KEY VALUE":
//
//   token     of one `apply`; only who knows it beats or releases it
//   owner     "anna"        host   "annas-laptop"      since   "2026-11-27T16:20:00Z", the owner's clock, for people
//   boot_id, beat           the machine's boot, and its seconds since then (/proc/uptime) at the last heartbeat
//
//   L1  A lock is stale when its last beat is kLockStale old by the machine's own uptime, which no clock's step moves. After a reboot it
//       counts from the boot, so a step that reboots the machine does not lose it.
//   L2  It is read, judged and written under flock(1) on the file beside it, so two who find a stale one do not both take it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::bootstrap {

inline constexpr std::string_view kLockFile = "/var/lib/fairlead/bootstrap/lock";
inline constexpr std::chrono::seconds kLockStale{60};
inline constexpr std::chrono::seconds kLockBeat{10};  ///< Six beats may be lost.
static_assert(kLockBeat * 5 < kLockStale);

struct LockJudgement {
  std::string owner;    ///< "anna on annas-laptop, since 2026-11-27T16:20:00Z"; empty: nobody holds it.
  std::string problem;  ///< The file is there and not as it should be: it counts as held by nobody known.
};
/// `text`: of the file; empty: there is none.
[[nodiscard]] LockJudgement judge_lock(std::string_view text, std::optional<std::int64_t> uptime_seconds, std::string_view boot_id);

}  // namespace fairlead::bootstrap
