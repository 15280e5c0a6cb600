// One io_uring: its set-up, its submission entries, one submit-and-wait per turn, and its orderly end. What the operations mean is the
// engine's business.
//
// SINGLE_ISSUER | DEFER_TASKRUN (before Linux 6.1: COOP_TASKRUN), registered ring descriptor.
// Invariants:
//   I1  entry() always succeeds: a full submission queue is handed over first.
//   I2  An address given to keep() stays where it is until its entry was submitted (the kernel copies it then).
//   I3  retire() returns when no operation is open any more, or after kRetireMax.
// Threading: the thread that opened it.
#pragma once

#include <liburing.h>

#include <deque>
#include <sys/socket.h>

#include "base/result.h"
#include "base/system_clock.h"

namespace fairlead::net {

class UringQueue {
 public:
  static constexpr Duration kRetireMax = std::chrono::milliseconds(200);

  UringQueue() = default;
  ~UringQueue() { exit(); }
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  /// Errors: whatever io_uring_setup(2) says; kUnsupported where a wait cannot have a timeout.
  [[nodiscard]] Status open(std::size_t completions);
  [[nodiscard]] io_uring& ring() { return ring_; }

  [[nodiscard]] io_uring_sqe* entry() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      (void)io_uring_submit(&ring_);  // The queue is full: hand it over and go on.
      forget_addresses();
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }
  /// Those that reap() would find now.
  [[nodiscard]] unsigned completions() const { return io_uring_cq_ready(&ring_); }
  [[nodiscard]] const sockaddr* keep(const sockaddr_storage& address) {
    addresses_.push_back(address);
    return reinterpret_cast<const sockaddr*>(&addresses_.back());
  }
  /// Submits what is there and waits for a completion, at most `left` (not positive: does not wait).
  void submit_and_wait(Duration left);
  /// Calls `each` with a copy of every completion that is there; `each` may make new entries.
  template <class Each>
  void reap(Each each) {
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++seen;
      const io_uring_cqe copy = *cqe;
      each(copy);
    }
    if (seen > 0) io_uring_cq_advance(&ring_, seen);
  }
  /// Ends every operation before the ring goes: its exit is asynchronous (io_uring_queue_exit(3)), and the kernel must not write into
  /// blocks that the pool lends again. `operations`: how many are open; `each`: as for reap(). Bounded (I3): an operation that does not
  /// end in time keeps the kernel's own references, never ours.
  template <class Each>
  void retire(std::size_t operations, Each each) {
    if (!opened_) return;
    cancel_everything();
    ++operations;  // The cancel itself.
    const Instant give_up = SystemClock().now() + kRetireMax;
    while (operations > 0 && SystemClock().now() < give_up) {
      submit_and_wait(kRetireMax / 10);
      reap([&](const io_uring_cqe& cqe) {
        if ((cqe.flags & IORING_CQE_F_MORE) == 0 && operations > 0) --operations;
        each(cqe);
      });
    }
    exit();
  }

 private:
  void cancel_everything();
  void exit();
  void forget_addresses() {
    if (!addresses_.empty() && io_uring_sq_ready(&ring_) == 0) addresses_.clear();
  }

  io_uring ring_{};
  bool opened_ = false;
  std::deque<sockaddr_storage> addresses_;
};

}  // namespace fairlead::net
