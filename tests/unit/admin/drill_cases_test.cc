#include "admin/drill_cases.h"

#include <gtest/gtest.h>

namespace fairlead::admin {
namespace {

using namespace std::chrono_literals;

constexpr DrillTimes kVm{.lease = 2s, .hang = 1s, .ring = 1760ms, .start = 5s};

std::string promise(std::string_view name) {
  const auto* found = find_drill(name);
  return found != nullptr && found->bound ? to_string(*found->bound) : "none";
}
Duration longest(std::string_view name, const DrillTimes& times = kVm) {
  return outage_max(*find_drill(name)->bound, times).value_or(-1ns);
}

TEST(DrillCases, APromiseIsTheSameAsTextAndAsNumber) {
  EXPECT_EQ(promise("planned"), "20 ms");
  EXPECT_EQ(longest("planned"), 20ms);
  EXPECT_EQ(promise("hang-process"), "guard.hang + 300 ms");
  EXPECT_EQ(longest("hang-process"), 1300ms);
  EXPECT_EQ(promise("kill-node"), "T + C + 350 ms");
  EXPECT_EQ(longest("kill-node"), 2110ms);
  EXPECT_EQ(promise("kill-both"), "lease + T + C + 500 ms");
  EXPECT_EQ(longest("kill-both"), 4260ms);
  EXPECT_EQ(promise("cut-link-oneway"), "5 s");
  EXPECT_EQ(longest("cut-link-oneway"), 5s);
  EXPECT_EQ(promise("merge"), "0");
  EXPECT_EQ(longest("merge"), 0s);
  EXPECT_EQ(promise("boot-alone"), "start_wait + 1 s");
  EXPECT_EQ(longest("boot-alone"), 6s);
  EXPECT_EQ(promise("double-failure"), "none");
}

TEST(DrillCases, WithoutTheRingsTimesWhatNeedsThemIsNotKnown) {
  const DrillTimes alone{.lease = 2s, .hang = 1s, .ring = std::nullopt};
  EXPECT_EQ(longest("kill-node", alone), -1ns);
  EXPECT_EQ(longest("hang-process", alone), 1300ms);
}

}  // namespace
}  // namespace fairlead::admin
