#include <gtest/gtest.h>

#include "lab/poll_until.h"
#include "tests/support/manual_clock.h"

namespace fairlead::lab {
namespace {

using namespace std::chrono_literals;

class PollUntilTest : public ::testing::Test {
 protected:
  /// Looks that take `each`; the `last` one (from 1) finds nothing missing.
  Status poll(Duration each, int last = 1'000'000) {
    looks = 0;
    return poll_until({.clock = clock, .limit = 40s, .pause = [&] { clock.advance(20ms); }}, [&]() -> Result<std::string> {
      clock.advance(each);
      return std::string(++looks == last ? "" : "gate-1 does not answer");
    });
  }
  test::ManualClock clock;
  int looks = 0;
};

TEST_F(PollUntilTest, TheTimeThatALookTakesCounts) {
  const Instant began = clock.now();
  const Status done = poll(2s);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kTimeout);
  EXPECT_EQ(done.error().context, "after 40 s still: gate-1 does not answer");
  EXPECT_LE(clock.now() - began, 42s);
  EXPECT_EQ(looks, 20);
}

TEST_F(PollUntilTest, QuickLooksGoOnUntilTheEnd) {
  EXPECT_FALSE(poll(0ms));
  EXPECT_EQ(looks, 2001);
  EXPECT_TRUE(poll(0ms, 2001));
}

TEST_F(PollUntilTest, ALookThatTakesLongerThanAllStillCounts) {
  EXPECT_TRUE(poll(60s, 1));
  EXPECT_FALSE(poll(60s, 2));
}

TEST_F(PollUntilTest, AnErrorEndsIt) {
  const auto done = poll_until({.clock = clock, .limit = 40s, .pause = [] {}}, [&]() -> Result<std::string> {
    return Error{Errc::kUnavailable, "corosync on gate-1 ended"};
  });
  EXPECT_EQ(done.error().context, "corosync on gate-1 ended");
}

}  // namespace
}  // namespace fairlead::lab
