// A whole relay in one thread: a RelayTable over one engine, with clients and servers of the test's own on loopback.
//
// The table's clock is the test's (advance(), and a little in each turn); the engine's deadlines are the real clock's. Both ends of every
// connection are Peers, whose byte streams say by themselves what was lost (tests/support/net_peer.h). What the relay counts is looked at
// only to know in which state a connection is, and at the end: finish() demands that every place, block and descriptor came back.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/relay_table.h"
#include "tests/support/engine_driver.h"
#include "tests/support/net_peer.h"

namespace fairlead::lb {

struct RigOptions {
  std::size_t blocks = 256;
  std::size_t block_bytes = 4096;
  int socket_bytes = 0;  ///< Small socket buffers everywhere; 0: the kernel's.
  net::FaultPlan faults = {};
  std::size_t pipes = 64;
  std::uint32_t connections = 1024;  ///< Slots.
  std::uint32_t process = 1024;      ///< Places of the process.
  std::size_t servers = 1;
};

[[nodiscard]] ConnectionQuery with_id(std::uint64_t id);
[[nodiscard]] ConnectionQuery with(std::string ConnectionQuery::*field, std::string value);

/// What a server of the test does with connections.
enum class ServerKind : std::uint8_t {
  kServes,
  kRefuses,  ///< Nobody listens on its port.
  kSilent,   ///< Its queue is full: a connect hangs.
};

struct TestServer {
  ServerKind kind = ServerKind::kServes;
  Fd listener;
  Fd plug;  ///< kSilent: what fills the queue.
  bool reads = true;
  std::uint64_t accepted = 0;
};

/// One connection as its two ends see it.
struct Link {
  Link(Fd fd, std::uint64_t seed) : seeds{2 * seed, 2 * seed + 1}, client(std::move(fd), seeds[0], seeds[1]) {}
  [[nodiscard]] support::Peer& end(Side side) { return side == Side::kClient ? client : *server; }
  /// Both streams arrived whole and nothing was changed on the way.
  [[nodiscard]] bool whole() const;

  std::array<std::uint64_t, 2> seeds;
  support::Peer client;
  std::optional<support::Peer> server;
  std::size_t at = 0;  ///< Which server accepted it.
  Endpoint address;    ///< The client's own.
};

class RelayRig final : public net::EventSink {
 public:
  RelayRig(const support::EngineCase& engine_case, const RigOptions& options);
  ~RelayRig() override;

  // What the table is told; both take effect with publish().
  RoutePool pool;
  RouteListener listener;
  void publish();
  /// The servers' weights and marks are in pool.servers, in the same order.
  TestServer& add_server(ServerKind kind);

  /// A client connects; its server's end appears once the relay has connected.
  Link& connect();
  /// Likewise, and turns until both ends stand.
  Link& connect_through();

  /// Moves the table's clock and lets due timers fire.
  void advance(Duration by);
  /// Peers send and read what they can, then the engine is polled once.
  void turn(Duration wait = std::chrono::milliseconds(2));
  /// Turns until `done`; false (and a failure) when nothing has happened for 20 s.
  bool run_until(const std::function<bool()>& done);
  /// Turns until nothing has happened for longer than any fault lasts.
  void settle();

  /// Events of this kind (kConnected, kBulkReady) wait, and with each what follows on its socket, until release().
  void hold(net::EventKind kind) { held_kind_ = kind; }
  [[nodiscard]] std::size_t held() const;
  void release();

  /// What the engine reads reaches the table in receives that are not full, so that nothing becomes bulk.
  void keep_from_bulk(bool on) { from_bulk_ = on; }

  /// Reads `bytes` of a peer's socket beside its stream; shorter only after a failure.
  std::string read_raw(support::Peer& peer, std::size_t bytes);
  void write_raw(support::Peer& peer, std::string_view bytes);

  /// Turns until the relay has no connection, then that every place is back.
  void expect_nothing_left();
  /// Turns until so many connections have ended for that cause.
  void expect_ended(EndCause cause, std::uint64_t count);
  /// Closes every end and everything else. Called by the fixture after each case.
  void finish();
  /// Ends engine and table while connections are open, as a worker that is stopped does.
  void abandon();

  [[nodiscard]] RelayTable& table() { return *table_; }
  [[nodiscard]] net::IoEngine& engine() { return *engine_; }
  [[nodiscard]] net::BufferPool& buffers() { return buffers_; }
  [[nodiscard]] std::size_t blocks_in_use() const { return buffers_.count() - buffers_.available(); }
  [[nodiscard]] WorkerStats& stats() { return *stats_; }
  [[nodiscard]] std::uint64_t ended(EndCause cause) const { return stats_->listeners[0].ended[static_cast<std::size_t>(cause)].get(); }
  [[nodiscard]] std::uint64_t shed(Refusal why) const { return stats_->listeners[0].shed[static_cast<std::size_t>(why)].get(); }
  [[nodiscard]] SourceCounts& sources() { return sources_; }
  [[nodiscard]] ProcessPlaces& process() { return process_; }
  [[nodiscard]] TestServer& server(std::size_t i) { return servers_[i]; }
  [[nodiscard]] std::uint32_t placed(std::size_t i) const { return pool.servers[i].counters->current.load(); }
  [[nodiscard]] std::deque<Link>& links() { return links_; }
  [[nodiscard]] const std::vector<WorkerReport>& reports() const { return reports_; }
  [[nodiscard]] std::string state_of(const Link& link) const;  ///< As operators see it; empty: there is no such connection.
  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] bool faulty() const { return case_.faulty; }
  [[nodiscard]] Endpoint front() const { return front_; }

 private:
  void on_turn() override;
  void on_event(const net::Event& event) override;
  bool accept_servers();
  void pair_up(std::size_t at, Fd fd);
  [[nodiscard]] bool withheld(const net::Event& event);
  void deliver_in_two(const net::Event& event);
  [[nodiscard]] std::optional<ConnectionView> view_of_slot(std::uint32_t slot) const;
  void expect_places_back();
  void take_down();

  support::EngineCase case_;
  RigOptions options_;
  net::BufferPool buffers_;
  std::unique_ptr<WorkerStats> stats_;
  SourceCounts sources_{64, 7};
  ProcessPlaces process_;
  std::unique_ptr<net::IoEngine> engine_;
  std::unique_ptr<RelayTable> table_;
  net::SocketId door_ = net::kNoSocket;  ///< The relay's listener.
  Endpoint front_;
  std::deque<TestServer> servers_;
  std::deque<Link> links_;
  std::vector<support::Peer> given_up_;  ///< Ends of legs that the relay gave up for another server.
  std::vector<WorkerReport> reports_;
  std::optional<net::EventKind> held_kind_;
  std::vector<net::Event> held_events_;
  Instant now_ = Instant(std::chrono::hours(1));
  std::uint64_t version_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t events_ = 0;
  int overdue_turns_ = 0;
  bool moved_ = false;
  bool from_bulk_ = false;
  bool ending_ = false;
};

/// Takes every free block away while it lives, those that a fault holds when it begins as well.
class Hoard {
 public:
  explicit Hoard(RelayRig& rig);
  ~Hoard() { chain_.clear(pool_); }
  Hoard(const Hoard&) = delete;
  Hoard& operator=(const Hoard&) = delete;

 private:
  net::BufferPool& pool_;
  net::BufferChain chain_;
};

}  // namespace fairlead::lb
