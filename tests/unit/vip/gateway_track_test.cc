#include "vip/gateway_track.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

using namespace std::chrono_literals;

class GatewayTrackTest : public testing::Test {
 protected:
  /// Turns every 10 ms; how often it asked.
  int pass(Duration time, bool alive) {
    int asked = 0;
    for (const Instant end = now + time; now < end; now += 10ms) {
      if (!track.ask(now)) continue;
      ++asked;
      if (alive) track.answered(now);
    }
    return asked;
  }
  [[nodiscard]] bool holder() const { return track.is_ok(/*holding=*/true, now); }
  [[nodiscard]] bool other() const { return track.is_ok(/*holding=*/false, now); }

  GatewayTrack track;
  Instant now{1h};
};

TEST_F(GatewayTrackTest, AnAnsweringRouterIsAskedOnceASecond) {
  EXPECT_TRUE(holder() && other()) << "nothing is held against it before it was asked";
  EXPECT_EQ(pass(10s, true), 10);
  EXPECT_TRUE(holder() && other());
}

TEST_F(GatewayTrackTest, ThreeMissedQuestionsIn300MsAreSilence) {
  pass(2s, true);
  EXPECT_EQ(pass(290ms, false), 3);
  EXPECT_TRUE(other()) << "the third may still be answered";
  pass(30ms, false);
  EXPECT_FALSE(other());
}

TEST_F(GatewayTrackTest, OneLateAnswerIsEnough) {
  pass(1s, true);
  pass(210ms, false);
  track.answered(now);
  pass(100ms, true);
  EXPECT_TRUE(other());
}

TEST_F(GatewayTrackTest, AHolderLosesItLateAndHasItBackAtOnce) {
  pass(1s, true);
  pass(1500ms, false);
  EXPECT_TRUE(holder()) << "others may not have noticed yet";
  pass(400ms, false);
  EXPECT_FALSE(holder());
  track.answered(now);
  EXPECT_TRUE(holder());
}

TEST_F(GatewayTrackTest, TheOthersHaveItBackLate) {
  pass(1s, false);
  EXPECT_FALSE(other());
  EXPECT_GE(pass(1s, false), 4) << "a silent one is asked on, faster";
  track.answered(now);
  pass(1400ms, true);
  EXPECT_FALSE(other());
  pass(200ms, true);
  EXPECT_TRUE(other());
}

/// However their questions fall: at no time does a holder count it lost while another counts it there, when it is the same for both.
TEST_F(GatewayTrackTest, WhatBothMeetMovesNothing) {
  for (Duration later = 0ms; later < 1s; later += 50ms) {
    GatewayTrack mine;
    GatewayTrack theirs;
    const Instant begin{1h};
    for (Instant at = begin; at < begin + 12s; at += 10ms) {
      const bool alive = at < begin + 3s || at > begin + 8s;
      if (mine.ask(at) && alive) mine.answered(at);
      if (at >= begin + later && theirs.ask(at) && alive) theirs.answered(at);
      EXPECT_FALSE(!mine.is_ok(true, at) && theirs.is_ok(false, at)) << to_ms(later) << " ms apart, at " << to_ms(at - begin);
    }
  }
}

}  // namespace
}  // namespace fairlead::vip
