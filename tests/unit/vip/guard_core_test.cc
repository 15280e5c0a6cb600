#include "vip/guard_core.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "base/prng.h"

namespace fairlead::vip {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GuardCoreTest : public ::testing::Test {
 protected:
  GuardCoreTest() { (void)order(GuardSetup{.node = NodeId{7}, .hang = seconds(1)}); }

  static LeasedAddress address(std::uint8_t last) {
    return {.device = "eth0", .index = 2, .address = {IpAddress::v4({10, 0, 0, last}), 24}, .lease = seconds(2)};
  }
  static GuardHold hold_of(const std::string& vip, Epoch epoch, std::uint8_t last = 9) {
    return {.serial = epoch, .vip = vip, .epoch = epoch, .incarnation = 40 + epoch, .address = address(last)};
  }
  GuardActions order(GuardOrder order) { return core_.step(OrderCame{std::move(order)}, now_); }
  GuardActions turn(std::uint64_t counter, Duration after = milliseconds(20)) {
    now_ += after;
    return core_.step(Turned{counter}, now_);
  }
  // Turns without a beat until the core acts or two hang limits are over; the counted time of it.
  Duration silent_turns(std::uint64_t counter, GuardActions& out) {
    Duration passed{};
    while (passed < seconds(2)) {
      out = turn(counter);
      if (!out.empty()) return passed;
      passed += milliseconds(20);
    }
    return passed;
  }
  GuardActions dies() { return core_.step(DaemonDied{}, now_); }
  GuardActions deleted(const std::string& vip, Epoch epoch, bool gone) { return core_.step(AddressDeleted{vip, epoch, gone}, now_); }
  GuardActions said(const std::string& vip, Epoch epoch, bool done) { return core_.step(ReleaseSaid{vip, epoch, done}, now_); }
  static Released released(const std::string& vip, Epoch epoch) {
    return {.vip = vip, .epoch = epoch, .holder = NodeId{7}, .incarnation = 40 + epoch};
  }

  GuardCore core_;
  Instant now_{std::chrono::hours(1)};
};

TEST_F(GuardCoreTest, AcknowledgesWhatItWillClear) {
  EXPECT_EQ(order(hold_of("api", 5)), GuardActions{Acknowledge{5}});
  EXPECT_EQ(core_.held(), 1U);
}

TEST_F(GuardCoreTest, ADeadDaemonsAddressIsDeletedThenSaidThenTheGuardEnds) {
  (void)order(hold_of("api", 5));
  EXPECT_EQ(dies(), (GuardActions{DeleteAddress{"api", 5, address(9)}}));
  EXPECT_EQ(deleted("api", 5, true), GuardActions{SayReleased{released("api", 5)}});
  EXPECT_EQ(said("api", 5, true), GuardActions{ExitGuard{}});
  EXPECT_TRUE(core_.is_over());
}

TEST_F(GuardCoreTest, NothingIsSaidWhileTheKernelHasTheAddress) {  // G1
  (void)order(hold_of("api", 5));
  (void)dies();
  EXPECT_TRUE(deleted("api", 5, false).empty());
  EXPECT_EQ(turn(0), (GuardActions{DeleteAddress{"api", 5, address(9)}}));  // Tried again.
  EXPECT_EQ(deleted("api", 5, true), GuardActions{SayReleased{released("api", 5)}});
}

TEST_F(GuardCoreTest, WhatCannotBeDeletedIsGivenUpUnsaidAfterItsLifetime) {  // G4
  (void)order(hold_of("api", 5));
  GuardActions out = dies();
  for (Duration passed{}; passed <= seconds(4) && !core_.is_over(); passed += milliseconds(20)) {
    if (!out.empty()) (void)deleted("api", 5, false);
    out = turn(0);
    for (const GuardAction& action : out) EXPECT_FALSE(std::holds_alternative<SayReleased>(action));
  }
  EXPECT_TRUE(core_.is_over());
}

TEST_F(GuardCoreTest, AVoiceThatFailsIsAskedAgainAndGivenUpInTheEnd) {  // G4
  (void)order(hold_of("api", 5));
  (void)dies();
  GuardActions out = deleted("api", 5, true);
  int asked = 0;
  while (!core_.is_over() && asked < 100000) {
    if (!out.empty()) {
      ++asked;
      (void)said("api", 5, false);
    }
    out = turn(0);
  }
  EXPECT_TRUE(core_.is_over());
  EXPECT_GT(asked, 100);
}

TEST_F(GuardCoreTest, AHungDaemonIsClearedKilledAndClearedAgainBeforeAnythingIsSaid) {
  (void)turn(1);
  (void)order(hold_of("api", 5));
  GuardActions out;
  EXPECT_GE(silent_turns(1, out), milliseconds(960));
  EXPECT_EQ(out, (GuardActions{DeleteAddress{"api", 5, address(9)}}));
  EXPECT_EQ(deleted("api", 5, true), GuardActions{KillDaemon{}});  // G1: not said yet.
  EXPECT_TRUE(turn(1).empty());
  EXPECT_EQ(dies(), (GuardActions{DeleteAddress{"api", 5, address(9)}}));
  EXPECT_EQ(deleted("api", 5, true), GuardActions{SayReleased{released("api", 5)}});
}

TEST_F(GuardCoreTest, AHungDaemonIsKilledAlsoWhenTheDeletionFails) {
  (void)turn(1);
  (void)order(hold_of("api", 5));
  GuardActions out;
  (void)silent_turns(1, out);
  EXPECT_EQ(deleted("api", 5, false), GuardActions{KillDaemon{}});
}

TEST_F(GuardCoreTest, AJudgedDaemonThatWakesUpIsKilledAllTheSame) {  // G3: its addresses are gone.
  (void)turn(1);
  (void)order(hold_of("api", 5));
  GuardActions out;
  (void)silent_turns(1, out);
  (void)turn(2);
  EXPECT_EQ(deleted("api", 5, true), GuardActions{KillDaemon{}});
}

TEST_F(GuardCoreTest, AJudgedDaemonGetsNothingAcknowledged) {
  (void)turn(1);
  GuardActions out;
  (void)silent_turns(1, out);
  ASSERT_EQ(out, GuardActions{KillDaemon{}});
  EXPECT_TRUE(order(hold_of("api", 5)).empty());
}

TEST_F(GuardCoreTest, AKillThatTakesItsTimeIsRepeated) {
  (void)turn(1);
  GuardActions out;
  (void)silent_turns(1, out);
  int kills = 0;
  for (int i = 0; i < 50; ++i) kills += static_cast<int>(turn(1).size());
  EXPECT_GE(kills, 8);
  EXPECT_LE(kills, 11);
}

TEST_F(GuardCoreTest, ABeatingDaemonIsNeverJudgedHung) {
  for (std::uint64_t beat = 1; beat < 5000; ++beat) ASSERT_TRUE(turn(beat / 40 + 1).empty());  // One beat each 800 ms.
}

TEST_F(GuardCoreTest, ADaemonThatHasNotBegunToBeatIsNotHung) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(turn(0).empty());
}

TEST_F(GuardCoreTest, TheGuardsOwnPauseCountsForAlmostNothing) {
  (void)turn(1);
  (void)order(hold_of("api", 5));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(turn(1, seconds(2)).empty()) << i;  // The machine stood still; so did the daemon.
  EXPECT_FALSE(core_.hung());
}

TEST_F(GuardCoreTest, WhatTheDaemonGaveUpIsNotSaid) {
  (void)order(hold_of("api", 5));
  EXPECT_EQ(order(GuardDrop{.serial = 9, .vip = "api", .epoch = 5}), GuardActions{Acknowledge{9}});
  EXPECT_EQ(dies(), GuardActions{ExitGuard{}});
}

TEST_F(GuardCoreTest, AnOldDropDoesNotForgetANewHold) {
  (void)order(hold_of("api", 5));
  (void)order(hold_of("api", 6));
  (void)order(GuardDrop{.serial = 9, .vip = "api", .epoch = 5});
  EXPECT_EQ(core_.held(), 1U);
  (void)dies();
  EXPECT_EQ(deleted("api", 6, true), GuardActions{SayReleased{released("api", 6)}});
}

TEST_F(GuardCoreTest, AGoodbyeWithNothingHeldEndsTheGuard) { EXPECT_EQ(order(GuardGoodbye{}), GuardActions{ExitGuard{}}); }

TEST_F(GuardCoreTest, AGoodbyeThatForgotAnAddressWaitsForTheDeathAndClears) {
  (void)order(hold_of("api", 5));
  EXPECT_TRUE(order(GuardGoodbye{}).empty());
  EXPECT_EQ(dies(), (GuardActions{DeleteAddress{"api", 5, address(9)}}));
}

TEST_F(GuardCoreTest, OneVipThatCannotBeDeletedDoesNotDelayTheOthers) {
  (void)order(hold_of("api", 5));
  (void)order(hold_of("dns", 6, 10));
  EXPECT_EQ(dies().size(), 2U);
  EXPECT_TRUE(deleted("api", 5, false).empty());
  EXPECT_EQ(deleted("dns", 6, true), GuardActions{SayReleased{released("dns", 6)}});
}

TEST_F(GuardCoreTest, MoreVipsThanItCanWatchAreNotAcknowledged) {
  for (std::size_t i = 0; i < kGuardedMax; ++i) ASSERT_EQ(order(hold_of("v" + std::to_string(i), 1)).size(), 1U);
  EXPECT_TRUE(order(hold_of("one-more", 1)).empty());
  EXPECT_EQ(order(hold_of("v0", 2)).size(), 1U);
}

// Any history: nothing is said but after a deletion that was asked for and confirmed after the death (G1, G2), no beating daemon is killed
// (G3), and in the end it is over (G4).
TEST(GuardCoreSim, HoldsInvariantsOnEverySeed) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Prng prng(seed);
    GuardCore core;
    Instant now{std::chrono::hours(1)};
    std::map<std::string, std::pair<Epoch, bool>> held;  // What the model's daemon holds; whether it is confirmed gone after the death.
    std::uint64_t counter = 0;
    bool dead = false;
    bool beats = true;
    Duration silent{};
    std::vector<GuardInput> answers;
    const auto carry_out = [&](const GuardActions& actions) {
      for (const GuardAction& action : actions) {
        if (const auto* d = std::get_if<DeleteAddress>(&action)) {
          ASSERT_TRUE(held.contains(d->vip) && held[d->vip].first == d->epoch) << "G2 seed " << seed;
          const bool gone = prng.below(4) != 0;
          if (dead && gone) held[d->vip].second = true;
          answers.push_back(AddressDeleted{d->vip, d->epoch, gone});
        } else if (const auto* s = std::get_if<SayReleased>(&action)) {
          ASSERT_TRUE(held.contains(s->released.vip) && held[s->released.vip].second) << "G1 seed " << seed;
          answers.push_back(ReleaseSaid{s->released.vip, s->released.epoch, prng.below(4) != 0});
        } else if (std::holds_alternative<KillDaemon>(action)) {
          ASSERT_GE(silent, seconds(1)) << "G3 seed " << seed;
          beats = false;
        }
      }
    };
    const auto step = [&](const GuardInput& input) {
      carry_out(core.step(input, now));
      while (!answers.empty()) {
        const GuardInput answer = answers.back();
        answers.pop_back();
        carry_out(core.step(answer, now));
      }
    };
    step(OrderCame{GuardSetup{.node = NodeId{1}, .hang = seconds(1)}});
    for (int i = 0; i < 400 && !core.is_over(); ++i) {
      const std::string vip = "v" + std::to_string(prng.below(3));
      switch (prng.below(dead || core.hung() ? 1 : 8)) {
        case 1: {
          const Epoch epoch = static_cast<Epoch>(i) + 1;
          held[vip] = {epoch, false};
          step(OrderCame{GuardHold{.serial = 1,
                                   .vip = vip,
                                   .epoch = epoch,
                                   .incarnation = 1,
                                   .address = {.device = "e", .index = 1, .address = {}, .lease = seconds(1)}}});
          break;
        }
        case 2:
          if (held.contains(vip)) {
            step(OrderCame{GuardDrop{.serial = 1, .vip = vip, .epoch = held[vip].first}});
            held.erase(vip);
          }
          break;
        case 3: beats = prng.below(8) != 0; break;
        case 4:
          if (prng.below(40) == 0) {
            dead = true;
            beats = false;
            step(DaemonDied{});
          }
          break;
        default: {
          const Duration passed = prng.below(20) == 0 ? Duration(seconds(5)) : Duration(milliseconds(prng.below(40)));
          now += passed;
          if (beats && prng.below(2) == 0) {
            ++counter;
            silent = {};
          } else {
            silent += passed;
          }
          step(Turned{counter});
        }
      }
      if (::testing::Test::HasFatalFailure()) return;
      if (core.hung() && !dead && prng.below(3) == 0) {
        dead = true;
        step(DaemonDied{});
      }
    }
    if (!std::exchange(dead, true)) step(DaemonDied{});
    for (int i = 0; i < 2000 && !core.is_over(); ++i) {
      now += milliseconds(20);
      step(Turned{counter});
    }
    ASSERT_TRUE(core.is_over()) << "G4 seed " << seed;
  }
}

}  // namespace
}  // namespace fairlead::vip
