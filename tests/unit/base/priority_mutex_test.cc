#include "base/priority_mutex.h"

#include <atomic>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <sched.h>
#include <sstream>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "base/system_clock.h"

namespace fairlead {
namespace {

/// As the kernel runs it now: below 0 is real time.
int priority_of(long tid) {
  std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream words(line.substr(line.rfind(')') + 2));
  std::string word;
  for (int i = 0; i < 16; ++i) words >> word;  // The 18th field, counted from the one behind the name.
  return std::atoi(word.c_str());
}

// The holder spins meanwhile: what is looked at is how the kernel ranks it.
TEST(PriorityMutex, WhoeverHoldsItRunsAsTheOneThatWaitsForIt) {
  const sched_param real_time{.sched_priority = 1};
  const sched_param ordinary{};
  if (::sched_setscheduler(0, SCHED_RR, &real_time) != 0) GTEST_SKIP() << "needs CAP_SYS_NICE, for a real-time thread";
  ASSERT_EQ(::sched_setscheduler(0, SCHED_OTHER, &ordinary), 0);
  PriorityMutex mutex;
  std::atomic<long> holder{0};
  std::atomic<bool> go_on{false};
  std::thread low([&] {
    const std::lock_guard lock(mutex);
    holder = ::syscall(SYS_gettid);
    while (!go_on) std::this_thread::yield();
  });
  while (holder == 0) std::this_thread::yield();
  EXPECT_GE(priority_of(holder), 0);

  std::thread high([&] {
    (void)::sched_setscheduler(0, SCHED_RR, &real_time);
    const std::lock_guard lock(mutex);
  });
  const Instant until = SystemClock().now() + std::chrono::seconds(10);
  int seen = 0;
  while ((seen = priority_of(holder)) >= 0 && SystemClock().now() < until) std::this_thread::yield();
  go_on = true;
  low.join();
  high.join();

  EXPECT_LT(seen, 0);
}

}  // namespace
}  // namespace fairlead
