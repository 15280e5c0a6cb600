// One server's health: first check, rise and fall, passive ejection, maintenance, pace.
#include "lb/health_tracker.h"

#include <cerrno>
#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;

class HealthTrackerTest : public ::testing::Test {
 protected:
  static TrackerSettings settings() {
    return {.interval = 1s, .fast_interval = 200ms, .down_interval = 2s, .timeout = 1s, .rise = 2, .fall = 3, .connect_failures = 1};
  }
  static TrackerSettings unchecked() {
    TrackerSettings s = settings();
    s.checked = false;
    return s;
  }

  /// Waits until a probe is due, starts it and hands in its result a millisecond later.
  HealthTracker::Change check(HealthTracker& t, ProbeOutcome outcome, std::string detail = "", std::uint32_t others = 1) {
    EXPECT_TRUE(t.next_deadline().has_value());
    now = std::max(now, t.next_deadline().value_or(now));
    EXPECT_TRUE(t.probe_due(now));
    const std::uint64_t token = t.start_probe(now);
    now += 1ms;
    return t.probe_done({.token = token, .outcome = outcome, .detail = std::move(detail), .duration = 1ms}, now, {.others_usable = others});
  }
  HealthTracker up_tracker() { return up_tracker(settings()); }
  HealthTracker up_tracker(const TrackerSettings& s) {
    HealthTracker t(s, /*has_address=*/true, now);
    if (s.checked) { EXPECT_TRUE(check(t, ProbeOutcome::kOk)); }
    return t;
  }
  HealthTracker::Change connect_failed(HealthTracker& t, ConnectCause cause, std::uint32_t others = 1) {
    return t.connect_failed(cause, now, {.others_usable = others});
  }

  Instant now{1h};
};

TEST_F(HealthTrackerTest, StartsUnknownAndTakesNoTrafficUntilTheFirstCheck) {
  HealthTracker t(settings(), true, now);

  EXPECT_EQ(t.verdict(), Verdict::kUnknown);
  EXPECT_FALSE(t.usable());
  EXPECT_TRUE(t.probe_due(now));
}

TEST_F(HealthTrackerTest, ComesUpWithTheFirstGoodCheckWhateverRiseSays) {
  HealthTracker t(settings(), true, now);

  const auto change = check(t, ProbeOutcome::kOk, "200");

  ASSERT_TRUE(change);
  EXPECT_EQ(change->from, Verdict::kUnknown);
  EXPECT_EQ(change->to, Verdict::kUp);
  EXPECT_EQ(change->reason, "check: ok 200");
  EXPECT_TRUE(t.usable());
}

TEST_F(HealthTrackerTest, GoesDownWithTheFirstFailedCheckWhateverFallSays) {
  HealthTracker t(settings(), true, now);

  EXPECT_EQ(check(t, ProbeOutcome::kStatus, "500")->to, Verdict::kDown);
  EXPECT_FALSE(check(t, ProbeOutcome::kOk)) << "from down it takes rise";
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, FallsAfterFallFailuresInARow) {
  HealthTracker t = up_tracker();

  EXPECT_FALSE(check(t, ProbeOutcome::kStatus, "500"));
  EXPECT_FALSE(check(t, ProbeOutcome::kStatus, "500"));
  EXPECT_FALSE(check(t, ProbeOutcome::kOk)) << "breaks the row";
  EXPECT_FALSE(check(t, ProbeOutcome::kStatus, "500"));
  EXPECT_FALSE(check(t, ProbeOutcome::kStatus, "500"));
  const auto change = check(t, ProbeOutcome::kStatus, "500");

  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Verdict::kDown);
  EXPECT_EQ(change->reason, "check: status 500 (3 of 3)");
}

TEST_F(HealthTrackerTest, CountsChecksTurnsAndTheTimeDown) {
  HealthTracker t = up_tracker();
  const auto checks = [&](ProbeOutcome outcome) { return t.counts().checks[static_cast<std::size_t>(outcome)]; };
  EXPECT_EQ(t.counts().ups, 1U);
  for (int i = 0; i < 3; ++i) (void)check(t, ProbeOutcome::kTls);
  EXPECT_EQ(t.counts().downs, 1U);
  EXPECT_EQ(t.counts().down, Duration::zero()) << "the present time down is not over";
  const Instant went_down = now;
  (void)check(t, ProbeOutcome::kOk);
  (void)check(t, ProbeOutcome::kOk);

  EXPECT_EQ(t.counts().down, now - went_down);
  EXPECT_EQ(t.counts().ups, 2U);
  EXPECT_EQ(checks(ProbeOutcome::kOk), 3U);
  EXPECT_EQ(checks(ProbeOutcome::kTls), 3U);
  (void)t.probe_done({.token = 1, .outcome = ProbeOutcome::kTls, .detail = "", .duration = 1ms}, now, {});
  EXPECT_EQ(checks(ProbeOutcome::kTls), 3U) << "a stale result is no check";
}

TEST_F(HealthTrackerTest, RisesAfterRiseGoodChecksInARow) {
  HealthTracker t(settings(), true, now);
  (void)check(t, ProbeOutcome::kRefused);

  EXPECT_FALSE(check(t, ProbeOutcome::kOk));
  EXPECT_FALSE(check(t, ProbeOutcome::kRefused));
  EXPECT_FALSE(check(t, ProbeOutcome::kOk));
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, ChecksAtIntervalThenFastWhileChangingThenAtDownInterval) {
  HealthTracker t = up_tracker();
  EXPECT_EQ(*t.next_deadline() - now, 1s);
  (void)check(t, ProbeOutcome::kStatus);
  EXPECT_EQ(*t.next_deadline() - now, 200ms);
  (void)check(t, ProbeOutcome::kStatus);
  (void)check(t, ProbeOutcome::kStatus);
  EXPECT_EQ(*t.next_deadline() - now, 2s);
  (void)check(t, ProbeOutcome::kOk);
  EXPECT_EQ(*t.next_deadline() - now, 200ms);
  (void)check(t, ProbeOutcome::kOk);
  EXPECT_EQ(*t.next_deadline() - now, 1s);
}

TEST_F(HealthTrackerTest, JitterOnlyShortensAnIntervalByATenth) {
  HealthTracker t(settings(), true, now);
  const auto token = t.start_probe(now);
  (void)t.probe_done({.token = token, .outcome = ProbeOutcome::kOk}, now, {.jitter = kJitterMax - 1});

  const Duration pause = *t.next_deadline() - now;
  EXPECT_GE(pause, 900ms);
  EXPECT_LT(pause, 902ms);
}

TEST_F(HealthTrackerTest, NoticesAFrozenServerWithin3500msAtTheDefaults) {
  TrackerSettings defaults = tracker_settings(config::Health{}, config::Passive{});
  HealthTracker t = up_tracker(defaults);
  const Instant frozen = now;  // Right after a good check: the worst moment.
  while (t.verdict() == Verdict::kUp) {
    now = *t.next_deadline();
    const auto token = t.start_probe(now);
    now += defaults.timeout;
    (void)t.probe_done({.token = token, .outcome = ProbeOutcome::kTimeout}, now, {.others_usable = 1});
  }
  EXPECT_LE(now - frozen, 3500ms);
  EXPECT_TRUE(t.hard_down());
}

TEST_F(HealthTrackerTest, ARefusedConnectEjectsAtOnceAndAsksForACheck) {
  HealthTracker t = up_tracker();
  now += 500ms;

  const auto change = connect_failed(t, ConnectCause::kRefused);

  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Verdict::kDown);
  EXPECT_EQ(change->reason, "connect: refused");
  EXPECT_TRUE(t.probe_due(now));
}

TEST_F(HealthTrackerTest, ResetAndUnreachableEjectToo) {
  HealthTracker reset = up_tracker();
  HealthTracker unreachable = up_tracker();
  EXPECT_TRUE(connect_failed(reset, ConnectCause::kReset));
  EXPECT_TRUE(connect_failed(unreachable, ConnectCause::kUnreachable));
}

TEST_F(HealthTrackerTest, ATimeoutOnlySpeedsUpTheCheck) {
  HealthTracker t = up_tracker();
  now += 500ms;

  EXPECT_FALSE(connect_failed(t, ConnectCause::kTimeout));
  EXPECT_TRUE(t.usable());
  EXPECT_TRUE(t.probe_due(now));
}

TEST_F(HealthTrackerTest, AStormOfReportsDoesNotBringChecksCloserThanFastInterval) {
  HealthTracker t = up_tracker();
  now += 10ms;
  for (int i = 0; i < 1000; ++i) (void)connect_failed(t, ConnectCause::kTimeout);

  EXPECT_FALSE(t.probe_due(now));
  EXPECT_EQ(*t.next_deadline() - now, 200ms - 11ms);  // From the last probe's start.
}

TEST_F(HealthTrackerTest, LocalErrorsNeverCount) {
  HealthTracker t = up_tracker();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(connect_failed(t, ConnectCause::kLocal));
  EXPECT_EQ(*t.next_deadline() - now, 1s);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(check(t, ProbeOutcome::kLocal, "no descriptors left"));
  EXPECT_TRUE(t.usable());
  EXPECT_EQ(t.last_check().detail, "no descriptors left");
}

TEST_F(HealthTrackerTest, ALocalErrorDoesNotBringAnUnknownServerUp) {
  HealthTracker t(settings(), true, now);
  EXPECT_EQ(check(t, ProbeOutcome::kLocal, "ca.crt: no such file")->to, Verdict::kDown);
}

TEST_F(HealthTrackerTest, TheLastUsableServerIsNotEjectedByReports) {
  HealthTracker t = up_tracker();
  now += 500ms;

  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused, /*others=*/0));
  EXPECT_TRUE(t.usable());
  EXPECT_TRUE(t.probe_due(now)) << "but it is checked at once";
}

TEST_F(HealthTrackerTest, EjectsOnlyAfterConnectFailuresInARow) {
  TrackerSettings s = settings();
  s.connect_failures = 3;
  HealthTracker t = up_tracker(s);

  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
  t.connect_succeeded();
  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
  now += kPassiveWindow + 1s;
  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused)) << "too long ago to add up";
  EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
  EXPECT_TRUE(connect_failed(t, ConnectCause::kRefused));
}

TEST_F(HealthTrackerTest, ZeroConnectFailuresTurnsEjectionOff) {
  TrackerSettings s = settings();
  s.connect_failures = 0;
  HealthTracker t = up_tracker(s);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(connect_failed(t, ConnectCause::kRefused));
}

TEST_F(HealthTrackerTest, AnEjectedServerReturnsByRiseGoodChecks) {
  HealthTracker t = up_tracker();
  (void)connect_failed(t, ConnectCause::kRefused);

  EXPECT_FALSE(check(t, ProbeOutcome::kOk));
  EXPECT_EQ(*t.next_deadline() - now, 200ms);
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, AProbeThatBeganBeforeTheEjectionDoesNotCountForTheReturn) {
  TrackerSettings s = settings();
  s.rise = 1;
  HealthTracker t = up_tracker(s);
  now = *t.next_deadline();
  const auto token = t.start_probe(now);
  (void)connect_failed(t, ConnectCause::kRefused);

  EXPECT_FALSE(t.probe_done({.token = token, .outcome = ProbeOutcome::kOk}, now, {.others_usable = 1}));
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, AServerWhoseChecksContradictItsClientsIsHeldBackLongerEachTime) {
  HealthTracker t = up_tracker();
  std::vector<Duration> out;
  for (int i = 0; i < 8; ++i) {
    now += 50ms;
    const Instant ejected = now;
    ASSERT_TRUE(connect_failed(t, ConnectCause::kRefused));
    while (!check(t, ProbeOutcome::kOk)) {}
    out.push_back(now - ejected);
  }
  EXPECT_LT(out[0], 1s);
  EXPECT_GE(out[1], 2s);
  EXPECT_GE(out[2], 4s);
  EXPECT_GE(out[7], kStayMax);
  EXPECT_LT(out[7], kStayMax + 1s);
}

TEST_F(HealthTrackerTest, AKilledServerThatReallyWasDownIsNotHeldBack) {
  HealthTracker t = up_tracker();
  for (int i = 0; i < 5; ++i) {
    now += 50ms;
    ASSERT_TRUE(connect_failed(t, ConnectCause::kRefused));
    EXPECT_FALSE(check(t, ProbeOutcome::kRefused));
    EXPECT_FALSE(check(t, ProbeOutcome::kOk));
    EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
  }
}

TEST_F(HealthTrackerTest, AnEjectedServerReturnsAtItsFirstGoodCheckWhenNobodyElseServes) {
  HealthTracker t = up_tracker();
  (void)connect_failed(t, ConnectCause::kRefused);

  EXPECT_EQ(check(t, ProbeOutcome::kOk, "", /*others=*/0)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, WithoutChecksAServerIsUpAndReturnsAfterAStay) {
  HealthTracker t = up_tracker(unchecked());
  EXPECT_TRUE(t.usable());
  EXPECT_FALSE(t.next_deadline());

  ASSERT_TRUE(connect_failed(t, ConnectCause::kRefused));
  EXPECT_FALSE(t.probe_due(now + 1h));
  ASSERT_EQ(*t.next_deadline() - now, 2s);
  EXPECT_FALSE(t.tick(now + 1s));
  now += 2s;
  EXPECT_EQ(t.tick(now)->to, Verdict::kUp);

  ASSERT_TRUE(connect_failed(t, ConnectCause::kRefused));
  EXPECT_EQ(*t.next_deadline() - now, 4s) << "doubled: the retry failed";
}

TEST_F(HealthTrackerTest, MaintStopsChecksAndReadyStartsFromUnknown) {
  HealthTracker t = up_tracker();

  EXPECT_EQ(t.set_admin(AdminState::kMaint, now)->to, Verdict::kUnknown);
  EXPECT_FALSE(t.usable());
  EXPECT_FALSE(t.next_deadline());
  EXPECT_FALSE(t.probe_due(now + 1h));

  now += 1h;
  EXPECT_FALSE(t.set_admin(AdminState::kReady, now));
  EXPECT_FALSE(t.usable());
  EXPECT_TRUE(t.probe_due(now));
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);
}

TEST_F(HealthTrackerTest, DrainKeepsChecksAndVerdict) {
  HealthTracker t = up_tracker();

  EXPECT_FALSE(t.set_admin(AdminState::kDrain, now));
  EXPECT_FALSE(t.usable());
  EXPECT_EQ(t.verdict(), Verdict::kUp);
  EXPECT_FALSE(check(t, ProbeOutcome::kOk));
  EXPECT_FALSE(t.set_admin(AdminState::kReady, now));
  EXPECT_TRUE(t.usable()) << "no check needed: they never stopped";
}

TEST_F(HealthTrackerTest, AResultFromBeforeMaintenanceIsIgnored) {
  HealthTracker t(settings(), true, now);
  const auto token = t.start_probe(now);
  (void)t.set_admin(AdminState::kMaint, now);
  (void)t.set_admin(AdminState::kReady, now);

  EXPECT_FALSE(t.probe_done({.token = token, .outcome = ProbeOutcome::kOk}, now, {}));
  EXPECT_EQ(t.verdict(), Verdict::kUnknown);
}

TEST_F(HealthTrackerTest, ANewAddressIsUnknownUntilChecked) {
  HealthTracker t = up_tracker();
  const auto change = t.address_changed(now);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Verdict::kUnknown);
  EXPECT_TRUE(t.probe_due(now));
}

TEST_F(HealthTrackerTest, AnUnresolvedServerIsNotProbed) {
  HealthTracker t(settings(), /*has_address=*/false, now);
  EXPECT_FALSE(t.next_deadline());
  EXPECT_EQ(t.last_check().outcome, ProbeOutcome::kUnresolved);
  (void)t.address_changed(now);
  EXPECT_EQ(check(t, ProbeOutcome::kOk)->to, Verdict::kUp);

  const auto change = t.address_lost("no such name", now);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Verdict::kDown);
  EXPECT_EQ(change->reason, "unresolved: no such name");
  EXPECT_FALSE(t.hard_down()) << "connections to the old address may be fine";
}

TEST_F(HealthTrackerTest, AReloadThatAsksTheSameKeepsStateAndPace) {
  HealthTracker t = up_tracker();
  TrackerSettings slower = settings();
  slower.interval = 10s;

  EXPECT_FALSE(t.change_settings(slower, /*recheck=*/false, now));
  EXPECT_TRUE(t.usable());
  EXPECT_EQ(*t.next_deadline() - now, 1s) << "the next check keeps its date";
  (void)check(t, ProbeOutcome::kOk);
  EXPECT_EQ(*t.next_deadline() - now, 10s);
}

TEST_F(HealthTrackerTest, AReloadThatAsksSomethingElseChecksAtOnceAndServesMeanwhile) {
  HealthTracker t = up_tracker();
  now = *t.next_deadline();
  const auto old_token = t.start_probe(now);

  EXPECT_FALSE(t.change_settings(settings(), /*recheck=*/true, now));
  EXPECT_TRUE(t.usable());
  EXPECT_TRUE(t.probe_due(now));
  EXPECT_FALSE(t.probe_done({.token = old_token, .outcome = ProbeOutcome::kStatus}, now, {}));
  EXPECT_FALSE(t.last_check().outcome == ProbeOutcome::kStatus) << "an answer to the old question";
}

TEST_F(HealthTrackerTest, FromUncheckedToCheckedTheFirstAnswerDecides) {
  HealthTracker t = up_tracker(unchecked());
  EXPECT_FALSE(t.change_settings(settings(), true, now));
  EXPECT_TRUE(t.usable());
  EXPECT_EQ(check(t, ProbeOutcome::kStatus)->to, Verdict::kDown);
}

TEST_F(HealthTrackerTest, AnAnsweringServerIsDownButNotHardDown) {
  HealthTracker t = up_tracker();
  for (int i = 0; i < 3; ++i) (void)check(t, ProbeOutcome::kStatus, "500");
  EXPECT_EQ(t.verdict(), Verdict::kDown);
  EXPECT_FALSE(t.hard_down());
  for (int i = 0; i < 3; ++i) (void)check(t, ProbeOutcome::kRefused);
  EXPECT_TRUE(t.hard_down()) << "died after all";
  (void)check(t, ProbeOutcome::kOk);
  EXPECT_FALSE(t.hard_down());
}

TEST_F(HealthTrackerTest, AnEjectionBecomesHardWithTheFirstCheckThatAgrees) {
  HealthTracker t = up_tracker();
  (void)connect_failed(t, ConnectCause::kRefused);
  EXPECT_FALSE(t.hard_down());
  (void)check(t, ProbeOutcome::kRefused);
  EXPECT_TRUE(t.hard_down());
}

TEST_F(HealthTrackerTest, ALostResultIsAskedForAgain) {
  HealthTracker t = up_tracker();
  now = *t.next_deadline();
  const auto lost = t.start_probe(now);
  EXPECT_FALSE(t.probe_due(now + 10s));
  now = *t.next_deadline();
  ASSERT_TRUE(t.probe_due(now));
  const auto second = t.start_probe(now);

  EXPECT_FALSE(t.probe_done({.token = lost, .outcome = ProbeOutcome::kTls}, now, {}));
  EXPECT_NE(t.last_check().outcome, ProbeOutcome::kTls);
  (void)t.probe_done({.token = second, .outcome = ProbeOutcome::kStatus}, now, {});
  EXPECT_EQ(t.last_check().outcome, ProbeOutcome::kStatus);
}

TEST_F(HealthTrackerTest, AProbeTheProberHadNoRoomForIsTriedAgainAndCountsNothing) {
  HealthTracker t = up_tracker();
  now = *t.next_deadline();
  const auto token = t.start_probe(now);
  t.probe_refused(token, now);
  EXPECT_TRUE(t.usable());
  EXPECT_EQ(*t.next_deadline() - now, 200ms);
}

TEST(RampedWeight, RisesLinearlyFromOneAndEndsAtTheWeight) {
  EXPECT_EQ(ramped_weight(100, 30s, 0s), 1U);
  EXPECT_EQ(ramped_weight(100, 30s, 15s), 50U);
  EXPECT_EQ(ramped_weight(100, 30s, 30s), 100U);
  EXPECT_EQ(ramped_weight(100, 0s, 0s), 100U) << "off";
  EXPECT_EQ(ramped_weight(0, 30s, 15s), 0U) << "0 means no traffic";
  EXPECT_EQ(ramped_weight(1, 30s, 1s), 1U);
  std::uint32_t before = 0;
  for (Duration t{}; t <= 31s; t += 100ms) {
    const std::uint32_t now = ramped_weight(1000, 30s, t);
    EXPECT_GE(now, before);
    before = now;
  }
}

TEST(ConnectCauseOf, CountsOnlyWhatTheServersSideCanCause) {
  EXPECT_EQ(connect_cause_of(ECONNREFUSED), ConnectCause::kRefused);
  EXPECT_EQ(connect_cause_of(ECONNRESET), ConnectCause::kReset);
  EXPECT_EQ(connect_cause_of(EHOSTUNREACH), ConnectCause::kUnreachable);
  EXPECT_EQ(connect_cause_of(ETIMEDOUT), ConnectCause::kTimeout);
  for (const int local : {EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EACCES, EINVAL, EADDRINUSE}) {
    EXPECT_EQ(connect_cause_of(local), ConnectCause::kLocal) << local;
  }
}

}  // namespace
}  // namespace fairlead::lb
