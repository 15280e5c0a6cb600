#include "k8s-bootstrap/apply/progress_text.h"

#include <gtest/gtest.h>

namespace fairlead::bootstrap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Step step(std::string id, std::string machine, Duration usual, std::vector<std::string> needs = {}) {
  Step made;
  made.id = std::move(id);
  made.machine = std::move(machine);
  made.title = "joins";
  made.phase = Phase::kControlPlanes;
  made.usual = usual;
  made.needs = std::move(needs);
  return made;
}

TEST(Estimate, IsTheLongestPathAndMachinesDoOneThingAtATime) {
  const Plan plan{
      {step("a/1", "a", seconds(10)), step("b/1", "b", seconds(4)), step("a/2", "a", seconds(5)), step("b/2", "b", seconds(1), {"a/1"})},
      {},
      {}};
  Estimate estimate(plan, {});
  const Instant t0{};
  EXPECT_EQ(estimate.left(t0), seconds(15));  // a/1 then a/2
  estimate.begins("a/1", t0);
  EXPECT_EQ(estimate.left(t0 + seconds(7)), seconds(8));
  estimate.ends("a/1");
  EXPECT_EQ(estimate.left(t0 + seconds(7)), seconds(5));
}

TEST(Estimate, KnowsFromTheLastTime) {
  const Plan plan{{step("a/join", "a", seconds(10))}, {}, {}};
  const Estimate estimate(plan, {{"join", seconds(22)}});
  EXPECT_EQ(estimate.left(Instant{}), seconds(22));
}

TEST(ProgressText, TimesAreShort) {
  EXPECT_EQ(short_time(milliseconds(350)), "350ms");
  EXPECT_EQ(short_time(milliseconds(4270)), "4.2s");
  EXPECT_EQ(short_time(seconds(200)), "3m 20s");
  EXPECT_EQ(short_time(seconds(3720)), "1h 02m");
}

TEST(ProgressText, ALineHasHostPhaseTitleTimeAndWhatIsLeft) {
  EXPECT_EQ(step_line(step("mast-2/join", "mast-2", {}), "ok", milliseconds(21'400), seconds(180)),
            "mast-2       control planes joins  ok 21.4s   about 3m 00s left");
  EXPECT_EQ(step_line(step("pki", "", {}), "", {}, {}), "here         control planes joins");
}

TEST(ProgressText, AnEventIsOneLineOfJson) {
  EXPECT_EQ(
      step_event_json(step("mast-2/join", "mast-2", {}), "failed", milliseconds(5), {}, "a \"cause\"\n"),
      "{\"event\":\"failed\",\"step\":\"mast-2/join\",\"phase\":\"control planes\",\"machine\":\"mast-2\",\"title\":\"joins\",\"ms\":5,"
      "\"left_ms\":0,\"text\":\"a \\\"cause\\\"\\n\"}\n");
}

}  // namespace
}  // namespace fairlead::bootstrap
