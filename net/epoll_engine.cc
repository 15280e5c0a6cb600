// EpollEngine: completion semantics over edge-triggered epoll.
//
// Every socket is registered once (IN | OUT | PRI | RDHUP | ET) and never modified. Edges only set facts in the slot (`readable`,
// `read_dry`, `broken`, `write_blocked`); calls are tried at once and what they leave undone waits for the next edge:
//   read    a receive shorter than the block means the socket is drained, unless an end of file was announced behind it, or urgent data
//           in between; so a request costs one recv(2), no EAGAIN.
//   send    tried in send() on the caller's frame; the rest waits for OUT (net/engine_core.h).
//   errors  ERR is one edge, perhaps seen while something else is to be done first: `broken` keeps it (net/engine_core.h).
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

#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "net/engine_core.h"

namespace fairlead::net {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr int kReadsPerTurn = 4;  ///< Blocks one socket may read before others have their turn.
constexpr int kAcceptsPerTurn = 64;

enum class Kind : std::uint8_t { kStream, kConnecting, kListener, kWatch };

struct Slot : SocketState {
  Kind kind = Kind::kStream;
  bool readable : 1 = false;  ///< An edge was seen and not yet read dry.
  bool read_dry : 1 = false;  ///< A short read does not mean that all was read: RDHUP or PRI was seen.
  bool queued : 1 = false;    ///< In ready_ or starved_,
  bool starved : 1 = false;   ///< in the latter.
  bool paused : 1 = false;    ///< Listener after a failed accept.
};

class EpollEngine final : public EngineCore<EpollEngine, Slot> {
 public:
  EpollEngine(BufferPool& pool, const EngineOptions& options) : EngineCore(pool, options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
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
  void bulk_prepare(SocketId from) override;
  void close(SocketId socket, bool reset) override;
  void poll(Instant deadline, EventSink& sink) override;

 private:
  friend EngineCore;
  static constexpr std::uint32_t kStreamEvents = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  static constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
  static constexpr std::uint32_t kWriteEvents = EPOLLOUT | EPOLLERR | EPOLLHUP;

  // Hooks of EngineCore. Starved behind unread bytes: a block will come, the bytes first and then the error.
  [[nodiscard]] bool reads(const Slot& s) const {
    if (!s.wants_read || s.eof || s.bulk_out != kNoLink || !s.readable) return false;
    return !s.starved || has_unread(s.fd);
  }
  void start_send(std::uint32_t index) { flush(index); }
  [[nodiscard]] static bool lends(const Slot&) { return false; }
  void await_room(std::uint32_t) {}  // An edge will say so.
  void link_opened(std::uint32_t, LinkId id) { pump_again(id); }
  void link_closed(std::uint32_t from) { slots_[from].readable = true; }  // Edges may have been used up; the next read finds out.
  void link_ended(std::uint32_t) {}

  [[nodiscard]] Result<SocketId> add(Fd fd, std::uint32_t owner, Kind kind, std::uint32_t events);
  void queue_ready(std::uint32_t index);
  void queue_starved(std::uint32_t index);
  void handle(std::uint32_t index, std::uint32_t events, EventSink& sink);
  void handle_stream(std::uint32_t index, std::uint32_t events, EventSink& sink);
  void accept_some(std::uint32_t index, EventSink& sink);
  void read_some(std::uint32_t index, EventSink& sink);
  [[nodiscard]] bool read_block(std::uint32_t index, BufferIndex buffer, EventSink& sink);
  void run_queue(std::deque<SlotName>& queue, EventSink& sink);

  Fd epoll_;
  std::deque<SlotName> ready_;    ///< Have unread data and want it; served round robin.
  std::deque<SlotName> starved_;  ///< Likewise, but the pool was empty; served in order as blocks come back.
};

EpollEngine::~EpollEngine() {
  close_all([](const Slot& s) { return s.kind == Kind::kWatch; });
}

Result<SocketId> EpollEngine::add(Fd fd, std::uint32_t owner, Kind kind, std::uint32_t events) {
  const auto refused = [&](Error why) {
    if (kind == Kind::kWatch)
      (void)fd.release();  // Borrowed.
    else
      reset_on_close(fd.get());  // A FIN would make a stream that was never read look complete.
    return why;
  };
  const std::uint32_t index = slots_.acquire();
  if (index == kNoSlot) return refused({Errc::kLimitExceeded, "epoll engine: too many sockets"});
  epoll_event event{};
  event.events = events;
  event.data.u64 = (static_cast<std::uint64_t>(slots_.generation(index)) << 32) | index;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    const Error why = errno_error("epoll_ctl");
    slots_.release(index);
    return refused(why);
  }
  Slot& s = slots_[index];
  s.fd = fd.release();
  s.owner = owner;
  s.kind = kind;
  return SocketId{index};
}

Result<SocketId> EpollEngine::watch(int fd, std::uint32_t owner) {
  return add(Fd(fd), owner, Kind::kWatch, EPOLLIN);  // Level: the sink empties it. Borrowed: never closed here.
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
    report(index_of(*id), EventKind::kConnected, error);
  }
  return id;
}

void EpollEngine::queue_ready(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.queued) return;
  s.queued = true;
  ready_.push_back(slot_name(index));
}

/// The pool is empty.
void EpollEngine::queue_starved(std::uint32_t index) {
  Slot& s = slots_[index];
  ++counters_.starved;
  if (!s.queued) starved_.push_back(slot_name(index));
  s.queued = true;
  s.starved = true;
  look_for_error(index);  // That needs no block.
}

void EpollEngine::want_read(SocketId socket, bool on) {
  const std::uint32_t index = index_of(socket);
  Slot& s = slots_[index];
  s.wants_read = on;
  if (s.failed || s.closing) return;
  if (!on) return look_for_error(index);
  release_eof(index);
  if (s.readable && !s.eof) queue_ready(index);
}

void EpollEngine::bulk_prepare(SocketId from) {
  const std::uint32_t index = index_of(from);
  Slot& s = slots_[index];
  s.wants_read = false;
  if (s.failed) return;  // It will be told so (C6).
  report(index, EventKind::kBulkReady);
  look_for_error(index);
}

void EpollEngine::close(SocketId socket, bool reset) {
  Slot& s = begin_close(socket);
  if (s.kind == Kind::kWatch) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.fd, nullptr);
  } else {
    if (reset) reset_on_close(s.fd);
    ::close(s.fd);
  }
  s.fd = -1;
  report(index_of(socket), EventKind::kClosed);
}

void EpollEngine::resume_accept(SocketId listener) {
  Slot& s = slot(listener);
  s.paused = false;
  s.readable = true;
  queue_ready(index_of(listener));
}

void EpollEngine::accept_some(std::uint32_t index, EventSink& sink) {
  const SlotName listener = slot_name(index);
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Slot& s = slots_[index];
    if (s.closing || s.paused) return;
    const int fd = ::accept4(s.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      ++counters_.accepts;
      sink.on_event({.kind = EventKind::kAccepted, .socket = SocketId{index}, .owner = s.owner, .fd = fd});
      deliver(sink);
      if (!is_live(listener)) return;
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
  const SlotName reader = slot_name(index);
  for (int i = 0; i < kReadsPerTurn; ++i) {
    Slot& s = slots_[index];
    if (s.closing || s.failed || s.eof || !s.wants_read || !s.readable) return;
    const BufferIndex buffer = pool_.take();
    if (buffer == kNoBuffer) return queue_starved(index);
    if (!read_block(index, buffer, sink)) return;
    if (!is_live(reader)) return;
  }
  if (slots_[index].readable && slots_[index].wants_read) queue_ready(index);
}

/// One recv(2). False when nothing more is to be read now.
bool EpollEngine::read_block(std::uint32_t index, BufferIndex buffer, EventSink& sink) {
  Slot& s = slots_[index];
  const ssize_t n = ::recv(s.fd, pool_.block(buffer), pool_.block_bytes(), MSG_DONTWAIT);
  if (n <= 0) {
    const int error = n < 0 ? errno : 0;
    pool_.give_back(buffer);
    if (error == EINTR) return true;
    s.readable = false;
    if (n == 0)
      report_eof(index);
    else if (error != EAGAIN)
      fail(index, error);
    look_for_error(index);
    return false;
  }
  ++counters_.reads;
  pool_.meta(buffer).length = static_cast<std::uint32_t>(n);
  if (static_cast<std::size_t>(n) < pool_.block_bytes() && !s.read_dry) s.readable = false;
  sink.on_event(
      {.kind = EventKind::kData, .socket = SocketId{index}, .owner = s.owner, .bytes = static_cast<std::uint32_t>(n), .buffer = buffer});
  deliver(sink);
  return true;
}

void EpollEngine::handle_stream(std::uint32_t index, std::uint32_t events, EventSink& sink) {
  Slot& s = slots_[index];
  if (s.kind == Kind::kConnecting) {
    if ((events & kWriteEvents) == 0) return;
    s.kind = Kind::kStream;
    const int error = take_socket_error(s.fd);
    if (error != 0) s.failed = true;
    report(index, EventKind::kConnected, error);
  }
  if (s.failed) return;
  if ((events & (EPOLLRDHUP | EPOLLPRI)) != 0) s.read_dry = true;
  if ((events & kReadEvents) != 0) s.readable = true;
  if ((events & EPOLLERR) != 0) s.broken = true;
  if (s.bulk_out != kNoLink && (events & kReadEvents) != 0) pump(s.bulk_out);
  const SlotName stream = slot_name(index);
  if (s.readable && s.wants_read && !s.queued) read_some(index, sink);
  if (!is_live(stream)) return;
  if ((events & kWriteEvents) != 0) write_on(index);
  look_for_error(index);
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

void EpollEngine::run_queue(std::deque<SlotName>& queue, EventSink& sink) {
  for (std::size_t n = queue.size(); n > 0 && !queue.empty(); --n) {
    if (&queue == &starved_ && pool_.free() == 0) return;
    const SlotName next = queue.front();
    queue.pop_front();
    if (!is_live(next)) continue;
    Slot& s = slots_[next.index];
    s.queued = false;
    s.starved = false;
    if (s.closing) continue;
    if (s.kind == Kind::kListener)
      accept_some(next.index, sink);
    else
      read_some(next.index, sink);
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
  std::array<epoll_event, kEventsPerTurn> events;  // NOLINT(cppcoreguidelines-pro-type-member-init): the kernel fills it; hot
  const bool busy = !ready_.empty() || !busy_links_.empty() || !pending_.empty() || (!starved_.empty() && pool_.free() > 0);
  const Instant until = splicer_.open_links() == 0 ? deadline : std::min(deadline, swept_ + kLinkSweepInterval);
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
