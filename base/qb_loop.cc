#include "base/qb_loop.h"

#include <algorithm>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "base/assert.h"
#include "base/system_clock.h"

namespace fairlead {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

QbLoop::QbLoop() : loop_(qb_loop_create()), timer_fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  FL_ASSERT(loop_ != nullptr);
  FL_ASSERT(timer_fd_.valid());
  const bool watched = add_readable(timer_fd_.get(), [this] { fire_due_timers(); }) && add_readable(stop_event_.get(), [this] {
                         stop_event_.clear();
                         stop();
                       });
  FL_ASSERT(watched);
}

QbLoop::~QbLoop() {
  while (!watches_.empty()) remove(watches_.begin()->first);
  qb_loop_destroy(loop_);
}

Status QbLoop::add_readable(int fd, Callback callback) {
  if (watches_.contains(fd)) return Error{Errc::kConflict, "descriptor " + std::to_string(fd) + " is watched already"};
  const std::int32_t rc = qb_loop_poll_add(loop_, QB_LOOP_MED, fd, POLLIN, this, &QbLoop::on_readable);
  if (rc < 0) {
    qb_loop_poll_del(loop_, fd);  // It keeps the entry although epoll refused the descriptor.
    return errno_error("watch descriptor " + std::to_string(fd), -rc);
  }
  watches_.emplace(fd, std::make_shared<const Callback>(std::move(callback)));
  return {};
}

void QbLoop::remove(int fd) {
  if (watches_.erase(fd) > 0) qb_loop_poll_del(loop_, fd);
}

/// Always 0: a negative answer would make libqb forget the descriptor but leave it in its epoll set.
std::int32_t QbLoop::on_readable(std::int32_t fd, std::int32_t /*events*/, void* data) {
  auto* self = static_cast<QbLoop*>(data);
  const auto found = self->watches_.find(fd);
  if (found == self->watches_.end()) return 0;
  const std::shared_ptr<const Callback> callback = found->second;  // It may remove itself (I2).
  (*callback)();
  return 0;
}

QbLoop::TimerId QbLoop::at(Instant deadline, Callback callback) {
  const TimerId id = ++last_timer_;
  deadline = std::max(deadline, now());
  timers_.emplace(std::pair{deadline, id}, std::move(callback));
  deadlines_.emplace(id, deadline);
  if (timers_.begin()->first.second == id) arm_timer();
  return id;
}

QbLoop::TimerId QbLoop::after(Duration delay, Callback callback) { return at(now() + delay, std::move(callback)); }

void QbLoop::cancel(TimerId id) {
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  timers_.erase({found->second, id});  // An armed timerfd may now fire for nothing: harmless.
  deadlines_.erase(found);
}

void QbLoop::fire_due_timers() {
  std::uint64_t expirations = 0;
  [[maybe_unused]] const auto n = ::read(timer_fd_.get(), &expirations, sizeof expirations);  // Level-triggered: clears it.
  armed_for_ = Instant::max();
  const Instant due = now();
  const TimerId newest = last_timer_;  // What callbacks add waits for the next turn, so that descriptors get theirs.
  for (auto it = timers_.begin(); it != timers_.end() && it->first.first <= due;) {
    if (it->first.second > newest) {
      ++it;
      continue;
    }
    const Callback callback = std::move(it->second);
    lateness_ = std::max(lateness_, now() - it->first.first);
    deadlines_.erase(it->first.second);
    timers_.erase(it);
    callback();
    it = timers_.begin();  // The callback may have changed anything.
  }
  arm_timer();
}

void QbLoop::arm_timer() {
  if (timers_.empty() || timers_.begin()->first.first == armed_for_) return;
  armed_for_ = timers_.begin()->first.first;
  // Deadlines up to the clock's zero would disarm the timer: 1 ns is in the past as well.
  const auto since_boot = std::max<std::int64_t>(timers_.begin()->first.first.time_since_epoch().count(), 1);
  itimerspec when{};
  when.it_value.tv_sec = since_boot / 1'000'000'000;
  when.it_value.tv_nsec = since_boot % 1'000'000'000;
  const int rc = ::timerfd_settime(timer_fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  FL_ASSERT(rc == 0);
}

void QbLoop::block_signals(std::initializer_list<int> signals) {
  const sigset_t set = set_of(signals);
  const int rc = ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  FL_ASSERT(rc == 0);
}

Status QbLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> callback) {
  if (signal_fd_.valid()) return Error{Errc::kConflict, "signals are watched already"};
  const sigset_t set = set_of(signals);
  signal_fd_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signal_fd_.valid()) return errno_error("signalfd");
  return add_readable(signal_fd_.get(), [this, callback = std::move(callback)] {
    signalfd_siginfo info{};
    while (::read(signal_fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) callback(static_cast<int>(info.ssi_signo));
  });
}

void QbLoop::run() { qb_loop_run(loop_); }
void QbLoop::stop() { qb_loop_stop(loop_); }
void QbLoop::request_stop() { stop_event_.signal(); }

Instant QbLoop::now() const { return SystemClock().now(); }

}  // namespace fairlead
