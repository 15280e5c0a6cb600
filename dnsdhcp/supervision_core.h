// fairlead: pure
// Decides when dnsmasq is started, ended, told to read its files again, and when it is given up on for a while.
//
//   Stopped --Run--> Starting --spawned, bus ready--> Running --reload--> SIGHUP
//      ^                |                                |
//      |                | ended, or not ready in time    | ended, its bus is lost, or it answers no more
//      |                v                                |
//      |             Waiting <---------------------------'   the first time no time at all, then 0.2 s, 0.4 s .. kBackOffMax
//      |                '--its time--> Starting
//      '--ended-- Stopping <--Stop, Restart-- (SIGTERM, after kStopPatience SIGKILL)      after a Restart: Starting at once
//
// Invariants:
//   S1  At most one dnsmasq: Spawn is asked for only while none is there and no answer to an earlier Spawn is outstanding.
//   S2  After Stop nothing is spawned until Run; what is there gets SIGTERM in the same step, or as soon as its Spawn is answered, and
//       SIGKILL when it has not ended kStopPatience later.
//   S3  An end that nobody asked for is followed by a new start: at once after one that had run for kSteady, else after a back-off that
//       doubles up to kBackOffMax. Run with new settings (Restart) starts at once and forgets the back-off.
//   S4  One that is not ready kReadyPatience after its start is killed and counts as one that ended.
//   S5  kLoopEnds ends within kLoopWindow are a crash loop: said once, and its end once, when one has run for kSteady. Stop and
//       Restart begin a new count.
//   S6  SIGHUP is sent to a ready one only: before that it has no handler for it and would end. Asked for earlier it comes with readiness.
//   S7  One whose bus is lost and that has not ended kBusGrace later is replaced: without its bus it cannot be given leases.
//   S8  A ready one is asked every kAskEvery whether it still answers. One that let kAnswersMissedMax questions in a row go by, each for
//       kAskEvery, hangs: it is killed at once (a stopped one takes no SIGTERM) and counts as one that ended. Questions are counted and
//       not the time: after a pause of this process itself one is outstanding, however long the pause was.
// Threading: control. Limits: kLoopEnds instants are remembered.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kReadyPatience = std::chrono::seconds(10);
inline constexpr Duration kStopPatience = std::chrono::seconds(5);
inline constexpr Duration kBackOffFirst = std::chrono::milliseconds(200);
inline constexpr Duration kBackOffMax = std::chrono::seconds(30);
inline constexpr Duration kSteady = std::chrono::seconds(10);
inline constexpr Duration kBusGrace = std::chrono::seconds(1);
inline constexpr Duration kAskEvery = std::chrono::seconds(1);
inline constexpr int kAnswersMissedMax = 3;
inline constexpr std::size_t kLoopEnds = 5;
inline constexpr Duration kLoopWindow = std::chrono::seconds(60);

// ---- inputs ----
struct RunDnsmasq {};
struct StopDnsmasq {};
/// End it and start it with its new configuration; starts a stopped one, too.
struct RestartDnsmasq {};
/// Let it read hosts and reservations again.
struct ReloadDnsmasq {};
/// Answers to Spawn.
struct DnsmasqSpawned {};
struct SpawnFailed {
  std::string reason;
};
/// It has answered on its bus.
struct DnsmasqReady {
  std::string version;
};
struct DnsmasqBusLost {};
/// To AskDnsmasq, and it came. None is told of that did not.
struct DnsmasqAnswered {};
/// The process that was spawned is gone. `reason`: "exit code 2", with what it said last.
struct DnsmasqEnded {
  std::string reason;
};
struct SupervisionTick {};  ///< At next_deadline(); early and extra ones are harmless.
using SupervisionInput = std::variant<RunDnsmasq, StopDnsmasq, RestartDnsmasq, ReloadDnsmasq, DnsmasqSpawned, SpawnFailed, DnsmasqReady,
                                      DnsmasqBusLost, DnsmasqAnswered, DnsmasqEnded, SupervisionTick>;

// ---- actions, to be carried out in their order ----
struct SpawnDnsmasq {
  bool operator==(const SpawnDnsmasq&) const = default;
};
struct TermDnsmasq {
  bool operator==(const TermDnsmasq&) const = default;
};
struct KillDnsmasq {
  bool operator==(const KillDnsmasq&) const = default;
};
struct HangupDnsmasq {
  bool operator==(const HangupDnsmasq&) const = default;
};
/// Anything that only a turning main loop answers.
struct AskDnsmasq {
  bool operator==(const AskDnsmasq&) const = default;
};
struct SayReady {
  std::string version;
  Duration took{};  ///< Since the Spawn.
  bool operator==(const SayReady&) const = default;
};
struct SayEnded {
  std::string reason;
  Duration next_in{};  ///< Until the next start.
  bool operator==(const SayEnded&) const = default;
};
struct SayStopped {
  bool operator==(const SayStopped&) const = default;
};
struct SayCrashLoop {
  std::size_t ends = 0;  ///< Within kLoopWindow.
  std::string reason;    ///< Of the last.
  bool operator==(const SayCrashLoop&) const = default;
};
struct SayCrashLoopOver {
  bool operator==(const SayCrashLoopOver&) const = default;
};
using SupervisionAction = std::variant<SpawnDnsmasq, TermDnsmasq, KillDnsmasq, HangupDnsmasq, AskDnsmasq, SayReady, SayEnded, SayStopped,
                                       SayCrashLoop, SayCrashLoopOver>;
using SupervisionActions = std::vector<SupervisionAction>;

enum class DnsmasqPhase : std::uint8_t { kStopped, kStarting, kRunning, kStopping, kWaiting };
[[nodiscard]] std::string_view to_string(DnsmasqPhase phase);

class SupervisionCore {
 public:
  /// `asks`: whether it can be asked (S8); conntrackd is not.
  explicit SupervisionCore(bool asks = false) : asks_(asks) {}

  [[nodiscard]] SupervisionActions step(const SupervisionInput& input, Instant now);
  /// When a SupervisionTick is due; max: none is.
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] DnsmasqPhase phase() const;
  [[nodiscard]] bool in_crash_loop() const { return looping_; }
  /// It is to run and does not answer: since when; nothing: it does, or is not to run.
  [[nodiscard]] std::optional<Instant> silent_since() const { return wanted_ ? silent_since_ : std::nullopt; }
  [[nodiscard]] const std::string& last_end() const { return last_end_; }  ///< Empty: none ended yet that should not have.

 private:
  enum class Process : std::uint8_t { kNone, kAsked, kThere };
  void forget_ends();
  void ended(const std::string& reason, Instant now, SupervisionActions& out);
  void settle(Instant now, SupervisionActions& out);
  void finish(Instant now, SupervisionActions& out);
  void watch(Instant now, SupervisionActions& out);
  void ask(Instant now, SupervisionActions& out);
  void kill(std::string why, SupervisionActions& out);

  bool asks_;
  // Facts.
  bool wanted_ = false;
  Process process_ = Process::kNone;
  bool ready_ = false;
  bool replace_ = false;  // The one that is there has to go; another one follows.
  bool reload_ = false;   // Asked for, not sent.
  Instant spawned_at_{};
  Instant ready_at_{};
  std::optional<Instant> bus_lost_at_;
  Instant ask_at_{};
  bool asked_ = false;  // Without an answer yet.
  int missed_ = 0;      // In a row.
  std::optional<Instant> silent_since_;
  // Of the ending of the one that is there.
  bool term_sent_ = false;
  bool kill_sent_ = false;
  std::string killed_for_;  // Not empty: why we ended it ourselves although it was wanted.
  Instant term_at_{};
  // Of ends that nobody asked for.
  Instant not_before_{};
  std::uint32_t quick_ends_ = 0;  // In a row.
  std::deque<Instant> ends_;
  bool looping_ = false;
  std::string last_end_;
};

}  // namespace fairlead::dnsdhcp
