// What the two engines do alike: the queue of events between the calls and poll() (C1, C3), what becomes of a send, bulk links, and the
// rule by which an error is reported (C5, C6). An engine derives from it, brings the readiness, and offers what is listed below as its
// hooks.
//
// Invariants:
//   I1  Events leave in the order in which report() took them; after close() only kClosed, after a pause no kEof until reading is on again.
//   I2  The kernel announces an error once. The announcement is kept (`broken`) until the error was reported or turned out to be none.
//   I3  Who reads a socket meets its error behind the data before it, and an end of file before that (tcp: recv(2) returns the data, then 0
//       for ever when there was a FIN, else the error). Only where nobody reads, or after the end of file, SO_ERROR is asked.
// Rationale: a template and not a base with virtual hooks, because read, send and report are the hot path of either engine.
//
// Hooks of `Engine` (private, with EngineCore as a friend):
//   bool reads(const Slot&)          Whether a read is under way or will certainly follow, and so will meet the socket's error.
//   void start_send(uint32 index)    Sends the chain: by flush(), or later, and says by sent() what became of it.
//   bool lends(const Slot&)          The kernel is still to read the chain: the engine itself clears it when that is over.
//   void await_room(uint32 index)    The socket is full: call write_on() when it is writable or broken.
//   void link_opened(uint32 from, LinkId)   Pump it when there is something to read, for the first time without waiting for an edge.
//   void link_closed(uint32 from)    No more of that.
//   void link_ended(uint32 from)     Nothing reads the socket any more.
// Threading: the engine's. Ownership: owns the slots and their chains; the engine's destructor closes the descriptors.
#pragma once

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/slab.h"
#include "net/chain_io.h"
#include "net/io_engine.h"
#include "net/splicer.h"

namespace fairlead::net {

inline constexpr Duration kLinkSweepInterval = std::chrono::seconds(1);

/// A socket as both engines know it; each adds its own.
struct SocketState {
  int fd = -1;
  std::uint32_t owner = 0;
  BufferChain out;            ///< Of the send in flight.
  LinkId bulk_out = kNoLink;  ///< The link it feeds.
  LinkId bulk_in = kNoLink;   ///< The link that feeds it.
  bool wants_read : 1 = false;
  bool write_blocked : 1 = false;
  bool eof : 1 = false;           ///< The end of file was met,
  bool eof_withheld : 1 = false;  ///< but while reading was off: reported when it is on again (C5).
  bool broken : 1 = false;        ///< An error was announced and not yet reported (I2).
  bool failed : 1 = false;        ///< kError was reported, or the connect failed.
  bool closing : 1 = false;
};

/// A slot of an engine at some time; it may have another socket by now.
struct SlotName {
  std::uint32_t index;
  std::uint32_t generation;
};

template <class Engine, class Slot>
class EngineCore : public IoEngine {
 public:
  void send(SocketId socket, BufferChain chain) final {
    Slot& s = slot(socket);
    FL_DASSERT(s.out.empty() && !chain.empty());
    if (s.failed || s.closing) return chain.clear(pool_);
    s.out = chain;
    self().start_send(index_of(socket));
  }
  [[nodiscard]] bool can_bulk() const final { return splicer_.has_pipe(); }
  [[nodiscard]] bool bulk_start(SocketId from, SocketId to) final;
  void shutdown_write(SocketId socket) final { (void)::shutdown(slot(socket).fd, SHUT_WR); }  // A broken socket reports itself.
  [[nodiscard]] int fd_of(SocketId socket) const final { return slots_[index_of(socket)].fd; }
  [[nodiscard]] const EngineCounters& counters() const final { return counters_; }
  [[nodiscard]] std::size_t open_sockets() const final { return slots_.live(); }

 protected:
  EngineCore(BufferPool& pool, const EngineOptions& options) : pool_(pool), slots_(options.sockets_max), splicer_(options.pipes_max) {}

  [[nodiscard]] static std::uint32_t index_of(SocketId id) { return static_cast<std::uint32_t>(id); }
  [[nodiscard]] Slot& slot(SocketId id) { return slots_[index_of(id)]; }
  [[nodiscard]] SlotName slot_name(std::uint32_t index) const { return {index, slots_.generation(index)}; }
  [[nodiscard]] bool is_live(SlotName n) const { return slots_.is_live(n.index, n.generation); }

  void report(std::uint32_t index, EventKind kind, int error = 0, std::uint32_t bytes = 0) {
    pending_.push_back({.kind = kind, .socket = SocketId{index}, .owner = slots_[index].owner, .error = error, .bytes = bytes});
  }
  void deliver(EventSink& sink) {
    if (!pending_.empty()) deliver_pending(sink);
  }
  void fail(std::uint32_t index, int error);
  void look_for_error(std::uint32_t index);
  /// The socket has ended: what was read is all there is. An RST may still follow, or have come already.
  void report_eof(std::uint32_t index) {
    slots_[index].eof = true;
    ++counters_.reads;
    report(index, EventKind::kEof);
  }
  /// Reading is on again.
  void release_eof(std::uint32_t index) {
    Slot& s = slots_[index];
    if (!s.eof_withheld) return;
    s.eof_withheld = false;
    report(index, EventKind::kEof);
  }

  void flush(std::uint32_t index);
  /// What became of a send of the chain: `outcome.bytes` of it were taken.
  void sent(std::uint32_t index, const SendOutcome& outcome);
  void write_on(std::uint32_t index);

  Slot& begin_close(SocketId socket) {
    Slot& s = slot(socket);
    FL_ASSERT(!s.closing);
    s.closing = true;
    drop_output(s);
    return s;
  }
  /// With the engine: blocks and descriptors of every socket; `borrowed` says which descriptors are not ours.
  template <class Borrowed>
  void close_all(Borrowed borrowed) {
    for (std::uint32_t i = 0; i < slots_.high_mark(); ++i) {
      if (!slots_.is_live(i)) continue;
      slots_[i].out.clear(pool_);
      if (slots_[i].fd >= 0 && !borrowed(slots_[i])) ::close(slots_[i].fd);
    }
  }

  void pump(LinkId id);
  void pump_again(LinkId id) {
    if (std::exchange(splicer_.link(id).queued, true)) return;
    busy_links_.push_back(id);
  }
  void run_links();
  void sweep_links(Instant now);

  BufferPool& pool_;
  Slab<Slot> slots_;
  Splicer splicer_;
  std::vector<Event> pending_;      ///< Reported by calls, delivered by poll() (C1).
  std::vector<LinkId> busy_links_;  ///< Are to be pumped without waiting.
  Instant swept_{};
  EngineCounters counters_;

 private:
  [[nodiscard]] Engine& self() { return static_cast<Engine&>(*this); }
  void deliver_pending(EventSink& sink);
  [[nodiscard]] bool is_due(EventKind kind, Slot& s);
  void drop_output(Slot& s) {
    s.write_blocked = false;
    if (!self().lends(s)) s.out.clear(pool_);
    drop_links(s);
  }
  void drop_links(Slot& s);
  void end_bulk(LinkId id);

  std::vector<Event> delivering_;
};

/// Whether recv(2) would return bytes now.
[[nodiscard]] inline bool has_unread(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::deliver_pending(EventSink& sink) {
  while (!pending_.empty()) {
    delivering_.swap(pending_);
    for (const Event& event : delivering_) {
      const std::uint32_t index = index_of(event.socket);
      if (event.kind == EventKind::kClosed)
        slots_.release(index);
      else if (!is_due(event.kind, slots_[index]))
        continue;
      sink.on_event(event);
    }
    delivering_.clear();
  }
}

template <class Engine, class Slot>
bool EngineCore<Engine, Slot>::is_due(EventKind kind, Slot& s) {
  if (s.closing) return false;  // C3
  if (kind != EventKind::kEof || s.wants_read) return true;
  s.eof_withheld = true;  // C5: reading was switched off after the end was met.
  return false;
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::fail(std::uint32_t index, int error) {
  Slot& s = slots_[index];
  if (s.failed || s.closing) return;
  s.failed = true;
  drop_output(s);
  report(index, EventKind::kError, error);
}

/// I3. Called when an error is announced, and whenever reading ends or pauses in front of one.
template <class Engine, class Slot>
void EngineCore<Engine, Slot>::look_for_error(std::uint32_t index) {
  Slot& s = slots_[index];
  if (!s.broken || s.failed || s.closing || self().reads(s)) return;
  // A link that moves meets the error; behind a full pipe nothing is read.
  if (s.bulk_out != kNoLink && !slot(splicer_.link(s.bulk_out).to).write_blocked) return;
  s.broken = false;
  const int error = take_socket_error(s.fd);
  if (error != 0) return fail(index, error);
  write_on(index);  // There was none: what waited for it goes on.
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::flush(std::uint32_t index) {
  Slot& s = slots_[index];
  sent(index, send_chain(s.fd, pool_, s.out));
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::sent(std::uint32_t index, const SendOutcome& outcome) {
  Slot& s = slots_[index];
  counters_.sends += outcome.calls;
  if (outcome.bytes > 0) report(index, EventKind::kSent, 0, static_cast<std::uint32_t>(outcome.bytes));
  if (outcome.error != 0) return fail(index, outcome.error);
  if (!outcome.blocked) return;
  ++counters_.blocked_sends;
  s.write_blocked = true;
  self().await_room(index);
}

/// The socket is writable, or broken. A broken one that is read fails there, behind the data that came before the error.
template <class Engine, class Slot>
void EngineCore<Engine, Slot>::write_on(std::uint32_t index) {
  Slot& s = slots_[index];
  if (!s.write_blocked || (s.broken && self().reads(s))) return;
  if (s.bulk_in != kNoLink) return pump(s.bulk_in);
  s.write_blocked = false;
  flush(index);
}

// ---- bulk ----

template <class Engine, class Slot>
bool EngineCore<Engine, Slot>::bulk_start(SocketId from, SocketId to) {
  Slot& source = slot(from);
  Slot& sink = slot(to);
  if (source.failed || source.eof || source.closing || sink.failed || sink.closing) return false;
  const LinkId id = splicer_.open(from, source.fd, to, sink.fd);
  if (id == kNoLink) return false;
  ++counters_.bulk_starts;
  source.bulk_out = id;
  sink.bulk_in = id;
  self().link_opened(index_of(from), id);
  return true;
}

/// A link ends with either of its sockets.
template <class Engine, class Slot>
void EngineCore<Engine, Slot>::drop_links(Slot& s) {
  for (const LinkId* id : {&s.bulk_out, &s.bulk_in}) {
    if (*id != kNoLink) end_bulk(*id);
  }
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::end_bulk(LinkId id) {
  const Splicer::Link link = splicer_.link(id);
  slot(link.from).bulk_out = kNoLink;
  slot(link.to).bulk_in = kNoLink;
  slot(link.to).write_blocked = false;
  std::erase(busy_links_, id);
  splicer_.close(id);
  self().link_closed(index_of(link.from));
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::pump(LinkId id) {
  const std::uint32_t from = index_of(splicer_.link(id).from);
  const std::uint32_t to = index_of(splicer_.link(id).to);
  const Splicer::Outcome outcome = splicer_.pump(id);
  counters_.bulk_bytes += outcome.moved;
  if (outcome.moved > 0) report(from, EventKind::kMoved, 0, outcome.moved);
  if (outcome.from_error != 0) return fail(from, outcome.from_error);
  if (outcome.to_error != 0) return fail(to, outcome.to_error);
  slots_[to].write_blocked = outcome.blocked;
  if (outcome.blocked) self().await_room(to);
  if (outcome.more) pump_again(id);
  if (outcome.eof || outcome.dull) {
    end_bulk(id);
    if (outcome.eof) {
      slots_[from].wants_read = true;  // Moving was reading: the end is due now (C5).
      report_eof(from);
    } else {
      report(from, EventKind::kBulkEnded);
    }
    self().link_ended(from);
  }
  look_for_error(from);
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::run_links() {
  const std::vector<LinkId> now = std::exchange(busy_links_, {});
  for (const LinkId id : now) splicer_.link(id).queued = false;
  for (const LinkId id : now) {
    if (splicer_.link(id).open && !splicer_.link(id).queued) pump(id);
  }
}

template <class Engine, class Slot>
void EngineCore<Engine, Slot>::sweep_links(Instant now) {
  if (now - swept_ < kLinkSweepInterval) return;
  swept_ = now;
  for (const LinkId id : splicer_.sweep()) {
    const std::uint32_t from = index_of(splicer_.link(id).from);
    end_bulk(id);
    report(from, EventKind::kBulkEnded);
    self().link_ended(from);
    look_for_error(from);
  }
}

}  // namespace fairlead::net
