// fairlead: pure
// Decides whether one server is up, and when it is to be checked next.
//
//                 first check ok                     `fall` failed checks, or a passive ejection
//   unknown ------------------------> up ------------------------------------------------------> down
//      |                              ^                                                            |
//      | first check failed           +---- `rise` good checks (type none: a stay has passed) -----+
//      +--------------------------------------------------------------------------------------> down
//   (start, new address, end of maint: unknown)
//
// Two sources of knowledge. Active checks are carried out by lb/health_prober.h, one at a time, when this machine says so. Passive
// reports come from workers whose connect failed: they cost nothing and arrive within milliseconds, but one report can be wrong for
// reasons of our own, hence they never take the last usable server of a pool away.
//
// Invariants (checked here, and from outside by the sim test on random histories):
//   I1  Unknown -> up only by a good check of the current address (type none: at once). No server is assumed up.
//   I2  A passive report never makes the last usable server of its pool unusable.
//   I3  Local faults (ours) never change up into down, whichever thread reports them.
//   I4  At most one probe is outstanding; a result with another token changes nothing.
//   I5  Not in maint, with an address and checks on: a probe is outstanding or one is due within `interval`, `down_interval` or
//       `fast_interval`, whichever is the longest (liveness). Reports from workers never bring two probes
//       closer than the (jittered) `fast_interval`.
//   I6  Nothing but a change of settings, address or maintenance makes a known verdict unknown.
//
// Threading: control. Ownership: values. Limits: none grows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "config/settings.h"
#include "lb/health_values.h"

namespace fairlead::lb {

/// A probe whose result never came is started again after timeout + this. Rationale: far above any queueing in the prober, so that
/// only a truly lost result (a full inbox) leads here.
inline constexpr Duration kProbeLostAfter = std::chrono::seconds(60);
/// Passive failures further apart than this do not add up: workers need not report successes.
inline constexpr Duration kPassiveWindow = std::chrono::seconds(10);
/// An ejection that the active checks contradicted is remembered this long; the next one within it lasts longer (see `stay_`).
inline constexpr Duration kEjectionMemory = std::chrono::seconds(60);
inline constexpr Duration kStayMax = std::chrono::seconds(30);
/// Jitter is a number in [0, kJitterMax); it shortens an interval by up to a tenth. Rationale: shorter only, so that the time to notice
/// a dead server stays below the one computed from the settings.
inline constexpr std::uint32_t kJitterMax = 1024;

struct TrackerSettings {
  bool checked = true;  ///< False: type none.
  Duration interval{};
  Duration fast_interval{};
  Duration down_interval{};
  Duration timeout{};
  std::uint32_t rise = 1;  ///< 0 counts as 1, `fall` likewise.
  std::uint32_t fall = 1;
  std::uint32_t connect_failures = 1;  ///< 0: passive reports eject nobody.
  bool fast_check = true;              ///< Passive reports ask for a check at once.
  bool operator==(const TrackerSettings&) const = default;
};
[[nodiscard]] TrackerSettings tracker_settings(const config::Health& health, const config::Passive& passive);

/// A change of verdict, with what an operator wants to read about it.
struct VerdictChange {
  Verdict from = Verdict::kUnknown;
  Verdict to = Verdict::kUnknown;
  std::string reason;  ///< "check: status 500 (2 of 2)", "connect: refused"
  Duration after{};    ///< Spent in `from`.
};

class HealthTracker {
 public:
  /// What one server must know of the rest. Chance comes in as a number, so that the same inputs give the same outputs.
  struct Context {
    std::uint32_t others_usable = 0;  ///< Usable servers of the pool without this one.
    std::uint32_t jitter = 0;         ///< [0, kJitterMax)
  };
  using Change = std::optional<VerdictChange>;

  HealthTracker(const TrackerSettings& settings, bool has_address, Instant now);

  // ---- inputs ----
  /// A reload that kept the server. Verdict and history stay; `recheck` (the checks ask something else now) makes one due at once.
  [[nodiscard]] Change change_settings(const TrackerSettings& settings, bool recheck, Instant now);
  [[nodiscard]] Change set_admin(AdminState state, Instant now);
  /// The server has another address: what was known belongs to the old one.
  [[nodiscard]] Change address_changed(Instant now);
  /// The server's name leads nowhere (any more): down when something was known of it, else unknown as before.
  [[nodiscard]] Change address_lost(std::string detail, Instant now);
  /// Only when `probe_due(now)`. Returns the token the result must carry.
  [[nodiscard]] std::uint64_t start_probe(Instant now);
  /// The prober had no room: try again soon, count nothing.
  void probe_refused(std::uint64_t token, Instant now);
  [[nodiscard]] Change probe_done(const ProbeResult& result, Instant now, Context context);
  [[nodiscard]] Change connect_failed(ConnectCause cause, Instant now, Context context);
  /// Optional: workers may report the first success after a failure.
  void connect_succeeded();
  /// Time passed: only type none needs it, to return from an ejection.
  [[nodiscard]] Change tick(Instant now);

  // ---- outputs ----
  [[nodiscard]] Verdict verdict() const { return verdict_; }
  [[nodiscard]] AdminState admin() const { return admin_; }
  [[nodiscard]] bool usable() const { return verdict_ == Verdict::kUp && admin_ == AdminState::kReady; }
  /// Down, and its machine or the path to it is gone: its open connections are dead (on_server_down). A server that still answers
  /// (status 500, a bad certificate) is down but not hard down: it may be finishing what it has. A passive ejection becomes hard with
  /// the first active check that agrees.
  [[nodiscard]] bool hard_down() const { return hard_down_; }
  [[nodiscard]] bool probe_due(Instant now) const;
  /// When `probe_due` or `tick` has something to do; nullopt: only an input can change anything.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] Instant since() const { return since_; }
  /// Of the operator's wish.
  [[nodiscard]] Instant admin_since() const { return admin_since_; }
  /// Last time it came up after having been out (down or maint); nullopt: never, so there is nothing to ramp up.
  [[nodiscard]] std::optional<Instant> back_since() const { return back_since_; }
  /// Last finished check; the outcome is nullopt before the first.
  struct LastCheck {
    std::optional<ProbeOutcome> outcome;
    std::string detail{};
    Duration duration{};
  };
  [[nodiscard]] const LastCheck& last_check() const { return last_; }
  [[nodiscard]] const HealthCounts& counts() const { return counts_; }

 private:
  [[nodiscard]] bool probes_wanted() const { return settings_.checked && admin_ != AdminState::kMaint && has_address_; }
  [[nodiscard]] Change become(Verdict verdict, std::string reason, Instant now);
  [[nodiscard]] Change good_check(const ProbeResult& result, Instant now, Context context);
  [[nodiscard]] Change bad_check(const ProbeResult& result, Instant now);
  [[nodiscard]] Change eject(std::string reason, Instant now);
  void forget_history();
  void check_soon(Instant now);
  [[nodiscard]] Duration pace(std::uint32_t jitter) const;

  TrackerSettings settings_;
  Verdict verdict_ = Verdict::kUnknown;
  AdminState admin_ = AdminState::kReady;
  bool has_address_;
  bool decide_at_once_ = true;  ///< The next verdict needs no rise or fall: nothing (or nothing checked) is known yet.
  Instant since_;
  Instant admin_since_;
  std::optional<Instant> back_since_;
  bool was_out_ = false;  ///< Down or maint since it was last up.
  LastCheck last_;
  HealthCounts counts_;

  // Active checks.
  std::uint32_t good_ = 0;      ///< In a row.
  std::uint32_t bad_ = 0;       ///< In a row.
  std::uint32_t bad_hard_ = 0;  ///< In a row, hard ones.
  bool hard_down_ = false;
  std::uint64_t token_ = 0;
  bool outstanding_ = false;
  bool recheck_ = false;  ///< Trouble was reported while a probe was under way: check again soon after it.
  std::optional<Instant> probe_began_;
  Instant next_probe_;

  // Passive reports.
  std::uint32_t passive_failures_ = 0;
  Instant last_passive_;
  bool ejected_ = false;             ///< Down by passive reports, and no active check has agreed yet.
  std::uint32_t contradicted_ = 0;   ///< Ejections in a row that the checks (type none: time) contradicted.
  std::optional<Instant> returned_;  ///< From the last such ejection.
  Instant stay_until_;               ///< An ejected server returns no earlier.
};

/// Weight of a server that came back `back_for` ago: rises linearly from 1 to `weight` over `slow_start`; 0 stays 0.
[[nodiscard]] std::uint32_t ramped_weight(std::uint32_t weight, Duration slow_start, Duration back_for);
/// How often a ramp is worth publishing anew.
[[nodiscard]] Duration ramp_step(Duration slow_start);

}  // namespace fairlead::lb
