#include "daemon/machine.h"

#include <algorithm>
#include <sched.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "config/descriptors.h"
#include "net/io_engine.h"

namespace fairlead::daemon {

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t most = std::max<rlim_t>(limit.rlim_max, config::kDescriptorsWanted);
  const rlimit wanted{.rlim_cur = most, .rlim_max = most};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {  // Without CAP_SYS_RESOURCE, or above fs.nr_open.
    const rlimit allowed{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    (void)::setrlimit(RLIMIT_NOFILE, &allowed);
  }
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

Result<EngineDecision> choose_engine(config::EngineChoice choice) {
  if (choice == config::EngineChoice::kEpoll) return EngineDecision{false, "proxy.engine says epoll"};
  const auto unusable = net::uring_unusable_reason();
  if (!unusable)
    return EngineDecision{true, choice == config::EngineChoice::kAuto ? "the ring's self-test passed" : "proxy.engine says io_uring"};
  if (choice == config::EngineChoice::kUring) {
    return Error{Errc::kUnsupported, "proxy.engine is io_uring, and io_uring cannot be used here: " + *unusable + " (use auto or epoll)"};
  }
  return EngineDecision{false, "io_uring cannot be used here: " + *unusable};
}

void notify_systemd(const std::string& state) { (void)::sd_notify(0, state.c_str()); }

}  // namespace fairlead::daemon
