#include "net/fault_engine.h"

#include "net/chain_io.h"

#include <cstring>
#include <unistd.h>
#include <utility>

namespace fairlead::net {
namespace {

constexpr int kCrumbsMax = 3;  ///< Pieces cut off one kData.

std::uint32_t length_of(const BufferPool& pool, const BufferChain& chain) {
  std::uint32_t bytes = 0;
  for (BufferIndex at = chain.head; at != kNoBuffer; at = pool.meta(at).next) bytes += pool.meta(at).length;
  return bytes;
}

BufferIndex pop_front(BufferPool& pool, BufferChain& chain) {
  const BufferIndex head = chain.head;
  chain.head = pool.meta(head).next;
  if (chain.head == kNoBuffer) chain.tail = kNoBuffer;
  return head;
}

/// A new block with the first `n` bytes of `from`; kNoBuffer when the pool has none.
BufferIndex copy_front(BufferPool& pool, BufferIndex from, std::uint32_t n) {
  const BufferIndex copy = pool.take();
  if (copy == kNoBuffer) return copy;
  std::memcpy(pool.block(copy), pool.bytes(from).data(), n);
  pool.meta(copy).length = n;
  return copy;
}

/// Moves the first `n` bytes of `chain` to a chain of their own; a whole block more where there is no block to copy a part into.
BufferChain split_front(BufferPool& pool, BufferChain& chain, std::uint32_t n) {
  BufferChain front;
  while (n > 0 && !chain.empty()) {
    const std::uint32_t length = pool.meta(chain.head).length;
    if (length > n) {
      const BufferIndex copy = copy_front(pool, chain.head, n);
      if (copy != kNoBuffer) {
        front.append(pool, copy);
        chain.consume(pool, n);
      } else if (front.empty()) {
        front.append(pool, pop_front(pool, chain));
      }
      return front;
    }
    front.append(pool, pop_front(pool, chain));
    n -= length;
  }
  return front;
}

}  // namespace

FaultEngine::FaultEngine(std::unique_ptr<IoEngine> inner, BufferPool& pool, const FaultPlan& plan)
    : inner_(std::move(inner)), pool_(pool), plan_(plan), name_("fault(" + std::string(inner_->name()) + ")"), prng_(plan.seed) {
  FL_ASSERT(plan.turns_max >= 1);
}

FaultEngine::~FaultEngine() {
  for (const HeldEvent& held : held_) discard(held.event);
  for (Slot& s : slots_) s.rest.clear(pool_);
  hoard_.clear(pool_);
}

Result<SocketId> FaultEngine::enter(Result<SocketId> inner, std::uint32_t owner) {
  if (!inner) return inner;
  const auto inner_index = static_cast<std::uint32_t>(*inner);
  std::uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  slots_[index] = {.inner = *inner, .owner = owner, .life = slots_[index].life + 1, .rest = {}, .live = true};
  if (inner_index >= outer_of_.size()) outer_of_.resize(inner_index + 1, 0);
  outer_of_[inner_index] = index;
  ++live_;
  return SocketId{index};
}

Result<SocketId> FaultEngine::listen(Fd listener, std::uint32_t owner) { return enter(inner_->listen(std::move(listener), owner), owner); }
Result<SocketId> FaultEngine::adopt(Fd socket, std::uint32_t owner) { return enter(inner_->adopt(std::move(socket), owner), owner); }
Result<SocketId> FaultEngine::watch(int fd, std::uint32_t owner) { return enter(inner_->watch(fd, owner), owner); }
Result<SocketId> FaultEngine::connect(Fd socket, const Endpoint& to, std::uint32_t owner) {
  return enter(inner_->connect(std::move(socket), to, owner), owner);
}

void FaultEngine::resume_accept(SocketId listener) { inner_->resume_accept(slot(listener).inner); }

int FaultEngine::fd_of(SocketId socket) const {
  const Slot& s = slots_[static_cast<std::uint32_t>(socket)];
  return s.inner_closed ? -1 : inner_->fd_of(s.inner);
}

void FaultEngine::want_read(SocketId socket, bool on) {
  Slot& s = slot(socket);
  FL_ASSERT(s.live);
  s.wants_read = on;
  s.bulk = false;
  if (on && s.eof_withheld) {
    s.eof_withheld = false;
    held_.push_back({.event = {.kind = EventKind::kEof, .socket = socket, .owner = s.owner}, .due_turn = turn_});
  }
  if (s.inner_reads == on) return;
  if (strikes(plan_.late_call)) {
    ++faults_.late_reads;
    calls_.push_back({static_cast<std::uint32_t>(socket), s.life, LateCall::kWantRead, some_turns_on()});
  } else {
    apply_read(s);
  }
}

void FaultEngine::apply_read(Slot& s) {
  if (s.closing || s.inner_reads == s.wants_read) return;
  s.inner_reads = s.wants_read;
  inner_->want_read(s.inner, s.wants_read);
}

void FaultEngine::send(SocketId socket, BufferChain chain) {
  Slot& s = slot(socket);
  FL_ASSERT(s.live && s.in_flight == 0 && s.rest.empty() && !chain.empty());  // C4
  if (s.closing || s.failed) return chain.clear(pool_);
  s.rest = chain;
  send_part(s);
}

void FaultEngine::send_part(Slot& s) {
  const std::uint32_t length = length_of(pool_, s.rest);
  BufferChain part;
  if (length >= 2 && strikes(plan_.short_send)) {
    part = split_front(pool_, s.rest, 1 + prng_.below(length - 1));
    if (!s.rest.empty()) ++faults_.short_sends;
  } else {
    part = std::exchange(s.rest, {});
  }
  s.in_flight = length_of(pool_, part);
  inner_->send(s.inner, part);
}

void FaultEngine::bulk_prepare(SocketId from) {
  Slot& s = slot(from);
  s.wants_read = false;
  s.inner_reads = false;  // A want_read still under way has nothing left to say.
  inner_->bulk_prepare(s.inner);
}

bool FaultEngine::bulk_start(SocketId from, SocketId to) {
  Slot& s = slot(from);
  s.bulk = inner_->bulk_start(s.inner, slot(to).inner);
  return s.bulk;
}

void FaultEngine::shutdown_write(SocketId socket) {
  Slot& s = slot(socket);
  FL_ASSERT(s.live && !s.closing && s.rest.empty());
  inner_->shutdown_write(s.inner);
}

void FaultEngine::close(SocketId socket, bool reset) {
  Slot& s = slot(socket);
  FL_ASSERT(s.live && !s.closing);
  s.closing = true;
  s.rest.clear(pool_);
  inner_->close(s.inner, reset);  // Held events of this socket are discarded when their turn comes (I2).
}

void FaultEngine::take(const Event& event) {
  const std::uint32_t index = outer_of_[static_cast<std::uint32_t>(event.socket)];
  Slot& s = slots_[index];
  Event mine = event;
  mine.socket = SocketId{index};
  switch (event.kind) {
    case EventKind::kData: return take_data(s, mine);
    case EventKind::kSent: return take_sent(index, mine);
    case EventKind::kError:
      s.failed = true;
      s.in_flight = 0;
      s.rest.clear(pool_);
      s.eof_withheld = false;
      break;
    case EventKind::kConnected: s.failed = event.error != 0; break;
    case EventKind::kClosed: s.inner_closed = true; break;
    case EventKind::kEof:
    case EventKind::kAccepted:
    case EventKind::kAcceptFailed:
    case EventKind::kBulkReady:
    case EventKind::kMoved:
    case EventKind::kBulkEnded:
    case EventKind::kReadable: break;
  }
  hold(mine);
}

void FaultEngine::take_data(Slot& s, Event event) {
  for (int i = 0; i < kCrumbsMax && !s.closing; ++i) {
    const std::uint32_t length = pool_.meta(event.buffer).length;
    if (length < 2 || !strikes(plan_.split_data)) break;
    const std::uint32_t n = 1 + prng_.below(length - 1);
    const BufferIndex crumb = copy_front(pool_, event.buffer, n);
    if (crumb == kNoBuffer) break;
    Event first = event;
    first.buffer = crumb;
    first.bytes = n;
    hold(first);
    BufferMeta& meta = pool_.meta(event.buffer);
    meta.offset += n;
    meta.length -= n;
    event.bytes = meta.length;
    ++faults_.split_data;
  }
  hold(event);
}

void FaultEngine::take_sent(std::uint32_t index, Event event) {
  Slot& s = slots_[index];
  FL_ASSERT(s.closing || event.bytes <= s.in_flight);
  if (s.closing) return;
  s.in_flight -= event.bytes;
  if (event.bytes >= 2 && strikes(plan_.split_data)) {
    Event first = event;
    first.bytes = 1 + prng_.below(event.bytes - 1);
    event.bytes -= first.bytes;
    hold(first);
    ++faults_.split_sents;
  }
  hold(event);
  if (s.in_flight > 0 || s.rest.empty()) return;
  if (strikes(plan_.late_call)) {
    ++faults_.late_sends;
    calls_.push_back({index, s.life, LateCall::kSendRest, some_turns_on()});
  } else {
    send_part(s);
  }
}

void FaultEngine::hold(const Event& event) {
  const bool link = event.kind == EventKind::kConnected || event.kind == EventKind::kClosed;
  std::uint64_t due = turn_;
  if (strikes(link ? plan_.late_link : plan_.late_event)) {
    due = some_turns_on();
    ++faults_.late_events;
    if (event.kind == EventKind::kConnected) ++faults_.late_connects;
    if (event.kind == EventKind::kClosed) ++faults_.late_closes;
  }
  held_.push_back({event, due});
}

void FaultEngine::discard(const Event& event) {
  if (event.kind == EventKind::kData) pool_.give_back(event.buffer);
  if (event.kind != EventKind::kAccepted) return;
  reset_on_close(event.fd);
  ::close(event.fd);
}

void FaultEngine::report(const Event& event, EventSink& sink) {
  const auto index = static_cast<std::uint32_t>(event.socket);
  Slot& s = slots_[index];
  if (event.kind == EventKind::kClosed) {
    s.live = false;
    --live_;
    free_.push_back(index);
  } else if (s.closing) {
    return discard(event);
  } else if (event.kind == EventKind::kEof && !s.wants_read && !s.bulk) {
    s.eof_withheld = !s.failed;  // Reading was switched off after the inner engine had seen the end (C5); an error behind it is all then.
    return;
  } else if (event.kind == EventKind::kError) {
    s.eof_withheld = false;  // Nothing may follow an error (C6).
  }
  sink.on_event(event);
}

void FaultEngine::deliver(EventSink& sink) {
  batch_.clear();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    Slot& s = slot(held_[i].event.socket);
    if (held_[i].due_turn > turn_ || s.blocked_turn == turn_) {
      s.blocked_turn = turn_;
      held_[kept++] = held_[i];
    } else {
      batch_.push_back(held_[i].event);
    }
  }
  held_.resize(kept);
  for (std::size_t i = 1; i < batch_.size(); ++i) {
    if (batch_[i].socket == batch_[i - 1].socket || !strikes(plan_.reorder)) continue;
    std::swap(batch_[i], batch_[i - 1]);
    ++faults_.reordered;
  }
  eventful_ = !batch_.empty();
  for (const Event& event : batch_) report(event, sink);
}

void FaultEngine::run_held_calls() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    const HeldCall call = calls_[i];
    if (call.due_turn > turn_) {
      calls_[kept++] = call;
      continue;
    }
    Slot& s = slots_[call.index];
    if (!s.live || s.life != call.life || s.closing) continue;
    if (call.call == LateCall::kWantRead) {
      apply_read(s);
    } else if (!s.rest.empty()) {
      send_part(s);
    }
  }
  calls_.resize(kept);
}

void FaultEngine::starve() {
  if (!hoard_.empty() || !eventful_ || !strikes(plan_.starve)) return;
  for (BufferIndex index = pool_.take(); index != kNoBuffer; index = pool_.take()) hoard_.append(pool_, index);
  if (hoard_.empty()) return;
  hoard_ends_turn_ = some_turns_on();
  ++faults_.starvations;
}

void FaultEngine::feed() {
  if (turn_ >= hoard_ends_turn_) hoard_.clear(pool_);
}

void FaultEngine::poll(Instant deadline, EventSink& sink) {
  ++turn_;
  feed();
  run_held_calls();
  starve();
  bool wait = held_.empty() && calls_.empty() && hoard_.empty();
  if (wait && strikes(plan_.spurious_turn)) {
    wait = false;
    ++faults_.spurious_turns;
  }
  inner_->poll(wait ? deadline : Instant{}, collector_);
  sink.on_turn();
  deliver(sink);
}

std::unique_ptr<FaultEngine> make_fault_engine(std::unique_ptr<IoEngine> inner, BufferPool& pool, const FaultPlan& plan) {
  return std::make_unique<FaultEngine>(std::move(inner), pool, plan);
}

}  // namespace fairlead::net
