// Jobs and the API's way to the control thread: everything asked is answered exactly once.
#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <thread>

#include "daemon/jobs.h"
#include "daemon/node_port_inbox.h"

namespace fairlead::daemon {
namespace {

TEST(Jobs, RunInOrderAndAllOfThemBeforeTheEnd) {
  std::vector<int> ran;
  {
    Jobs jobs;
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(jobs.post([&ran, i] { ran.push_back(i); }));
  }
  ASSERT_EQ(ran.size(), 40U);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
}

TEST(Jobs, RefuseWhatIsTooMuch) {
  std::promise<void> begun;
  std::promise<void> go;
  std::size_t ran = 0;
  std::size_t taken = 0;
  {
    Jobs jobs;
    ASSERT_TRUE(jobs.post([&] {
      begun.set_value();
      go.get_future().wait();
    }));
    begun.get_future().wait();
    while (taken < 1000 && jobs.post([&ran] { ++ran; })) ++taken;
    go.set_value();
  }
  EXPECT_GE(taken, 32U);
  EXPECT_LT(taken, 1000U);
  EXPECT_EQ(ran, taken);
}

class NodePortInboxTest : public ::testing::Test {
 protected:
  Inbox<ControlMessage> inbox{2};
  LogThread log{LogOptions{.level = LogLevel::kNotice, .target = LogTargetKind::kStderr, .path = "", .format = LogFormat::kText}};
  NodePortInbox port{inbox, log};
};

TEST_F(NodePortInboxTest, WhatFindsNoRoomIsRefusedOnceAndTheRestIsAnsweredOnce) {
  int answered = 0;
  int refused = 0;
  const auto done = [&](const Result<admin::CommandResult>& r) {
    ++answered;
    if (!r && r.error().code == Errc::kUnavailable) ++refused;
  };
  for (int i = 0; i < 5; ++i) port.execute(admin::Reload{}, {"tester"}, done);
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(refused, 3);
  int listed = 0;
  port.connections({}, 10, [&](const Result<admin::LateConnections>& r) { listed += r ? 100 : 1; });
  EXPECT_EQ(listed, 1);
  port.leases({}, 10, [&](const Result<admin::LateLeases>& r) { listed += r ? 100 : 1; });
  EXPECT_EQ(listed, 2);
  inbox.drain([](ControlMessage&& m) { refuse(std::move(m)); });
  EXPECT_EQ(answered, 5);
  EXPECT_EQ(refused, 5);
}

// Its last report says that all is well; nobody is there to make another.
TEST_F(NodePortInboxTest, AControlThreadThatStandsMakesTheNodeNotReady) {
  const auto healthy = [&] {
    auto made = std::make_shared<admin::NodeReport>();
    made->ready = true;
    port.beat();
    port.publish(made);
  };
  healthy();
  EXPECT_TRUE(port.report()->ready);
  EXPECT_EQ(port.report()->age_s, 0);
  const SystemClock clock;
  const Instant begun = clock.now();
  while (port.report()->ready && clock.now() - begun < std::chrono::seconds(10)) {}
  EXPECT_GE(clock.now() - begun, kStandsAfter);
  const auto late = port.report();
  EXPECT_FALSE(late->ready);
  EXPECT_GT(late->age_s, 1);
  EXPECT_GT(late->control_lateness_ms, 1000);
  ASSERT_EQ(late->ready_reasons.size(), 1U);
  EXPECT_EQ(late->ready_reasons[0].what, "control thread");
  EXPECT_TRUE(late->ready_reasons[0].detail.starts_with("has not turned for 1.")) << late->ready_reasons[0].detail;
  healthy();
  EXPECT_TRUE(port.report()->ready) << "it turns again";
  EXPECT_TRUE(port.report()->ready_reasons.empty());
}

// Nobody asked for a while, so the last report is old; the thread is well, and has no time just now.
TEST_F(NodePortInboxTest, AnOldReportOfAThreadThatTurnsIsOnlyOld) {
  auto made = std::make_shared<admin::NodeReport>();
  made->ready = true;
  port.publish(made);
  const SystemClock clock;
  const Instant begun = clock.now();
  while (clock.now() - begun < kStandsAfter + std::chrono::milliseconds(300)) {
    port.beat();
    ASSERT_TRUE(port.report()->ready);
  }
  EXPECT_GT(port.report()->age_s, 1);
}

TEST_F(NodePortInboxTest, EveryKindOfQuestionLeftBehindIsRefused) {
  int answered = 0;
  const auto unavailable = [&](const auto& r) { answered += !r && r.error().code == Errc::kUnavailable ? 1 : 100; };
  refuse(CommandRequest{admin::Reload{}, {"tester"}, unavailable});
  refuse(ListRequest{{}, 1, unavailable});
  refuse(LeasesRequest{{}, 1, unavailable});
  refuse(Loaded{{}, false, "tester", unavailable, {}, {}});
  refuse(lb::ProbeResult{});  // Nobody waits.
  EXPECT_EQ(answered, 4);
}

TEST_F(NodePortInboxTest, ShowsWhatWasPublishedLast) {
  EXPECT_NE(port.report(), nullptr);
  auto report = std::make_shared<admin::NodeReport>();
  report->node = "gw-1";
  port.publish(report);
  port.publish_config("node: gw-1\n");
  EXPECT_EQ(port.report()->node, "gw-1");
  EXPECT_EQ(port.config_yaml(), "node: gw-1\n");
  EXPECT_TRUE(port.events(0, 10).empty());
}

TEST_F(NodePortInboxTest, WhoReadsAfterAPauseGetsANewReportAndOneThatIsNewIsNotAskedFor) {
  std::atomic<bool> over{false};
  unsigned asked = 0;
  std::thread control([&] {
    while (!over) {
      inbox.drain([&](ControlMessage&& m) {
        if (!std::holds_alternative<ReportWanted>(m)) return;
        auto report = std::make_shared<admin::NodeReport>();
        report->uptime_s = ++asked;
        port.publish(std::move(report));
      });
      std::this_thread::yield();
    }
  });
  EXPECT_FALSE(port.take_asked());
  const double first = port.report()->uptime_s;
  const double second = port.report()->uptime_s;
  EXPECT_TRUE(port.take_asked());
  EXPECT_FALSE(port.take_asked());
  over = true;
  control.join();
  EXPECT_EQ(first, 1) << "there was only an empty one";
  EXPECT_GE(second, 1);
  EXPECT_EQ(asked, second) << "made for a reader and for nobody else";
}

TEST_F(NodePortInboxTest, AControlThreadWithoutTimeLeavesTheOldReport) {
  for (int i = 0; i < 4; ++i) EXPECT_NE(port.report(), nullptr) << "also when its inbox is full";
  std::size_t asked = 0;
  inbox.drain([&](ControlMessage&& m) { asked += std::holds_alternative<ReportWanted>(m) ? 1 : 100; });
  EXPECT_EQ(asked, 2U) << "as often as there was room";
}

}  // namespace
}  // namespace fairlead::daemon
