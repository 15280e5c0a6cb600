#include "k8s-bootstrap/apply/run_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::bootstrap {
namespace {

using State = RunOrder::State;

Step step(std::string id, std::string machine, std::vector<std::string> needs = {}) {
  Step made;
  made.id = std::move(id);
  made.machine = std::move(machine);
  made.needs = std::move(needs);
  return made;
}
std::vector<std::string> ids(const std::vector<const Step*>& steps) {
  std::vector<std::string> result;
  for (const Step* one : steps) result.push_back(one->id);
  return result;
}
using testing::ElementsAre;
using testing::IsEmpty;

TEST(RunOrder, StartsWhatNeedsNothingAndThenWhatNeededIt) {
  const Plan plan{{step("a/1", "a"), step("b/1", "b"), step("a/2", "a", {"a/1", "b/1"})}, {}, {}};
  RunOrder order(plan, 8);
  EXPECT_THAT(ids(order.start()), ElementsAre("a/1", "b/1"));
  order.ended("a/1", true);
  EXPECT_THAT(ids(order.start()), IsEmpty());
  EXPECT_FALSE(order.over());
  order.ended("b/1", true);
  EXPECT_THAT(ids(order.start()), ElementsAre("a/2"));
  order.ended("a/2", true);
  EXPECT_TRUE(order.over());
  EXPECT_EQ(order.count(State::kDone), 3U);
}

TEST(RunOrder, OneStepAtATimeOnAMachineAndNoMoreThanTheLimitOnAll) {
  const Plan plan{{step("a/1", "a"), step("a/2", "a"), step("b/1", "b"), step("c/1", "c")}, {}, {}};
  RunOrder order(plan, 2);
  EXPECT_THAT(ids(order.start()), ElementsAre("a/1", "b/1"));
  order.ended("a/1", true);
  EXPECT_THAT(ids(order.start()), ElementsAre("a/2"));
}

TEST(RunOrder, StepsOfTheOperatorsMachineShareNoTurn) {
  const Plan plan{{step("pki", ""), step("ssh-ca", "")}, {}, {}};
  RunOrder order(plan, 8);
  EXPECT_THAT(ids(order.start()), ElementsAre("pki", "ssh-ca"));
}

TEST(RunOrder, AfterAFailureWhatRunsGoesOnAndNothingNewStarts) {
  const Plan plan{{step("a/1", "a"), step("b/1", "b"), step("a/2", "a"), step("c/1", "c", {"b/1"})}, {}, {}};
  RunOrder order(plan, 2);
  (void)order.start();
  order.ended("a/1", false);
  EXPECT_THAT(ids(order.start()), IsEmpty());
  EXPECT_FALSE(order.over());
  order.ended("b/1", true);
  EXPECT_TRUE(order.over());
  EXPECT_EQ(order.state("a/1"), State::kFailed);
  EXPECT_EQ(order.state("c/1"), State::kWaiting);
}

TEST(RunOrder, AStopLetsNothingStart) {
  const Plan plan{{step("a/1", "a")}, {}, {}};
  RunOrder order(plan, 2);
  order.stop();
  EXPECT_THAT(ids(order.start()), IsEmpty());
  EXPECT_TRUE(order.over());
}

}  // namespace
}  // namespace fairlead::bootstrap
