#include "base/prng.h"

#include <array>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace fairlead {
namespace {

TEST(PrngTest, RepeatsItselfForASeedAndDiffersBetweenSeeds) {
  Prng a(1);
  Prng b(1);
  Prng c(2);
  for (int i = 0; i < 100; ++i) {
    const auto value = a.next();
    EXPECT_EQ(value, b.next());
    EXPECT_NE(value, c.next());
  }
}

TEST(PrngTest, StaysBelowItsBound) {
  rc::check([](std::uint64_t seed) {
    const auto bound = *rc::gen::inRange<std::uint32_t>(1, 0xffffffffU);
    Prng prng(seed);
    for (int i = 0; i < 20; ++i) RC_ASSERT(prng.below(bound) < bound);
  });
}

TEST(PrngTest, IsEven) {
  Prng prng(42);
  std::array<int, 10> buckets{};
  for (int i = 0; i < 100'000; ++i) ++buckets[prng.below(10)];
  for (const int count : buckets) EXPECT_NEAR(count, 10'000, 400);  // Four standard deviations.
}

}  // namespace
}  // namespace fairlead
