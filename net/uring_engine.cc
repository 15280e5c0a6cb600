// UringEngine: io_uring with multishot accept, multishot receive into provided buffers, and sends tried at once.
//
// One ring per worker (SINGLE_ISSUER | DEFER_TASKRUN), plain descriptors, registered ring descriptor, one submit-and-wait per turn.
//
//   receive  One multishot operation per socket that wants to read. It takes a block from the buffer ring per completion, so an idle
//            connection holds none. "No F_MORE" is its only end; it is armed again unless paused, failed or at its end of file.
//   buffers  Only `publish_target_` blocks lie in the ring, the rest stays on the pool's stack: the ring recycles first in, first out and
//            would otherwise touch every block of the pool. An empty ring (ENOBUFS) doubles the target; sockets that met it are armed again
//            in order as blocks come back.
//   send     send(2) on the caller's frame (chain_io.h). A send that would block waits for a *multishot* POLLOUT, armed once per socket and
//            kept: a send left pending in the ring would poll with POLLRDHUP and spin against a half-closed, slow peer (C7).
//   paused   The receive is cancelled; the same multishot poll then watches for errors. Likewise before the first want_read and after the
//            end of file, as no receive is armed then.
//   bulk     splice(2) on readiness (net/splicer.h), told by a multishot POLLIN on the one side and the POLLOUT above on the other.
//   close    With operations outstanding: cancel them by descriptor, wait for their last completions, then close(2).
//
// user_data: operation (8 bits), generation (24 bits), slot (32 bits); a completion of an earlier life is dropped.
#include <liburing.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <deque>
#include <poll.h>
#include <sys/mman.h>
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

constexpr unsigned kSubmissionEntries = 1024;
constexpr unsigned kCompletionsMin = 8192;
constexpr int kBufferGroup = 0;
constexpr std::size_t kPublishMin = 64;
constexpr unsigned kQuietTurns = 4096;
constexpr Duration kSweepInterval = std::chrono::seconds(1);
constexpr std::uint32_t kGenerationMask = 0xffffff;

enum class Op : std::uint8_t { kAccept = 1, kReceive, kConnect, kPoll, kWatch, kCancel, kBulkPoll };

struct Slot {
  int fd = -1;
  std::uint32_t owner = 0;
  BufferChain out;
  std::uint32_t served_turn = 0;  ///< The last turn (its low bits) that brought data.
  std::uint8_t outstanding = 0;   ///< Operations whose last completion has not come.
  bool watched : 1 = false;       ///< A borrowed descriptor (an eventfd).
  bool wants_read : 1 = false;
  bool receiving : 1 = false;   ///< A multishot receive (a listener's: accept) is armed.
  bool cancelling : 1 = false;  ///< Its cancel is under way.
  bool polling : 1 = false;     ///< The multishot poll is armed.
  bool write_blocked : 1 = false;
  bool eof : 1 = false;           ///< The end of file was met,
  bool eof_withheld : 1 = false;  ///< but while reading was off: reported when it is on again (C5).
  bool unwatched : 1 = false;     ///< In unwatched_.
  bool failed : 1 = false;
  bool closing : 1 = false;
  bool reset : 1 = false;
  bool starved : 1 = false;       ///< In starved_.
  bool bulk_asked : 1 = false;    ///< kBulkReady is due once the receive has ended.
  bool bulk_polling : 1 = false;  ///< The link's POLLIN is armed (or its cancel is under way).
  LinkId bulk_out = kNoLink;      ///< The link it feeds.
  LinkId bulk_in = kNoLink;       ///< The link that feeds it.
};

std::uint64_t name_of(Op op, std::uint32_t generation, std::uint32_t index) {
  return (static_cast<std::uint64_t>(op) << 56) | (static_cast<std::uint64_t>(generation & kGenerationMask) << 32) | index;
}

class UringEngine final : public IoEngine {
 public:
  UringEngine(BufferPool& pool, const EngineOptions& options) : pool_(pool), slots_(kSocketsPerEngineMax), splicer_(options.pipes_max) {}
  ~UringEngine() override;
  [[nodiscard]] Status open();

  [[nodiscard]] std::string_view name() const override { return "io_uring"; }
  [[nodiscard]] Result<SocketId> listen(Fd listener, std::uint32_t owner) override;
  void resume_accept(SocketId listener) override;
  [[nodiscard]] Result<SocketId> adopt(Fd socket, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> connect(Fd socket, const Endpoint& to, std::uint32_t owner) override;
  [[nodiscard]] Result<SocketId> watch(int fd, std::uint32_t owner) override;
  void want_read(SocketId socket, bool on) override;
  void send(SocketId socket, BufferChain chain) override;
  void bulk_prepare(SocketId from) override;
  [[nodiscard]] bool bulk_start(SocketId from, SocketId to) override;
  void shutdown_write(SocketId socket) override { (void)::shutdown(slot(socket).fd, SHUT_WR); }  // A broken socket reports itself.
  void close(SocketId socket, bool reset) override;
  [[nodiscard]] int fd_of(SocketId socket) const override { return slots_[static_cast<std::uint32_t>(socket)].fd; }
  void poll(Instant deadline, EventSink& sink) override;
  [[nodiscard]] const EngineCounters& counters() const override { return counters_; }
  [[nodiscard]] std::size_t open_sockets() const override { return slots_.live(); }

 private:
  [[nodiscard]] Slot& slot(SocketId id) { return slots_[static_cast<std::uint32_t>(id)]; }
  [[nodiscard]] Result<SocketId> add(Fd fd, std::uint32_t owner);
  [[nodiscard]] io_uring_sqe* next_entry();
  void start(io_uring_sqe* sqe, Op op, std::uint32_t index);
  void forget_addresses();
  void arm_watch(std::uint32_t index);
  void cancel_receive(std::uint32_t index);
  void retire_rings();
  void arm_accept(std::uint32_t index);
  void arm_receive(std::uint32_t index);
  void arm_poll(std::uint32_t index);
  void watch_errors(std::uint32_t index);
  void arm_bulk_poll(std::uint32_t index);
  void pump(LinkId id);
  void drop_links(Slot& slot);
  void end_bulk(LinkId id);
  void run_links();
  void sweep_links(Instant now);
  void on_bulk_poll(std::uint32_t index, const io_uring_cqe& cqe);
  void watch_unwatched();
  void report(std::uint32_t index, EventKind kind, int error = 0, std::uint32_t bytes = 0);
  void fail(std::uint32_t index, int error);
  void flush(std::uint32_t index);
  void finish_close(std::uint32_t index);
  void publish();
  [[nodiscard]] BufferIndex unpark(const io_uring_cqe& cqe);
  void feed_starved();
  void deliver(EventSink& sink);
  void on_completion(const io_uring_cqe& cqe, EventSink& sink);
  void on_accept(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink);
  void on_receive(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink);
  void on_poll(std::uint32_t index, const io_uring_cqe& cqe);
  void drop_stale(const io_uring_cqe& cqe);

  BufferPool& pool_;
  Slab<Slot> slots_;
  Splicer splicer_;
  std::vector<LinkId> busy_links_;  ///< Are to be pumped without waiting.
  Instant swept_{};
  io_uring ring_{};
  bool opened_ = false;
  io_uring_buf_ring* buffers_ = nullptr;
  std::size_t buffer_entries_ = 0;
  std::size_t published_ = 0;  ///< Blocks in the ring now.
  std::size_t publish_target_ = kPublishMin;
  unsigned quiet_turns_ = 0;                        ///< Turns since a receive found the ring empty.
  std::vector<bool> in_ring_;                       ///< By block: lies in the ring.
  std::deque<sockaddr_storage> connect_addresses_;  ///< Live until their submission; cleared after each.
  std::vector<Event> pending_;
  std::vector<Event> delivering_;
  struct Name {
    std::uint32_t index;
    std::uint32_t generation;
  };
  std::deque<Name> starved_;       ///< Receives that found the ring empty; armed again in order as blocks come back.
  std::deque<Name> starved_late_;  ///< Likewise, but served in this turn: goes behind the others at its end.
  std::vector<Name> bulk_ready_;   ///< Their receive has ended: kBulkReady is due.
  std::vector<Name> unwatched_;    ///< No receive armed: the poll is to be armed before the next wait.
  EngineCounters counters_;
};

Status UringEngine::open() {
  io_uring_params params{};
  params.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  // Room for every block's completion and then some: an overflowing queue ends multishot operations (it is handled, but costs).
  params.cq_entries = static_cast<unsigned>(std::max<std::size_t>(kCompletionsMin, std::min<std::size_t>(2 * pool_.count(), 65536)));
  int rc = io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
  if (rc == -EINVAL) {  // Before Linux 6.1: no DEFER_TASKRUN.
    params.flags =
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    rc = io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
  }
  if (rc < 0) return errno_error("io_uring_setup", -rc);
  opened_ = true;
  if ((params.features & IORING_FEAT_EXT_ARG) == 0) return Error{Errc::kUnsupported, "io_uring has no EXT_ARG (wait with timeout)"};
  (void)io_uring_register_ring_fd(&ring_);  // An optimisation (one descriptor look-up less per call); absent before Linux 5.18.

  in_ring_.resize(pool_.count());
  buffer_entries_ = std::bit_ceil(pool_.count());
  void* memory = ::mmap(nullptr, buffer_entries_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("mmap of the buffer ring");
  buffers_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = static_cast<unsigned>(buffer_entries_);
  registration.bgid = kBufferGroup;
  rc = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (rc < 0) return errno_error("io_uring_register (buffer ring)", -rc);
  io_uring_buf_ring_init(buffers_);
  publish();
  return {};
}

UringEngine::~UringEngine() {
  if (opened_) retire_rings();
  for (std::uint32_t i = 0; i < slots_.high_mark(); ++i) {
    if (!slots_.is_live(i)) continue;
    slots_[i].out.clear(pool_);
    if (slots_[i].fd >= 0 && !slots_[i].watched) ::close(slots_[i].fd);
  }
  for (BufferIndex buffer = 0; buffer < in_ring_.size(); ++buffer) {
    if (in_ring_[buffer]) pool_.give_back(buffer);
  }
  pool_.set_parked(0);
  if (buffers_ != nullptr) ::munmap(buffers_, buffer_entries_ * sizeof(io_uring_buf));
}

/// Ends every operation before the ring goes: its exit is asynchronous (io_uring_queue_exit(3)), and the kernel must not write into blocks
/// that the pool lends again. Bounded: an operation that does not end in time keeps the kernel's own references, never ours.
void UringEngine::retire_rings() {
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  io_uring_sqe_set_data64(sqe, 0);
  std::size_t open_operations = 1;
  for (std::uint32_t i = 0; i < slots_.high_mark(); ++i) {
    if (slots_.is_live(i)) open_operations += slots_[i].outstanding;
  }
  const Instant give_up = SystemClock().now() + std::chrono::milliseconds(200);
  while (open_operations > 0 && SystemClock().now() < give_up) {
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec timeout{.tv_sec = 0, .tv_nsec = 20'000'000};
    (void)io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++seen;
      if ((cqe->flags & IORING_CQE_F_MORE) == 0 && open_operations > 0) --open_operations;
      if (static_cast<Op>(cqe->user_data >> 56) == Op::kAccept && cqe->res >= 0) ::close(cqe->res);
    }
    io_uring_cq_advance(&ring_, seen);
  }
  io_uring_queue_exit(&ring_);
}

io_uring_sqe* UringEngine::next_entry() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    (void)io_uring_submit(&ring_);  // The queue is full: hand it over and go on.
    forget_addresses();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void UringEngine::start(io_uring_sqe* sqe, Op op, std::uint32_t index) {
  io_uring_sqe_set_data64(sqe, name_of(op, slots_.generation(index), index));
  ++slots_[index].outstanding;
}

/// The kernel copies a connect's address when the entry is submitted.
void UringEngine::forget_addresses() {
  if (io_uring_sq_ready(&ring_) == 0) connect_addresses_.clear();
}

Result<SocketId> UringEngine::add(Fd fd, std::uint32_t owner) {
  const std::uint32_t index = slots_.acquire();
  if (index == kNoSlot) return Error{Errc::kLimitExceeded, "io_uring engine: too many sockets"};
  Slot& s = slots_[index];
  s.fd = fd.release();
  s.owner = owner;
  return SocketId{index};
}

Result<SocketId> UringEngine::listen(Fd listener, std::uint32_t owner) {
  auto id = add(std::move(listener), owner);
  if (!id) return id;
  arm_accept(static_cast<std::uint32_t>(*id));
  return id;
}

Result<SocketId> UringEngine::adopt(Fd socket, std::uint32_t owner) {
  auto id = add(std::move(socket), owner);
  if (id) watch_errors(static_cast<std::uint32_t>(*id));
  return id;
}

void UringEngine::arm_accept(std::uint32_t index) {
  io_uring_sqe* sqe = next_entry();
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
  const auto index = static_cast<std::uint32_t>(*id);
  io_uring_sqe* sqe = next_entry();
  const SocketAddress address = to_sockaddr(to);
  connect_addresses_.push_back(address.storage);
  io_uring_prep_connect(sqe, slots_[index].fd, reinterpret_cast<const sockaddr*>(&connect_addresses_.back()), address.size);
  start(sqe, Op::kConnect, index);
  ++counters_.connects;
  return id;
}

Result<SocketId> UringEngine::watch(int fd, std::uint32_t owner) {
  auto id = add(Fd(fd), owner);
  if (!id) return id;
  const auto index = static_cast<std::uint32_t>(*id);
  Slot& s = slots_[index];
  s.watched = true;
  arm_watch(index);
  return id;
}

void UringEngine::arm_watch(std::uint32_t index) {
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_poll_multishot(sqe, slots_[index].fd, POLLIN);
  start(sqe, Op::kWatch, index);
}

void UringEngine::arm_receive(std::uint32_t index) {
  Slot& s = slots_[index];
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_recv_multishot(sqe, s.fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kBufferGroup;
  start(sqe, Op::kReceive, index);
  s.receiving = true;
  s.cancelling = false;
}

void UringEngine::arm_poll(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.polling) return;
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_poll_multishot(sqe, s.fd, POLLOUT);
  start(sqe, Op::kPoll, index);
  s.polling = true;
}

/// Without a receive only the poll sees an RST (C5). It is armed when the turn ends, for most sockets are read or closed by then.
void UringEngine::watch_errors(std::uint32_t index) {
  Slot& s = slots_[index];
  if (s.unwatched || s.polling) return;
  s.unwatched = true;
  unwatched_.push_back({index, slots_.generation(index)});
}

void UringEngine::watch_unwatched() {
  for (const Name name : unwatched_) {
    if (!slots_.is_live(name.index, name.generation)) continue;
    Slot& s = slots_[name.index];
    s.unwatched = false;
    if ((!s.wants_read || s.eof) && !s.failed && !s.closing) arm_poll(name.index);
  }
  unwatched_.clear();
}

void UringEngine::report(std::uint32_t index, EventKind kind, int error, std::uint32_t bytes) {
  pending_.push_back({.kind = kind, .socket = SocketId{index}, .owner = slots_[index].owner, .error = error, .bytes = bytes});
}

void UringEngine::fail(std::uint32_t index, int error) {
  Slot& s = slots_[index];
  if (s.failed || s.closing) return;
  s.failed = true;
  s.write_blocked = false;
  s.out.clear(pool_);
  drop_links(s);
  report(index, EventKind::kError, error);
}

void UringEngine::want_read(SocketId socket, bool on) {
  const auto index = static_cast<std::uint32_t>(socket);
  Slot& s = slots_[index];
  s.wants_read = on;
  if (s.failed || s.closing) return;
  if (on && s.eof_withheld) {
    s.eof_withheld = false;
    report(index, EventKind::kEof);
  }
  if (s.eof) return;
  if (on) {
    if (!s.receiving && !s.starved) arm_receive(index);
    return;
  }
  if (s.receiving && !s.cancelling) cancel_receive(index);
  watch_errors(index);
}

void UringEngine::cancel_receive(std::uint32_t index) {
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel64(sqe, name_of(Op::kReceive, slots_.generation(index), index), 0);
  start(sqe, Op::kCancel, index);
  slots_[index].cancelling = true;
  ++counters_.cancels;
}

void UringEngine::send(SocketId socket, BufferChain chain) {
  const auto index = static_cast<std::uint32_t>(socket);
  Slot& s = slots_[index];
  FL_DASSERT(s.out.empty() && !chain.empty());
  if (s.failed || s.closing) {
    chain.clear(pool_);
    return;
  }
  s.out = chain;
  flush(index);
}

void UringEngine::flush(std::uint32_t index) {
  Slot& s = slots_[index];
  const SendOutcome outcome = send_chain(s.fd, pool_, s.out);
  counters_.sends += outcome.calls;
  if (outcome.bytes > 0) report(index, EventKind::kSent, 0, static_cast<std::uint32_t>(outcome.bytes));
  if (outcome.error != 0) return fail(index, outcome.error);
  if (!outcome.blocked) return;
  ++counters_.blocked_sends;
  s.write_blocked = true;
  arm_poll(index);
}

void UringEngine::close(SocketId socket, bool reset) {
  const auto index = static_cast<std::uint32_t>(socket);
  Slot& s = slots_[index];
  FL_ASSERT(!s.closing);
  s.closing = true;
  s.reset = reset;
  s.out.clear(pool_);
  drop_links(s);
  if (s.outstanding == 0) return finish_close(index);
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel_fd(sqe, s.fd, IORING_ASYNC_CANCEL_ALL);
  start(sqe, Op::kCancel, index);
  ++counters_.cancels;
}

// ---- bulk ----

void UringEngine::bulk_prepare(SocketId from) {
  const auto index = static_cast<std::uint32_t>(from);
  Slot& s = slots_[index];
  s.wants_read = false;
  watch_errors(index);  // The start may be a long time off: it waits for the other end's queue.
  if (!s.receiving) return report(index, EventKind::kBulkReady);
  s.bulk_asked = true;
  if (!s.cancelling) cancel_receive(index);
}

bool UringEngine::bulk_start(SocketId from, SocketId to) {
  Slot& source = slot(from);
  Slot& sink = slot(to);
  if (source.failed || source.eof || source.closing || sink.failed || sink.closing) return false;
  const LinkId id = splicer_.open(from, source.fd, to, sink.fd);
  if (id == kNoLink) return false;
  ++counters_.bulk_starts;
  source.bulk_out = id;
  sink.bulk_in = id;
  if (!source.bulk_polling) arm_bulk_poll(static_cast<std::uint32_t>(from));
  return true;
}

void UringEngine::arm_bulk_poll(std::uint32_t index) {
  io_uring_sqe* sqe = next_entry();
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
  pump(s.bulk_out);
  if (cqe.res < 0 || (static_cast<unsigned>(cqe.res) & POLLERR) == 0) return;
  // Behind a full pipe nothing is read, so an RST of the source is asked for (C5).
  if (s.failed || s.bulk_out == kNoLink || !slot(splicer_.link(s.bulk_out).to).write_blocked) return;
  const int error = take_socket_error(s.fd);
  if (error != 0) fail(index, error);
}

/// A link ends with either of its sockets.
void UringEngine::drop_links(Slot& s) {
  for (const LinkId* id : {&s.bulk_out, &s.bulk_in}) {
    if (*id != kNoLink) end_bulk(*id);
  }
}

void UringEngine::end_bulk(LinkId id) {
  const Splicer::Link link = splicer_.link(id);
  Slot& from = slot(link.from);
  from.bulk_out = kNoLink;
  slot(link.to).bulk_in = kNoLink;
  slot(link.to).write_blocked = false;
  std::erase(busy_links_, id);
  splicer_.close(id);
  if (!from.bulk_polling || from.closing) return;  // close() cancels everything.
  const auto index = static_cast<std::uint32_t>(link.from);
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel64(sqe, name_of(Op::kBulkPoll, slots_.generation(index), index), 0);
  start(sqe, Op::kCancel, index);
  ++counters_.cancels;
}

void UringEngine::pump(LinkId id) {
  const Splicer::Link before = splicer_.link(id);
  const auto from = static_cast<std::uint32_t>(before.from);
  const auto to = static_cast<std::uint32_t>(before.to);
  const Splicer::Outcome outcome = splicer_.pump(id);
  counters_.bulk_bytes += outcome.moved;
  if (outcome.moved > 0) report(from, EventKind::kMoved, 0, outcome.moved);
  if (outcome.from_error != 0) return fail(from, outcome.from_error);
  if (outcome.to_error != 0) return fail(to, outcome.to_error);
  slots_[to].write_blocked = outcome.blocked;
  if (outcome.blocked) arm_poll(to);
  if (outcome.more && !splicer_.link(id).queued) {
    splicer_.link(id).queued = true;
    busy_links_.push_back(id);
  }
  if (!outcome.eof && !outcome.dull) return;
  end_bulk(id);
  if (outcome.dull) return report(from, EventKind::kBulkEnded);
  slots_[from].eof = true;
  ++counters_.reads;
  watch_errors(from);
  report(from, EventKind::kEof);
}

void UringEngine::run_links() {
  std::vector<LinkId> now;
  now.swap(busy_links_);
  for (const LinkId id : now) splicer_.link(id).queued = false;
  for (const LinkId id : now) {
    if (splicer_.link(id).open && !splicer_.link(id).queued) pump(id);
  }
}

void UringEngine::sweep_links(Instant now) {
  if (now - swept_ < kSweepInterval) return;
  swept_ = now;
  for (const LinkId id : splicer_.sweep()) {
    const auto from = static_cast<std::uint32_t>(splicer_.link(id).from);
    end_bulk(id);
    report(from, EventKind::kBulkEnded);
  }
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

/// Puts blocks into the ring until the target is reached or the pool is empty.
void UringEngine::publish() {
  if (++quiet_turns_ >= kQuietTurns) {
    quiet_turns_ = 0;
    publish_target_ = std::max(kPublishMin, publish_target_ / 2);
  }
  // At most a sixteenth of the pool (of a small one, half): the rest serves queues, and a block never published is never resident.
  const std::size_t limit = std::max(std::min(kPublishMin, pool_.count() / 2), pool_.count() / 16);
  const std::size_t target = std::min(publish_target_, std::max<std::size_t>(1, limit));
  if (published_ >= target) return;
  int added = 0;
  while (published_ < target) {
    const BufferIndex buffer = pool_.take();
    if (buffer == kNoBuffer) break;
    io_uring_buf_ring_add(buffers_, pool_.block(buffer), static_cast<unsigned>(pool_.block_bytes()), static_cast<unsigned short>(buffer),
                          io_uring_buf_ring_mask(static_cast<unsigned>(buffer_entries_)), added);
    in_ring_[buffer] = true;
    ++added;
    ++published_;
  }
  if (added > 0) io_uring_buf_ring_advance(buffers_, added);
  pool_.set_parked(published_);
}

/// The block a completion brought, now ours.
BufferIndex UringEngine::unpark(const io_uring_cqe& cqe) {
  const BufferIndex buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  in_ring_[buffer] = false;
  --published_;
  return buffer;
}

void UringEngine::feed_starved() {
  for (std::size_t room = published_; room > 0 && !starved_.empty(); --room) {
    const Name name = starved_.front();
    starved_.pop_front();
    if (!slots_.is_live(name.index, name.generation)) continue;
    Slot& s = slots_[name.index];
    s.starved = false;
    if (s.wants_read && !s.receiving && !s.eof && !s.failed && !s.closing) arm_receive(name.index);
  }
}

void UringEngine::deliver(EventSink& sink) {
  while (!pending_.empty()) {
    delivering_.swap(pending_);
    for (const Event& event : delivering_) {
      const auto index = static_cast<std::uint32_t>(event.socket);
      if (event.kind == EventKind::kClosed) {
        slots_.release(index);
      } else if (slots_[index].closing) {
        continue;  // C3: nothing but kClosed after close().
      }
      sink.on_event(event);
    }
    delivering_.clear();
  }
}

void UringEngine::drop_stale(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) pool_.give_back(unpark(cqe));
}

void UringEngine::on_completion(const io_uring_cqe& cqe, EventSink& sink) {
  ++counters_.operations;
  const auto op = static_cast<Op>(cqe.user_data >> 56);
  const auto index = static_cast<std::uint32_t>(cqe.user_data);
  const auto generation = static_cast<std::uint32_t>(cqe.user_data >> 32) & kGenerationMask;
  // Operations keep their slot alive until their last completion, so a stale name means an engine bug; the block must not be lost anyway.
  if (!slots_.is_live(index, generation, kGenerationMask)) return drop_stale(cqe);
  Slot& s = slots_[index];
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last) --s.outstanding;
  switch (op) {
    case Op::kAccept: on_accept(index, cqe, sink); break;
    case Op::kReceive: on_receive(index, cqe, sink); break;
    case Op::kConnect:
      if (!s.closing) {
        if (cqe.res < 0)
          s.failed = true;
        else
          watch_errors(index);
        report(index, EventKind::kConnected, -cqe.res);
      }
      break;
    case Op::kPoll: on_poll(index, cqe); break;
    case Op::kBulkPoll: on_bulk_poll(index, cqe); break;
    case Op::kWatch:
      if (!s.closing) {
        sink.on_event({.kind = EventKind::kReadable, .socket = SocketId{index}, .owner = s.owner});
        if (last && !s.closing) arm_watch(index);
      }
      break;
    case Op::kCancel: break;  // -ENOENT and -EALREADY are normal: the operation's own completion is its end.
  }
  for (const Name name : std::exchange(bulk_ready_, {})) {
    if (slots_.is_live(name.index, name.generation) && !slots_[name.index].closing && !slots_[name.index].failed)
      report(name.index, EventKind::kBulkReady);
  }
  if (s.closing && s.outstanding == 0 && s.fd >= 0) finish_close(index);
  deliver(sink);
}

void UringEngine::on_accept(std::uint32_t index, const io_uring_cqe& cqe, EventSink& sink) {
  Slot& s = slots_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) s.receiving = false;
  if (cqe.res >= 0) {
    if (s.closing) {
      ::close(cqe.res);
      return;
    }
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
  const BufferIndex buffer = has_buffer ? unpark(cqe) : kNoBuffer;
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last) {
    s.receiving = false;
    s.cancelling = false;
    if (s.bulk_asked) bulk_ready_.push_back({index, slots_.generation(index)});  // Behind the data of this completion.
    s.bulk_asked = false;
  }
  if (has_buffer && (cqe.res <= 0 || s.closing || s.failed || s.eof)) pool_.give_back(buffer);
  if (s.closing || s.failed || s.eof) return;
  if (cqe.res > 0) {
    ++counters_.reads;
    s.served_turn = static_cast<std::uint32_t>(counters_.turns);
    BufferMeta& meta = pool_.meta(buffer);
    meta = {.next = kNoBuffer, .offset = 0, .length = static_cast<std::uint32_t>(cqe.res)};
    if (last && s.wants_read) arm_receive(index);
    sink.on_event({.kind = EventKind::kData,
                   .socket = SocketId{index},
                   .owner = s.owner,
                   .bytes = static_cast<std::uint32_t>(cqe.res),
                   .buffer = buffer});
    return;
  }
  if (cqe.res == 0) {
    ++counters_.reads;
    s.eof = true;
    watch_errors(index);
    if (s.wants_read) return report(index, EventKind::kEof);
    s.eof_withheld = true;
    return;
  }
  const int error = -cqe.res;
  if (error == ENOBUFS) {
    ++counters_.starved;
    if (pool_.free() > 0)
      publish_target_ = std::min(publish_target_ * 2, buffer_entries_);  // Too few were published; the pool is not empty.
    quiet_turns_ = 0;
    if (!s.starved && last) {
      s.starved = true;
      // One receive can empty the ring. Who had data in this turn waits behind those who had none, or it would do so every time.
      const bool served = s.served_turn == static_cast<std::uint32_t>(counters_.turns);
      (served ? starved_late_ : starved_).push_back({index, slots_.generation(index)});
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
  if (s.bulk_in != kNoLink && s.write_blocked && (events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
    pump(s.bulk_in);
    if (s.failed) return;
  } else if ((events & POLLERR) != 0 && s.bulk_out == kNoLink && !(s.wants_read && s.receiving)) {
    const int error = take_socket_error(s.fd);
    if (error != 0) return fail(index, error);
  }
  if (s.write_blocked && s.bulk_in == kNoLink && (events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
    s.write_blocked = false;
    flush(index);
  }
  if (!s.polling && !s.failed && (s.write_blocked || !s.wants_read || s.eof)) arm_poll(index);
}

void UringEngine::poll(Instant deadline, EventSink& sink) {
  publish();
  if (!starved_.empty()) feed_starved();
  if (!unwatched_.empty()) watch_unwatched();
  if (splicer_.open_links() > 0) {
    deadline = std::min(deadline, swept_ + kSweepInterval);
    run_links();
    sweep_links(SystemClock().now());
  }
  Duration left = Duration::zero();
  if (pending_.empty() && busy_links_.empty() && (starved_.empty() || published_ == 0)) {
    const Instant now = SystemClock().now();
    if (deadline > now) left = deadline == Instant::max() ? std::chrono::hours(1) : deadline - now;
  }
  ++counters_.turns;
  if (left > Duration::zero()) {
    io_uring_cqe* first = nullptr;
    __kernel_timespec timeout{.tv_sec = left / std::chrono::seconds(1), .tv_nsec = (left % std::chrono::seconds(1)).count()};
    (void)io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);  // -ETIME, -EINTR: nothing came.
  } else {
    (void)io_uring_submit_and_get_events(&ring_);
  }
  forget_addresses();
  sink.on_turn();
  deliver(sink);
  unsigned head = 0;
  unsigned seen = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    const io_uring_cqe copy = *cqe;
    ++seen;
    on_completion(copy, sink);
  }
  if (seen > 0) io_uring_cq_advance(&ring_, seen);
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
