// fairlead: pure
// Which rules of the router are in force: those of the file, those on trial, those from before.
//
//            apply, not sure
//   in force ---------------> on trial --confirmed over a new connection--> in force
//      ^  ^                      | 60 s, or the daemon starts
//      |  '----- restored <------'          what was refused stays refused
//      '-- start, reload, apply with --yes
//
// A start and a reload put the file's rules in force at once: whoever reloads has edited the file, and a gateway that comes up routes.
// `router apply` is the way to try them first.
//
// Invariants:
//   R1  Rules on trial end: confirmed, or the ones from before are back. Nothing forgets to restore; a failed restore is tried again.
//   R2  Only another connection than the one that applied confirms.
//   R3  Rules that were tried and not confirmed come into force by `router apply` alone: neither a start nor a reload brings them back.
//   R4  One job is outstanding at a time; every ticket is answered once.
//   R5  Nothing is touched where the file has no router and never had.
//   R6  Rules in force of which somebody took something away (`nft flush ruleset`) are put there again. Of those on
//       trial nothing is put back before its end. What somebody added stays: `router show` tells of it.
// Threading: control. Ownership: values only. Limits: one trial.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kTrialTime = std::chrono::seconds(60);
inline constexpr Duration kRouterRetry = std::chrono::seconds(30);
inline constexpr Duration kRestoreRetry = std::chrono::seconds(2);

/// What an earlier life left in state_dir/router.
struct RouterMemory {
  std::optional<std::string> confirmed;  ///< In force for good.
  std::optional<std::string> trial;      ///< On trial when it ended.
  std::optional<std::string> refused;    ///< Tried and not confirmed.
  bool settings = false;                 ///< There are settings to be put back.
};

// ---- inputs ----
/// Once, first. `wanted`: the rules of the file; absent: it has no router. Likewise below.
struct RouterStarted {
  RouterMemory memory;
  std::optional<std::string> wanted;
};
struct RouterReloaded {
  std::optional<std::string> wanted;
};
struct RouterApplyAsked {
  std::uint64_t ticket = 0;
  std::string rules;
  bool sure = false;    ///< Without a trial.
  std::string session;  ///< The connection it came by; empty: none is known, as on a console.
};
struct RouterConfirmAsked {
  std::uint64_t ticket = 0;
  std::string session;
};
struct RouterJobDone {
  Status result;
};
/// Of our rules some are not there any more.
struct RouterLost {};
struct RouterTick {};
using RouterInput =
    std::variant<RouterStarted, RouterReloaded, RouterApplyAsked, RouterConfirmAsked, RouterJobDone, RouterLost, RouterTick>;

// ---- actions ----
enum class RouterJobKind : std::uint8_t {
  kPutInForce,  ///< `rules`, for good. Fails with everything as before.
  kTry,         ///< Remembers what is in force, then `rules`. Fails with everything as before.
  kKeep,        ///< What is on trial, for good.
  kRestore,     ///< What was in force before the trial.
  kRemove,      ///< Table, settings, memory.
};
struct RouterJob {
  RouterJobKind kind = RouterJobKind::kPutInForce;
  std::string rules;
  bool forgive = false;  ///< These rules are refused no longer.
  bool operator==(const RouterJob&) const = default;
};
struct RouterAnswer {
  std::uint64_t ticket = 0;
  Result<std::string> result;
};
enum class RouterNoticeKind : std::uint8_t { kInForce, kTrial, kConfirmed, kRestored, kRemoved, kRefusedKept, kLost, kFailed };
/// For the log.
struct RouterNotice {
  RouterNoticeKind kind;
  std::string detail;
};
struct RouterWakeAt {
  Instant at;
};
using RouterAction = std::variant<RouterJob, RouterAnswer, RouterNotice, RouterWakeAt>;

/// Whether a line of `before` is not in `now`, as often as it was; both are nft's listings.
[[nodiscard]] bool has_lost_rules(std::string_view before, std::string_view now);

enum class RouterState : std::uint8_t { kOff, kInForce, kOnTrial };

class RouterApply {
 public:
  explicit RouterApply(Duration trial_time = kTrialTime) : trial_time_(trial_time) {}

  /// `now` must not go backwards. Early or extra ticks are harmless.
  [[nodiscard]] std::vector<RouterAction> step(const RouterInput& input, Instant now);

  [[nodiscard]] RouterState state() const;
  /// What we put in force last, on trial or for good.
  [[nodiscard]] const std::optional<std::string>& rules() const { return trial_ ? trial_rules_ : confirmed_; }
  [[nodiscard]] const std::optional<std::string>& wanted() const { return wanted_; }
  [[nodiscard]] bool wanted_was_refused() const;
  [[nodiscard]] Duration trial_left(Instant now) const;
  /// Why the last attempt failed; empty: it did not.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  struct Trial {
    std::string session;
    Instant deadline;
  };
  struct Busy {
    RouterJob job;
    std::uint64_t ticket = 0;  ///< 0: nobody waits.
    std::string session;
    bool dirty = false;  ///< It was when this began.
  };
  using Out = std::vector<RouterAction>;

  void apply(const RouterApplyAsked& asked, Out& out);
  void confirm(const RouterConfirmAsked& asked, Instant now, Out& out);
  void done(const Status& result, Instant now, Out& out);
  void failed(const Error& error, const Busy& was, Instant now, Out& out);
  void settle(Instant now, Out& out);
  void request(RouterJob job, std::uint64_t ticket, std::string session, Out& out);

  Duration trial_time_;
  std::optional<std::string> wanted_;
  std::optional<std::string> confirmed_;
  std::optional<std::string> refused_;
  std::optional<Trial> trial_;
  std::optional<std::string> trial_rules_;
  std::optional<Busy> busy_;
  bool lost_ = false;   ///< R6
  bool dirty_ = false;  ///< What is in force may not be what start or reload want.
  bool said_refused_ = false;
  bool present_ = false;  ///< There may be something of ours to remove.
  Instant retry_at_{};
  std::string failure_;
};

}  // namespace fairlead::dnsdhcp
