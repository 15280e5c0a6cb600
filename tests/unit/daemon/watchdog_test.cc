#include "daemon/watchdog.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using std::chrono::milliseconds;

constexpr Instant kStart{std::chrono::hours(1)};

TEST(Watchdog, IsToldFourTimesInItsLimit) {
  Watchdog watchdog(milliseconds(400));
  int told = 0;
  for (int ms = 0; ms < 400; ms += 10) told += watchdog.due(true, kStart + milliseconds(ms)) ? 1 : 0;
  EXPECT_EQ(told, 4);
}

TEST(Watchdog, HearsNothingWhileSomethingStandsAndAtOnceWhenItTurnsAgain) {
  Watchdog watchdog(milliseconds(400));
  ASSERT_TRUE(watchdog.due(true, kStart));
  EXPECT_FALSE(watchdog.due(false, kStart + milliseconds(200)));
  EXPECT_FALSE(watchdog.due(false, kStart + milliseconds(900)));
  EXPECT_TRUE(watchdog.due(true, kStart + milliseconds(910)));
}

TEST(Watchdog, ThatNobodyAskedForIsNeverTold) {
  Watchdog watchdog(Duration::zero());
  EXPECT_FALSE(watchdog.due(true, kStart));
}

}  // namespace
}  // namespace fairlead::daemon
