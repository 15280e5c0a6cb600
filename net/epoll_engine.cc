// EpollEngine: completion semantics over edge-triggered epoll.
//
// Every socket is registered once (IN | OUT | RDHUP | ET) and never modified. Edges only set facts in the slot (`readable`, `eof_hint`,
// `write_blocked`); calls are tried at once and what they leave undone waits for the next edge:
//   read    a receive shorter than the block means the socket is drained, unless RDHUP announced an end of file behind it; so a
//           request costs one recv(2), no EAGAIN.
//   send    tried in send() on the caller's frame; the rest waits for OUT.
// A socket with more to read than its share of a turn, or one that met an empty pool, waits in a queue of its own; poll() does not
// sleep while the first queue is not empty (docs/internals/engines.md).
#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/slab.h"
#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "net/chain_io.h"
#include "net/io_engine.h"
#include "net/splicer.h"

namespace fairlead::net {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr int kReadsPerTurn = 4;  ///< Blocks one socket may read before others have their turn.
constexpr int kAcceptsPerTurn = 64;
constexpr Duration kSweepInterval = std::chrono::seconds(1);

enum class Kind : std::uint8_t { kStream, kConnecting, kListener, kWatch };

struct Slot {
  int fd = -1;
  std::uint32_t owner = 0;
  BufferChain out;
  Kind kind = Kind::kStream;
  bool wants_read : 1 = false;
  bool readable : 1 = false;  ///< An edge was seen and not yet read dry.
  bool eof_hint : 1 = false;  ///< RDHUP was seen: read on until recv returns 0.
  bool eof : 1 = false;       ///< kEof was reported.
  bool failed : 1 = false;    ///< kError was reported.
  bool write_blocked : 1 = false;
  bool closing : 1 = false;
  bool queued : 1 = false;    ///< In ready_ or starved_.
  bool paused : 1 = false;    ///< Listener after a failed accept.
  LinkId bulk_out = kNoLink;  ///< The link it feeds.
  LinkId bulk_in = kNoLink;   ///< The link that feeds it.
};

class EpollEngine final : public IoEngine {
 public:
  EpollEngine(BufferPool& pool, const EngineOptions& options)
      : pool_(pool), slots_(kSocketsPerEngineMax), splicer_(options.pipes_max), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    FL_ASSERT(epoll_.valid());
  }
  ~EpollEngine() override;

  [[nodiscard]] std::string_view name() const override { return "epoll"; }
  [[nodiscard]] Result<SocketId> listen(Fd listener, std::uint32_t owner) override {
    return add(std::move(listener), owner, Kind::kListener, EPOLLIN | EPOLLET);
  }
  void resume_accept(SocketId listener) override;
  [[nodiscard]] Result<SocketId> adopt(Fd socket, std::uint32_t owner) override {
    return add(std::move(socket), owner, Kind::kStream, kStreamEvents);
  }
  [[nodiscard]] Result<SocketId> connect(Fd socket, const Endpoint& to, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> watch(int fd, std::uint32_t owner) override;
  void want_read(SocketId socket, bool on) override;
  void send(SocketId socket, BufferChain chain) override;
  void bulk_prepare(SocketId from) override;
  [[nodiscard]] bool bulk_start(SocketId from, SocketId to) override;
  void shutdown_write(SocketId socket) override {
    (void)::shutdown(slot(socket).fd, SHUT_WR);
  }  // A broken socket reports itself by an edge.
  void close(SocketId socket, bool reset) override;
  [[nodiscard]] int fd_of(SocketId socket) const override { return slots_[static_cast<std::uint32_t>(socket)].fd; }
  void poll(Instant deadline, EventSink& sink) override;
  [[nodiscard]] const EngineCounters& counters() const override { return counters_; }
  [[nodiscard]] std::size_t open_sockets() const override { return slots_.live(); }

 private:
  static constexpr std::uint32_t kStreamEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

  struct Name {
    std::uint32_t index;
    std::uint32_t generation;
  };

  [[nodiscard]] Slot& slot(SocketId id) { return slots_[static_cast<std::uint32_t>(id)]; }
  [[nodiscard]] Result<SocketId> add(Fd fd, std::uint32_t owner, Kind kind, std::uint32_t events);
  void report(std::uint32_t index, EventKind kind, int error = 0, std::uint32_t bytes = 0);
  void fail(std::uint32_t index, int error);
  void queue_ready(std::uint32_t index);
  void handle(std::uint32_t index, std::uint32_t events, EventSink& sink);
  void handle_stream(std::uint32_t index, std::uint32_t events, EventSink& sink);
  void accept_some(std::uint32_t index, EventSink& sink);
  void read_some(std::uint32_t index, EventSink& sink);
  void flush(std::uint32_t index);
  void pump(LinkId id);
  void drop_links(Slot& slot);
  void end_bulk(LinkId id);
  void check_stuck_source(std::uint32_t index);
  void run_links();
  void sweep_links(Instant now);
  void deliver(EventSink& sink);
  void run_queue(std::deque<Name>& queue, EventSink& sink);

  BufferPool& pool_;
  Slab<Slot> slots_;
  Splicer splicer_;
  Fd epoll_;
  std::vector<Event> pending_;  ///< Reported by calls, delivered by poll() (C1).
  std::vector<Event> delivering_;
  std::deque<Name> ready_;          ///< Have unread data and want it; served round robin.
  std::deque<Name> starved_;        ///< Likewise, but the pool was empty; served in order as blocks come back.
  std::vector<LinkId> busy_links_;  ///< Have used up their share of the turn.
  Instant swept_{};
  EngineCounters counters_;
};

EpollEngine::~EpollEngine() {
  for (std::uint32_t i = 0; i < slots_.high_mark(); ++i) {
    if (!slots_.is_live(i)) continue;
    Slot& s = slots_[i];
    s.out.clear(pool_);
    if (s.fd >= 0 && s.kind != Kind::kWatch) ::close(s.fd);
  }
}

Result<SocketId> EpollEngine::add(Fd fd, std::uint32_t owner, Kind kind, std::uint32_t events) {
  const std::uint32_t index = slots_.acquire();
  if (index == kNoSlot) return Error{Errc::kLimitExceeded, "epoll engine: too many sockets"};
  epoll_event event{};
  event.events = events;
  event.data.u64 = (static_cast<std::uint64_t>(slots_.generation(index)) << 32) | index;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    slots_.release(index);
    return errno_error("epoll_ctl");
  }
  Slot& s = slots_[index];
  s.fd = fd.release();
  s.owner = owner;
  s.kind = kind;
  return SocketId{index};
}

Result<SocketId> EpollEngine::watch(int fd, std::uint32_t owner) {
  auto id = add(Fd(fd), owner, Kind::kWatch, EPOLLIN);  // Level: the sink empties it. Borrowed: never closed here.
  if (!id) return id;
  return id;
}

Result<SocketId> EpollEngine::connect(Fd socket, const Endpoint& to, std::uint32_t owner) {
  const SocketAddress address = to_sockaddr(to);
  const int rc = ::connect(socket.get(), address.get(), address.size);
  const int error = rc == 0 || errno == EINPROGRESS ? 0 : errno;
  auto id = add(std::move(socket), owner, Kind::kConnecting, kStreamEvents);
  if (!id) return id;
  ++counters_.connects;
  if (error != 0) {
    Slot& s = slot(*id);
    s.kind = Kind::kStream;  // epoll reports such a socket as hung up without an error; the answer is known already.
    s.failed = true;
    report(static_cast<std::uint32_t>(*id), EventKind::kConnected, error);
  }
  return id;
}

void EpollEngine::report(std::uint32_t index, EventKind kind, int error, std::uint32_t bytes) {
  pending_.push_back({.kind = kind, .socket = SocketId{index}, .owner = slots_[index].owner, .error = error, .bytes = bytes});
}

void EpollEngine::fail(std::uint32_t index, int error) {
  Slot& s = slots_[index];
  if (s.failed) return;
  s.failed = true;
  s.out.clear(pool_);
  s.write_blocked = false;
  drop_links(s);
  report(index, EventKind::kError, error);
}

void EpollEngine::queue_ready(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.queued) return;
  s.queued = true;
  ready_.push_back({index, slots_.generation(index)});
}

void EpollEngine::want_read(SocketId socket, bool on) {
  Slot& s = slot(socket);
  s.wants_read = on;
  if (on && s.readable && !s.eof && !s.failed) queue_ready(static_cast<std::uint32_t>(socket));
}

void EpollEngine::send(SocketId socket, BufferChain chain) {
  Slot& s = slot(socket);
  FL_DASSERT(s.out.empty() && !chain.empty());
  if (s.failed || s.closing) {
    chain.clear(pool_);
    return;
  }
  s.out = chain;
  flush(static_cast<std::uint32_t>(socket));
}

void EpollEngine::flush(std::uint32_t index) {
  Slot& s = slots_[index];
  const SendOutcome outcome = send_chain(s.fd, pool_, s.out);
  counters_.sends += outcome.calls;
  if (outcome.bytes > 0) report(index, EventKind::kSent, 0, static_cast<std::uint32_t>(outcome.bytes));
  if (outcome.error != 0) return fail(index, outcome.error);
  if (outcome.blocked) {
    ++counters_.blocked_sends;
    s.write_blocked = true;
  }
}

// ---- bulk ----

void EpollEngine::bulk_prepare(SocketId from) {
  slot(from).wants_read = false;
  report(static_cast<std::uint32_t>(from), EventKind::kBulkReady);
}

bool EpollEngine::bulk_start(SocketId from, SocketId to) {
  Slot& source = slot(from);
  Slot& sink = slot(to);
  if (source.failed || source.eof || source.closing || sink.failed || sink.closing) return false;
  const LinkId id = splicer_.open(from, source.fd, to, sink.fd);
  if (id == kNoLink) return false;
  ++counters_.bulk_starts;
  source.bulk_out = id;
  sink.bulk_in = id;
  splicer_.link(id).queued = true;
  busy_links_.push_back(id);  // What is readable already makes no new edge.
  return true;
}

/// A link ends with either of its sockets.
void EpollEngine::drop_links(Slot& s) {
  for (const LinkId* id : {&s.bulk_out, &s.bulk_in}) {
    if (*id != kNoLink) end_bulk(*id);
  }
}

void EpollEngine::end_bulk(LinkId id) {
  const Splicer::Link link = splicer_.link(id);
  slot(link.from).bulk_out = kNoLink;
  slot(link.to).bulk_in = kNoLink;
  slot(link.to).write_blocked = false;
  std::erase(busy_links_, id);
  splicer_.close(id);
}

void EpollEngine::pump(LinkId id) {
  const Splicer::Link before = splicer_.link(id);
  const auto from = static_cast<std::uint32_t>(before.from);
  const auto to = static_cast<std::uint32_t>(before.to);
  const Splicer::Outcome outcome = splicer_.pump(id);
  counters_.bulk_bytes += outcome.moved;
  if (outcome.moved > 0) report(from, EventKind::kMoved, 0, outcome.moved);
  if (outcome.from_error != 0) return fail(from, outcome.from_error);
  if (outcome.to_error != 0) return fail(to, outcome.to_error);
  slots_[to].write_blocked = outcome.blocked;
  if (outcome.more && !splicer_.link(id).queued) {
    splicer_.link(id).queued = true;
    busy_links_.push_back(id);
  }
  if (!outcome.eof && !outcome.dull) return;
  slots_[from].readable = true;  // Edges may have been used up; the next read finds out.
  if (outcome.eof) {
    slots_[from].eof = true;
    ++counters_.reads;
  }
  end_bulk(id);
  report(from, outcome.eof ? EventKind::kEof : EventKind::kBulkEnded);
}

/// Behind a full pipe nothing is read, so an RST of the source is asked for (C5).
void EpollEngine::check_stuck_source(std::uint32_t index) {
  const Slot& s = slots_[index];
  if (s.failed || s.bulk_out == kNoLink || !slot(splicer_.link(s.bulk_out).to).write_blocked) return;
  const int error = take_socket_error(s.fd);
  if (error != 0) fail(index, error);
}

void EpollEngine::run_links() {
  std::vector<LinkId> now;
  now.swap(busy_links_);
  for (const LinkId id : now) splicer_.link(id).queued = false;
  for (const LinkId id : now) {
    if (splicer_.link(id).open && !splicer_.link(id).queued) pump(id);
  }
}

void EpollEngine::sweep_links(Instant now) {
  if (now - swept_ < kSweepInterval) return;
  swept_ = now;
  for (const LinkId id : splicer_.sweep()) {
    const auto from = static_cast<std::uint32_t>(splicer_.link(id).from);
    slots_[from].readable = true;
    end_bulk(id);
    report(from, EventKind::kBulkEnded);
  }
}

void EpollEngine::close(SocketId socket, bool reset) {
  Slot& s = slot(socket);
  FL_ASSERT(!s.closing);
  s.closing = true;
  s.out.clear(pool_);
  drop_links(s);
  if (s.kind == Kind::kWatch) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.fd, nullptr);
  } else {
    if (reset) reset_on_close(s.fd);
    ::close(s.fd);
  }
  s.fd = -1;
  report(static_cast<std::uint32_t>(socket), EventKind::kClosed);
}

void EpollEngine::resume_accept(SocketId listener) {
  Slot& s = slot(listener);
  s.paused = false;
  s.readable = true;
  queue_ready(static_cast<std::uint32_t>(listener));
}

void EpollEngine::deliver(EventSink& sink) {
  while (!pending_.empty()) {
    delivering_.swap(pending_);
    for (const Event& event : delivering_) {
      const auto index = static_cast<std::uint32_t>(event.socket);
      if (event.kind != EventKind::kClosed) {
        if (slots_[index].closing) continue;  // C3: nothing but kClosed after close().
        sink.on_event(event);
      } else {
        slots_.release(index);
        sink.on_event(event);
      }
    }
    delivering_.clear();
  }
}

void EpollEngine::accept_some(std::uint32_t index, EventSink& sink) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Slot& s = slots_[index];
    if (s.closing || s.paused) return;
    const int fd = ::accept4(s.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      ++counters_.accepts;
      sink.on_event({.kind = EventKind::kAccepted, .socket = SocketId{index}, .owner = s.owner, .fd = fd});
      deliver(sink);
      continue;
    }
    if (errno == EAGAIN) {
      s.readable = false;
      return;
    }
    // accept(2): errors of the new connection itself (ECONNABORTED, EPROTO, ENETDOWN, ...) are to be treated like EAGAIN and retried.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      s.paused = true;
      return report(index, EventKind::kAcceptFailed, errno);
    }
  }
  queue_ready(index);
}

void EpollEngine::read_some(std::uint32_t index, EventSink& sink) {
  const std::uint32_t generation = slots_.generation(index);
  for (int i = 0; i < kReadsPerTurn; ++i) {
    Slot& s = slots_[index];
    if (s.closing || s.failed || s.eof || !s.wants_read || !s.readable) return;
    const BufferIndex buffer = pool_.take();
    if (buffer == kNoBuffer) {
      ++counters_.starved;
      if (!s.queued) {
        s.queued = true;
        starved_.push_back({index, slots_.generation(index)});
      }
      return;
    }
    const ssize_t n = ::recv(s.fd, pool_.block(buffer), pool_.block_bytes(), MSG_DONTWAIT);
    if (n <= 0) {
      const int error = n < 0 ? errno : 0;
      pool_.give_back(buffer);
      if (n == 0) {
        ++counters_.reads;
        s.eof = true;
        s.readable = false;
        return report(index, EventKind::kEof);
      }
      if (error == EINTR) continue;
      s.readable = false;
      if (error != EAGAIN) fail(index, error);
      return;
    }
    ++counters_.reads;
    pool_.meta(buffer).length = static_cast<std::uint32_t>(n);
    if (static_cast<std::size_t>(n) < pool_.block_bytes() && !s.eof_hint) s.readable = false;
    sink.on_event(
        {.kind = EventKind::kData, .socket = SocketId{index}, .owner = s.owner, .bytes = static_cast<std::uint32_t>(n), .buffer = buffer});
    deliver(sink);
    if (!slots_.is_live(index, generation)) return;
  }
  if (slots_[index].readable && slots_[index].wants_read) queue_ready(index);
}

void EpollEngine::handle_stream(std::uint32_t index, std::uint32_t events, EventSink& sink) {
  Slot& s = slots_[index];
  if (s.kind == Kind::kConnecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    s.kind = Kind::kStream;
    const int error = take_socket_error(s.fd);
    if (error != 0) s.failed = true;
    report(index, EventKind::kConnected, error);
    if (error != 0) return;
  }
  if ((events & EPOLLRDHUP) != 0) s.eof_hint = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) s.readable = true;
  if ((events & EPOLLERR) != 0 && (!s.wants_read || s.eof) &&
      s.bulk_out == kNoLink) {  // Else recv(2) reports it, after the data before it.
    const int error = take_socket_error(s.fd);
    if (error != 0) return fail(index, error);
  }
  if (s.bulk_out != kNoLink && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    pump(s.bulk_out);
    if ((events & EPOLLERR) != 0) check_stuck_source(index);
  }
  if (s.bulk_in != kNoLink && s.write_blocked && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) pump(s.bulk_in);
  if (s.failed) return;
  const std::uint32_t generation = slots_.generation(index);
  if (s.readable && s.wants_read && !s.queued) read_some(index, sink);  // First, so that what was sent before an RST is not lost.
  if (!slots_.is_live(index, generation) || s.closing || s.failed) return;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && s.write_blocked && s.bulk_in == kNoLink) {
    s.write_blocked = false;
    flush(index);
  }
}

void EpollEngine::handle(std::uint32_t index, std::uint32_t events, EventSink& sink) {
  Slot& s = slots_[index];
  switch (s.kind) {
    case Kind::kWatch: sink.on_event({.kind = EventKind::kReadable, .socket = SocketId{index}, .owner = s.owner}); break;
    case Kind::kListener:
      s.readable = true;
      if (!s.queued) accept_some(index, sink);
      break;
    case Kind::kStream:
    case Kind::kConnecting: handle_stream(index, events, sink); break;
  }
}

void EpollEngine::run_queue(std::deque<Name>& queue, EventSink& sink) {
  for (std::size_t n = queue.size(); n > 0 && !queue.empty(); --n) {
    if (&queue == &starved_ && pool_.free() == 0) return;
    const Name name = queue.front();
    queue.pop_front();
    if (!slots_.is_live(name.index, name.generation)) continue;
    Slot& s = slots_[name.index];
    s.queued = false;
    if (s.closing) continue;
    if (s.kind == Kind::kListener)
      accept_some(name.index, sink);
    else
      read_some(name.index, sink);
    deliver(sink);
  }
}

/// Milliseconds for epoll_wait(2), rounded up so that a deadline is never met early.
int timeout_ms(Instant deadline) {
  if (deadline == Instant::max()) return -1;
  const Instant now = SystemClock().now();
  if (deadline <= now) return 0;  // Compared, not subtracted: Instant::min() is a deadline too.
  const Duration left = deadline - now;
  return static_cast<int>(std::min<std::int64_t>(to_ms(left + std::chrono::milliseconds(1) - Duration(1)), 60'000));
}

void EpollEngine::poll(Instant deadline, EventSink& sink) {
  std::array<epoll_event, kEventsPerTurn> events;
  const bool busy = !ready_.empty() || !busy_links_.empty() || !pending_.empty() || (!starved_.empty() && pool_.free() > 0);
  const Instant until = splicer_.open_links() == 0 ? deadline : std::min(deadline, swept_ + kSweepInterval);
  ++counters_.turns;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, busy ? 0 : timeout_ms(until));  // -1: EINTR only.
  sink.on_turn();
  deliver(sink);
  for (int i = 0; i < count; ++i) {
    ++counters_.operations;
    const auto index = static_cast<std::uint32_t>(events[static_cast<std::size_t>(i)].data.u64);
    const auto generation = static_cast<std::uint32_t>(events[static_cast<std::size_t>(i)].data.u64 >> 32);
    if (!slots_.is_live(index, generation) || slots_[index].closing) continue;
    handle(index, events[static_cast<std::size_t>(i)].events, sink);
    deliver(sink);
  }
  if (splicer_.open_links() > 0) {
    run_links();
    sweep_links(SystemClock().now());
    deliver(sink);
  }
  run_queue(starved_, sink);
  run_queue(ready_, sink);
}

}  // namespace

std::unique_ptr<IoEngine> make_epoll_engine(BufferPool& pool, const EngineOptions& options) {
  return std::make_unique<EpollEngine>(pool, options);
}

}  // namespace fairlead::net
