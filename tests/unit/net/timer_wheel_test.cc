// The timer wheel against a naive model: a map of deadlines, searched from front to back.
#include "net/timer_wheel.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1h};
constexpr Duration kTick = TimerWheel::kTick;

std::vector<TimerWheel::Id> fired_at(TimerWheel& wheel, Instant now) {
  std::vector<TimerWheel::Id> out;
  const std::size_t count = wheel.advance(now, [&](TimerWheel::Id id) { out.push_back(id); });
  EXPECT_EQ(count, out.size());
  return out;
}

TEST(TimerWheel, FiresOnceAndNotBeforeItsDeadline) {
  TimerWheel wheel(kStart);
  wheel.arm(7, kStart + 100ms);

  EXPECT_TRUE(fired_at(wheel, kStart + 100ms - 1ns).empty());
  EXPECT_EQ(fired_at(wheel, kStart + 100ms + kTick), std::vector<TimerWheel::Id>{7});
  EXPECT_TRUE(fired_at(wheel, kStart + 1h).empty());
}

TEST(TimerWheel, IsLateByLessThanOneTick) {
  for (auto delay : {1ns, Duration(1ms), Duration(1s), Duration(1h), Duration(24h * 400)}) {
    TimerWheel wheel(kStart);
    wheel.arm(0, kStart + delay);
    EXPECT_EQ(fired_at(wheel, kStart + delay + kTick - 1ns).size(), 1U) << delay.count();
  }
}

TEST(TimerWheel, ReplacesADeadlineByArmingAgain) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 1s);
  wheel.arm(1, kStart + 10s);

  EXPECT_EQ(wheel.armed_count(), 1U);
  EXPECT_TRUE(fired_at(wheel, kStart + 9s).empty());
  EXPECT_EQ(fired_at(wheel, kStart + 11s).size(), 1U);
}

TEST(TimerWheel, ForgetsWhatIsCancelled) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 1s);
  wheel.arm(2, kStart + 1s);
  wheel.arm(3, kStart + 1s);
  wheel.cancel(2);
  wheel.cancel(2);
  wheel.cancel(99'999);

  EXPECT_FALSE(wheel.armed(2));
  auto fired = fired_at(wheel, kStart + 2s);
  std::sort(fired.begin(), fired.end());
  EXPECT_EQ(fired, (std::vector<TimerWheel::Id>{1, 3}));
  EXPECT_EQ(wheel.armed_count(), 0U);
}

TEST(TimerWheel, TakesTheEndOfTimeAsNever) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 1s);
  wheel.arm(1, Instant::max());

  EXPECT_FALSE(wheel.armed(1));
  EXPECT_EQ(wheel.next_deadline(), Instant::max());
}

TEST(TimerWheel, HoldsTheFarthestInstantWithoutFiringIt) {
  TimerWheel wheel(kStart);
  wheel.arm(1, Instant::max() - 1ns);

  EXPECT_TRUE(fired_at(wheel, kStart + 24h * 365 * 100).empty());
  EXPECT_TRUE(wheel.armed(1));
  EXPECT_LE(wheel.next_deadline(), Instant::max());
}

TEST(TimerWheel, ReportsWhenToLookNext) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.next_deadline(), Instant::max());

  wheel.arm(1, kStart + 50ms);
  EXPECT_GT(wheel.next_deadline(), kStart);
  EXPECT_LT(wheel.next_deadline(), kStart + 50ms + kTick);

  wheel.arm(2, kStart - 1s);
  EXPECT_LE(wheel.next_deadline(), kStart);
}

TEST(TimerWheel, WakesAFewTimesForAFarDeadlineAndNeverInVain) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 1h);

  int wakes = 0;
  std::size_t fired = 0;
  for (Instant now = kStart; fired == 0; ++wakes) {
    ASSERT_LT(wakes, 7);
    ASSERT_GT(wheel.next_deadline(), now);
    now = wheel.next_deadline();
    fired = fired_at(wheel, now).size();
  }
}

TEST(TimerWheel, LetsACallbackCancelWhatIsDueInTheSameTurn) {
  TimerWheel wheel(kStart);
  for (TimerWheel::Id id = 0; id < 10; ++id) wheel.arm(id, kStart + (id < 5 ? Duration(10ms) : Duration(-1s)));

  const std::size_t fired = wheel.advance(kStart + 1s, [&](TimerWheel::Id) {
    for (TimerWheel::Id id = 0; id < 10; ++id) wheel.cancel(id);
  });

  EXPECT_EQ(fired, 1U);
  EXPECT_EQ(wheel.armed_count(), 0U);
}

TEST(TimerWheel, DefersWhatACallbackArmsToTheNextTurn) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 10ms);
  const auto again = [&](TimerWheel::Id id) { wheel.arm(id, kStart + 11ms); };

  EXPECT_EQ(wheel.advance(kStart + 10s, again), 1U);
  EXPECT_LE(wheel.next_deadline(), kStart + 10s);
  EXPECT_EQ(wheel.advance(kStart + 10s, again), 1U);
}

TEST(TimerWheel, FiresWhatACallbackArmsAheadAtItsTime) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 10ms);
  (void)wheel.advance(kStart + 1s, [&](TimerWheel::Id) { wheel.arm(2, kStart + 1s + 30ms); });

  EXPECT_TRUE(fired_at(wheel, kStart + 1s + 30ms - 1ns).empty());
  EXPECT_EQ(fired_at(wheel, kStart + 1s + 30ms + kTick), std::vector<TimerWheel::Id>{2});
}

TEST(TimerWheel, KeepsEarlierTicksBeforeLaterOnes) {
  TimerWheel wheel(kStart);
  wheel.arm(1, kStart + 30s);
  wheel.arm(2, kStart + 20ms);
  wheel.arm(3, kStart + 2h);
  wheel.arm(4, kStart + 1s);

  EXPECT_EQ(fired_at(wheel, kStart + 3h), (std::vector<TimerWheel::Id>{2, 4, 1, 3}));
}

RC_GTEST_PROP(TimerWheelModel, AgreesWithANaiveMap, ()) {
  Instant now = kStart;
  TimerWheel wheel(now);
  std::map<TimerWheel::Id, Instant> model;
  const auto steps = *rc::gen::inRange(1, 200);
  for (int step = 0; step < steps; ++step) {
    // Deadlines and jumps over every magnitude: 2^k ns, k = 10..50, and a little.
    const auto magnitude = [] { return Duration((1LL << *rc::gen::inRange(10, 51)) + *rc::gen::inRange(-2, 3)); };
    const auto id =
        static_cast<TimerWheel::Id>(*rc::gen::weightedElement<int>({{8, *rc::gen::inRange(0, 20)}, {1, 5000}, {1, 1023}, {1, 1024}}));
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1: {
        const Instant deadline = now + (*rc::gen::inRange(0, 8) == 0 ? -magnitude() : magnitude());
        wheel.arm(id, deadline);
        model[id] = deadline;
        break;
      }
      case 2:
        wheel.cancel(id);
        model.erase(id);
        break;
      default: {
        now += magnitude();
        std::set<TimerWheel::Id> armed_meanwhile;
        std::vector<TimerWheel::Id> fired;
        const bool rearm = *rc::gen::inRange(0, 3) == 0;
        const Instant rearm_at = now + (*rc::gen::inRange(0, 2) == 0 ? Duration(-1s) : Duration(1s));
        (void)wheel.advance(now, [&](TimerWheel::Id due) {
          fired.push_back(due);
          RC_ASSERT(model.count(due) == 1U);
          RC_ASSERT(armed_meanwhile.count(due) == 0U);  // I4
          RC_ASSERT(model[due] <= now);                 // I1
          model.erase(due);
          if (rearm) {
            wheel.arm(due, rearm_at);
            model[due] = rearm_at;
            armed_meanwhile.insert(due);
          }
        });
        for (const auto& [other, deadline] : model) {
          if (!armed_meanwhile.contains(other)) RC_ASSERT(deadline > now - kTick);  // I2
        }
      }
    }
    RC_ASSERT(wheel.armed_count() == model.size());
    for (const auto& [other, deadline] : model) {
      RC_ASSERT(wheel.armed(other));
      RC_ASSERT(wheel.next_deadline() <= std::max(deadline, now) + kTick);  // I3
    }
    if (model.empty()) RC_ASSERT(wheel.next_deadline() == Instant::max());
  }
  // Following next_deadline() alone fires everything.
  for (int wakes = 0; wheel.armed_count() > 0; ++wakes) {
    RC_ASSERT(wakes < 4000);
    now = std::max(now, wheel.next_deadline());
    (void)wheel.advance(now, [&](TimerWheel::Id due) {
      RC_ASSERT(model[due] <= now);
      RC_ASSERT(model.erase(due) == 1U);
    });
  }
  RC_ASSERT(model.empty());
}

}  // namespace
}  // namespace fairlead::net
