// Drives one engine in a test: owns the pool, keeps a model of every socket's life and checks on each event what the contract in
// net/io_engine.h promises for all of them (C1, C3, C4, C6, byte-exact streams), so that a test only says what is particular to it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/fault_engine.h"
#include "net/io_engine.h"
#include "tests/support/net_peer.h"

namespace fairlead::support {

enum class EngineKind : std::uint8_t { kEpoll, kUring, kUringBatched };  // the last: every send it can goes with the ring

struct EngineCase {
  EngineKind kind = EngineKind::kEpoll;
  bool faulty = false;
  IpAddress::Family family = IpAddress::Family::kV4;
};
[[nodiscard]] std::string to_string(const EngineCase& c);  ///< "FaultUringV6"

enum class BulkState : std::uint8_t { kOff, kAsked, kReady, kOn };

/// What was seen of one socket between its start and its kClosed, and what it does by itself.
struct Life {
  // What it does.
  bool echo = false;           ///< Sends back what it reads, with back-pressure at `high_water`.
  Life* forward_to = nullptr;  ///< Likewise, but to another life, the end of file too.
  Life* fed_by = nullptr;      ///< The other way round.
  bool keep = false;           ///< Keeps the buffers of kData in `kept`.
  std::size_t high_water = 64 * 1024;
  std::uint64_t to_send = 0;  ///< Bytes of `out` still to send; topped up whenever no send is in flight.
  std::uint32_t blocks_per_send_max = 4;
  std::function<void(Life&, const net::Event&)> then;  ///< After the model was brought up to date.

  // What was seen.
  std::uint32_t owner = 0;
  net::SocketId id = net::kNoSocket;
  bool stream = false;
  std::optional<int> connected;  ///< kConnected's error.
  std::optional<int> error;
  bool eof = false;
  bool closing = false;
  bool closed = false;
  std::uint64_t received = 0;
  std::uint64_t data_events = 0;
  std::uint64_t sent = 0;
  std::uint64_t in_flight = 0;
  std::vector<Fd> accepted;
  std::vector<int> accept_errors;
  std::uint64_t readable = 0;
  ByteStream out{0};
  ByteStream in{0};
  bool check_in = true;   ///< kData must be the stream `in`.
  net::BufferChain kept;  ///< Of echo, forward_to or keep.
  std::size_t kept_bytes = 0;
  bool reads = false;
  bool shut = false;                 ///< shutdown_write was called.
  BulkState bulk = BulkState::kOff;  ///< Of the direction from here to `forward_to`.
  std::uint64_t moved = 0;
  int bulk_starts = 0;
  int bulk_refusals = 0;
  int bulk_ends = 0;
};

class EngineDriver final : public net::EventSink {
 public:
  struct Options {
    std::size_t blocks = 256;
    std::size_t block_bytes = net::kBufferBytes;
    net::FaultPlan faults = {};
    net::EngineOptions engine = {};
  };
  /// Aborts when the engine cannot be made: callers asked engine_refusal() before.
  explicit EngineDriver(const EngineCase& engine_case) : EngineDriver(engine_case, Options{}) {}
  EngineDriver(const EngineCase& engine_case, const Options& options);
  ~EngineDriver() override;

  [[nodiscard]] net::IoEngine& engine() { return *engine_; }
  [[nodiscard]] net::BufferPool& pool() { return pool_; }
  [[nodiscard]] const net::FaultCounters* faults() const { return fault_ ? &fault_->faults() : nullptr; }

  Life& listen(Fd listener);
  Life& adopt(Fd socket);
  Life& connect(Fd socket, const Endpoint& to);
  Life& watch(int fd);
  void want_read(Life& life, bool on);
  /// Sends `bytes` of the life's stream in blocks of at most `block_max` bytes; false when the pool has too few blocks (nothing is sent).
  bool send(Life& life, std::size_t bytes, std::size_t block_max = net::kBufferBytes);
  void shutdown_write(Life& life);
  /// Asks for bulk; on kBulkReady, and when nothing is queued for `forward_to`, the bulk is started. Ended or refused, reading goes on.
  void bulk_prepare(Life& life);
  void close(Life& life, bool reset = false);
  /// Adopts one end of a new connection; the other is the peer's, pumped by every turn.
  struct Pair {
    Life& life;
    Peer& peer;
  };
  Pair make_pair(IpAddress::Family family);
  Peer& add_peer(Fd fd, const Life& life);
  /// What `source` sends goes through two sockets of the engine and must reach `drain`.
  struct Relay {
    Life& from;
    Peer& source;
    Life& to;
    Peer& drain;
  };
  /// `socket_bytes`: small socket buffers all along; 0: the kernel's.
  Relay make_relay(IpAddress::Family family, int socket_bytes = 0);

  /// Pumps the peers and polls once, waiting at most `wait` (not at all when a peer moved bytes).
  void turn(Duration wait = std::chrono::milliseconds(2));
  /// Turns until `done`; false (and a failure) after `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(20));
  /// Turns until nothing has been reported, and no peer has moved a byte, for a while: longer than any fault lasts.
  void settle();
  /// Gives back what lives keep for themselves.
  void drop_kept(Life& life);
  /// Closes every open life and waits for the last kClosed.
  void close_all();
  /// Destroys the engine. Every block must be back in the pool afterwards (C2).
  void finish();
  [[nodiscard]] bool finished() const { return engine_ == nullptr; }

  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] const std::deque<Life>& lives() const { return lives_; }

 private:
  void on_turn() override;
  void on_event(const net::Event& event) override;
  Life& enter(Result<net::SocketId> id, bool stream, std::uint32_t owner);
  [[nodiscard]] std::uint32_t next_owner() const { return static_cast<std::uint32_t>(lives_.size()); }
  void record(Life& life, const net::Event& event);
  void record_data(Life& life, const net::Event& event);
  void record_bulk(Life& life, const net::Event& event);
  void top_up(Life& life);
  void feed_on(Life& source);

  net::BufferPool pool_;
  std::unique_ptr<net::IoEngine> engine_;
  net::FaultEngine* fault_ = nullptr;  ///< engine_, when it is one.
  std::deque<Life> lives_;             ///< By owner; never reused, so an event for a dead life is noticed.
  std::vector<Life*> open_;            ///< Not yet closed.
  std::vector<bool> id_lives_;
  std::deque<Peer> peers_;
  Prng prng_{7};
  std::uint32_t blocks_per_send_max_ = 4;  ///< Of new lives: 1 where only single blocks go with the ring.
  bool polling_ = false;
  bool turned_ = false;
  bool moved_ = false;  ///< A peer moved bytes in this turn.
  std::uint64_t turns_ = 0;
  std::uint64_t events_ = 0;
};

/// Aborts when it cannot be made. `faults` counts only for a faulty case.
[[nodiscard]] std::unique_ptr<net::IoEngine> make_engine(const EngineCase& engine_case, net::BufferPool& pool,
                                                         const net::EngineOptions& options, const net::FaultPlan& faults);

/// Why the engine of this case cannot run here.
struct EngineRefusal {
  std::string reason;
  bool by_kernel = false;  ///< io_uring is switched off or not built: no fault of ours.
};
[[nodiscard]] std::optional<EngineRefusal> engine_refusal(const EngineCase& engine_case);

[[nodiscard]] Instant monotonic_now();
[[nodiscard]] Duration process_cpu();  ///< Kernel threads that work for this process included.
[[nodiscard]] std::size_t open_fds();

}  // namespace fairlead::support
