// The `jobs` thread: what may block on files or children, away from the control thread (ha-rules R22).
#pragma once

#include <functional>
#include <thread>

#include "base/inbox.h"

namespace fairlead::daemon {

class Jobs {
 public:
  Jobs();
  ~Jobs();  ///< Finishes what is queued.
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// Runs `job` after those before it. False when too many wait (kJobsMax).
  [[nodiscard]] bool post(std::function<void()> job) { return inbox_.post(std::move(job)); }

 private:
  void run();

  Inbox<std::function<void()>> inbox_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace fairlead::daemon
