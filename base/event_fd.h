// eventfd(2): wakes one loop from another thread.
#pragma once

#include "base/fd.h"

namespace fairlead {

class EventFd {
 public:
  EventFd();  ///< Non-blocking, close-on-exec. Aborts when the process has no descriptor left at start.
  void signal() const noexcept;
  void clear() const noexcept;
  [[nodiscard]] int get() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace fairlead
