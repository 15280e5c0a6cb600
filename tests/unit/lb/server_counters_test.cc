#include "lb/server_counters.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

TEST(ConnectTimes, BucketsTakeTheirBoundIn) {
  ConnectTimes times;
  for (const Duration took : {Duration(0), Duration(250us), Duration(250us + 1ns), Duration(1s), Duration(1s + 1ns), Duration(5min)})
    times.add(took);
  EXPECT_EQ(times.count(0), 2U);
  EXPECT_EQ(times.count(1), 1U);
  EXPECT_EQ(times.count(kConnectBuckets - 2), 1U);
  EXPECT_EQ(times.count(kConnectBuckets - 1), 2U);
  EXPECT_EQ(times.sum(), 302s + 500us + 2ns);
}

TEST(ConnectTimes, BoundsRise) {
  for (std::size_t i = 1; i < kConnectBoundsUs.size(); ++i) EXPECT_LT(kConnectBoundsUs[i - 1], kConnectBoundsUs[i]);
}

TEST(ServerCounters, NothingIsLostBetweenWorkers) {
  ServerCounters counters(/*workers=*/12);
  std::vector<std::thread> workers;
  for (std::size_t worker = 0; worker < 12; ++worker) {
    workers.emplace_back([&counters, worker] {
      ServerShare& mine = counters.shares[worker];
      for (int i = 0; i < 20'000; ++i) {
        mine.in.add(1);
        mine.out.add(3);
        counters.connect_times.add(2ms);
      }
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(counters.bytes_in(), 240'000U);
  EXPECT_EQ(counters.bytes_out(), 720'000U);
  EXPECT_EQ(counters.connect_times.count(3), 240'000U);
  EXPECT_EQ(counters.connect_times.sum(), 240'000 * 2ms);
}

}  // namespace
}  // namespace fairlead::lb
