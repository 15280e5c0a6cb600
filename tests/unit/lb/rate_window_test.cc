#include "lb/rate_window.h"

#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1h};
constexpr RateLayout kLayout = kListenerRateLayout;

int counted(RateWindow& window, Instant now, std::uint32_t limit, int events) {
  int count = 0;
  for (int i = 0; i < events; ++i) count += window.count(now, limit, kLayout) ? 1 : 0;
  return count;
}

TEST(RateWindow, LetsAnIdleOneHaveItsLimitAtOnceAndNoMore) {
  RateWindow window;
  EXPECT_EQ(counted(window, kStart, 10, 50), 10);
  EXPECT_EQ(counted(window, kStart + 999ms, 10, 50), 0);
}

TEST(RateWindow, FreesTheLastSecondBitByBit) {
  RateWindow window;
  (void)counted(window, kStart, 10, 50);

  EXPECT_EQ(counted(window, kStart + 1s, 10, 50), 0);
  EXPECT_EQ(counted(window, kStart + 1500ms, 10, 50), 5);
  EXPECT_EQ(counted(window, kStart + 1999ms, 10, 50), 5);
}

TEST(RateWindow, ForgetsWhatIsTwoSecondsBack) {
  RateWindow window;
  (void)counted(window, kStart, 10, 50);
  EXPECT_EQ(counted(window, kStart + 2s, 10, 50), 10);
}

TEST(RateWindow, CountsAWorkerWhoseClockIsBehindInTheCurrentSecond) {
  RateWindow window;
  (void)counted(window, kStart + 1s, 10, 8);
  EXPECT_EQ(counted(window, kStart + 900ms, 10, 50), 2);
  EXPECT_EQ(window.second, RateWindow::second_of(kStart + 1s, kLayout));
}

TEST(RateWindow, AdmitsOneASecondWithALimitOfOne) {
  RateWindow window;
  int count = 0;
  for (int i = 0; i < 100; ++i) count += counted(window, kStart + i * 100ms, 1, 1);
  EXPECT_NEAR(count, 10, 1);
}

TEST(RateWindow, ForgetsAWindowOfAnyAge) {
  for (const Duration age : {Duration(3s), Duration(24h), Duration(24h * 100), Duration(24h * 190)}) {
    RateWindow window;
    (void)counted(window, kStart, 3, 3);
    EXPECT_EQ(counted(window, kStart + age, 3, 10), 3) << to_seconds(age);
  }
}

TEST(RateWindow, GoesOnOverTheWrapOfItsSeconds) {
  const Instant last{Duration(1s) * ((1 << 24) - 1)};
  RateWindow window;
  EXPECT_EQ(counted(window, last - 10s, 4, 10), 4);
  EXPECT_EQ(counted(window, last, 4, 10), 4);
  EXPECT_EQ(counted(window, last + 1500ms, 4, 10), 2);
}

TEST(RateWindow, KeepsItsValueInAWord) {
  const RateWindow window{0xffffff, 0xfffff, 0xabcde};
  const RateWindow again = RateWindow::unpack(window.pack(kLayout), kLayout);
  EXPECT_EQ(again.second, window.second);
  EXPECT_EQ(again.previous, window.previous);
  EXPECT_EQ(again.current, window.current);
}

RC_GTEST_PROP(RateWindowProperty, HoldsTheLimitInTheLongRun, ()) {
  const auto limit = *rc::gen::inRange<std::uint32_t>(1, 100);
  RateWindow window;
  Instant now = kStart;
  std::map<std::int64_t, std::uint32_t> per_second;
  std::uint32_t total = 0;
  const auto steps = *rc::gen::inRange(1, 400);
  for (int i = 0; i < steps; ++i) {
    now += Duration(*rc::gen::inRange<std::int64_t>(0, 200'000'000));
    const int got = counted(window, now, limit, *rc::gen::inRange(0, 150));
    per_second[now.time_since_epoch() / 1s] += static_cast<std::uint32_t>(got);
    total += static_cast<std::uint32_t>(got);
  }
  for (const auto& [second, count] : per_second) RC_ASSERT(count <= limit);
  const auto seconds = static_cast<double>((now - kStart).count()) / 1e9;
  RC_ASSERT(total <= limit * (seconds + 2));
}

}  // namespace
}  // namespace fairlead::lb
