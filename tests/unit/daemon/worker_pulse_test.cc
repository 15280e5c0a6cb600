#include "daemon/worker_pulse.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Instant kAsked(Duration(std::chrono::hours(1)));

TEST(WorkerPulse, AStalledWorkerGetsLaterAQuestionUnderWayIsNoDelay) {
  WorkerPulse pulse{.asked = true, .asked_at = kAsked};
  EXPECT_EQ(pulse.late(kAsked + 200ms), 0s);
  pulse.stalled = true;
  EXPECT_EQ(pulse.late(kAsked + 300ms), 300ms);
  EXPECT_EQ(pulse.late(kAsked + 30s), 30s);
}

TEST(WorkerPulse, WhoTurnsNeedsNoQuestion) {
  WorkerPulse pulse;
  EXPECT_TRUE(pulse.look(1));
  EXPECT_TRUE(pulse.look(4000));
  EXPECT_FALSE(pulse.look(4000)) << "at rest or stalled: it has to be asked";
}

TEST(WorkerPulse, ATurnAnswersWhateverWasOpen) {
  WorkerPulse pulse{.turns = 10, .asked = true, .asked_at = kAsked, .posted = true, .stalled = true};
  EXPECT_FALSE(pulse.look(10));
  EXPECT_TRUE(pulse.asked && pulse.posted && pulse.stalled) << "a look alone changes nothing";
  EXPECT_TRUE(pulse.look(11));
  EXPECT_FALSE(pulse.asked || pulse.posted || pulse.stalled);
}

}  // namespace
}  // namespace fairlead::daemon
