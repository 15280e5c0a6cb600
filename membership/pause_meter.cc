#include "membership/pause_meter.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <fstream>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace fairlead::membership {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInterval = 2ms;
constexpr auto kAskEach = 100ms;

Duration now() {
  timespec at{};
  ::clock_gettime(CLOCK_BOOTTIME, &at);
  return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
}
void sleep_until(Duration when) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(when);
  const timespec at{.tv_sec = seconds.count(), .tv_nsec = (when - seconds).count()};
  while (::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, nullptr) == EINTR) {}
}

bool become_real_time() {
  sched_param wanted{};
  wanted.sched_priority = ::sched_get_priority_max(SCHED_RR);
  return ::pthread_setschedparam(::pthread_self(), SCHED_RR, &wanted) == 0;
}

std::string text_of(const char* path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

bool is_virtual_machine() {
  return text_of("/proc/cpuinfo").find(" hypervisor") != std::string::npos || ::access("/sys/hypervisor/type", F_OK) == 0;
}

/// The measuring thread and its caller.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::atomic<bool> stop = false;
};

void take_turns(PauseMeasurement& out, Duration duration, Shared& shared) {
  out.real_time = become_real_time();
  const Duration begin = now();
  Duration at = begin;
  while (at - begin < duration && !shared.stop.load(std::memory_order_relaxed)) {
    const Duration wanted = at + kInterval;
    sleep_until(wanted);
    at = now();
    out.record.add(at - begin, at - wanted);
  }
  out.measured = at - begin;
  const std::lock_guard lock(shared.mutex);
  shared.done = true;
  shared.changed.notify_one();
}

}  // namespace

PauseMeasurement measure_pauses(Duration duration, const std::function<bool()>& go_on) {
  PauseMeasurement out;
  out.interval = kInterval;
  out.virtual_machine = is_virtual_machine();
  const auto before = parse_cpu_times(text_of("/proc/stat"));
  Shared shared;
  std::thread meter([&] { take_turns(out, duration, shared); });
  {
    std::unique_lock lock(shared.mutex);
    while (!shared.changed.wait_for(lock, kAskEach, [&] { return shared.done; })) {
      if (!go_on()) shared.stop = true;
    }
  }
  meter.join();
  const auto after = parse_cpu_times(text_of("/proc/stat"));
  if (before && after && after->total > before->total) {
    out.stolen_share = static_cast<double>(after->stolen - before->stolen) / static_cast<double>(after->total - before->total);
  }
  return out;
}

}  // namespace fairlead::membership
