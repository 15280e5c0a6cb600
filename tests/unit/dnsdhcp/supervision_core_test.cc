#include "dnsdhcp/supervision_core.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/prng.h"

namespace fairlead::dnsdhcp {
namespace {

using namespace std::chrono_literals;

class SupervisionTest : public ::testing::Test {
 protected:
  SupervisionActions step(const SupervisionInput& input) { return core.step(input, now); }
  /// Lets time pass to the next deadline, if there is one, and ticks.
  SupervisionActions pass() {
    if (core.next_deadline() != Instant::max()) now = std::max(now, core.next_deadline());
    return step(SupervisionTick{});
  }
  template <class T>
  static bool has(const SupervisionActions& actions) {
    return std::any_of(actions.begin(), actions.end(), [](const auto& a) { return std::holds_alternative<T>(a); });
  }
  void start() {
    ASSERT_TRUE(has<SpawnDnsmasq>(step(RunDnsmasq{})));
    (void)step(DnsmasqSpawned{});
    ASSERT_TRUE(has<SayReady>(step(DnsmasqReady{"2.90"})));
  }

  SupervisionCore core{/*asks=*/true};
  Instant now{Duration(1h)};
};

TEST_F(SupervisionTest, IsReadyWhenDnsmasqHasAnswered) {
  EXPECT_EQ(step(RunDnsmasq{}), SupervisionActions{SpawnDnsmasq{}});
  EXPECT_EQ(core.phase(), DnsmasqPhase::kStarting);
  EXPECT_TRUE(step(DnsmasqSpawned{}).empty());
  now += 120ms;
  EXPECT_EQ(step(DnsmasqReady{"2.90"}), (SupervisionActions{SayReady{"2.90", 120ms}}));
  EXPECT_EQ(core.phase(), DnsmasqPhase::kRunning);
  EXPECT_EQ(core.next_deadline(), now + kAskEvery) << "it is watched";
  EXPECT_FALSE(core.silent_since());
}

TEST(SupervisionWithoutQuestions, AnIdleOneWakesNobody) {
  SupervisionCore core;
  const Instant now{Duration(1h)};
  (void)core.step(RunDnsmasq{}, now);
  (void)core.step(DnsmasqSpawned{}, now);
  (void)core.step(DnsmasqReady{""}, now);
  EXPECT_EQ(core.next_deadline(), Instant::max());
  EXPECT_TRUE(core.step(SupervisionTick{}, now + 1h).empty());
}

TEST_F(SupervisionTest, OneThatAnswersIsAskedOnAndOn) {
  start();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pass(), SupervisionActions{AskDnsmasq{}}) << i;
    (void)step(DnsmasqAnswered{});
  }
  EXPECT_EQ(now - Instant(1h), 50 * kAskEvery);
}

TEST_F(SupervisionTest, S8OneThatHangsIsKilledAtOnceAndReplaced) {
  start();
  now += kSteady;
  (void)step(SupervisionTick{});
  (void)step(DnsmasqAnswered{});
  for (int i = 0; i < kAnswersMissedMax; ++i) EXPECT_EQ(pass(), SupervisionActions{AskDnsmasq{}}) << i;
  EXPECT_EQ(core.silent_since(), now - (kAnswersMissedMax - 1) * kAskEvery) << "since the first question that was not answered";
  const Instant asked_last = now;
  EXPECT_EQ(pass(), SupervisionActions{KillDnsmasq{}}) << "one that is stopped takes no SIGTERM";
  EXPECT_EQ(now, asked_last + kAskEvery);
  const std::string why = "it hangs: 3 questions in a row were not answered";
  EXPECT_EQ(step(DnsmasqEnded{"ended by signal 9"}), (SupervisionActions{SayEnded{why, 0s}, SpawnDnsmasq{}}));
  EXPECT_TRUE(core.silent_since());
  (void)step(DnsmasqSpawned{});
  EXPECT_TRUE(has<SayReady>(step(DnsmasqReady{"2.90"})));
  EXPECT_FALSE(core.silent_since());
  EXPECT_EQ(pass(), SupervisionActions{AskDnsmasq{}}) << "what the old one owed is forgotten";
}

TEST_F(SupervisionTest, OneThatAnswersLateIsKept) {
  start();
  for (int i = 0; i < 10; ++i) {
    for (int missed = 0; missed < kAnswersMissedMax; ++missed) EXPECT_EQ(pass(), SupervisionActions{AskDnsmasq{}});
    (void)step(DnsmasqAnswered{});
    EXPECT_FALSE(core.silent_since());
  }
}

TEST_F(SupervisionTest, S8APauseOfThisProcessIsNoHangOfDnsmasq) {
  start();
  EXPECT_EQ(pass(), SupervisionActions{AskDnsmasq{}});
  now += 60s;
  EXPECT_EQ(step(SupervisionTick{}), SupervisionActions{AskDnsmasq{}}) << "its answer is still to be read";
  (void)step(DnsmasqAnswered{});
  EXPECT_FALSE(core.silent_since());
}

TEST_F(SupervisionTest, OneThatIsNotThereIsSilentSinceItsEndAndAStoppedOneIsNot) {
  start();
  now += kSteady;
  (void)step(DnsmasqEnded{"exit code 2"});
  const Instant end = now;
  now += 5s;
  (void)step(SpawnFailed{"exit code 2"});
  EXPECT_EQ(core.silent_since(), end);
  (void)step(StopDnsmasq{});
  EXPECT_FALSE(core.silent_since());
  now += 1h;
  (void)step(RunDnsmasq{});
  EXPECT_EQ(core.silent_since(), now);
}

TEST_F(SupervisionTest, StartsOnlyOneHoweverOftenItIsAsked) {
  (void)step(RunDnsmasq{});
  EXPECT_TRUE(step(RunDnsmasq{}).empty());
  EXPECT_TRUE(step(RestartDnsmasq{}).empty()) << "its start is not answered yet";
  EXPECT_EQ(step(DnsmasqSpawned{}), SupervisionActions{TermDnsmasq{}}) << "now it is, and has the old configuration";
  EXPECT_EQ(step(DnsmasqEnded{"exit code 0"}), SupervisionActions{SpawnDnsmasq{}});
}

TEST_F(SupervisionTest, OneThatRanForLongIsStartedAgainAtOnceAndOneThatDoesNotLaterAndLater) {
  start();
  now += kSteady;
  EXPECT_EQ(step(DnsmasqEnded{"ended by signal 9"}), (SupervisionActions{SayEnded{"ended by signal 9", 0s}, SpawnDnsmasq{}}));
  std::vector<Duration> waits;
  for (int i = 0; i < 10; ++i) {
    (void)step(DnsmasqSpawned{});
    for (const auto& action : step(DnsmasqEnded{"exit code 5"})) {
      if (const auto* ended = std::get_if<SayEnded>(&action)) waits.push_back(ended->next_in);
    }
    ASSERT_TRUE(has<SpawnDnsmasq>(pass())) << i;
  }
  EXPECT_EQ(waits, (std::vector<Duration>{200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30s, 30s}));
}

TEST_F(SupervisionTest, SaysACrashLoopOnceAndItsEndOnce) {
  (void)step(RunDnsmasq{});
  std::size_t said = 0;
  for (int i = 0; i < 8; ++i) {
    said += has<SayCrashLoop>(step(SpawnFailed{"exit code 1"})) ? 1 : 0;
    said += has<SayCrashLoop>(pass()) ? 1 : 0;
  }
  EXPECT_EQ(said, 1U);
  EXPECT_TRUE(core.in_crash_loop());
  (void)step(DnsmasqSpawned{});
  (void)step(DnsmasqReady{"2.90"});
  bool over = false;
  for (const Instant ready = now; !over && now <= ready + kSteady;) {
    over = has<SayCrashLoopOver>(pass());
    (void)step(DnsmasqAnswered{});
  }
  EXPECT_TRUE(over);
  EXPECT_FALSE(core.in_crash_loop());
}

TEST_F(SupervisionTest, TheFifthEndWithinAMinuteIsACrashLoop) {
  (void)step(RunDnsmasq{});
  for (std::size_t i = 1; i <= kLoopEnds; ++i) {
    const auto actions = step(SpawnFailed{"exit code 1"});
    EXPECT_EQ(has<SayCrashLoop>(actions), i == kLoopEnds) << i;
    (void)pass();
  }
  EXPECT_FALSE(has<SayCrashLoop>(step(SpawnFailed{"exit code 1"})));
}

TEST_F(SupervisionTest, EndsFarApartAreNoCrashLoop) {
  start();
  for (int i = 0; i < 20; ++i) {
    now += 61s;
    EXPECT_FALSE(has<SayCrashLoop>(step(DnsmasqEnded{"ended by signal 11"})));
    (void)step(DnsmasqSpawned{});
    (void)step(DnsmasqReady{"2.90"});
  }
}

TEST_F(SupervisionTest, NewSettingsStartAtOnceWhateverTheBackOff) {
  (void)step(RunDnsmasq{});
  for (int i = 0; i < 7; ++i) {
    (void)step(SpawnFailed{"exit code 1"});
    (void)pass();
  }
  (void)step(SpawnFailed{"exit code 1"});
  EXPECT_EQ(step(RestartDnsmasq{}), SupervisionActions{SpawnDnsmasq{}});
}

TEST_F(SupervisionTest, StopsWithSigtermAndThenWithSigkill) {
  start();
  EXPECT_EQ(step(StopDnsmasq{}), SupervisionActions{TermDnsmasq{}});
  EXPECT_EQ(core.phase(), DnsmasqPhase::kStopping);
  EXPECT_TRUE(step(SupervisionTick{}).empty());
  EXPECT_EQ(core.next_deadline(), now + kStopPatience);
  EXPECT_EQ(pass(), SupervisionActions{KillDnsmasq{}});
  EXPECT_TRUE(step(SupervisionTick{}).empty());
  EXPECT_EQ(step(DnsmasqEnded{"ended by signal 9"}), SupervisionActions{SayStopped{}});
  EXPECT_EQ(core.phase(), DnsmasqPhase::kStopped);
  EXPECT_EQ(core.next_deadline(), Instant::max());
}

TEST_F(SupervisionTest, AStopWhileItIsBeingStartedEndsItWhenItIsThere) {
  (void)step(RunDnsmasq{});
  EXPECT_TRUE(step(StopDnsmasq{}).empty());
  EXPECT_EQ(step(DnsmasqSpawned{}), SupervisionActions{TermDnsmasq{}});
  EXPECT_EQ(step(DnsmasqEnded{"exit code 0"}), SupervisionActions{SayStopped{}});
}

TEST_F(SupervisionTest, AStartAfterAStopWaitsForTheEndOfTheOldOne) {
  start();
  (void)step(StopDnsmasq{});
  EXPECT_TRUE(step(RunDnsmasq{}).empty());
  EXPECT_EQ(step(DnsmasqEnded{"exit code 0"}), SupervisionActions{SpawnDnsmasq{}}) << "asked for: no failure, no wait";
}

TEST_F(SupervisionTest, ReloadsOnlyOneThatHasAHandlerForIt) {
  EXPECT_TRUE(step(ReloadDnsmasq{}).empty());
  (void)step(RunDnsmasq{});
  EXPECT_TRUE(step(ReloadDnsmasq{}).empty());
  (void)step(DnsmasqSpawned{});
  EXPECT_TRUE(step(ReloadDnsmasq{}).empty());
  const auto ready = step(DnsmasqReady{"2.90"});
  EXPECT_TRUE(has<HangupDnsmasq>(ready));
  EXPECT_TRUE(step(SupervisionTick{}).empty()) << "once";
  EXPECT_EQ(step(ReloadDnsmasq{}), SupervisionActions{HangupDnsmasq{}});
}

TEST_F(SupervisionTest, OneThatIsNotReadyInTimeIsKilledAndTriedAgain) {
  (void)step(RunDnsmasq{});
  (void)step(DnsmasqSpawned{});
  EXPECT_EQ(core.next_deadline(), now + kReadyPatience);
  EXPECT_EQ(pass(), SupervisionActions{KillDnsmasq{}});
  EXPECT_EQ(step(DnsmasqEnded{"ended by signal 9"}), (SupervisionActions{SayEnded{"not ready in time", 0s}, SpawnDnsmasq{}}));
}

TEST_F(SupervisionTest, OneWithoutItsBusIsReplaced) {
  start();
  EXPECT_TRUE(step(DnsmasqBusLost{}).empty()) << "mostly it is ending";
  EXPECT_EQ(pass(), SupervisionActions{TermDnsmasq{}});
  const auto ended = step(DnsmasqEnded{"exit code 0"});
  EXPECT_EQ(ended, (SupervisionActions{SayEnded{"its bus was lost", 0s}, SpawnDnsmasq{}}));
}

TEST_F(SupervisionTest, TheLossOfAnOldBusDoesNotHarmTheNewOne) {
  start();
  (void)step(DnsmasqEnded{"ended by signal 9"});
  EXPECT_TRUE(step(DnsmasqBusLost{}).empty());
  (void)step(DnsmasqSpawned{});
  now += kBusGrace * 2;
  EXPECT_TRUE(step(SupervisionTick{}).empty());
  EXPECT_TRUE(has<SayReady>(step(DnsmasqReady{"2.90"})));
}

// A world with one process at most, on every seed: S1, S2, S6, and that it comes to what is wanted.
TEST(SupervisionRandom, HoldsItsInvariantsOnEverySeed) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    SupervisionCore core(/*asks=*/seed % 2 == 0);
    Instant now(Duration(1h));
    bool asked = false;
    bool there = false;
    bool ready = false;
    bool wanted = false;
    bool term = false;
    bool question = false;
    const auto feed = [&](const SupervisionInput& input) {
      for (const SupervisionAction& action : core.step(input, now)) {
        if (std::holds_alternative<SpawnDnsmasq>(action)) {
          ASSERT_FALSE(asked || there) << "S1";
          ASSERT_TRUE(wanted) << "S2";
          asked = true;
        }
        if (std::holds_alternative<HangupDnsmasq>(action)) { ASSERT_TRUE(there && ready) << "S6"; }
        if (std::holds_alternative<AskDnsmasq>(action)) {
          ASSERT_TRUE(there && ready && !term) << "S8";
          question = true;
        }
        if (std::holds_alternative<TermDnsmasq>(action) || std::holds_alternative<KillDnsmasq>(action)) {
          ASSERT_TRUE(there);
          term = true;
        }
      }
    };
    const auto end = [&] {
      there = ready = term = question = false;
      feed(DnsmasqEnded{"x"});
    };
    for (int i = 0; i < 200; ++i) {
      now += std::chrono::milliseconds(prng.below(3000));
      switch (prng.below(10)) {
        case 0: wanted = true, feed(RunDnsmasq{}); break;
        case 1: wanted = false, feed(StopDnsmasq{}); break;
        case 2: wanted = true, feed(RestartDnsmasq{}); break;
        case 3: feed(ReloadDnsmasq{}); break;
        case 4:
          if (asked) asked = false, there = true, feed(DnsmasqSpawned{});
          break;
        case 5:
          if (asked) asked = false, feed(SpawnFailed{"x"});
          break;
        case 6:
          if (there && !ready) ready = true, feed(DnsmasqReady{"2.90"});
          break;
        case 7:
          if (there && (term || prng.below(4) == 0)) end();
          break;
        case 8:
          if (question) question = false, feed(DnsmasqAnswered{});
          break;
        default: feed(SupervisionTick{});
      }
      if (there && !wanted) { ASSERT_TRUE(term) << "S2"; }
    }
    // The noise ends; everything works.
    wanted = true;
    feed(RunDnsmasq{});
    for (int i = 0; i < 20; ++i) {
      if (asked) asked = false, there = true, feed(DnsmasqSpawned{});
      if (there && term) end();
      if (there && !ready && !term) ready = true, feed(DnsmasqReady{"2.90"});
      if (core.next_deadline() != Instant::max()) now = std::max(now, core.next_deadline());
      feed(SupervisionTick{});
      if (question) question = false, feed(DnsmasqAnswered{});
    }
    ASSERT_EQ(core.phase(), DnsmasqPhase::kRunning);
    ASSERT_FALSE(core.silent_since());
  }
}

}  // namespace
}  // namespace fairlead::dnsdhcp
