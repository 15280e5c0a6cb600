#include "base/seldom_said.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart(Duration(std::chrono::hours(1)));

TEST(SeldomSaid, SaysTheFirstAtOnceAndTheRestWithTheNextMinute) {
  SeldomSaid one;
  EXPECT_EQ(one.again(kStart), 1U);
  EXPECT_FALSE(one.again(kStart + 1s));
  EXPECT_FALSE(one.again(kStart + 59s));
  EXPECT_EQ(one.again(kStart + 60s), 3U);
  EXPECT_FALSE(one.again(kStart + 61s));
}

TEST(SeldomSaidBy, OneHidesNobodyElse) {
  SeldomSaidBy all;
  EXPECT_EQ(all.again("a", kStart), 1U);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(all.again("a", kStart + 1s));
  EXPECT_EQ(all.again("b", kStart + 2s), 1U);
  EXPECT_EQ(all.again("a", kStart + 60s), 101U);
}

TEST(SeldomSaidBy, HoweverManyTheyAreALineEachForSixtyFourAndOneForTheRest) {
  SeldomSaidBy all;
  std::size_t said = 0;
  for (int i = 0; i < 10'000; ++i) said += all.again(std::to_string(i), kStart).has_value() ? 1 : 0;
  EXPECT_EQ(said, SeldomSaidBy::kKnownMax + 1);
  EXPECT_FALSE(all.again("9999", kStart + 59s));

  EXPECT_EQ(all.again("9999", kStart + 60s), 1U) << "who was silent for a minute made room";
  EXPECT_EQ(all.again("9998", kStart + 60s), 1U);
}

}  // namespace
}  // namespace fairlead
