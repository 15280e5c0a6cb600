// A rule that can be left out without anybody noticing is no rule: each mutant (vip/mutant.h) is caught within 10,000 seeds.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/cluster/adversary.h"
#include "vip/mutant.h"

namespace fairlead::vip::sim {
namespace {

constexpr unsigned long kSeedsMax = 10'000;

/// FL_MUTANT_FIRST looks elsewhere; FL_SIM_SEED tells the story of one seed.
unsigned long first_seed() {
  const char* first = std::getenv("FL_MUTANT_FIRST");
  return first == nullptr ? 0 : std::strtoul(first, nullptr, 10);
}

class ClusterMutants : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { mutant = Mutant::kNone; }
};

TEST_P(ClusterMutants, IsCaught) {
  mutant = static_cast<Mutant>(GetParam());
  if (const char* one = std::getenv("FL_SIM_SEED")) {
    const Outcome outcome = play(std::strtoul(one, nullptr, 10), {.trace = true});
    EXPECT_FALSE(outcome.violations.empty()) << outcome.what;
    return;
  }
  for (unsigned long seed = first_seed(), end = seed + kSeedsMax; seed < end; ++seed) {
    const Outcome outcome = play(seed);
    if (outcome.violations.empty()) continue;
    std::printf("mutant %d caught by seed %lu (%s): %s\n", GetParam(), seed, outcome.what.c_str(), outcome.violations.front().c_str());
    mutant = Mutant::kNone;
    EXPECT_TRUE(play(seed).violations.empty()) << "seed " << seed << " fails without any mutant";
    return;
  }
  FAIL() << "mutant " << GetParam() << " lives";
}
INSTANTIATE_TEST_SUITE_P(Rule, ClusterMutants, testing::Range(1, static_cast<int>(Mutant::kCount)));

}  // namespace
}  // namespace fairlead::vip::sim
