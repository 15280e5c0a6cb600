#include "daemon/worst_by_second.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using Values = std::vector<std::uint32_t>;

TEST(WorstBySecond, EachSecondHasItsOwn) {
  WorstBySecond worst;
  EXPECT_EQ(worst.values(), Values{});
  worst.add(3, 7);
  worst.add(9, 7);
  worst.add(4, 7);
  worst.add(1, 8);
  EXPECT_EQ(worst.values(), (Values{9, 1}));
  worst.add(5518, 11);
  EXPECT_EQ(worst.values(), (Values{9, 1, 0, 0, 5518})) << "a loop that stood still said nothing meanwhile";
}

TEST(WorstBySecond, OldOnesAreForgotten) {
  WorstBySecond worst;
  worst.add(5518, 0);
  for (std::uint64_t second = 1; second < WorstBySecond::kSeconds; ++second) worst.add(1, second);
  EXPECT_EQ(worst.values().front(), 5518U);
  worst.add(1, WorstBySecond::kSeconds);
  EXPECT_EQ(worst.values(), Values(WorstBySecond::kSeconds, 1));
  worst.add(2, 1'000'000);
  EXPECT_EQ(worst.values().size(), WorstBySecond::kSeconds);
  EXPECT_EQ(worst.values().front(), 0U);
  EXPECT_EQ(worst.values().back(), 2U);
}

}  // namespace
}  // namespace fairlead::daemon
