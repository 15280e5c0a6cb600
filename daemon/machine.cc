#include "daemon/machine.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <set>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/descriptors.h"
#include "config/host_environment.h"
#include "net/io_engine.h"

namespace fairlead::daemon {
namespace {
constexpr int kControlPriority = 1;  // Above everything ordinary, as the guard; Corosync has 99.
}

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

bool load_congestion_controls(const config::Snapshot& snapshot, const config::Environment& machine) {
  std::set<std::string> wanted;
  for (const config::Listener& listener : snapshot.listeners) wanted.insert(listener.congestion_control);
  for (const config::Pool& pool : snapshot.pools) wanted.insert(pool.congestion_control);
  wanted.erase("");
  for (const std::string& there : machine.congestion_controls) wanted.erase(there);
  const Fd fd(wanted.empty() ? -1 : ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  bool more = false;
  for (const std::string& name : wanted)
    more = ::setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0 || more;
  return more;
}

LoadedHere load_here(const std::string& file) {
  LoadedHere out;
  out.machine = config::host_environment();
  out.result = config::load_file(file, out.machine);
  if (!out.result.snapshot || !load_congestion_controls(*out.result.snapshot, out.machine)) return out;
  out.machine = config::host_environment();
  out.result = config::load_file(file, out.machine);
  return out;
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

std::string harden_control_thread() {
  std::string refused;
  const auto note = [&](const char* what) { refused += (refused.empty() ? "" : "; ") + errno_error(what).message(); };
  // What is mapped now, as far as it is ever touched: code above all. Without MCL_FUTURE, so that no later mapping fails at RLIMIT_MEMLOCK.
  if (::mlockall(MCL_CURRENT | MCL_ONFAULT) != 0) note("lock memory");
  const sched_param param{.sched_priority = kControlPriority};
  if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) note("real-time scheduling");
  return refused;
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

Duration watchdog_limit() {
  std::uint64_t us = 0;
  return ::sd_watchdog_enabled(0, &us) > 0 ? Duration(std::chrono::microseconds(us)) : Duration::zero();
}

bool notify_systemd(const std::string& state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = path == nullptr ? 0 : std::strlen(path);
  if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return true;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + (path[0] == '@' ? 0 : 1));
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return false;
  if (::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length) >= 0) return true;
  return errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS && errno != EINTR;
}

}  // namespace fairlead::daemon
