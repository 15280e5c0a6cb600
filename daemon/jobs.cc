#include "daemon/jobs.h"

#include <poll.h>
#include <pthread.h>

#include "base/crash_stack.h"

namespace fairlead::daemon {
namespace {
constexpr std::size_t kJobsMax = 64;
}

Jobs::Jobs() : inbox_(kJobsMax), thread_([this] { run(); }) {}

Jobs::~Jobs() {
  while (!post([this] { stopped_ = true; })) std::this_thread::yield();  // The thread drains its queue.
  thread_.join();
}

void Jobs::run() {
  const CrashStack stack;
  ::pthread_setname_np(::pthread_self(), "jobs");
  while (!stopped_) {
    pollfd wait{.fd = inbox_.event_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, -1) < 0) continue;  // EINTR only.
    inbox_.drain([](std::function<void()>&& job) { job(); });
  }
}

}  // namespace fairlead::daemon
