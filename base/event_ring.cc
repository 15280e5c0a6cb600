#include "base/event_ring.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/assert.h"

namespace fairlead {

EventRing::EventRing(std::size_t capacity) : capacity_(capacity) { FL_ASSERT(capacity > 0); }

void EventRing::append(LogEvent event) {
  auto kept = std::make_shared<const LogEvent>(std::move(event));
  Entry oldest;  // Freed once the lock is.
  const std::lock_guard lock(mutex_);
  if (entries_.size() == capacity_) {
    oldest = std::move(entries_.front());
    entries_.pop_front();
  }
  entries_.push_back({++last_, std::move(kept)});
}

std::vector<EventRing::Entry> EventRing::after(std::uint64_t sequence, std::size_t limit) const {
  std::vector<Entry> out;
  out.reserve(std::min(limit, capacity_));
  while (out.size() < limit && hand_over(out, out.empty() ? sequence : out.back().sequence, std::min(limit - out.size(), kHandedOver))) {}
  return out;
}

/// Appends the next ones to `out`. False: there are no more, or the ring has overtaken `out` meanwhile.
bool EventRing::hand_over(std::vector<Entry>& out, std::uint64_t sequence, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t oldest = last_ - entries_.size() + 1;
  if (!out.empty() && sequence + 1 < oldest) return false;
  const std::uint64_t skip = sequence < oldest ? 0 : sequence - oldest + 1;
  if (skip >= entries_.size()) return false;
  const auto count = std::min<std::uint64_t>(limit, entries_.size() - skip);
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(skip);
  out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(count));
  return true;
}

std::uint64_t EventRing::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace fairlead
