// The last events of the node, for `fairlead events` and the API's watch stream. Bounded; the oldest makes room.
//
// Invariants:
//   I1  Sequence numbers start at 1, grow by one per event and are never used twice.
//   I2  At most `capacity` events are kept; what after() returns is ascending and without gaps.
// Threading: every call from any thread; one short lock, never held while the hook runs. Not for the data path: it copies the event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "base/log.h"

namespace fairlead {

class EventRing {
 public:
  struct Entry {
    std::uint64_t sequence = 0;
    LogEvent event;
  };

  explicit EventRing(std::size_t capacity = 1024);

  void append(LogEvent event);

  /// Events with a sequence above `sequence`, oldest first, at most `limit`. after(0, n) begins with the oldest kept: a reader that
  /// finds a first sequence above the one it asked for has missed events.
  [[nodiscard]] std::vector<Entry> after(std::uint64_t sequence, std::size_t limit) const;

  /// Sequence of the newest event; 0 before the first.
  [[nodiscard]] std::uint64_t last_sequence() const;

  /// Called after each append on the thread that logged, so it must not block (post to a loop, signal an eventfd) and must not call
  /// back into the ring's set_hook. Empty: none. After set_hook returns the old hook is no longer entered.
  void set_hook(std::function<void()> hook);

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;  // Guards entries_ and last_.
  std::deque<Entry> entries_;
  std::uint64_t last_ = 0;
  std::mutex hook_mutex_;  // Guards hook_; taken alone, never with mutex_.
  std::function<void()> hook_;
};

}  // namespace fairlead
