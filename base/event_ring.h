// The last events of the node, for `fairlead events` and the API's watch stream. Bounded; the oldest makes room.
//
// Invariants:
//   I1  Sequence numbers start at 1, grow by one per event and are never used twice.
//   I2  At most `capacity` events are kept; what after() returns is ascending and without gaps.
//   I3  The lock is held for handing over kHandedOver pointers at most, whatever is asked for: the control thread appends, and no reader
//       may keep it waiting. No event is copied or freed below the lock.
// Threading: every call from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/log.h"
#include "base/priority_mutex.h"

namespace fairlead {

class EventRing {
 public:
  static constexpr std::size_t kHandedOver = 32;

  struct Entry {
    std::uint64_t sequence = 0;
    std::shared_ptr<const LogEvent> event;  ///< Never null; shared with the ring and its other readers.
  };

  explicit EventRing(std::size_t capacity = 1024);

  void append(LogEvent event);

  /// Events with a sequence above `sequence`, oldest first, at most `limit`. after(0, n) begins with the oldest kept: a reader that
  /// finds a first sequence above the one it asked for has missed events. Fewer than there are when the ring overtakes this call; the
  /// next one shows what was missed.
  [[nodiscard]] std::vector<Entry> after(std::uint64_t sequence, std::size_t limit) const;

  /// Sequence of the newest event; 0 before the first.
  [[nodiscard]] std::uint64_t last_sequence() const;

 private:
  [[nodiscard]] bool hand_over(std::vector<Entry>& out, std::uint64_t sequence, std::size_t limit) const;

  const std::size_t capacity_;
  mutable PriorityMutex mutex_;  // Guards the rest.
  std::deque<Entry> entries_;
  std::uint64_t last_ = 0;
};

}  // namespace fairlead
