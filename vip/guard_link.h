// The daemon's side of the guard (vip/guard_process.h): starts it, tells it what is held, beats, and notices when it is gone.
//
//   spawn_guard() --GuardChild--> attach() -- setup, every hold again --> guard
//   hold() --> ... --> GuardKnows: now, and not before, the address may be added
//   GuardWanted --> the owner lets another thread spawn_guard(), then attach()es it or says spawn_failed() (within 100 ms)
//
// Invariants:
//   L1  What a guard acknowledged is told again to the next one, before anything new.
//   L2  A guard that stands still for kGuardSilentMax of the daemon's own turns is killed and counts as lost; time in which the daemon
//       stood still itself does not count.
//   L3  kGuardFailuresMax losses within kGuardFailureWindow: the VIPs should move away (can_guard()), and the next guard is wanted only
//       after kGuardBackOff.
//   L4  While none is attached and none is being spawned, one is wanted: a spawn that never answers counts as failed after kGuardSpawnMax.
// Threading: one thread, which never waits; spawn_guard() alone belongs where a fork may take its time: before the first thread, or on the
// jobs thread. Limits: kGuardedMax VIPs.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "vip/guard_core.h"
#include "vip/guard_message.h"

namespace fairlead::vip {

inline constexpr Duration kGuardSilentMax = std::chrono::seconds(3);
inline constexpr Duration kGuardFailureWindow = std::chrono::minutes(1);
inline constexpr std::size_t kGuardFailuresMax = 5;
inline constexpr Duration kGuardMissingMax = std::chrono::seconds(1);  ///< Without one for so long, a node holds nothing (R10).
inline constexpr Duration kGuardBackOff = std::chrono::seconds(10);
inline constexpr Duration kGuardSpawnMax = std::chrono::seconds(10);

/// What to run. The descriptors' number is added behind `arguments`.
struct GuardProgram {
  std::string path = "/proc/self/exe";
  std::vector<std::string> arguments{"fairleadd", "--guard"};
  bool operator==(const GuardProgram&) const = default;
};

/// A running guard and the ends of what connects it. Killed when it is dropped.
class GuardChild {
 public:
  GuardChild() = default;
  GuardChild(GuardChild&& other) noexcept;
  GuardChild& operator=(GuardChild&& other) noexcept;
  ~GuardChild();

  [[nodiscard]] bool valid() const { return pid_ > 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int link() const { return link_.get(); }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  [[nodiscard]] SharedBeats& beats() const { return *beats_; }
  /// Closes what connects it and leaves it alive: after a goodbye it ends by itself. Returns its pid, to be reaped.
  pid_t let_go();
  /// Kills it first.
  pid_t kill();

 private:
  friend Result<GuardChild> spawn_guard(const GuardProgram& program);

  pid_t pid_ = -1;
  Fd link_;
  Fd pidfd_;
  SharedBeats* beats_ = nullptr;
};

/// Starts a guard of the calling process. All descriptors but the guard's three and the standard ones are closed in it.
/// Errors: those of socketpair(2), memfd_create(2), pidfd_open(2), posix_spawn(3).
[[nodiscard]] Result<GuardChild> spawn_guard(const GuardProgram& program);

// ---- what turn() and attach() report ----
/// It is ready. `notes`: what it was not allowed; empty: nothing.
struct GuardUp {
  pid_t pid = 0;
  std::string notes;
  bool operator==(const GuardUp&) const = default;
};
/// It will delete this address when we cannot.
struct GuardKnows {
  std::string vip;
  Epoch epoch = 0;
  bool operator==(const GuardKnows&) const = default;
};
/// There is no guard (any more). `too_often`: L3.
struct GuardLost {
  std::string reason;
  bool too_often = false;
  bool operator==(const GuardLost&) const = default;
};
/// L4: spawn one, then attach() or spawn_failed().
struct GuardWanted {
  bool operator==(const GuardWanted&) const = default;
};
using GuardLinkEvent = std::variant<GuardUp, GuardKnows, GuardLost, GuardWanted>;

class GuardLink {
 public:
  explicit GuardLink(GuardSetup setup) : setup_(setup) {}
  /// Called before link_fd() and death_fd() are closed: who watches them stops, for another thread may get their numbers at once.
  void before_close(std::function<void()> unwatch) { unwatch_ = std::move(unwatch); }

  /// One too many (L4: the answer came late) is killed.
  void attach(GuardChild child, Instant now);
  /// The attempt failed: counts as a loss. The event comes with the next turn().
  void spawn_failed(const Error& error, Instant now);

  /// The VIP is to be held, with this address, in this epoch. Answered by GuardKnows; again when it was known already.
  /// Errors: kLimitExceeded.
  [[nodiscard]] Status hold(GuardHold what);
  /// While it is held: hold(), when the guard was told of another epoch or address. Errors: as hold().
  [[nodiscard]] Status keep(GuardHold what);
  /// It is not, any more.
  void drop(const std::string& vip);
  /// The daemon ends in order; everything was dropped. The guard ends by itself.
  void goodbye();

  /// Each 50 ms while the daemon's loops turn, and whenever a descriptor is readable.
  [[nodiscard]] std::vector<GuardLinkEvent> turn(Instant now);
  /// Tells the guard that the daemon's loops turn.
  void beat();

  /// R10: this node may have VIPs. A guard that died a moment ago, or has not acknowledged yet, is no reason to move any: what is not
  /// acknowledged is not added.
  [[nodiscard]] bool can_guard(Instant now) const;
  /// A guard is there and was told of this one.
  [[nodiscard]] bool knows(const std::string& vip, Epoch epoch) const;
  [[nodiscard]] int link_fd() const { return child_.link(); }    ///< -1 without a guard.
  [[nodiscard]] int death_fd() const { return child_.pidfd(); }  ///< Readable when it died; -1 without a guard.

 private:
  struct Entry {
    GuardHold hold;
    bool dropping = false;
    bool sent = false;
    bool known = false;
  };

  void lost(std::string reason, Instant now);
  void want(Instant now);
  [[nodiscard]] bool failed_too_often(Instant now) const;
  void reap();
  void flush();
  [[nodiscard]] bool send(const GuardOrder& order);
  void read_words(Instant now);
  void on_word(const GuardWord& word);
  [[nodiscard]] bool died() const;
  [[nodiscard]] bool silent_too_long(Instant now);

  GuardSetup setup_;
  GuardChild child_;
  std::function<void()> unwatch_ = [] {};
  bool setup_sent_ = false;
  bool ready_ = false;
  bool over_ = false;                     // After goodbye().
  std::optional<Instant> missing_since_;  // No ready guard since then.
  std::optional<Instant> spawning_;       // Wanted at that time, not answered.
  Instant next_spawn_ = Instant::min();
  std::map<std::string, Entry> entries_;
  std::uint64_t last_serial_ = 0;
  std::uint64_t beat_ = 0;
  std::deque<Instant> failures_;
  std::vector<GuardLinkEvent> events_;
  std::vector<pid_t> ended_;  // Guards to reap. Short: a killed process ends at once.
  // Of the guard's counter.
  std::uint64_t guard_counter_ = 0;
  Duration silent_{};
  std::optional<Instant> last_turn_;
};

}  // namespace fairlead::vip
