#include "base/event_fd.h"

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

namespace fairlead {

EventFd::EventFd() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { FL_ASSERT(fd_.valid()); }

void EventFd::signal() const noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means the counter is at its maximum: the reader is signalled already.
  [[maybe_unused]] const auto n = ::write(fd_.get(), &one, sizeof one);
}

void EventFd::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto n = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace fairlead
