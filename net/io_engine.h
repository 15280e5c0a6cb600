// The engine seam: what the relay needs from the kernel, cut at completion semantics so that io_uring needs no readiness shim and epoll
// can imitate it (try the call at once, wait only for the rest).
//
// Contract, passed by every implementation (tests/contract/net):
//   C1  Nothing is reported from inside a call; events come from poll() only, per socket in the order in which they happened.
//   C2  A buffer is the engine's from `send` until it comes back to the pool; a kData event hands a buffer to the sink, which must send it,
//       queue it or give it back. Every buffer returns to the pool, whatever happens to its socket.
//   C3  close() ends everything pending on a socket; kClosed follows exactly once and is the last event of that socket. Only then is the
//       descriptor closed and the SocketId free for reuse. Stale kernel events of an earlier life are dropped (generations).
//   C4  At most one send is in flight per socket. It ends when its bytes were all reported by kSent, or by kError.
//   C5  After want_read(off) data already taken from the kernel may still arrive (the high-water mark is soft); end of file and data not
//       yet taken are withheld until want_read(on); errors (RST, timeout) are still reported. While reading is on, an error follows the
//       data that came before it, unless a send meets it first.
//   C6  kError comes at most once per socket; after it only kClosed follows, once close() was called: nothing closes by itself. kEof comes
//       at most once and no kData follows it; an RST after it is still reported, also one that was there with it.
//   C7  A peer that is half-closed, slow, or both, causes no busy loop: poll() blocks while nothing can be done (facts: io_uring adds
//       POLLRDHUP to every poll it makes).
//   C8  Bulk: after bulk_prepare(from) comes kBulkReady, and no kData between it and the end of bulk. bulk_start(from, to) then moves bytes
//       by itself (kMoved counts what `to` took) until kEof or kError of either socket, or kBulkEnded: it was not bulk any more, and
//       nothing is read until want_read(from, on). While it runs `to` is not sent to. Back-pressure needs no water marks: the pipe
//       is the queue.
// Threading: one thread, the one that made the engine. Limits: kSocketsPerEngineMax.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "net/buffer_pool.h"

namespace fairlead::net {

/// Names one socket of one engine until its kClosed.
enum class SocketId : std::uint32_t {};
inline constexpr SocketId kNoSocket{0xffffffffU};
inline constexpr std::uint32_t kSocketsPerEngineMax = 1U << 22;

enum class EventKind : std::uint8_t {
  kAccepted,      ///< `fd`: a new connection (owned by the receiver), non-blocking and close-on-exec. `owner`: the listener's.
  kAcceptFailed,  ///< `error`: EMFILE and the like; accepting pauses until resume_accept().
  kConnected,     ///< `error`: 0 or why not (ECONNREFUSED, EHOSTUNREACH, ...); after a failure only close() is of use.
  kData,          ///< `buffer`: bytes read.
  kEof,           ///< The peer will send no more.
  kSent,          ///< `bytes` more of the send in flight were taken by the kernel.
  kError,         ///< `error`: the socket is broken (ECONNRESET, ETIMEDOUT, EPIPE, ...).
  kClosed,        ///< The last event.
  kBulkReady,     ///< Every byte received before was delivered as kData; bulk_start() may follow, or want_read(on).
  kMoved,         ///< `bytes` went from `socket` to its link's other end.
  kBulkEnded,     ///< Back to buffers; the socket is not being read.
  kReadable,      ///< A watched descriptor became readable.
};

struct Event {
  EventKind kind{};
  SocketId socket = kNoSocket;
  std::uint32_t owner = 0;  ///< As given to listen, adopt, connect or watch.
  int error = 0;
  int fd = -1;
  std::uint32_t bytes = 0;
  BufferIndex buffer = kNoBuffer;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Once after each wait, before the events: the place to read the clock.
  virtual void on_turn() = 0;
  /// May call any method of the engine but poll().
  virtual void on_event(const Event& event) = 0;
};

/// What an engine did, for tests, metrics and benchmarks. Monotonic.
struct EngineCounters {
  std::uint64_t turns = 0;  ///< poll() calls that reached the kernel.
  std::uint64_t accepts = 0;
  std::uint64_t connects = 0;
  std::uint64_t reads = 0;          ///< Completed receives (data or end of file).
  std::uint64_t sends = 0;          ///< send(2) calls and completed send operations.
  std::uint64_t batched_sends = 0;  ///< io_uring: those that went with the ring.
  std::uint64_t blocked_sends = 0;  ///< Sends that had to wait for room.
  std::uint64_t starved = 0;        ///< Receives that found no buffer.
  std::uint64_t cancels = 0;
  std::uint64_t bulk_starts = 0;
  std::uint64_t bulk_bytes = 0;
  std::uint64_t operations = 0;  ///< io_uring: completions reaped; epoll: events reaped.
};

class IoEngine {
 public:
  /// Closes what is still open, without events. Every buffer that was the engine's returns to the pool.
  virtual ~IoEngine() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  ///< "io_uring", "epoll", "fault(...)"

  /// Accepts on a listening, non-blocking socket until close().
  /// Errors: kLimitExceeded.
  [[nodiscard]] virtual Result<SocketId> listen(Fd listener, std::uint32_t owner) = 0;
  /// After kAcceptFailed; without it harmless.
  virtual void resume_accept(SocketId listener) = 0;
  /// Takes over a connected, non-blocking stream socket. Nothing is read until want_read(on). When refused (kLimitExceeded) it is reset.
  [[nodiscard]] virtual Result<SocketId> adopt(Fd socket, std::uint32_t owner) = 0;
  /// Starts a connect on an unconnected, non-blocking stream socket. kConnected follows. No timeout: close() gives up.
  [[nodiscard]] virtual Result<SocketId> connect(Fd socket, const Endpoint& to, std::uint32_t owner) = 0;
  /// kReadable whenever a non-stream descriptor (an eventfd) becomes readable; the sink reads it empty. The descriptor is borrowed.
  [[nodiscard]] virtual Result<SocketId> watch(int fd, std::uint32_t owner) = 0;

  /// Requires: connected. May be switched at any time, also to what it is.
  virtual void want_read(SocketId socket, bool on) = 0;
  /// Sends the chain's bytes in order. Requires: connected, no send in flight (C4), chain not empty.
  virtual void send(SocketId socket, BufferChain chain) = 0;
  /// Asks for kBulkReady (C8). Requires: connected, being read, no end of file.
  virtual void bulk_prepare(SocketId from) = 0;
  /// A pipe is free, for whoever would stop reading to prepare for one. It may be gone at bulk_start().
  [[nodiscard]] virtual bool can_bulk() const = 0;
  /// After kBulkReady. Requires: no send in flight on `to`, nothing queued for it. False: no pipe is to be had; read on as before.
  [[nodiscard]] virtual bool bulk_start(SocketId from, SocketId to) = 0;
  /// FIN to the peer. Requires: no send in flight.
  virtual void shutdown_write(SocketId socket) = 0;
  /// Ends the socket: with a FIN, or with an RST when `reset`. Unsent buffers of a send in flight return to the pool, and nothing but
  /// kClosed is reported any more. Once per socket: calling it again before kClosed is a programming error (asserted).
  virtual void close(SocketId socket, bool reset) = 0;

  /// The descriptor, for getsockname and the like; valid until close().
  [[nodiscard]] virtual int fd_of(SocketId socket) const = 0;

  /// Waits until something happens or `deadline` (Instant::max(): for ever; past: does not wait) and reports it. May now and then return
  /// early with nothing to report (a signal); never again and again (C7).
  virtual void poll(Instant deadline, EventSink& sink) = 0;

  [[nodiscard]] virtual const EngineCounters& counters() const = 0;
  /// Sockets that are not yet closed, listeners and watches included.
  [[nodiscard]] virtual std::size_t open_sockets() const = 0;
};

struct EngineOptions {
  std::size_t pipes_max = 64;  ///< For bulk directions; two descriptors each. 0: bulk_start() always says no.
  std::uint32_t sockets_max = kSocketsPerEngineMax;
  unsigned batched_sends_from = 3;  ///< io_uring: sends of a turn with so many completions go with the ring, of others at once.
};

[[nodiscard]] std::unique_ptr<IoEngine> make_epoll_engine(BufferPool& pool, const EngineOptions& options = {});
/// Must be called on the thread that will poll (the ring belongs to its first submitter).
/// Errors: whatever io_uring_setup(2) and its registrations say, with the step that failed.
[[nodiscard]] Result<std::unique_ptr<IoEngine>> make_uring_engine(BufferPool& pool, const EngineOptions& options = {});

/// A functional self-test of the ring on a loopback pair: multishot accept and receive, provided buffers, cancel, end of file.
/// Returns why io_uring cannot be used, in one line, or nothing.
[[nodiscard]] std::optional<std::string> uring_unusable_reason();

}  // namespace fairlead::net
