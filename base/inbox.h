// A thread's mailbox: a bounded queue of values and an eventfd that its event loop watches.
// The eventfd is written only when the consumer may be asleep, so a busy consumer costs its producers no system call.
//
// Threading: post() from any thread, drain() from the owner only.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/event_fd.h"
#include "base/mpsc_queue.h"

namespace fairlead {

template <class T>
class Inbox {
 public:
  explicit Inbox(std::size_t capacity) : queue_(capacity) {}

  /// False when the inbox is full: the caller sheds and counts.
  [[nodiscard]] bool post(T value) {
    if (!queue_.push(std::move(value))) return false;
    if (!signalled_.exchange(true, std::memory_order_acq_rel)) event_.signal();
    return true;
  }

  /// Likewise; `value` is untouched when it answers false.
  [[nodiscard]] bool try_post(T& value) {
    if (!queue_.push(std::move(value))) return false;
    if (!signalled_.exchange(true, std::memory_order_acq_rel)) event_.signal();
    return true;
  }

  /// Readable (level) when there may be something to drain.
  [[nodiscard]] int event_fd() const { return event_.get(); }

  /// Calls `use(T&&)` for what is queued, at most `limit` values; signals itself again when something may be left.
  /// Returns how many were handled.
  template <class Use>
  std::size_t drain(Use&& use, std::size_t limit = 256) {
    event_.clear();
    signalled_.exchange(false, std::memory_order_acq_rel);  // Pairs with post(): whoever comes second sees the other.
    std::size_t handled = 0;
    while (handled < limit) {
      auto value = queue_.pop();
      if (!value) return handled;
      ++handled;
      use(std::move(*value));
    }
    if (!signalled_.exchange(true, std::memory_order_acq_rel)) event_.signal();
    return handled;
  }

 private:
  MpscQueue<T> queue_;
  EventFd event_;
  std::atomic<bool> signalled_{false};
};

}  // namespace fairlead
