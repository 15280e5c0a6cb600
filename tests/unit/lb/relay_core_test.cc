// The relay's decisions, one at a time. The order of operations is part of the contract: the worker carries them out as they come.
#include "lb/relay_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Instant kStart{1h};
constexpr RelayOp op(RelayOpKind kind, Side side) { return {kind, side}; }
constexpr auto kC = Side::kClient;
constexpr auto kS = Side::kServer;

class RelayCoreTest : public testing::Test {
 protected:
  std::vector<RelayOp> step(auto&& call) {
    RelayOps ops;
    call(ops);
    return {ops.begin(), ops.end()};
  }
  std::vector<RelayOp> start() {
    core.opened(now, 128);
    return step([&](RelayOps& o) { core.start(now, o); });
  }
  std::vector<RelayOp> connecting() {
    return step([&](RelayOps& o) { core.connecting(now, o); });
  }
  std::vector<RelayOp> connected(std::uint32_t prefix = 0) {
    return step([&](RelayOps& o) { core.connected(prefix, now, o); });
  }
  std::vector<RelayOp> data(Side from, std::uint32_t n) {
    return step([&](RelayOps& o) { core.data(from, n, marks, now, o); });
  }
  std::vector<RelayOp> sent(Side to, std::uint32_t n) {
    return step([&](RelayOps& o) { core.sent(to, n, marks, now, o); });
  }
  std::vector<RelayOp> eof(Side from) {
    return step([&](RelayOps& o) { core.eof(from, now, o); });
  }
  std::vector<RelayOp> error(Side side) {
    return step([&](RelayOps& o) { core.error(side, o); });
  }
  std::vector<RelayOp> closed(Side side) {
    return step([&](RelayOps& o) { core.closed(side, o); });
  }
  std::vector<RelayOp> timer() {
    return step([&](RelayOps& o) { core.timer(policy, now, o); });
  }
  void open() {
    (void)start();
    (void)connecting();
    (void)connected();
  }

  RelayCore core;
  Instant now = kStart;
  WaterMarks marks{.high = 1000, .low = 500};
  RelayPolicy policy{.connect_timeout = 500ms, .idle_timeout = 1h, .half_close_timeout = 30s, .max_connection_age = 0s};
};

TEST_F(RelayCoreTest, ReadsTheClientAndConnectsAtOnce) {
  EXPECT_THAT(start(), ElementsAre(op(RelayOpKind::kReadOn, kC), op(RelayOpKind::kConnect, kS)));
  EXPECT_THAT(connecting(), ElementsAre(op(RelayOpKind::kArmTimer, kS)));
  EXPECT_EQ(core.next_deadline(policy), now + 500ms);
}

TEST_F(RelayCoreTest, KeepsTheClientsFirstBytesUntilAServerAnswers) {
  (void)start();
  (void)connecting();
  EXPECT_THAT(data(kC, 200), IsEmpty());  // I3
  EXPECT_THAT(connected(), ElementsAre(op(RelayOpKind::kReadOn, kS), op(RelayOpKind::kSend, kS), op(RelayOpKind::kArmTimer, kS)));
  EXPECT_EQ(core.held(kC), 200U);
}

TEST_F(RelayCoreTest, TriesAnotherServerWithTheBytesKept) {
  (void)start();
  (void)connecting();
  (void)data(kC, 200);
  EXPECT_THAT(step([&](RelayOps& o) { core.connect_failed(EndCause::kConnectRefused, true, o); }),
              ElementsAre(op(RelayOpKind::kConnect, kS)));
  (void)connecting();
  EXPECT_THAT(connected(), testing::Contains(op(RelayOpKind::kSend, kS)));
}

TEST_F(RelayCoreTest, ResetsTheClientWhenNoServerIsLeft) {
  (void)start();
  EXPECT_THAT(step([&](RelayOps& o) { core.no_server(EndCause::kNoServer, o); }), ElementsAre(op(RelayOpKind::kCloseReset, kC)));
  EXPECT_EQ(core.cause(), EndCause::kNoServer);
  EXPECT_THAT(closed(kC), ElementsAre(op(RelayOpKind::kFinish, kC)));
}

TEST_F(RelayCoreTest, PutsAProxyHeaderBeforeTheFirstSend) {
  (void)start();
  (void)connecting();
  EXPECT_THAT(connected(28), testing::Contains(op(RelayOpKind::kSend, kS)));
  EXPECT_EQ(core.held(kC), 28U);
}

TEST_F(RelayCoreTest, HasOneSendInFlightPerDirection) {
  open();
  EXPECT_THAT(data(kC, 100), ElementsAre(op(RelayOpKind::kSend, kS)));
  EXPECT_THAT(data(kC, 50), IsEmpty());  // I1
  EXPECT_THAT(sent(kS, 60), IsEmpty());
  EXPECT_THAT(sent(kS, 40), ElementsAre(op(RelayOpKind::kSend, kS)));
  EXPECT_EQ(core.delivered(kC), 100U);
}

TEST_F(RelayCoreTest, PausesAReaderAboveTheHighMarkAndResumesItAtTheLowOne) {
  open();
  (void)data(kS, 600);
  EXPECT_THAT(data(kS, 600), ElementsAre(op(RelayOpKind::kReadOff, kS)));  // I5
  EXPECT_THAT(data(kS, 100), IsEmpty());                                   // Soft: what was under way still comes.
  EXPECT_THAT(sent(kC, 600), ElementsAre(op(RelayOpKind::kSend, kC)));
  EXPECT_THAT(sent(kC, 199), IsEmpty());
  EXPECT_THAT(sent(kC, 1), ElementsAre(op(RelayOpKind::kReadOn, kS)));
}

TEST_F(RelayCoreTest, PassesAFinOnAfterEveryByteBeforeIt) {
  open();
  (void)data(kC, 100);
  EXPECT_THAT(eof(kC), ElementsAre(op(RelayOpKind::kArmTimer, kC)));  // I2
  EXPECT_THAT(sent(kS, 99), IsEmpty());
  EXPECT_THAT(sent(kS, 1), ElementsAre(op(RelayOpKind::kShutdown, kS)));
  EXPECT_TRUE(core.is_half_closed());
}

TEST_F(RelayCoreTest, CarriesOnTheOtherWayWhenHalfClosed) {
  open();
  EXPECT_THAT(eof(kC), ElementsAre(op(RelayOpKind::kShutdown, kS), op(RelayOpKind::kArmTimer, kC)));
  EXPECT_THAT(data(kS, 100), ElementsAre(op(RelayOpKind::kSend, kC)));
  (void)sent(kC, 100);
  EXPECT_THAT(eof(kS), ElementsAre(op(RelayOpKind::kCloseClean, kC), op(RelayOpKind::kCloseClean, kS)));
  EXPECT_EQ(core.cause(), EndCause::kFinished);
}

TEST_F(RelayCoreTest, DrainsBothQueuesBeforeItCloses) {
  open();
  (void)data(kC, 10);
  (void)data(kS, 20);
  (void)eof(kC);
  (void)eof(kS);
  EXPECT_THAT(sent(kS, 10), ElementsAre(op(RelayOpKind::kShutdown, kS)));
  EXPECT_THAT(sent(kC, 20), ElementsAre(op(RelayOpKind::kCloseClean, kC), op(RelayOpKind::kCloseClean, kS)));
}

TEST_F(RelayCoreTest, RemembersAFinThatCameBeforeTheServer) {
  (void)start();
  (void)connecting();
  (void)data(kC, 5);
  EXPECT_THAT(eof(kC), IsEmpty());
  EXPECT_THAT(connected(), testing::Contains(op(RelayOpKind::kSend, kS)));
  EXPECT_THAT(sent(kS, 5), ElementsAre(op(RelayOpKind::kShutdown, kS)));
}

TEST_F(RelayCoreTest, PassesAResetOnAsAReset) {
  open();
  (void)data(kC, 100);
  EXPECT_THAT(error(kS), ElementsAre(op(RelayOpKind::kCloseReset, kC), op(RelayOpKind::kCloseReset, kS)));
  EXPECT_EQ(core.cause(), EndCause::kServerAborted);
  EXPECT_THAT(closed(kS), IsEmpty());
  EXPECT_THAT(closed(kC), ElementsAre(op(RelayOpKind::kFinish, kC)));  // I4
}

TEST_F(RelayCoreTest, NothingHappensAfterTheEndWasDecided) {
  open();
  (void)data(kS, 100);
  (void)error(kC);
  EXPECT_THAT(data(kS, 1), IsEmpty());
  EXPECT_THAT(sent(kC, 100), IsEmpty());
  EXPECT_THAT(eof(kS), IsEmpty());
  EXPECT_THAT(error(kS), IsEmpty());
  EXPECT_THAT(timer(), IsEmpty());
  EXPECT_THAT(step([&](RelayOps& o) { core.abort(EndCause::kKilled, o); }), IsEmpty());
  EXPECT_EQ(core.cause(), EndCause::kClientAborted);
}

TEST_F(RelayCoreTest, AClientThatBreaksWhileConnectingEndsTheTry) {
  (void)start();
  (void)connecting();
  EXPECT_THAT(error(kC), ElementsAre(op(RelayOpKind::kCloseReset, kC), op(RelayOpKind::kCloseReset, kS)));
  EXPECT_EQ(core.cause(), EndCause::kClientLeftEarly);
}

TEST_F(RelayCoreTest, EndsASilentConnectionAtItsIdleTimeoutAndNotBefore) {
  open();
  now += 30min;
  (void)data(kS, 1);
  (void)sent(kC, 1);
  now += 59min;
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kArmTimer, kC)));
  EXPECT_EQ(core.next_deadline(policy), now + 1min);
  now += 1min;
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kCloseReset, kC), op(RelayOpKind::kCloseReset, kS)));
  EXPECT_EQ(core.cause(), EndCause::kClientIdle);
}

TEST_F(RelayCoreTest, ZeroMeansNever) {
  policy = {.connect_timeout = 500ms, .idle_timeout = 0s, .half_close_timeout = 0s, .max_connection_age = 0s};
  open();
  EXPECT_EQ(core.next_deadline(policy), Instant::max());
  (void)eof(kC);
  EXPECT_EQ(core.next_deadline(policy), Instant::max());
}

TEST_F(RelayCoreTest, AHalfClosedConnectionWaitsOnlyTheHalfCloseTimeout) {
  open();
  (void)eof(kC);
  EXPECT_EQ(core.next_deadline(policy), now + 30s);
  now += 30s;
  (void)timer();
  EXPECT_EQ(core.cause(), EndCause::kServerIdle);
}

TEST_F(RelayCoreTest, AnOldConnectionIsClosedInOrderAtAnIdleMoment) {
  policy.max_connection_age = 10min;
  open();
  EXPECT_GE(core.next_deadline(policy), kStart + 9min);
  EXPECT_LE(core.next_deadline(policy), kStart + 11min);
  now = core.next_deadline(policy);
  (void)data(kS, 10);  // Busy now: 10 bytes are under way.
  EXPECT_THAT(timer(), testing::Contains(op(RelayOpKind::kArmTimer, kC)));
  (void)sent(kC, 10);
  now += 250ms;
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kCloseClean, kC), op(RelayOpKind::kCloseClean, kS)));
  EXPECT_EQ(core.cause(), EndCause::kMaxAge);
}

TEST_F(RelayCoreTest, ADrainIsAnAgeThatIsOverAndEndsForItsOwnCause) {
  open();
  now += 1s;
  policy.max_connection_age = Duration(1);
  policy.age_cause = EndCause::kVipDrained;
  EXPECT_LE(core.next_deadline(policy), now) << "at once";
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kCloseClean, kC), op(RelayOpKind::kCloseClean, kS)));
  EXPECT_EQ(core.cause(), EndCause::kVipDrained);
}

// A drain that was called off: what it looked at was no age.
TEST_F(RelayCoreTest, AnAgeThatGrowsAgainIsNotLookedAtBefore) {
  open();
  (void)data(kS, 10);
  policy.max_connection_age = Duration(1);
  now += 1s;
  (void)timer();  // Busy.
  policy.max_connection_age = 10min;
  EXPECT_GE(core.next_deadline(policy), kStart + 9min);
}

// A deadline in the past would fire on every turn of the loop.
TEST_F(RelayCoreTest, AnOldConnectionWithAStalledReaderIsLookedAtNowAndThenOnly) {
  policy.max_connection_age = 10min;
  open();
  (void)data(kS, 10);
  now += 11min;
  (void)timer();
  EXPECT_EQ(core.next_deadline(policy), now + 250ms);
  now += 250ms;
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kArmTimer, kC)));
  EXPECT_EQ(core.next_deadline(policy), now + 250ms);

  (void)sent(kC, 10);
  now += 250ms;
  (void)timer();
  EXPECT_EQ(core.cause(), EndCause::kMaxAge);
}

TEST_F(RelayCoreTest, ARefusedDirectionAsksForAPipeLessOften) {
  marks.full_read = 100;
  open();
  const auto full_reads_until_asked = [&] {
    for (int i = 1; i <= 1000; ++i) {
      const auto ops = data(kS, 100);
      (void)sent(kC, 100);
      if (std::find(ops.begin(), ops.end(), op(RelayOpKind::kBulkPrepare, kS)) != ops.end()) return i;
    }
    return 0;
  };
  EXPECT_EQ(full_reads_until_asked(), 8);
  (void)step([&](RelayOps& o) { core.bulk_ready(kS, o); });
  (void)step([&](RelayOps& o) { core.bulk_refused(kS, o); });
  EXPECT_EQ(full_reads_until_asked(), 255);
  (void)step([&](RelayOps& o) { core.bulk_ready(kS, o); });
  (void)step([&](RelayOps& o) { core.bulk_ended(kS, o); });
  EXPECT_EQ(full_reads_until_asked(), 8) << "this time it had one";
}

TEST_F(RelayCoreTest, ADirectionStallsWhileNothingOfItIsTaken) {
  open();
  now += 10s;
  EXPECT_EQ(core.stalled(kS, now), 0s) << "nothing waits";
  (void)data(kS, 100);
  now += 3s;
  (void)data(kS, 100);  // More is no progress.
  (void)data(kC, 100);  // Nor is the other direction.
  (void)sent(kS, 100);
  EXPECT_NEAR(to_seconds(core.stalled(kS, now)), 3, 0.01);
  (void)sent(kC, 1);
  EXPECT_LT(core.stalled(kS, now), 10ms);
  EXPECT_EQ(core.stalled(kC, now), 0s);
}

TEST_F(RelayCoreTest, AProxyHeaderIsNoneOfTheClientsBytes) {
  (void)start();
  (void)connecting();
  (void)connected(28);
  (void)sent(kS, 20);
  EXPECT_EQ(core.delivered(kC), 0U);
  (void)sent(kS, 8);
  (void)data(kC, 5);
  (void)sent(kS, 5);
  EXPECT_EQ(core.delivered(kC), 5U);
}

// The pipe may hold bytes that the client has not read.
TEST_F(RelayCoreTest, AnOldConnectionIsNotClosedWhileADirectionIsInBulk) {
  policy.max_connection_age = 10min;
  marks.full_read = 100;
  open();
  for (int i = 0; i < 8; ++i) {
    (void)data(kS, 100);
    (void)sent(kC, 100);
  }
  (void)step([&](RelayOps& o) { core.bulk_ready(kS, o); });
  now += 11min;
  EXPECT_THAT(timer(), ElementsAre(op(RelayOpKind::kArmTimer, kC)));

  (void)step([&](RelayOps& o) { core.bulk_ended(kS, o); });
  now += 250ms;
  (void)timer();
  EXPECT_EQ(core.cause(), EndCause::kMaxAge);
}

}  // namespace
}  // namespace fairlead::lb
