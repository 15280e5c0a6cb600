#include "daemon/machine.h"

#include <algorithm>
#include <sched.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "config/limits.h"
#include "net/io_engine.h"

namespace fairlead::daemon {
namespace {

constexpr std::uint64_t kDescriptorsWanted = 1U << 20;  ///< fs.nr_open's default: half a million connections.
constexpr std::uint64_t kReserveMax = 256;
constexpr std::uint64_t kPipesMax = 128;  ///< Of 256 KiB each, allocated as they fill.

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit wanted{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  (void)::setrlimit(RLIMIT_NOFILE, &wanted);  // Within the hard limit: always allowed.
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::size_t pipes_for(std::uint64_t descriptors, config::Splice splice) {
  if (splice == config::Splice::kOff) return 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(kPipesMax, descriptors / 32));
}

std::uint32_t connections_for(std::uint64_t descriptors, std::size_t pipes) {
  const std::uint64_t reserve = 2 * pipes + std::clamp<std::uint64_t>(descriptors / 4, config::kDescriptorReserve, kReserveMax);
  const std::uint64_t left = descriptors > reserve ? descriptors - reserve : 0;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(left / 2, 1, kDescriptorsWanted));
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
