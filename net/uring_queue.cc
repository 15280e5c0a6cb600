#include "net/uring_queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace fairlead::net {
namespace {

constexpr unsigned kSubmissionEntries = 1024;
constexpr std::size_t kCompletionsMin = 8192;
constexpr std::size_t kCompletionsMax = 65536;

}  // namespace

Status UringQueue::open(std::size_t completions) {
  io_uring_params params{};
  params.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  // An overflowing queue ends multishot operations: that is handled, but costs.
  params.cq_entries = static_cast<unsigned>(std::clamp(completions, kCompletionsMin, kCompletionsMax));
  int rc = io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
  if (rc == -EINVAL) {  // Before Linux 6.1: no DEFER_TASKRUN.
    params.flags =
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    rc = io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
  }
  if (rc < 0) return errno_error("io_uring_setup", -rc);
  opened_ = true;
  if ((params.features & IORING_FEAT_EXT_ARG) == 0) return Error{Errc::kUnsupported, "io_uring has no EXT_ARG (wait with timeout)"};
  (void)io_uring_register_ring_fd(&ring_);  // An optimisation (one descriptor look-up less per call); absent before Linux 5.18.
  return {};
}

void UringQueue::submit_and_wait(Duration left) {
  if (left > Duration::zero()) {
    io_uring_cqe* first = nullptr;
    __kernel_timespec timeout{.tv_sec = left / std::chrono::seconds(1), .tv_nsec = (left % std::chrono::seconds(1)).count()};
    (void)io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);  // -ETIME, -EINTR: nothing came.
  } else {
    (void)io_uring_submit_and_get_events(&ring_);
  }
  forget_addresses();
}

void UringQueue::cancel_everything() {
  io_uring_sqe* sqe = entry();
  io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  io_uring_sqe_set_data64(sqe, 0);
}

void UringQueue::exit() {
  if (std::exchange(opened_, false)) io_uring_queue_exit(&ring_);
}

}  // namespace fairlead::net
