// The connections of one worker: carries RelayCore's operations out with an engine, and the engine's events in.
//
// Life of a connection: open() takes a slot, admission has been passed -> RelayCore::start -> pick a server, connect -> relay -> close both
// sockets -> kFinish frees the slot, gives back its places (listener, source, server) and logs.
// A connection keeps the RouteTable it was placed with (a retry, or a PROXY header that came late, looks at the present one); a table goes
// when its last connection does.
//
// Threading: its worker's. Ownership: engine and pool outlive this. Limits: `limit` connections.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/prng.h"
#include "base/slab.h"
#include "lb/admission.h"
#include "lb/balancer.h"
#include "lb/process_places.h"
#include "lb/relay_core.h"
#include "lb/route_table.h"
#include "lb/worker_messages.h"
#include "lb/worker_stats.h"
#include "net/io_engine.h"
#include "net/timer_wheel.h"

namespace fairlead::lb {

/// A table with the number of connections that still use it.
struct HeldTable {
  std::shared_ptr<const RouteTable> table;
  std::uint32_t users = 0;
};
using HeldTables = std::list<HeldTable>;

/// One client's connection. About 300 bytes with its two engine sockets and its timer: this is what an idle connection costs.
struct Connection {
  RelayCore core;
  net::BufferChain queue[2];                            ///< By the side the bytes come from.
  std::unique_ptr<std::vector<std::byte>> first_bytes;  ///< Of the client, before its queue (lb/relay_scarce.cc).
  net::SocketId socket[2] = {net::kNoSocket, net::kNoSocket};
  HeldTables::iterator held{};
  Endpoint client;
  std::uint32_t serial = 0;  ///< With the slot: the id operators see.
  std::int32_t connect_ms = -1;
  TriedServers tried;
  std::uint16_t listener = 0;        ///< Index into the table's listeners.
  std::uint16_t server = kNoServer;  ///< Index into the pool's servers.
  EndCause last_failure = EndCause::kNoServer;
  std::uint8_t parting = kNoParting;  ///< Whose end somebody waits for (lb/relay_parting.cc).
  bool wants_header : 1 = false;      ///< accept_proxy: no valid header yet.
  bool has_leg_options : 1 = false;   ///< The server leg has its keepalive (see kLegOptionsAfter).
  bool logged : 1 = false;            ///< Its line was written.
  bool source_counted : 1 = false;    ///< Holds a place in the per-source counts.
  bool wants_block : 1 = false;       ///< The server answered, and no block was free for what goes to it first.
  bool from_source : 1 = false;       ///< Its server leg is bound to the pool's `source`.
  bool draining : 1 = false;          ///< Closed at its next idle moment: its address is to leave.
  bool was_reset : 1 = false;         ///< Behind the engine's back; what it reports of it means nothing any more.
  static constexpr std::uint16_t kNoServer = 0xffff;
  static constexpr std::uint8_t kNoParting = 0xff;
};

class RelayTable {
 public:
  struct Environment {
    net::IoEngine& engine;
    net::BufferPool& pool;
    WorkerStats& stats;
    SourceCounts& sources;
    ProcessPlaces& process;                    ///< Connections of the whole process.
    std::function<void(WorkerReport)> report;  ///< To the control thread; must not block.
    bool bulk = true;                          ///< Directions that prove to be bulk go through pipes.
    std::uint32_t index = 0;                   ///< The worker's number. Servers' counters have a place for it.
    std::uint32_t limit = 0;                   ///< Connections of this worker at most.
    std::uint64_t seed = 1;
  };
  RelayTable(Environment environment, Instant now);
  /// Gives back the places and blocks of what is still open; the engine, which closes the sockets, may be gone already.
  ~RelayTable();
  RelayTable(const RelayTable&) = delete;
  RelayTable& operator=(const RelayTable&) = delete;

  /// Told how many connections it was about, from run_timers(); must not block.
  using Told = std::function<void(std::size_t connections)>;

  /// Once per loop turn, before its events.
  void begin_turn(Instant now);
  /// Fires the timers that are due.
  void run_timers();
  [[nodiscard]] Instant next_deadline() const {
    for (const Parting& p : partings_) {
      if (p.is_over()) return now_;  // Told with the next turn.
    }
    return std::min(wheel_.next_deadline(), relieve_at_);
  }

  /// New connections use this table from now on.
  void set_routes(std::shared_ptr<const RouteTable> table);
  [[nodiscard]] const RouteTable* routes() const { return current_ == tables_.end() ? nullptr : current_->table.get(); }

  /// A client of `listener` was accepted. Refused ones are reset and counted.
  void accept(Fd client, ListenerId listener);
  /// Likewise, but whoever calls has no room for it and resets it.
  void count_turned_away(ListenerId listener);
  /// An event of a connection's socket (its owner is below kOwnersReserved).
  void on_event(const net::Event& event);

  void close_server_connections(ServerId server, EndCause cause);
  /// Goes on with that: looks at `slots` places more.
  void close_server_connections(ServerClosing& closing, std::uint32_t slots);
  /// Closes, in order, the connection of `server` that has been idle longest; none when all are busy.
  void close_idle(ServerId server);
  /// Goes on with that: looks at `slots` places more, and closes when it has seen all. None, too, when the one it found is no longer idle.
  void close_idle(IdleClosing& closing, std::uint32_t slots);
  [[nodiscard]] std::size_t kill(const ConnectionQuery& query, EndCause cause);
  /// Goes on with a killing: looks at `slots` places more. Who comes meanwhile may stay.
  void kill(ConnectionKilling& killing, std::uint32_t slots);
  [[nodiscard]] std::vector<ConnectionView> list(const ConnectionQuery& query, std::size_t limit) const;
  /// Goes on with a listing: looks at `slots` places more. Who comes or goes meanwhile may be missing.
  void list(ConnectionListing& listing, std::uint32_t slots) const;

  // An address that leaves this node (R18; lb/relay_parting.cc).
  /// Resets every connection with an end on `local`. `told` when the RSTs are sent, and what the engine had accepted before this call
  /// has been through accept(). The descriptors are closed after that.
  void part(const IpAddress& local, EndCause cause, Told told);
  /// Closes each that there is now at an idle moment of its own. `told` when all of them have ended.
  void drain(const IpAddress& local, Told told);
  void stop_draining(const IpAddress& local);
  /// accept() resets clients of `local`, and no server leg is sourced from it, until end_hold() with this call's or a later one's answer.
  std::uint64_t hold_back(const IpAddress& local);
  void end_hold(const IpAddress& local, std::uint64_t hold);
  [[nodiscard]] std::vector<IpAddress> held_back() const;

  [[nodiscard]] std::uint32_t size() const { return connections_.live(); }

  /// Engine owners from here on belong to the worker itself (listeners, its inbox).
  static constexpr std::uint32_t kOwnersReserved = 0xffff0000U;
  /// A reader that takes nothing for so long may lose its connection when the pool has run out.
  static constexpr Duration kStallMin = std::chrono::seconds(1);

 private:
  [[nodiscard]] static std::uint32_t owner_of(std::uint32_t slot, Side side) { return slot << 1 | static_cast<std::uint32_t>(side); }
  [[nodiscard]] const RouteListener& listener_of(const Connection& c) const { return c.held->table->listeners[c.listener]; }
  [[nodiscard]] const RoutePool& pool_of(const Connection& c) const { return *c.held->table->pools[listener_of(c).pool]; }
  [[nodiscard]] RelayPolicy policy_of(const Connection& c) const;
  [[nodiscard]] ListenerStats& stats_of(const Connection& c) { return env_.stats.listeners[listener_of(c).id]; }
  /// `from`: whose bytes they are.
  void count_bytes(const Connection& c, Side from, std::uint64_t bytes) {
    ListenerStats& stats = stats_of(c);
    (from == Side::kClient ? stats.bytes_in : stats.bytes_out).add(bytes);
    if (c.server == Connection::kNoServer) return;
    ServerShare& share = pool_of(c).servers[c.server].counters->shares[env_.index];
    (from == Side::kClient ? share.in : share.out).add(bytes);
  }

  void run(std::uint32_t slot, const RelayOps& ops);
  void shed(Fd client, ListenerId listener, Refusal why);
  [[nodiscard]] bool take_slot(Fd client, const RouteListener& route, const Endpoint& peer, bool source_counted);
  void begin(std::uint32_t slot);
  void move_to_current_table(Connection& c);
  void connect_next(std::uint32_t slot);
  [[nodiscard]] bool start_connect(std::uint32_t slot, bool from_source);
  void connect_ended(std::uint32_t slot, int error);
  void connect_failed(std::uint32_t slot, ConnectCause cause);
  void leave_server(std::uint32_t slot, EndCause cause);
  void established(std::uint32_t slot);
  [[nodiscard]] bool put_first(Connection& c, std::uint32_t& header_bytes);
  [[nodiscard]] bool put_in_front(net::BufferChain& queue, std::span<const std::byte> bytes);
  [[nodiscard]] bool keep_outside(Connection& c, net::BufferIndex buffer);
  void relieve();
  void give_server_back(Connection& c);
  void give_places_back(Connection& c);
  void enqueue(net::BufferChain& queue, net::BufferIndex buffer);
  void data(std::uint32_t slot, Side from, const net::Event& event);
  void header_data(std::uint32_t slot, net::BufferIndex buffer);
  void fire(std::uint32_t slot);
  void arm_timer(std::uint32_t slot);
  void finish(std::uint32_t slot);
  void log_end(Connection& c, EndCause cause);
  [[nodiscard]] const RouteServer* last_server(const Connection& c) const;
  [[nodiscard]] std::uint64_t id_of(std::uint32_t slot) const;
  [[nodiscard]] bool has_local(const Connection& c, const IpAddress& address) const;
  struct Parting {
    Told told;  ///< Empty: free.
    std::size_t connections = 0;
    std::uint32_t left = 0;
    std::uint64_t turn = 0;            ///< In which it began: what the engine had at hand then is through with the next one.
    EndCause cause = EndCause::kNone;  ///< Reset already, to be closed for that; kNone: they drain.
    [[nodiscard]] bool is_over() const { return told && (left == 0 || cause != EndCause::kNone); }
  };
  [[nodiscard]] std::uint8_t begin_parting(Told&& told, EndCause cause);
  void join_parting(Connection& c, std::uint8_t parting);
  void leave_parting(Connection& c);
  void reset_ends(Connection& c, const IpAddress& local);
  void close_parted(std::uint8_t parting, EndCause cause);
  void tell_partings();
  [[nodiscard]] bool is_held_back(const IpAddress& local) const;
  [[nodiscard]] bool matches(std::uint32_t slot, const ConnectionQuery& query) const;
  void abort(std::uint32_t slot, EndCause cause);
  void hold(Connection& c);
  void let_go(HeldTables::iterator held);

  Environment env_;
  Slab<Connection> connections_;
  net::TimerWheel wheel_;
  HeldTables tables_;
  HeldTables::iterator current_ = tables_.end();
  Instant now_;
  WaterMarks marks_;
  Instant relieve_at_ = Instant::max();  ///< Blocks have run out: when to look who keeps them.
  std::vector<Parting> partings_;        ///< Empty but for moments: addresses leave rarely.
  struct Hold {
    IpAddress address;
    std::uint64_t number = 0;
  };
  std::vector<Hold> holds_;
  std::uint64_t holds_begun_ = 0;
  std::uint64_t turn_ = 0;
  Prng prng_;
  std::uint32_t serial_ = 0;
};

}  // namespace fairlead::lb
