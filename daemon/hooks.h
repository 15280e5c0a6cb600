// Runs vips[].on_acquire and on_release: programs that are told after the fact, never in the path of a takeover.
//
//   run() --> the VIP's queue --> jobs: start the program --> control: its pidfd, its deadline --> ended, or killed --> the next one
//
// Invariants:
//   H1  Nothing waits for a hook: not the takeover, not another VIP's hooks. Programs are started by the jobs thread.
//   H2  The hooks of one VIP run one after the other, in the order of what happened.
//   H3  A hook that is not done at its deadline is killed, its process group with it. HOOK_FAILED says so, as of one that fails.
//   H4  At most kHookRunsMax wait for one VIP; more are not run, and HOOK_FAILED says so.
// Threading: control. Ownership: loop and host outlive it; what still runs at its end is killed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "base/qb_loop.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::daemon {

inline constexpr std::size_t kHookRunsMax = 64;

enum class HookEvent : std::uint8_t { kAcquire, kRelease };
[[nodiscard]] std::string_view to_string(HookEvent event);

struct HookHost {
  /// Runs it on a thread that may wait. False: too many wait there.
  std::function<bool(std::function<void()>)> post_job;
  /// Runs it on the control thread; may be called on any.
  std::function<void(std::function<void()>)> on_control;
};

class HookRunner {
 public:
  HookRunner(QbLoop& loop, HookHost host) : loop_(loop), host_(std::move(host)) {}
  ~HookRunner();
  HookRunner(const HookRunner&) = delete;
  HookRunner& operator=(const HookRunner&) = delete;

  void run(const config::Vip& vip, HookEvent event, const std::string& device);
  /// Nothing runs and nothing waits.
  [[nodiscard]] bool is_idle() const;

  struct Child {
    pid_t pid = -1;
    Fd pidfd;
  };

 private:
  struct Run {
    std::string vip;
    HookEvent event;
    config::Hook hook;
    std::vector<std::string> environment;
  };
  struct Lane {
    std::deque<Run> waiting;
    std::uint64_t serial = 0;  ///< Of the run at the front, while it runs.
    bool running = false;
    bool killed = false;
    Child child;  ///< pid -1: being started.
    QbLoop::TimerId deadline = 0;
    Instant begun{};
  };

  void start_next(const std::string& vip);
  void started(const std::string& vip, std::uint64_t serial, Result<Child> child);
  void overdue(const std::string& vip);
  void ended(const std::string& vip);
  void finish(const std::string& vip, const std::string& failure);

  QbLoop& loop_;
  HookHost host_;
  std::map<std::string, Lane> lanes_;
  std::uint64_t last_serial_ = 0;
};

/// What a hook finds in its environment: `inherited` without what is the daemon's own, and FAIRLEAD_EVENT, FAIRLEAD_VIP, FAIRLEAD_ADDRESS
/// (with the prefix length, as configured), FAIRLEAD_INTERFACE.
[[nodiscard]] std::vector<std::string> hook_environment(const std::vector<std::string>& inherited, const config::Vip& vip, HookEvent event,
                                                        const std::string& device);

}  // namespace fairlead::daemon
