// fairlead: pure
// Decides what the guard does (ha-rules R10): when its daemon dies or hangs, the addresses go, and the other nodes hear of it.
//
//   watching --dead--------------------------------> clearing: delete each --gone--> say Released --said--> all done: exit
//      |                                                ^
//      +--hung: delete each once, then kill ---dead-----+     (deleted again: the last thing a hung process did may have been to add)
//      +--goodbye with nothing held--> exit
//
// Hung: the daemon's counter has not moved for `hang`, counted in the guard's own turns, at most kTurnCountedMax each. So a guard, or a
// machine, that stood still itself has not seen the daemon hang: it looks again first. Counting starts with the first beat.
//
// Invariants:
//   G1  Nothing is said to be released before the kernel has confirmed that the address is not there, after the daemon was dead.
//   G2  Only what the daemon said it may hold is deleted, and said for the epoch it was told for.
//   G3  A daemon whose counter moves is never killed; one that was judged hung is, even when it moves again: its addresses are gone.
//   G4  It comes to an end: what cannot be deleted outlives its kernel lifetime by a second at most, then it is gone or given up unsaid; a
//       voice that does not speak is given up after kVoicePatience.
// Threading: the guard's only thread. Limits: kGuardedMax VIPs; further ones are not acknowledged, so the daemon cannot take them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/cluster_message.h"
#include "base/time.h"
#include "vip/guard_message.h"

namespace fairlead::vip {

inline constexpr std::size_t kGuardedMax = 64;
inline constexpr Duration kTurnCountedMax = std::chrono::milliseconds(60);
inline constexpr Duration kGuardRetry = std::chrono::milliseconds(10);
inline constexpr Duration kVoicePatience = std::chrono::seconds(10);

// ---- inputs ----
struct OrderCame {
  GuardOrder order;
};
/// The daemon's pidfd is readable: all its threads have ended.
struct DaemonDied {};
/// Every turn of the guard, at least each 20 ms: what the daemon's counter reads now.
struct Turned {
  std::uint64_t counter = 0;
};
/// Answer to DeleteAddress. `gone`: the kernel says that it is not there.
struct AddressDeleted {
  std::string vip;
  Epoch epoch = 0;
  bool gone = false;
};
/// Answer to SayReleased.
struct ReleaseSaid {
  std::string vip;
  Epoch epoch = 0;
  bool said = false;
};
using GuardInput = std::variant<OrderCame, DaemonDied, Turned, AddressDeleted, ReleaseSaid>;

// ---- actions, to be carried out in their order; the answers come with the next steps ----
struct Acknowledge {
  std::uint64_t serial = 0;
  bool operator==(const Acknowledge&) const = default;
};
struct DeleteAddress {
  std::string vip;
  Epoch epoch = 0;
  LeasedAddress address;
  bool operator==(const DeleteAddress&) const = default;
};
struct KillDaemon {
  bool operator==(const KillDaemon&) const = default;
};
struct SayReleased {
  Released released;
  bool operator==(const SayReleased&) const = default;
};
struct ExitGuard {
  bool operator==(const ExitGuard&) const = default;
};
using GuardAction = std::variant<Acknowledge, DeleteAddress, KillDaemon, SayReleased, ExitGuard>;
using GuardActions = std::vector<GuardAction>;

class GuardCore {
 public:
  [[nodiscard]] GuardActions step(const GuardInput& input, Instant now);
  [[nodiscard]] bool is_over() const { return over_; }
  /// Judged hung, dead or not.
  [[nodiscard]] bool hung() const { return hung_; }
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  struct Entry {
    GuardHold hold;
    bool tried = false;       // Deleted once, or not: before the daemon was killed.
    bool asked = false;       // An answer is outstanding;
    bool asked_dead = false;  // the question came after the daemon's death (G1).
    bool gone = false;        // After the daemon's death.
    Instant next{};           // Not before it is deleted or said again.
  };

  void on_order(const GuardOrder& order, GuardActions& out);
  void on_turn(std::uint64_t counter, Instant now);
  void settle(Instant now, GuardActions& out);
  void clear(Instant now, GuardActions& out);
  [[nodiscard]] Entry* find(const std::string& vip, Epoch epoch);

  GuardSetup setup_;
  std::map<std::string, Entry> held_;
  // Facts.
  bool dead_ = false;
  bool hung_ = false;
  bool goodbye_ = false;
  bool over_ = false;
  Instant died_at_{};
  std::optional<Instant> killed_at_;
  // Of the heartbeat.
  std::uint64_t counter_ = 0;
  Duration silent_{};
  std::optional<Instant> last_turn_;
};

}  // namespace fairlead::vip
