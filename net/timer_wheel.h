// fairlead: pure
// One worker's deadlines: which ids are due by `now`, and how long the loop may sleep.
//
// A hierarchical wheel: seven levels of 64 slots over ticks of 2^22 ns (4.19 ms), enough for every Instant there is. A deadline lies on
// the level of the highest base-64 digit in which it differs from the present tick, so everything on a lower level comes before
// everything on a higher one, and a level needs no wrap-around. When the present reaches a slot above level 0, what lies in it moves to
// lower levels. Each slot is a doubly linked list through nodes addressed by the caller's ids; a bit map per level finds the next slot.
//
// Invariants:
//   I1  No deadline fires early: it is rounded up to a tick.
//   I2  advance(now) fires every deadline <= now - kTick, and may fire those up to `now`: late by less than one tick.
//   I3  next_deadline() is never after the tick at which the earliest armed deadline may fire. It may be before (a move between levels).
//   I4  What a callback arms never fires in the same advance(), so a callback that arms something due cannot hold the loop.
// arm, cancel and each firing are O(1) amortised (a node moves down at most six times).
// Threading: one thread. Ownership: ids are the caller's (connection slots); a wheel knows one deadline per id.
// Memory: 16 bytes per id, in chunks of kChunkIds which come with the first arm() in their range and never move.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/time.h"

namespace fairlead::net {

class TimerWheel {
 public:
  using Id = std::uint32_t;
  static constexpr int kTickShift = 22;
  static constexpr Duration kTick{1LL << kTickShift};
  static constexpr std::size_t kChunkIds = 1024;
  static constexpr Id kIdMax = 0xffff'fffe;

  explicit TimerWheel(Instant now) : present_(floor_tick(now)), target_(present_) { heads_.fill(kNone); }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// Sets or replaces the deadline of `id`. One that has passed fires at the next advance(). Instant::max() = never, as cancel().
  void arm(Id id, Instant deadline);
  /// Harmless when not armed.
  void cancel(Id id);
  [[nodiscard]] bool armed(Id id) const;
  [[nodiscard]] std::size_t armed_count() const { return armed_; }

  /// Calls `fire(id)` for what is due, earlier ticks first; the id is no longer armed then. `fire` may arm and cancel any id.
  /// `now` must not go backwards (an earlier one fires only what is overdue). Returns how many fired.
  template <class Fire>
  std::size_t advance(Instant now, Fire&& fire);

  /// When to call advance() next; in the past when something is overdue; Instant::max() when nothing is armed.
  [[nodiscard]] Instant next_deadline() const;

 private:
  static constexpr int kLevels = 7;
  static constexpr int kSlotBits = 6;
  static constexpr std::uint16_t kSlots = 1U << kSlotBits;
  static constexpr std::uint16_t kOverdue = kLevels * kSlots;  ///< A list beside the wheel: due at the next advance().
  static constexpr std::uint16_t kFiring = kOverdue + 1;       ///< The overdue ones an advance() has taken up.
  static constexpr std::uint16_t kLists = kFiring + 1;
  static constexpr Id kNone = 0xffff'ffff;

  struct Node {
    Id next;
    Id previous;
    std::uint64_t tick : 48;
    std::uint64_t list : 16;  ///< 1 + list it is in; 0 = not armed, so a fresh chunk is all zero.
  };
  static_assert(sizeof(Node) == 16);
  static_assert(kTickShift + kLevels * kSlotBits >= 63, "every Instant must fit the levels");

  struct Next {
    std::uint64_t tick;  ///< When the slot begins.
    int level;
    std::uint16_t list;
  };

  [[nodiscard]] static std::uint64_t floor_tick(Instant at) {
    const auto ns = at.time_since_epoch().count();
    return ns <= 0 ? 0 : static_cast<std::uint64_t>(ns) >> kTickShift;
  }
  [[nodiscard]] static std::uint64_t ceil_tick(Instant at) {
    const auto ns = at.time_since_epoch().count();
    return floor_tick(at) + (ns > 0 && (ns & (kTick.count() - 1)) != 0 ? 1 : 0);
  }
  [[nodiscard]] Node& node(Id id) { return chunks_[id / kChunkIds][id % kChunkIds]; }
  [[nodiscard]] const Node& node(Id id) const { return chunks_[id / kChunkIds][id % kChunkIds]; }
  [[nodiscard]] bool has_node(Id id) const { return id / kChunkIds < chunks_.size() && chunks_[id / kChunkIds] != nullptr; }
  void make_chunk(Id id);
  void link(Id id, std::uint16_t list);
  void unlink(Id id);
  void place(Id id);  ///< Into the wheel, by its tick and the present.
  [[nodiscard]] bool find_next(Next& out) const;
  void move_down(std::uint16_t list);
  void take_up_overdue();

  std::uint64_t present_;  ///< Tick up to which the wheel has turned.
  std::uint64_t target_;   ///< Where the running advance() will end; else as present_.
  std::size_t armed_ = 0;
  std::array<std::uint64_t, kLevels> occupied_{};
  std::array<Id, kLists> heads_{};
  std::vector<std::unique_ptr<Node[]>> chunks_;
  bool advancing_ = false;
};

template <class Fire>
std::size_t TimerWheel::advance(Instant now, Fire&& fire) {
  FL_DASSERT(!advancing_);
  advancing_ = true;
  const std::uint64_t now_tick = floor_tick(now);
  target_ = now_tick > present_ ? now_tick : present_;
  std::size_t fired = 0;
  const auto fire_all = [&](std::uint16_t list) {
    while (heads_[list] != kNone) {
      const Id id = heads_[list];
      unlink(id);
      ++fired;
      fire(id);
    }
  };
  take_up_overdue();
  fire_all(kFiring);
  for (Next next{}; find_next(next) && next.tick <= target_;) {
    present_ = next.tick;
    if (next.level == 0) {
      fire_all(next.list);
    } else {
      move_down(next.list);
    }
  }
  present_ = target_;
  advancing_ = false;
  return fired;
}

}  // namespace fairlead::net
