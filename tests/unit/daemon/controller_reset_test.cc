// on_server_down: reset, for servers that are out of the table before they are dead, and for one that lives again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/controller_fixture.h"

namespace fairlead::daemon::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ControllerResetTest : public ::testing::Test, protected Shell {
 protected:
  void start(const config::Snapshot& config) {
    apply(config);
    all_up();
    a_ = id("masters", "a");
  }
  /// Until `which` is reset or `times` checks of it said so.
  std::vector<lb::ServerId> checks_until_reset(lb::ServerId which, lb::ProbeOutcome outcome, int times) {
    for (int i = 0; i < times; ++i) {
      if (const auto& did = check_again(which, outcome); !did.reset.empty()) return did.reset;
    }
    return {};
  }
  lb::ServerId a_ = 0;
};

TEST_F(ControllerResetTest, ADrainedServerThatDiesIsReset) {
  start(usual());
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  EXPECT_THAT(checks_until_reset(a_, lb::ProbeOutcome::kRefused, 3), ElementsAre(a_));
}

TEST_F(ControllerResetTest, AnEjectedServerThatIsFoundDeadIsReset) {
  start(usual());
  now += kTablePause;
  EXPECT_THAT(carry(node.connect_failed(a_, lb::ConnectCause::kRefused, now)).reset, IsEmpty());
  ASSERT_FALSE(find("masters", "a")->usable);
  EXPECT_THAT(checks_until_reset(a_, lb::ProbeOutcome::kRefused, 3), ElementsAre(a_));
}

TEST_F(ControllerResetTest, AServerThatAnsweredWronglyAndThenNotAtAllIsReset) {
  start(usual());
  EXPECT_THAT(checks_until_reset(a_, lb::ProbeOutcome::kStatus, 3), IsEmpty());
  ASSERT_FALSE(find("masters", "a")->usable);
  EXPECT_THAT(checks_until_reset(a_, lb::ProbeOutcome::kTimeout, 3), ElementsAre(a_));
}

TEST_F(ControllerResetTest, AServerThatAnswersAgainBeforeItsResetKeepsItsConnections) {
  auto config = usual();
  config.pools[0].health.fall = 1;
  config.pools[0].health.fast_interval = 1ms;
  config.pools[0].health.down_interval = 1ms;
  start(config);
  const auto b = id("masters", "b");
  const auto due = [&](lb::ServerId which, std::uint64_t before, Duration step) {
    while (probes.at(which).token == before) {
      now += step;
      carry(node.tick(now));
    }
  };
  const auto answer = [&](lb::ServerId which, lb::ProbeOutcome outcome) -> const ControlActions& {
    return carry(
        node.probe_done({.server = which, .token = probes.at(which).token, .outcome = outcome, .detail = "", .duration = 1ms}, now));
  };
  due(a_, probes.at(a_).token, 100ms);
  due(b, probes.at(b).token, 100ms);
  now += kTablePause;
  ASSERT_THAT(answer(a_, lb::ProbeOutcome::kRefused).reset, ElementsAre(a_));
  const Instant published = now;
  const auto token = probes.at(b).token;
  ASSERT_THAT(answer(b, lb::ProbeOutcome::kRefused).reset, IsEmpty()) << "it is in the table still";

  due(b, token, 1ms);
  ASSERT_LT(now, published + kTablePause);
  answer(b, lb::ProbeOutcome::kOk);
  now = published + kTablePause;
  EXPECT_THAT(carry(node.tick(now)).reset, IsEmpty());
  EXPECT_THAT(apply(config).reset, IsEmpty()) << "nor ever after";
}

}  // namespace
}  // namespace fairlead::daemon::test
