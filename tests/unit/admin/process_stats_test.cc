#include "admin/process_stats.h"

#include <chrono>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fairlead::admin {
namespace {

TEST(ProcessStats, AreThisProcesss) {
  const ProcessStats stats = read_process_stats();
  ASSERT_TRUE(stats.cpu_s && stats.resident_bytes && stats.virtual_bytes && stats.open_fds && stats.max_fds && stats.started_at_s);
  EXPECT_GE(*stats.open_fds, 1U);
  EXPECT_LE(*stats.open_fds, *stats.max_fds);
  EXPECT_GE(*stats.resident_bytes, 1U << 20);
  EXPECT_LE(*stats.resident_bytes, *stats.virtual_bytes);
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LT(*stats.started_at_s, now + 2) << "btime is in whole seconds";
  EXPECT_GT(*stats.started_at_s, now - 24 * 3600);
}

TEST(ProcessStats, CountsEachDescriptorOnce) {
  const auto before = read_process_stats().open_fds;
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(read_process_stats().open_fds.value(), before.value() + 1);
  ::close(fd);
  EXPECT_EQ(read_process_stats().open_fds, before) << "looking leaves nothing open";
}

TEST(ProcessStats, ProcessorTimeGrowsWithWork) {
  const double before = read_process_stats().cpu_s.value();
  volatile std::uint64_t sink = 0;
  while (read_process_stats().cpu_s.value() < before + 0.02) {
    for (int i = 0; i < 1'000'000; ++i) sink = sink + static_cast<std::uint64_t>(i);
  }
  SUCCEED();
}

}  // namespace
}  // namespace fairlead::admin
