#include "vip/gateway_track.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

using namespace std::chrono_literals;

const MacAddress kRouter{{2, 0, 0, 0, 0, 9}};

/// Turns every 10 ms for `time`; answers questions while `alive`. How many were asked.
int pass(GatewayTrack& track, Instant& now, Duration time, bool alive) {
  int asked = 0;
  for (const Instant end = now + time; now < end; now += 10ms) {
    if (!track.ask(now)) continue;
    ++asked;
    if (alive) track.answered(kRouter);
  }
  return asked;
}

TEST(GatewayTrack, AnAnsweringRouterIsAskedOnceASecond) {
  GatewayTrack track;
  Instant now{1h};
  EXPECT_TRUE(track.is_ok()) << "nothing is held against it before it was asked";
  EXPECT_EQ(pass(track, now, 10s, true), 10);
  EXPECT_TRUE(track.is_ok());
  EXPECT_EQ(track.mac(), kRouter);
}

TEST(GatewayTrack, ThreeMissedQuestionsIn300MsAreSilence) {
  GatewayTrack track;
  Instant now{1h};
  pass(track, now, 2s, true);
  EXPECT_EQ(pass(track, now, 290ms, false), 3);
  EXPECT_TRUE(track.is_ok()) << "the third may still be answered";
  pass(track, now, 30ms, false);
  EXPECT_FALSE(track.is_ok());
}

TEST(GatewayTrack, OneLateAnswerIsEnough) {
  GatewayTrack track;
  Instant now{1h};
  pass(track, now, 1s, true);
  pass(track, now, 210ms, false);
  track.answered(kRouter);
  pass(track, now, 100ms, true);
  EXPECT_TRUE(track.is_ok());
}

TEST(GatewayTrack, ASilentRouterIsAskedOnAndCountsAtItsFirstAnswer) {
  GatewayTrack track;
  Instant now{1h};
  pass(track, now, 1s, false);
  EXPECT_FALSE(track.is_ok());
  EXPECT_GE(pass(track, now, 1s, false), 4);
  track.answered(kRouter);
  EXPECT_TRUE(track.is_ok());
}

}  // namespace
}  // namespace fairlead::vip
