// The daemon's end of the guard, with programs that are no guards. Real guards: tests/netns/vip/guard_test.cc.
#include "vip/guard_link.h"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

namespace fairlead::vip {
namespace {

using std::chrono::seconds;

class GuardLinkTest : public ::testing::Test {
 protected:
  static GuardHold hold(const std::string& vip) {
    return {
        .serial = 0, .vip = vip, .epoch = 1, .incarnation = 1, .address = {.device = "e", .index = 1, .address = {}, .lease = seconds(2)}};
  }
  // A guard that ends at once; returns what is reported of it.
  GuardLost dies_at_once() {
    auto child = spawn_guard({.path = "/bin/true", .arguments = {"true"}});
    EXPECT_TRUE(child);
    link_.attach(std::move(*child), now_);
    pollfd wait{.fd = link_.death_fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&wait, 1, 10000), 1);
    for (const GuardLinkEvent& event : link_.turn(now_)) {
      if (const auto* lost = std::get_if<GuardLost>(&event)) return *lost;
    }
    ADD_FAILURE() << "nothing was lost";
    return {};
  }

  // Of what a turn reports, the losses.
  std::vector<GuardLost> losses() {
    std::vector<GuardLost> out;
    for (const GuardLinkEvent& event : link_.turn(now_)) {
      if (const auto* lost = std::get_if<GuardLost>(&event)) out.push_back(*lost);
    }
    return out;
  }
  bool wants_one() {
    const auto events = link_.turn(now_);
    return std::any_of(events.begin(), events.end(), [](const auto& e) { return std::holds_alternative<GuardWanted>(e); });
  }
  // A guard that says these words and stays.
  void attach_speaker(const std::vector<GuardWord>& words) {
    std::string script;
    for (const GuardWord& word : words) {
      script += "printf '";
      for (const std::byte b : build_guard_word(word)) {
        char octal[5];
        std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(b));
        script += octal;
      }
      script += "' >&3; ";
    }
    auto child = spawn_guard({.path = "/bin/sh", .arguments = {"sh", "-c", script + "exec tail -f /dev/null"}});
    ASSERT_TRUE(child);
    link_.attach(std::move(*child), now_);
  }
  // What it reports until it said one thing of that kind.
  template <typename Event>
  Event heard() {
    for (int i = 0; i < 1000; ++i) {
      pollfd wait{.fd = link_.link_fd(), .events = POLLIN, .revents = 0};
      EXPECT_EQ(::poll(&wait, 1, 10000), 1);
      for (const GuardLinkEvent& event : link_.turn(now_)) {
        if (const auto* found = std::get_if<Event>(&event)) return *found;
      }
    }
    ADD_FAILURE() << "it never said so";
    return {};
  }

  GuardLink link_{GuardSetup{.node = NodeId{1}, .hang = seconds(1)}};
  Instant now_{std::chrono::hours(1)};
};

TEST_F(GuardLinkTest, WhoWatchesItsDescriptorsIsToldWhileTheyAreOpen) {
  int told = 0;
  link_.before_close([&] {
    ++told;
    EXPECT_NE(::fcntl(link_.link_fd(), F_GETFD), -1);
    EXPECT_NE(::fcntl(link_.death_fd(), F_GETFD), -1);
  });
  (void)dies_at_once();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(link_.link_fd(), -1);
  auto child = spawn_guard({.path = "/bin/true", .arguments = {"true"}});
  ASSERT_TRUE(child);
  link_.attach(std::move(*child), now_);
  link_.goodbye();
  EXPECT_EQ(told, 2);
}

TEST_F(GuardLinkTest, AProgramThatIsNotThereIsAClearError) {
  const auto refused = spawn_guard({.path = "/nowhere/fairleadd", .arguments = {"x"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_NE(refused.error().context.find("/nowhere/fairleadd"), std::string::npos);
}

TEST_F(GuardLinkTest, AGuardThatDiesIsToldOnceAndNothingIsGuardedThen) {
  EXPECT_FALSE(dies_at_once().too_often);
  EXPECT_TRUE(link_.turn(now_).empty());
  EXPECT_EQ(link_.death_fd(), -1);
  EXPECT_EQ(link_.link_fd(), -1);
}

TEST_F(GuardLinkTest, FiveLossesInAMinuteAreTooOften) {
  for (int i = 1; i <= 5; ++i) {
    now_ += seconds(10);
    EXPECT_EQ(dies_at_once().too_often, i == 5) << i;
  }
}

TEST_F(GuardLinkTest, FiveLossesInMoreThanAMinuteAreNot) {
  for (int i = 1; i <= 8; ++i) {
    now_ += seconds(16);
    EXPECT_FALSE(dies_at_once().too_often) << i;
  }
}

TEST_F(GuardLinkTest, AFailedStartCountsAsALoss) {
  for (int i = 1; i <= 5; ++i) {
    link_.spawn_failed(Error{Errc::kLimitExceeded, "no memory"}, now_);
    const auto lost = losses();
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].too_often, i == 5);
  }
}

// ---- R10: when a node may have VIPs ----

TEST_F(GuardLinkTest, AnAddressThatIsNotAcknowledgedYetMovesNothing) {
  attach_speaker({GuardReady{}});
  (void)heard<GuardUp>();
  ASSERT_TRUE(link_.hold(hold("api")));
  now_ += kGuardMissingMax * 2;
  EXPECT_FALSE(link_.knows("api", 1));
  EXPECT_TRUE(link_.can_guard(now_));
}

TEST_F(GuardLinkTest, OneLossMovesNothingAndASecondWithoutAGuardDoes) {
  EXPECT_FALSE(dies_at_once().too_often);
  EXPECT_TRUE(link_.can_guard(now_));
  now_ += kGuardMissingMax - std::chrono::milliseconds(1);
  EXPECT_TRUE(link_.can_guard(now_));
  now_ += std::chrono::milliseconds(1);
  EXPECT_FALSE(link_.can_guard(now_));
  attach_speaker({});
  EXPECT_FALSE(link_.can_guard(now_)) << "a process is no guard before it is ready";
}

TEST_F(GuardLinkTest, AReadyGuardMakesTheNodeFitAgain) {
  (void)dies_at_once();
  now_ += kGuardMissingMax * 2;
  ASSERT_FALSE(link_.can_guard(now_));
  attach_speaker({GuardReady{}});
  (void)heard<GuardUp>();
  EXPECT_TRUE(link_.can_guard(now_));
}

TEST_F(GuardLinkTest, ANodeWithoutAnyGuardIsUnfitAfterASecond) {
  EXPECT_TRUE(wants_one());
  EXPECT_TRUE(link_.can_guard(now_));
  now_ += kGuardMissingMax;
  EXPECT_FALSE(link_.can_guard(now_));
}

TEST_F(GuardLinkTest, AfterTooManyLossesAReadyGuardDoesNotCountUntilTheMinuteIsOver) {
  for (std::size_t i = 0; i < kGuardFailuresMax; ++i) (void)dies_at_once();
  attach_speaker({GuardReady{}});
  (void)heard<GuardUp>();
  EXPECT_FALSE(link_.can_guard(now_));
  now_ += kGuardFailureWindow + seconds(1);
  EXPECT_TRUE(link_.can_guard(now_));
}

// ---- L4 ----

TEST_F(GuardLinkTest, WithoutAGuardOneIsWantedAndOnlyOne) {
  EXPECT_TRUE(wants_one());
  EXPECT_FALSE(wants_one()) << "it is being spawned";
  link_.spawn_failed(Error{Errc::kLimitExceeded, "no memory"}, now_);
  EXPECT_TRUE(wants_one()) << "a failed first spawn is tried again";
  attach_speaker({GuardReady{}});
  EXPECT_FALSE(wants_one());
}

TEST_F(GuardLinkTest, AGuardThatDiesIsWantedAgainInTheSameTurn) {
  auto child = spawn_guard({.path = "/bin/true", .arguments = {"true"}});
  ASSERT_TRUE(child);
  link_.attach(std::move(*child), now_);
  pollfd wait{.fd = link_.death_fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&wait, 1, 10000), 1);
  EXPECT_TRUE(wants_one());
}

TEST_F(GuardLinkTest, ASpawnThatNeverAnswersCountsAsFailedAndItsLateChildIsKilled) {
  ASSERT_TRUE(wants_one());
  now_ += kGuardSpawnMax;
  EXPECT_TRUE(wants_one());
  attach_speaker({GuardReady{}});
  (void)heard<GuardUp>();
  const int fd = link_.link_fd();
  attach_speaker({});
  EXPECT_EQ(link_.link_fd(), fd) << "the one that is there stays";
  link_.spawn_failed(Error{Errc::kLimitExceeded, "no memory"}, now_);
  EXPECT_TRUE(losses().empty());
}

TEST_F(GuardLinkTest, AfterTooManyLossesTheNextOneIsWantedAfterAPause) {
  for (std::size_t i = 0; i < kGuardFailuresMax; ++i) (void)dies_at_once();
  EXPECT_FALSE(wants_one());
  now_ += kGuardBackOff - std::chrono::milliseconds(1);
  EXPECT_FALSE(wants_one());
  now_ += std::chrono::milliseconds(1);
  EXPECT_TRUE(wants_one());
}

TEST_F(GuardLinkTest, AfterTheGoodbyeNoneIsWanted) {
  link_.goodbye();
  EXPECT_FALSE(wants_one());
  attach_speaker({GuardReady{}});
  EXPECT_EQ(link_.link_fd(), -1) << "one that comes late is killed";
}

// ---- epochs ----

TEST_F(GuardLinkTest, ANewerEpochOfWhatIsHeldIsToldAndTheSameOneIsNot) {
  attach_speaker({GuardReady{}, GuardAck{2}});  // Each telling has a serial; the second is acknowledged.
  GuardHold what = hold("api");
  ASSERT_TRUE(link_.hold(what));
  ASSERT_TRUE(link_.keep(what));
  what.epoch = 2;
  ASSERT_TRUE(link_.keep(what));
  ASSERT_TRUE(link_.keep(what)) << "told, not acknowledged: not told again";
  EXPECT_EQ(heard<GuardKnows>(), (GuardKnows{"api", 2}));
  EXPECT_TRUE(link_.knows("api", 2));
}

TEST_F(GuardLinkTest, WithoutAGuardHoldsAreKeptForTheNextOneAndDropsAreDone) {
  ASSERT_TRUE(link_.hold(hold("api")));
  EXPECT_FALSE(link_.knows("api", 1));
  link_.drop("api");
  EXPECT_TRUE(wants_one());
}

TEST_F(GuardLinkTest, MoreVipsThanAGuardWatchesAreRefused) {
  for (std::size_t i = 0; i < kGuardedMax; ++i) ASSERT_TRUE(link_.hold(hold("v" + std::to_string(i))));
  EXPECT_EQ(link_.hold(hold("one-more")).error().code, Errc::kLimitExceeded);
  EXPECT_TRUE(link_.hold(hold("v0")));
}

// A guard that reads nothing: the socket fills up, nothing waits, and nothing is forgotten.
TEST_F(GuardLinkTest, AGuardThatReadsNothingBlocksNobody) {
  auto child = spawn_guard({.path = "/bin/sh", .arguments = {"sh", "-c", "read x <&3; exec tail -f /dev/null"}});
  ASSERT_TRUE(child);
  link_.attach(std::move(*child), now_);
  for (int round = 0; round < 2000; ++round) ASSERT_TRUE(link_.hold(hold("v" + std::to_string(round % 4))));
  EXPECT_FALSE(link_.knows("v0", 1));
  for (int i = 0; i < 20; ++i) {
    now_ += std::chrono::milliseconds(100);
    ASSERT_TRUE(link_.turn(now_).empty()) << i;
  }
  // L2: it stood still for too long by the daemon's turns, and a pause of the daemon counts for little.
  now_ += std::chrono::minutes(5);
  ASSERT_TRUE(link_.turn(now_).empty());
  std::vector<GuardLinkEvent> events;
  for (int i = 0; i < 20 && events.empty(); ++i) {
    now_ += std::chrono::milliseconds(100);
    events = link_.turn(now_);
  }
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<GuardLost>(events[0]));
  EXPECT_TRUE(std::holds_alternative<GuardWanted>(events[1]));
}

}  // namespace
}  // namespace fairlead::vip
