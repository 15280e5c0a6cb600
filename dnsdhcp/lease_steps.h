// fairlead: pure
// The steps of one network's DHCP on this gateway, from away to open and back. LeaseBook says when each may be taken; who drives this sets
// the gate, sweeps the pool and moves the VIPs (daemon/dhcp_runner.h; tests/sim/leases plays it against an adversary).
//
//   kAway --begin()--> kFencing --fenced, books equal--> [kSweeping] --> kOpening --everybody heard, the gate is open--> kOpen
//   kOpen --close(), restart(), or a pause--> kClosingGate --gate closed, nothing left to answer--> kClosing --fence, word--> kClosed
//   kClosed --gone()--> kAway
//
// Invariants:
//   S1  No pool is opened that was not handed over and not swept, unless it was open before and everybody heard of all that was given then.
//   S2  kClosed comes within the patience of close(), in order or not. One that was not in order is swept before it opens again.
//   S3  A pause (news that dnsmasq has to learn) ends by itself, unless a VIP is to go or dnsmasq to be restarted: then it stays closed.
// Threading: control. Ownership: values only.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/time.h"
#include "dnsdhcp/lease_book.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kBarrierMax = 100ms;  ///< What a planned move waits for the last leases.
inline constexpr Duration kBooksMax = 2s;       ///< What an opening waits for the other books.
inline constexpr Duration kFenceMax = 2s;       ///< Then a fence counts as lost, and is asked for again. Also the patience of a pause.
inline constexpr Duration kClosedMax = 3s;      ///< A VIP that is to go has gone by then.
inline constexpr Duration kQueueLook = 3ms;     ///< How often it is looked for requests that came before the gate closed.

enum class LeaseStep : std::uint8_t { kAway, kFencing, kSweeping, kOpening, kOpen, kClosingGate, kClosing, kClosed };

/// What is so at the time of a turn.
struct StepFacts {
  Instant now{};
  bool here = false;         ///< All VIPs of the network are.
  bool ready = false;        ///< dnsmasq answers on its bus.
  bool restart_due = false;  ///< Of dnsmasq, once every network is closed.
  bool sweeps = false;       ///< The network has a pool that can be asked.
  bool gate_open = false;    ///< Known to be.
  bool gate_closed = false;  ///< Likewise. Neither: being set, or nobody knows.
  bool queue_empty = false;  ///< No request that came before the gate closed waits. Looked at in kClosingGate only.
  bool refused = false;      ///< A lease that dnsmasq did not take is to be put to it again, with a closed gate.
};

/// What the driver is to do after a turn.
enum class StepWish : std::uint8_t {
  kNothing,
  kBegin,    ///< begin(), with the placement's epoch.
  kSweep,    ///< Ask the pool: then sweep_begun(), later sweep_done(); or sweep_failed().
  kOpened,   ///< Tell of it.
  kStopped,  ///< Closed; whoever waits to take a VIP away may.
};

class LeaseSteps {
 public:
  explicit LeaseSteps(std::string network) : network_(std::move(network)) {}

  /// All its VIPs are here. `epoch`: of the placement.
  void begin(Epoch epoch, Instant now, LeaseBook& book, BookActions& out);
  /// A VIP went, or the network is served no more.
  void gone(Instant now, LeaseBook& book);
  /// A VIP is to go as planned. False: nothing is open, it may go at once.
  [[nodiscard]] bool close(Instant now);
  /// dnsmasq is to be restarted: what it gave has to be told first.
  void restart(Instant now);
  [[nodiscard]] bool may_restart() const {
    return step_ == LeaseStep::kAway || step_ == LeaseStep::kClosed || step_ == LeaseStep::kFencing;
  }
  /// It ended by itself. `leaving`: a VIP is about to go.
  void dnsmasq_ended(bool leaving, Instant now);
  /// One was started and answers; all VIPs are here, and none is about to go.
  [[nodiscard]] StepWish dnsmasq_ready(LeaseBook& book, BookActions& out);

  [[nodiscard]] StepWish turn(const StepFacts& facts, LeaseBook& book, BookActions& out);
  void sweep_begun() { step_ = LeaseStep::kSweeping; }
  /// After adopt() of what was found.
  void sweep_done(LeaseBook& book, BookActions& out);
  void sweep_failed(Instant retry);

  [[nodiscard]] LeaseStep step() const { return step_; }
  /// Of the step; those before the gate opens count from the VIPs' arrival.
  [[nodiscard]] Instant since() const { return since_; }
  /// The gate is to be open, as soon as dnsmasq knows what it was fed.
  [[nodiscard]] bool wants_gate(const LeaseBook& book) const;
  /// Of the last time: since the VIPs came, or since it closed.
  [[nodiscard]] Duration opened_after() const { return opened_after_; }
  /// Whether the pool was asked since the VIPs came.
  [[nodiscard]] bool swept() const { return swept_; }
  /// In kClosed: it was open, and everybody heard of all that was given.
  [[nodiscard]] bool told() const { return told_; }
  /// Likewise: it was open, or about to be.
  [[nodiscard]] bool was_open() const { return was_open_; }
  /// Closed for what dnsmasq has to learn; opens again.
  [[nodiscard]] bool pausing() const { return pausing_; }
  /// When turn() has to be called at the latest though nothing happens. What is overdue waits for something else.
  [[nodiscard]] Instant next_due(const StepFacts& facts) const;

 private:
  void step_to(LeaseStep step, Instant now);
  void begin_closing(Instant now, Duration patience);
  void open(LeaseBook& book, BookActions& out);
  [[nodiscard]] StepWish turn_fencing(const StepFacts& facts, LeaseBook& book, BookActions& out);
  [[nodiscard]] StepWish turn_closed(const StepFacts& facts, LeaseBook& book, BookActions& out);
  [[nodiscard]] StepWish closed(bool told, Instant now);

  std::string network_;
  LeaseStep step_ = LeaseStep::kAway;
  Instant since_{};
  Duration opened_after_{};
  Instant fenced_at_{};  ///< When the fence was asked for last.
  Instant sweep_retry_{};
  Instant close_by_{};  ///< Of kClosingGate and kClosing together.
  bool pausing_ = false;
  bool was_open_ = false;
  bool told_ = false;
  bool swept_ = false;
};

}  // namespace fairlead::dnsdhcp
