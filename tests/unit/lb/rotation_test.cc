#include "lb/rotation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

using Rotation = std::vector<std::uint16_t>;
using Weights = std::vector<std::uint32_t>;

TEST(Rotation, VisitsEqualServersInTurn) { EXPECT_EQ(build_rotation(Weights{100, 100, 100}), (Rotation{0, 1, 2})); }

TEST(Rotation, SpreadsTheVisitsOfAHeavyServer) { EXPECT_EQ(build_rotation(Weights{2, 1, 1}), (Rotation{0, 1, 0, 2})); }

TEST(Rotation, LeavesOutServersWithoutWeight) {
  EXPECT_EQ(build_rotation(Weights{0, 7, 0, 7}), (Rotation{1, 3}));
  EXPECT_TRUE(build_rotation(Weights{0, 0}).empty());
  EXPECT_TRUE(build_rotation(Weights{}).empty());
}

TEST(Rotation, DividesByTheCommonDivisor) { EXPECT_EQ(build_rotation(Weights{300, 100}).size(), 4U); }

TEST(Rotation, StaysShortWithLargeCoprimeWeights) {
  const Weights weights{999'983, 999'979, 1, 4'294'967'295U};
  const Rotation rotation = build_rotation(weights);

  EXPECT_LE(rotation.size(), kRotationLengthMax + weights.size());
  EXPECT_EQ(std::count(rotation.begin(), rotation.end(), 2), 1);
}

TEST(Rotation, HoldsManyServers) { EXPECT_EQ(build_rotation(Weights(5000, 100)).size(), 5000U); }

RC_GTEST_PROP(RotationProperty, GivesEveryPrefixItsShareWithinOneVisit, ()) {
  const auto weights = *rc::gen::container<Weights>(rc::gen::weightedOneOf<std::uint32_t>(
      {{6, rc::gen::inRange<std::uint32_t>(1, 12)}, {1, rc::gen::just<std::uint32_t>(0)}, {2, rc::gen::inRange<std::uint32_t>(1, 1001)}}));
  const Rotation rotation = build_rotation(weights);
  RC_ASSERT(rotation == build_rotation(weights));  // I3

  std::vector<double> visits(weights.size(), 0);
  for (const std::uint16_t server : rotation) visits[server] += 1;
  const std::vector<double> total = visits;
  std::fill(visits.begin(), visits.end(), 0);
  for (std::size_t position = 0; position < rotation.size(); ++position) {
    visits[rotation[position]] += 1;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double share = total[i] * static_cast<double>(position + 1) / static_cast<double>(rotation.size());
      RC_ASSERT(std::abs(visits[i] - share) < 1.0);  // I1
    }
  }
  std::uint32_t divisor = 0;
  for (const std::uint32_t w : weights) divisor = std::gcd(divisor, w);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const bool scaled = divisor != 0 && sum / divisor > static_cast<double>(kRotationLengthMax);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    RC_ASSERT((total[i] > 0) == (weights[i] > 0));  // I2
    if (!scaled) {
      RC_ASSERT(std::abs(total[i] * sum - weights[i] * static_cast<double>(rotation.size())) < 1e-6);
    } else if (weights[i] > 0) {
      RC_ASSERT(std::abs(total[i] - weights[i] / sum * static_cast<double>(kRotationLengthMax)) <= 1.0);
    }
  }
}

}  // namespace
}  // namespace fairlead::lb
