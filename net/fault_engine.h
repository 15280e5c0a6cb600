// FaultEngine: another engine, perturbed. It passes the contract of net/io_engine.h like any engine, but does everything the contract
// allows at its least convenient: sends that are taken in parts, data in crumbs, an empty pool, late and reordered completions, turns in
// which nothing happened. What survives it does not lean on the habits of one kernel.
//
// Every draw comes from one seeded generator, so the same calls and the same events of the inner engine meet the same faults. A fault lasts
// a bounded number of turns; while one lasts poll() does not sleep, so that nothing is late by the clock.
//
// Invariants:
//   I1  The events of one socket keep their order; the bytes of one direction keep theirs.
//   I2  Nothing of a socket is reported after its close() but kClosed; an end of file is withheld while reading is off (C3, C5).
//   I3  What it holds (events, buffers, accepted descriptors) is given back by close() or destruction at the latest.
// Ownership: owns the inner engine, borrows the pool that the inner engine uses. Threading: that of the inner engine.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "net/io_engine.h"

namespace fairlead::net {

/// How often each fault strikes, in per mille of its occasions.
struct FaultPlan {
  std::uint64_t seed = 1;
  std::uint32_t short_send = 250;     ///< A send reaches the inner engine in parts.
  std::uint32_t split_data = 200;     ///< A kData or kSent becomes several.
  std::uint32_t late_event = 150;     ///< An event is held for some turns.
  std::uint32_t late_link = 300;      ///< Likewise, for kConnected and kClosed.
  std::uint32_t late_call = 150;      ///< A want_read, or the rest of a short send, reaches the inner engine some turns later.
  std::uint32_t reorder = 200;        ///< Two neighbouring events of different sockets change places.
  std::uint32_t starve = 60;          ///< All free buffers are taken away for some turns (drawn on turns that brought an event).
  std::uint32_t spurious_turn = 100;  ///< A turn ends without having waited.
  std::uint32_t turns_max = 4;        ///< The longest that any of these lasts, >= 1.
};

/// Only forwards; a base for plans of one fault.
inline constexpr FaultPlan kNoFaults{.seed = 1,
                                     .short_send = 0,
                                     .split_data = 0,
                                     .late_event = 0,
                                     .late_link = 0,
                                     .late_call = 0,
                                     .reorder = 0,
                                     .starve = 0,
                                     .spurious_turn = 0,
                                     .turns_max = 4};

/// What was done, so that a test can demand each kind. Monotonic.
struct FaultCounters {
  std::uint64_t short_sends = 0;
  std::uint64_t late_sends = 0;
  std::uint64_t split_data = 0;
  std::uint64_t split_sents = 0;
  std::uint64_t late_events = 0;
  std::uint64_t late_connects = 0;
  std::uint64_t late_closes = 0;
  std::uint64_t late_reads = 0;
  std::uint64_t reordered = 0;
  std::uint64_t starvations = 0;
  std::uint64_t spurious_turns = 0;
};

class FaultEngine final : public IoEngine {
 public:
  FaultEngine(std::unique_ptr<IoEngine> inner, BufferPool& pool, const FaultPlan& plan);
  ~FaultEngine() override;

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] Result<SocketId> listen(Fd listener, std::uint32_t owner) override;
  void resume_accept(SocketId listener) override;
  [[nodiscard]] Result<SocketId> adopt(Fd socket, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> connect(Fd socket, const Endpoint& to, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> watch(int fd, std::uint32_t owner) override;
  void want_read(SocketId socket, bool on) override;
  void send(SocketId socket, BufferChain chain) override;
  void bulk_prepare(SocketId from) override;
  [[nodiscard]] bool can_bulk() const override { return inner_->can_bulk(); }
  [[nodiscard]] bool bulk_start(SocketId from, SocketId to) override;
  void shutdown_write(SocketId socket) override;
  void close(SocketId socket, bool reset) override;
  /// -1 once the inner engine has closed it, which may be some turns before kClosed.
  [[nodiscard]] int fd_of(SocketId socket) const override;
  void poll(Instant deadline, EventSink& sink) override;
  [[nodiscard]] const EngineCounters& counters() const override { return inner_->counters(); }
  [[nodiscard]] std::size_t open_sockets() const override { return live_; }

  [[nodiscard]] const FaultCounters& faults() const { return faults_; }

 private:
  struct Slot {
    SocketId inner = kNoSocket;
    std::uint32_t owner = 0;
    std::uint32_t life = 0;
    std::uint32_t in_flight = 0;     ///< Bytes the inner engine is sending.
    BufferChain rest;                ///< Of a short send, not yet forwarded.
    std::uint64_t blocked_turn = 0;  ///< An earlier event is still held in this turn (I1).
    bool live = false;
    bool wants_read = false;
    bool inner_reads = false;
    bool eof_withheld = false;
    bool failed = false;
    bool closing = false;
    bool inner_closed = false;
    bool bulk = false;  ///< Its bytes move inside the inner engine (C8).
  };
  struct HeldEvent {
    Event event;
    std::uint64_t due_turn = 0;
  };
  enum class LateCall : std::uint8_t { kWantRead, kSendRest };
  struct HeldCall {
    std::uint32_t index;
    std::uint32_t life;
    LateCall call;
    std::uint64_t due_turn;
  };
  /// Collects what the inner engine reports.
  struct Collector final : EventSink {
    explicit Collector(FaultEngine& to) : engine(to) {}
    void on_turn() override {}
    void on_event(const Event& event) override { engine.take(event); }
    FaultEngine& engine;
  };

  [[nodiscard]] bool strikes(std::uint32_t per_mille) { return prng_.below(1000) < per_mille; }
  [[nodiscard]] std::uint64_t some_turns_on() { return turn_ + 1 + prng_.below(plan_.turns_max); }
  [[nodiscard]] Slot& slot(SocketId id) { return slots_[static_cast<std::uint32_t>(id)]; }
  [[nodiscard]] Result<SocketId> enter(Result<SocketId> inner, std::uint32_t owner);
  void take(const Event& event);
  void take_data(Slot& s, Event event);
  void take_sent(std::uint32_t index, Event event);
  void hold(const Event& event);
  void deliver(EventSink& sink);
  void report(const Event& event, EventSink& sink);
  void discard(const Event& event);
  void apply_read(Slot& s);
  void send_part(Slot& s);
  void run_held_calls();
  void starve();
  void feed();

  std::unique_ptr<IoEngine> inner_;
  BufferPool& pool_;
  FaultPlan plan_;
  std::string name_;
  Prng prng_;
  Collector collector_{*this};
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> outer_of_;  ///< By inner id.
  std::size_t live_ = 0;
  std::uint64_t turn_ = 0;
  bool eventful_ = false;        ///< The last turn brought an event.
  std::vector<HeldEvent> held_;  ///< In order of arrival.
  std::vector<HeldCall> calls_;
  std::vector<Event> batch_;
  BufferChain hoard_;
  std::uint64_t hoard_ends_turn_ = 0;
  FaultCounters faults_;
};

/// `inner` must use `pool`.
[[nodiscard]] std::unique_ptr<FaultEngine> make_fault_engine(std::unique_ptr<IoEngine> inner, BufferPool& pool, const FaultPlan& plan);

}  // namespace fairlead::net
