// The control thread's event loop: libqb's, with callbacks that own what they need.
//
// Invariants:
//   I1  After remove() or cancel() the callback is not entered again, also when it was due already.
//   I2  A callback may add, remove or cancel anything, itself included.
//   I3  A timer never fires early; equal deadlines fire in the order they were added.
// Threading: everything on the thread that calls run(), before or inside it; request_stop() from any thread. libqb keeps
// process-wide state, so one QbLoop at a time.
// Rationale: signals come through signalfd(2), not through libqb's handler, so that no other thread's system call sees EINTR. They must
// be blocked before the first thread starts: block_signals(). Timers share one timerfd and not libqb's list: that one counts in whole
// milliseconds and frees a timer that is due but not yet dispatched a second time when it is deleted.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/event_fd.h"
#include "base/fd.h"
#include "base/inbox.h"
#include "base/result.h"
#include "base/time.h"

struct qb_loop;

namespace fairlead {

class QbLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;  ///< 0 is no timer.

  QbLoop();
  ~QbLoop();
  QbLoop(const QbLoop&) = delete;
  QbLoop& operator=(const QbLoop&) = delete;

  /// Calls back while `fd` is readable, hung up or in error (level-triggered). The caller owns `fd` and removes it here before closing it.
  /// Errors: kConflict (already watched), those of epoll_ctl(2).
  [[nodiscard]] Status add_readable(int fd, Callback callback);
  void remove(int fd);  ///< Does nothing for one that is not watched.

  /// One shot. A deadline in the past fires in the next turn, as one that is now.
  TimerId at(Instant deadline, Callback callback);
  TimerId after(Duration delay, Callback callback);
  void cancel(TimerId id);  ///< Does nothing for 0 and for one that has fired.

  /// Drains `inbox` on this loop, `limit` values a turn. The inbox outlives the loop or is removed by its event_fd().
  template <class T, class Use>
  [[nodiscard]] Status add_inbox(Inbox<T>& inbox, Use use, std::size_t limit = 256) {
    return add_readable(inbox.event_fd(), [&inbox, use = std::move(use), limit]() mutable { inbox.drain(use, limit); });
  }

  /// Blocks the signals in the calling thread and all it starts later. Call it first in main().
  static void block_signals(std::initializer_list<int> signals);
  /// Calls back for each of them. They must be blocked in every thread.
  [[nodiscard]] Status on_signals(std::initializer_list<int> signals, std::function<void(int)> callback);

  void run();
  void stop();          ///< run() returns after the current callback. Loop thread only.
  void request_stop();  ///< The same from any thread.

  [[nodiscard]] Instant now() const;
  /// The latest that a timer fired after its deadline (of one that came late: after it was asked for) since the last call.
  [[nodiscard]] Duration take_lateness() { return std::exchange(lateness_, Duration::zero()); }

 private:
  static std::int32_t on_readable(std::int32_t fd, std::int32_t events, void* data);
  void fire_due_timers();
  void arm_timer();

  qb_loop* loop_;
  std::unordered_map<int, std::shared_ptr<const Callback>> watches_;
  std::map<std::pair<Instant, TimerId>, Callback> timers_;  // In the order they fire.
  std::unordered_map<TimerId, Instant> deadlines_;          // Of the timers in timers_.
  TimerId last_timer_ = 0;
  Duration lateness_{};
  Fd timer_fd_;
  Instant armed_for_ = Instant::max();  ///< What timer_fd_ will fire for; max: for nothing.
  EventFd stop_event_;
  Fd signal_fd_;
};

}  // namespace fairlead
