// UringEngine: io_uring with multishot accept, multishot receive into provided buffers, and sends that never wait in the ring.
//
// One ring per worker (net/uring_queue.h), plain descriptors, one submit-and-wait per turn.
//
//   receive  One multishot operation per socket that wants to read, into blocks of the buffer ring (net/buffer_ring.h). "No F_MORE" is its
//            only end; it is armed again unless paused, failed or at its end of file. Sockets that met an empty ring are armed again in
//            order as blocks come back.
//   send     send(2) on the caller's frame (chain_io.h); in a turn that brings much, an entry of the ring that is tried once. A send that
//            would block waits for a *multishot* POLLOUT, armed once per socket and kept: a send left pending in the ring would poll with
//            POLLRDHUP and spin against a half-closed, slow peer (C7).
//   errors   A receive meets the error of its socket. Whenever none is armed (never read, paused, starved, past the end of file) the same
//            multishot poll watches. It says so once, perhaps while a receive was still there: `broken` keeps it (net/engine_core.h).
//   bulk     splice(2) on readiness (net/splicer.h), told by a multishot POLLIN on the one side and the POLLOUT above on the other.
//   close    With operations outstanding: cancel each by its name, wait for their last completions, then close(2). By name and not by
//            descriptor: for that the kernel walks through every operation of the ring, twice, which with thousands of idle connections
//            costs more than everything else about a connection (io_uring/cancel.c, io_poll_find() and io_poll_file_find()).
//
// user_data: operation (8 bits), generation (24 bits), slot (32 bits); a completion of an earlier life is dropped.
#include <algorithm>
#include <cerrno>
#include <deque>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/sockaddr.h"
#include "base/system_clock.h"
#include "net/buffer_ring.h"
#include "net/engine_core.h"
#include "net/uring_queue.h"

namespace fairlead::net {
namespace {

constexpr std::uint32_t kGenerationMask = 0xffffff;

enum class Op : std::uint8_t { kAccept = 1, kReceive, kConnect, kPoll, kWatch, kCancel, kBulkPoll, kSend };

struct Slot : SocketState {
  std::uint32_t served_turn = 0;  ///< The last turn (its low bits) that brought data.
  std::uint8_t outstanding = 0;   ///< Operations whose last completion has not come, cancels among them.
  std::uint8_t under_way = 0;     ///< Those that close() has to cancel, as bits of Op: not cancels, and not sends, which end by themselves.
  bool watched : 1 = false;       ///< A borrowed descriptor (an eventfd).
  bool receiving : 1 = false;     ///< A multishot receive (a listener's: accept) is armed.
  bool cancelling : 1 = false;    ///< Its cancel is under way.
  bool polling : 1 = false;       ///< The multishot poll is armed.
  bool unwatched : 1 = false;     ///< In unwatched_.
  bool reset : 1 = false;
  bool starved : 1 = false;       ///< In starved_.
  bool bulk_asked : 1 = false;    ///< kBulkReady is due once the receive has ended.
  bool sending : 1 = false;       ///< A send is in the ring: the chain is the kernel's until its completion.
  bool bulk_polling : 1 = false;  ///< The link's POLLIN is armed (or its cancel is under way).
};

static_assert(static_cast<unsigned>(Op::kBulkPoll) < 8, "Slot::under_way has a bit for each");
constexpr std::uint8_t bit_of(Op op) {
  return op == Op::kCancel || op == Op::kSend ? 0 : static_cast<std::uint8_t>(1U << static_cast<unsigned>(op));
}

std::uint64_t name_of(Op op, std::uint32_t generation, std::uint32_t index) {
  return (static_cast<std::uint64_t>(op) << 56) | (static_cast<std::uint64_t>(generation & kGenerationMask) << 32) | index;
}

/// A client the kernel accepted for nobody. As on a listener that is closed: an RST.
void turn_away(int client) {
  reset_on_close(client);
  ::close(client);
}

class UringEngine final : public EngineCore<UringEngine, Slot> {
 public:
  UringEngine(BufferPool& pool, const EngineOptions& options)
      : EngineCore(pool, options), buffers_(pool), batched_sends_from_(options.batched_sends_from) {}
  ~UringEngine() override;
  [[nodiscard]] Status open();

  [[nodiscard]] std::string_view name() const override { return "io_uring"; }
  [[nodiscard]] Result<SocketId> listen(Fd listener, std::uint32_t owner) override;
  void resume_accept(SocketId listener) override;
  [[nodiscard]] Result<SocketId> adopt(Fd socket, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> connect(Fd socket, const Endpoint& to, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> watch(int fd, std::uint32_t owner) override;
  void want_read(SocketId socket, bool on) override;
  void bulk_prepare(SocketId from) override;
  void close(SocketId socket, bool reset) override;
  void poll(Instant deadline, EventSink& sink) override;

 private:
  friend EngineCore;
  // Hooks of EngineCore. Starved behind unread bytes: a block will come, the bytes first and then the error.
  [[nodiscard]] bool reads(const Slot& s) const { return s.receiving || (s.starved && s.wants_read && has_unread(s.fd)); }
  void start_send(std::uint32_t index);
  [[nodiscard]] static bool lends(const Slot& s) { return s.sending; }
  void await_room(std::uint32_t index) { arm_poll(index); }
  void link_opened(std::uint32_t from, LinkId) {
    if (!slots_[from].bulk_polling) arm_bulk_poll(from);
  }
  void link_closed(std::uint32_t from);
  void link_ended(std::uint32_t from) { watch_errors(from); }

  [[nodiscard]] Result<SocketId> add(Fd fd, std::uint32_t owner, bool borrowed = false);
  void start(io_uring_sqe* sqe, Op op, std::uint32_t index);
  void arm_watch(std::uint32_t index);
  void arm_accept(std::uint32_t index);
  void arm_receive(std::uint32_t index);
  void arm_poll(std::uint32_t index);
  void arm_bulk_poll(std::uint32_t index);
  void cancel(std::uint32_t index, Op op);
  void watch_errors(std::uint32_t index);
  void watch_unwatched();
  void finish_close(std::uint32_t index);
  void feed_starved();
  void report_bulk_ready();
  void on_completion(const io_uring_cqe& cqe, EventSink& sink);
  void on_accept(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink);
  void on_connect(std::uint32_t index, int result);
  void on_sent(std::uint32_t index, int result);
  void on_receive(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink);
  void on_receive_end(std::uint32_t index, int result, bool last);
  void on_poll(std::uint32_t index, const io_uring_cqe& cqe);
  void on_bulk_poll(std::uint32_t index, const io_uring_cqe& cqe);
  void on_watch(std::uint32_t index, bool last, EventSink& sink);

  BufferRing buffers_;  // Before the queue: the kernel may write into its blocks until the queue is gone.
  UringQueue queue_;
  const unsigned batched_sends_from_;
  unsigned batch_ = 0;                 ///< Completions of this turn, those of sends left out.
  unsigned sends_in_ring_ = 0;         ///< Since the last wait.
  std::deque<SlotName> starved_;       ///< Receives that found the ring empty; armed again in order as blocks come back.
  std::deque<SlotName> starved_late_;  ///< Likewise, but served in this turn: goes behind the others at its end.
  std::vector<SlotName> bulk_ready_;   ///< Their receive has ended: kBulkReady is due.
  std::vector<SlotName> unwatched_;    ///< Perhaps without a receive: to be looked at before the next wait.
};

Status UringEngine::open() {
  // Room for every block's completion and then some.
  if (auto opened = queue_.open(2 * pool_.count()); !opened) return opened;
  if (auto mapped = buffers_.open(); !mapped) return mapped;
  return buffers_.register_with(queue_.ring());
}

UringEngine::~UringEngine() {
  std::size_t open_operations = 0;
  for (std::uint32_t i = 0; i < slots_.high_mark(); ++i) {
    if (slots_.is_live(i)) open_operations += slots_[i].outstanding;
  }
  queue_.retire(open_operations, [](const io_uring_cqe& cqe) {
    if (static_cast<Op>(cqe.user_data >> 56) == Op::kAccept && cqe.res >= 0) turn_away(cqe.res);
  });
  close_all([](const Slot& s) { return s.watched; });
}

void UringEngine::start(io_uring_sqe* sqe, Op op, std::uint32_t index) {
  io_uring_sqe_set_data64(sqe, name_of(op, slots_.generation(index), index));
  ++slots_[index].outstanding;
  slots_[index].under_way |= bit_of(op);
}

Result<SocketId> UringEngine::add(Fd fd, std::uint32_t owner, bool borrowed) {
  const std::uint32_t index = slots_.acquire();
  if (index == kNoSlot) {
    if (borrowed)
      (void)fd.release();
    else
      reset_on_close(fd.get());  // A FIN would make a stream that was never read look complete.
    return Error{Errc::kLimitExceeded, "io_uring engine: too many sockets"};
  }
  Slot& s = slots_[index];
  s.watched = borrowed;
  s.fd = fd.release();
  s.owner = owner;
  return SocketId{index};
}

Result<SocketId> UringEngine::listen(Fd listener, std::uint32_t owner) {
  auto id = add(std::move(listener), owner);
  if (!id) return id;
  arm_accept(index_of(*id));
  return id;
}

Result<SocketId> UringEngine::adopt(Fd socket, std::uint32_t owner) {
  auto id = add(std::move(socket), owner);
  if (id) watch_errors(index_of(*id));
  return id;
}

void UringEngine::arm_accept(std::uint32_t index) {
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_multishot_accept(sqe, slots_[index].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  start(sqe, Op::kAccept, index);
  slots_[index].receiving = true;
}

void UringEngine::resume_accept(SocketId listener) {
  const Slot& s = slot(listener);
  if (!s.receiving && !s.closing) arm_accept(static_cast<std::uint32_t>(listener));
}

Result<SocketId> UringEngine::connect(Fd socket, const Endpoint& to, std::uint32_t owner) {
  auto id = add(std::move(socket), owner);
  if (!id) return id;
  const auto index = index_of(*id);
  io_uring_sqe* sqe = queue_.entry();
  const SocketAddress address = to_sockaddr(to);
  io_uring_prep_connect(sqe, slots_[index].fd, queue_.keep(address.storage), address.size);
  start(sqe, Op::kConnect, index);
  ++counters_.connects;
  return id;
}

Result<SocketId> UringEngine::watch(int fd, std::uint32_t owner) {
  auto id = add(Fd(fd), owner, /*borrowed=*/true);
  if (id) arm_watch(index_of(*id));
  return id;
}

void UringEngine::arm_watch(std::uint32_t index) {
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_poll_multishot(sqe, slots_[index].fd, POLLIN);
  start(sqe, Op::kWatch, index);
}

void UringEngine::arm_receive(std::uint32_t index) {
  Slot& s = slots_[index];
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_recv_multishot(sqe, s.fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = BufferRing::kGroup;
  start(sqe, Op::kReceive, index);
  s.receiving = true;
  s.cancelling = false;
}

void UringEngine::arm_poll(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.polling) return;
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_poll_multishot(sqe, s.fd, POLLOUT);
  start(sqe, Op::kPoll, index);
  s.polling = true;
}

/// Without a receive only the poll sees an RST (C5). It is armed when the turn ends, for most sockets are read or closed by then.
void UringEngine::watch_errors(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.unwatched || (s.polling && !s.broken)) return;
  s.unwatched = true;
  unwatched_.push_back(slot_name(index));
}

void UringEngine::watch_unwatched() {
  for (std::size_t i = 0; i < unwatched_.size(); ++i) {  // It may grow on the way.
    const SlotName n = unwatched_[i];
    if (!is_live(n)) continue;
    Slot& s = slots_[n.index];
    s.unwatched = false;
    if (s.receiving || s.failed || s.closing) continue;
    look_for_error(n.index);
    if (!s.failed) arm_poll(n.index);
  }
  unwatched_.clear();
}

void UringEngine::want_read(SocketId socket, bool on) {
  const std::uint32_t index = index_of(socket);
  Slot& s = slots_[index];
  s.wants_read = on;
  if (s.failed || s.closing) return;
  if (on) release_eof(index);
  if (s.eof) return;
  if (on) {
    if (!s.receiving && !s.starved) arm_receive(index);
    return;
  }
  if (s.receiving && !s.cancelling) cancel(index, Op::kReceive);
  watch_errors(index);
}

/// The operation is over with its own last completion; that of the cancel says nothing.
void UringEngine::cancel(std::uint32_t index, Op op) {
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_cancel64(sqe, name_of(op, slots_.generation(index), index), 0);
  start(sqe, Op::kCancel, index);
  if (op == Op::kReceive) slots_[index].cancelling = true;
  ++counters_.cancels;
}

void UringEngine::close(SocketId socket, bool reset) {
  const std::uint32_t index = index_of(socket);
  Slot& s = begin_close(socket);
  s.reset = reset;
  if (s.outstanding == 0) return finish_close(index);
  for (const Op op : {Op::kAccept, Op::kReceive, Op::kConnect, Op::kPoll, Op::kWatch, Op::kBulkPoll}) {
    const bool asked = op == Op::kReceive && s.cancelling;
    if ((s.under_way & bit_of(op)) != 0 && !asked) cancel(index, op);
  }
}

// ---- bulk ----

void UringEngine::bulk_prepare(SocketId from) {
  const std::uint32_t index = index_of(from);
  Slot& s = slots_[index];
  s.wants_read = false;
  if (s.failed) return;  // It will be told so (C6).
  watch_errors(index);   // The start may be a long time off: it waits for the other end's queue.
  if (!s.receiving) return report(index, EventKind::kBulkReady);
  s.bulk_asked = true;
  if (!s.cancelling) cancel(index, Op::kReceive);
}

void UringEngine::report_bulk_ready() {
  for (const SlotName n : bulk_ready_) {
    if (is_live(n) && !slots_[n.index].closing && !slots_[n.index].failed) report(n.index, EventKind::kBulkReady);
  }
  bulk_ready_.clear();
}

void UringEngine::arm_bulk_poll(std::uint32_t index) {
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_poll_multishot(sqe, slots_[index].fd, POLLIN);  // Says so at once when there is something to read already.
  start(sqe, Op::kBulkPoll, index);
  slots_[index].bulk_polling = true;
}

void UringEngine::on_bulk_poll(std::uint32_t index, const io_uring_cqe& cqe) {
  Slot& s = slots_[index];
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last) s.bulk_polling = false;
  if (s.closing || s.failed || s.bulk_out == kNoLink) return;
  if (last) arm_bulk_poll(index);
  pump(s.bulk_out);  // An error that it does not meet is told by the other poll, which is armed as no receive is.
}

void UringEngine::link_closed(std::uint32_t from) {
  if (slots_[from].bulk_polling && !slots_[from].closing) cancel(from, Op::kBulkPoll);  // close() cancels everything.
}

void UringEngine::finish_close(std::uint32_t index) {
  Slot& s = slots_[index];
  if (!s.watched) {
    if (s.reset) reset_on_close(s.fd);
    ::close(s.fd);
  }
  s.fd = -1;
  report(index, EventKind::kClosed);
}

void UringEngine::feed_starved() {
  for (std::size_t room = buffers_.published(); room > 0 && !starved_.empty(); --room) {
    const SlotName n = starved_.front();
    starved_.pop_front();
    if (!is_live(n)) continue;
    Slot& s = slots_[n.index];
    s.starved = false;
    if (s.wants_read && !s.receiving && !s.eof && !s.failed && !s.closing) arm_receive(n.index);
  }
}

void UringEngine::on_completion(const io_uring_cqe& cqe, EventSink& sink) {
  ++counters_.operations;
  const auto op = static_cast<Op>(cqe.user_data >> 56);
  const auto index = static_cast<std::uint32_t>(cqe.user_data);
  const auto generation = static_cast<std::uint32_t>(cqe.user_data >> 32) & kGenerationMask;
  // Operations keep their slot alive until their last completion, so a stale name means an engine bug; the block must not be lost anyway.
  if (!slots_.is_live(index, generation, kGenerationMask)) {
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) pool_.give_back(buffers_.unpark(cqe.flags));
    return;
  }
  Slot& s = slots_[index];
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last) {
    --s.outstanding;
    s.under_way &= static_cast<std::uint8_t>(~bit_of(op));
  }
  switch (op) {
    case Op::kAccept: on_accept(index, cqe, sink); break;
    case Op::kReceive: on_receive(index, cqe, sink); break;
    case Op::kConnect: on_connect(index, cqe.res); break;
    case Op::kSend: on_sent(index, cqe.res); break;
    case Op::kPoll: on_poll(index, cqe); break;
    case Op::kBulkPoll: on_bulk_poll(index, cqe); break;
    case Op::kWatch: on_watch(index, last, sink); break;
    case Op::kCancel: break;  // -ENOENT and -EALREADY are normal: the operation's own completion is its end.
  }
  if (!bulk_ready_.empty()) report_bulk_ready();
  if (s.closing && s.outstanding == 0 && s.fd >= 0) finish_close(index);
  deliver(sink);
}

void UringEngine::on_accept(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink) {
  Slot& s = slots_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) s.receiving = false;
  if (cqe.res >= 0) {
    if (s.closing) return turn_away(cqe.res);
    ++counters_.accepts;
    if (!s.receiving) arm_accept(index);
    sink.on_event({.kind = EventKind::kAccepted, .socket = SocketId{index}, .owner = s.owner, .fd = cqe.res});
    return;
  }
  if (s.closing || (cqe.flags & IORING_CQE_F_MORE) != 0) return;
  const int error = -cqe.res;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) return report(index, EventKind::kAcceptFailed, error);
  if (error == ECANCELED || error == EBADF || error == EINVAL) return;
  arm_accept(index);  // An error of the connection, not of the listener (accept(2)).
}

void UringEngine::on_receive(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink) {
  Slot& s = slots_[index];
  const bool has_buffer = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
  const BufferIndex buffer = has_buffer ? buffers_.unpark(cqe.flags) : kNoBuffer;
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last) {
    s.receiving = false;
    s.cancelling = false;
    if (s.bulk_asked) bulk_ready_.push_back(slot_name(index));  // Behind the data of this completion.
    s.bulk_asked = false;
    if (!s.closing) watch_errors(index);
  }
  if (has_buffer && (cqe.res <= 0 || s.closing || s.failed || s.eof)) pool_.give_back(buffer);
  if (s.closing || s.failed || s.eof) return;
  if (cqe.res <= 0) return on_receive_end(index, cqe.res, last);
  ++counters_.reads;
  s.served_turn = static_cast<std::uint32_t>(counters_.turns);
  pool_.meta(buffer) = {.next = kNoBuffer, .offset = 0, .length = static_cast<std::uint32_t>(cqe.res)};
  if (last && s.wants_read) arm_receive(index);
  sink.on_event({.kind = EventKind::kData,
                 .socket = SocketId{index},
                 .owner = s.owner,
                 .bytes = static_cast<std::uint32_t>(cqe.res),
                 .buffer = buffer});
}

void UringEngine::on_receive_end(std::uint32_t index, int result, bool last) {
  Slot& s = slots_[index];
  if (result == 0) return report_eof(index);  // Also while reading is off: it is kept back on its way (C5).
  const int error = -result;
  if (error == ENOBUFS) {
    ++counters_.starved;
    buffers_.met_empty();
    if (!s.starved && last) {
      s.starved = true;
      // One receive can empty the ring. Who had data in this turn waits behind those who had none, or it would do so every time.
      const bool served = s.served_turn == static_cast<std::uint32_t>(counters_.turns);
      (served ? starved_late_ : starved_).push_back(slot_name(index));
    }
    return;
  }
  if (error == ECANCELED || error == EAGAIN || error == EINTR) {
    if (last && s.wants_read) arm_receive(index);
    return;
  }
  fail(index, error);
}

void UringEngine::on_poll(std::uint32_t index, const io_uring_cqe& cqe) {
  Slot& s = slots_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) s.polling = false;
  if (s.closing || s.failed) return;
  const auto events = cqe.res < 0 ? 0U : static_cast<unsigned>(cqe.res);
  if ((events & POLLERR) != 0) s.broken = true;
  if ((events & (POLLOUT | POLLERR | POLLHUP)) != 0) write_on(index);
  look_for_error(index);
  if (!s.polling && !s.failed && (s.write_blocked || !s.receiving)) arm_poll(index);
}

void UringEngine::on_connect(std::uint32_t index, int result) {
  Slot& s = slots_[index];
  if (s.closing) return;
  if (result < 0)
    s.failed = true;
  else
    watch_errors(index);
  report(index, EventKind::kConnected, -result);
}

/// A turn that brings much makes many sends: as entries of the ring they cost no system call each. They are tried once when the entries are
/// handed over, on this thread and before anything is waited for; MSG_DONTWAIT keeps the ring from waiting (and polling) for room (C7).
void UringEngine::start_send(std::uint32_t index) {
  Slot& s = slots_[index];
  if (batch_ < batched_sends_from_ || pool_.meta(s.out.head).next != kNoBuffer) return flush(index);
  const auto bytes = pool_.bytes(s.out.head);
  io_uring_sqe* sqe = queue_.entry();
  io_uring_prep_send(sqe, s.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  start(sqe, Op::kSend, index);
  s.sending = true;
  ++sends_in_ring_;
  ++counters_.batched_sends;
}

void UringEngine::on_sent(std::uint32_t index, int result) {
  Slot& s = slots_[index];
  s.sending = false;
  if (s.closing || s.failed) return s.out.clear(pool_);
  SendOutcome outcome{.calls = 1};
  if (result >= 0) {
    outcome.bytes = static_cast<std::size_t>(result);
    s.out.consume(pool_, outcome.bytes);
    outcome.blocked = !s.out.empty();
  } else if (result == -EAGAIN) {
    outcome.blocked = true;
  } else if (result == -EINTR) {
    return flush(index);
  } else {
    outcome.error = -result;
  }
  sent(index, outcome);
}

void UringEngine::on_watch(std::uint32_t index, bool last, EventSink& sink) {
  Slot& s = slots_[index];
  if (s.closing) return;
  sink.on_event({.kind = EventKind::kReadable, .socket = SocketId{index}, .owner = s.owner});
  if (last && !s.closing) arm_watch(index);
}

void UringEngine::poll(Instant deadline, EventSink& sink) {
  buffers_.publish();
  if (!starved_.empty()) feed_starved();
  if (!unwatched_.empty()) watch_unwatched();
  if (splicer_.open_links() > 0) {
    deadline = std::min(deadline, swept_ + kLinkSweepInterval);
    run_links();
    sweep_links(SystemClock().now());
  }
  Duration left = Duration::zero();
  if (pending_.empty() && busy_links_.empty() && (starved_.empty() || buffers_.published() == 0)) {
    const Instant now = SystemClock().now();
    if (deadline > now) left = deadline == Instant::max() ? std::chrono::hours(1) : deadline - now;
  }
  ++counters_.turns;
  queue_.submit_and_wait(left);
  sink.on_turn();
  const unsigned completions = queue_.completions();
  batch_ = completions - std::min(completions, std::exchange(sends_in_ring_, 0U));
  deliver(sink);
  queue_.reap([&](const io_uring_cqe& cqe) { on_completion(cqe, sink); });
  starved_.insert(starved_.end(), starved_late_.begin(), starved_late_.end());
  starved_late_.clear();
}

}  // namespace

Result<std::unique_ptr<IoEngine>> make_uring_engine(BufferPool& pool, const EngineOptions& options) {
  auto engine = std::make_unique<UringEngine>(pool, options);
  if (auto opened = engine->open(); !opened) return opened.error();
  return std::unique_ptr<IoEngine>(std::move(engine));
}

}  // namespace fairlead::net
