// The daemon's end of the guard, with programs that are no guards. Real guards: tests/netns/vip/guard_test.cc.
#include "vip/guard_link.h"

#include <algorithm>
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

  GuardLink link_{GuardSetup{.node = NodeId{1}, .hang = seconds(1)}};
  Instant now_{std::chrono::hours(1)};
};

TEST_F(GuardLinkTest, AProgramThatIsNotThereIsAClearError) {
  const auto refused = spawn_guard({.path = "/nowhere/fairleadd", .arguments = {"x"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_NE(refused.error().context.find("/nowhere/fairleadd"), std::string::npos);
}

TEST_F(GuardLinkTest, AGuardThatDiesIsToldOnceAndNothingIsGuardedThen) {
  EXPECT_FALSE(dies_at_once().too_often);
  EXPECT_TRUE(link_.turn(now_).empty());
  EXPECT_FALSE(link_.is_guarded());
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
    const auto events = link_.turn(now_);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(std::get<GuardLost>(events[0]).too_often, i == 5);
  }
}

TEST_F(GuardLinkTest, WithoutAGuardHoldsAreKeptForTheNextOneAndDropsAreDone) {
  ASSERT_TRUE(link_.hold(hold("api")));
  EXPECT_FALSE(link_.knows("api", 1));
  link_.drop("api");
  EXPECT_FALSE(link_.is_guarded());
  EXPECT_TRUE(link_.turn(now_).empty());
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
  EXPECT_FALSE(link_.is_guarded());
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
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<GuardLost>(events[0]));
}

}  // namespace
}  // namespace fairlead::vip
