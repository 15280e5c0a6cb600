// fairlead: pure
#include "net/timer_wheel.h"

#include <limits>

namespace fairlead::net {

void TimerWheel::arm(Id id, Instant deadline) {
  if (deadline == Instant::max()) {
    cancel(id);
    return;
  }
  FL_DASSERT(id <= kIdMax);
  if (!has_node(id)) make_chunk(id);
  if (node(id).list != 0) unlink(id);
  node(id).tick = ceil_tick(deadline) & ((1ULL << 48) - 1);
  if (node(id).tick <= target_) {
    link(id, kOverdue);  // I4: also when an advance() is on its way to target_.
  } else {
    place(id);
  }
}

void TimerWheel::cancel(Id id) {
  if (armed(id)) unlink(id);
}

bool TimerWheel::armed(Id id) const { return has_node(id) && node(id).list != 0; }

Instant TimerWheel::next_deadline() const {
  constexpr std::uint64_t kTickMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) >> kTickShift;
  std::uint64_t tick = present_;
  if (heads_[kOverdue] == kNone) {
    Next next{};
    if (!find_next(next) || next.tick > kTickMax) return Instant::max();
    tick = next.tick;
  }
  return Instant(Duration(static_cast<std::int64_t>(tick << kTickShift)));
}

void TimerWheel::make_chunk(Id id) {
  const std::size_t chunk = id / kChunkIds;
  if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
  chunks_[chunk] = std::make_unique<Node[]>(kChunkIds);
}

void TimerWheel::link(Id id, std::uint16_t list) {
  Node& n = node(id);
  const Id head = heads_[list];
  n.next = head;
  n.previous = kNone;
  n.list = list + 1U;
  if (head != kNone) node(head).previous = id;
  heads_[list] = id;
  ++armed_;
  if (list < kOverdue) occupied_[list / kSlots] |= 1ULL << (list % kSlots);
}

void TimerWheel::unlink(Id id) {
  Node& n = node(id);
  const auto list = static_cast<std::uint16_t>(n.list - 1U);
  if (n.previous == kNone) {
    heads_[list] = n.next;
  } else {
    node(n.previous).next = n.next;
  }
  if (n.next != kNone) node(n.next).previous = n.previous;
  n.list = 0;
  --armed_;
  if (list < kOverdue && heads_[list] == kNone) occupied_[list / kSlots] &= ~(1ULL << (list % kSlots));
}

void TimerWheel::place(Id id) {
  const std::uint64_t tick = node(id).tick;
  FL_DASSERT(tick >= present_);
  const int highest_bit = static_cast<int>(std::bit_width((tick ^ present_) | 1U)) - 1;
  const int level = highest_bit / kSlotBits;
  const auto slot = (tick >> (level * kSlotBits)) & (kSlots - 1U);
  link(id, static_cast<std::uint16_t>(static_cast<unsigned>(level) * kSlots + slot));
}

bool TimerWheel::find_next(Next& out) const {
  for (int level = 0; level < kLevels; ++level) {
    const std::uint64_t occupied = occupied_[static_cast<std::size_t>(level)];
    if (occupied == 0) continue;
    // No slot of a level lies behind the present one: the first bit is the next in time.
    const auto slot = static_cast<unsigned>(std::countr_zero(occupied));
    const int shift = level * kSlotBits;
    const std::uint64_t above = present_ >> (shift + kSlotBits) << (shift + kSlotBits);
    out = {above | (static_cast<std::uint64_t>(slot) << shift), level,
           static_cast<std::uint16_t>(static_cast<unsigned>(level) * kSlots + slot)};
    return true;
  }
  return false;
}

void TimerWheel::move_down(std::uint16_t list) {
  while (heads_[list] != kNone) {
    const Id id = heads_[list];
    unlink(id);
    place(id);  // The present is the slot's beginning now, so this is always a lower level.
  }
}

void TimerWheel::take_up_overdue() {
  while (heads_[kOverdue] != kNone) {
    const Id id = heads_[kOverdue];
    unlink(id);
    link(id, kFiring);
  }
}

}  // namespace fairlead::net
