#include "daemon/worker_pulse.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

TEST(WorkerPulse, AStalledWorkerGetsLaterAQuestionUnderWayIsNoDelay) {
  constexpr Instant kAsked(Duration(std::chrono::hours(1)));
  WorkerPulse pulse{.asked = 7, .asked_at = kAsked};
  EXPECT_EQ(pulse.late(kAsked + 200ms), 0s);
  pulse.stalled = true;
  EXPECT_EQ(pulse.late(kAsked + 300ms), 300ms);
  EXPECT_EQ(pulse.late(kAsked + 30s), 30s);
}

}  // namespace
}  // namespace fairlead::daemon
