#include "base/event_ring.h"

#include <algorithm>

#include "base/assert.h"

namespace fairlead {

EventRing::EventRing(std::size_t capacity) : capacity_(capacity) { FL_ASSERT(capacity > 0); }

void EventRing::append(LogEvent event) {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() == capacity_) entries_.pop_front();
    entries_.push_back({++last_, std::move(event)});
  }
  const std::lock_guard lock(hook_mutex_);
  if (hook_) hook_();
}

std::vector<EventRing::Entry> EventRing::after(std::uint64_t sequence, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t oldest = last_ - entries_.size() + 1;
  const std::uint64_t skip = sequence < oldest ? 0 : sequence - oldest + 1;
  if (skip >= entries_.size()) return {};
  const auto count = std::min<std::uint64_t>(limit, entries_.size() - skip);
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(skip);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

std::uint64_t EventRing::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void EventRing::set_hook(std::function<void()> hook) {
  const std::lock_guard lock(hook_mutex_);
  hook_ = std::move(hook);
}

}  // namespace fairlead
