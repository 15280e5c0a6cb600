// Whole clusters on simulated Corosync, kernels and LANs, running the production TakeoverCore; a seeded adversary and an oracle that looks
// on from outside. docs/internals/takeover.md says what is promised; adversary.h, what is played.
//   FL_SIM_SEED=7         replays one schedule and prints its story
//   FL_CLUSTER_SEEDS=N    seeds per shard
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>

#include "tests/sim/cluster/adversary.h"

namespace fairlead::vip::sim {
namespace {

constexpr unsigned kShards = 8;
constexpr unsigned kFailuresMax = 10;  // Seeds that are told of per shard.
#ifdef FL_DCHECKS
constexpr unsigned kSeedsPerShard = 300;  // Under sanitizers and without optimisation each costs tenfold; what they look for needs few.
#else
constexpr unsigned kSeedsPerShard = 12'500;  // make test: seeds 0 to 99,999, some 80 s of CPU for each shard.
#endif
constexpr unsigned kSeedsPerShardLong = 250'000;  // make test-long: two millions of others.

bool is_long() { return std::getenv("FL_LONG") != nullptr; }
unsigned long first_seed(unsigned shard) { return is_long() ? 1'000'000UL * (shard + 1) : 1UL * kSeedsPerShard * shard; }
unsigned seeds_per_shard() {
  if (const char* n = std::getenv("FL_CLUSTER_SEEDS")) return static_cast<unsigned>(std::atoi(n));
  return is_long() ? kSeedsPerShardLong : kSeedsPerShard;
}

void print(const Statistics& statistics, const Coverage& coverage, double simulated_s, int faults) {
  std::printf("%.0f s simulated, %d faults\n", simulated_s, faults);
  for (int r = 0; r < kRows; ++r) {
    const RowStatistics& row = statistics[static_cast<std::size_t>(r)];
    if (row.measured == 0) continue;
    std::printf("  %-24s measured %7llu  mean %8.2f ms  worst %8.2f ms\n", to_string(static_cast<Row>(r)),
                static_cast<unsigned long long>(row.measured), static_cast<double>(row.total_us) / 1e3 / static_cast<double>(row.measured),
                static_cast<double>(row.worst) / kMs);
  }
  std::printf("  %-18s", "fault \\ state");
  for (int s = 0; s < kStruckStates; ++s) std::printf(" %11s", struck_state(s));
  std::printf("\n");
  for (int f = 0; f < kFaults; ++f) {
    std::printf("  %-18s", to_string(static_cast<Fault>(f)));
    for (int s = 0; s < kStruckStates; ++s)
      std::printf(" %11llu", static_cast<unsigned long long>(coverage[static_cast<std::size_t>(f)][static_cast<std::size_t>(s)]));
    std::printf("\n");
  }
}

/// A row that nothing measures, and a fault that never strikes, promise nothing.
void expect_everything_played(const Statistics& statistics, const Coverage& coverage) {
  for (int r = 0; r < kRows; ++r)
    EXPECT_GT(statistics[static_cast<std::size_t>(r)].measured, 0U) << "never measured: " << to_string(static_cast<Row>(r));
  for (int f = 0; f < kFaults; ++f) {
    const auto& states = coverage[static_cast<std::size_t>(f)];
    EXPECT_GT(std::accumulate(states.begin(), states.end(), std::uint64_t{0}), 0U) << "never struck: " << to_string(static_cast<Fault>(f));
  }
}

class ClusterSim : public testing::TestWithParam<unsigned> {};

TEST_P(ClusterSim, KeepsEveryPromiseOnEverySeed) {
  const char* one = std::getenv("FL_SIM_SEED");
  const unsigned long first = one != nullptr ? std::strtoul(one, nullptr, 10) : first_seed(GetParam());
  const unsigned long count = one != nullptr ? 1 : seeds_per_shard();
  if (one != nullptr && GetParam() != 0) GTEST_SKIP() << "one seed";
  Statistics statistics{};
  Coverage coverage{};
  double simulated = 0;
  int faults = 0;
  unsigned failures = 0;
  for (unsigned long seed = first; seed < first + count; ++seed) {
    const Outcome outcome = play(seed, {.trace = one != nullptr});
    for (const std::string& violation : outcome.violations)
      ADD_FAILURE() << "FL_SIM_SEED=" << seed << " (" << outcome.what << ") " << violation;
    if (!outcome.violations.empty() && ++failures == kFailuresMax) return;
    if (!outcome.violations.empty()) continue;
    EXPECT_GE(outcome.faults, kFaultsPerSchedule) << "seed " << seed << ", " << outcome.what;
    EXPECT_GE(outcome.simulated, kSimulatedPerSchedule) << "seed " << seed << ", " << outcome.what;
    simulated += static_cast<double>(outcome.simulated) / kSecond;
    faults += outcome.faults;
    for (std::size_t r = 0; r < kRows; ++r) {
      statistics[r].measured += outcome.statistics[r].measured;
      statistics[r].worst = std::max(statistics[r].worst, outcome.statistics[r].worst);
      statistics[r].total_us += outcome.statistics[r].total_us;
    }
    for (std::size_t f = 0; f < kFaults; ++f) {
      for (std::size_t s = 0; s < kStruckStates; ++s) coverage[f][s] += outcome.coverage[f][s];
    }
  }
  print(statistics, coverage, simulated, faults);
  if (count >= kSeedsPerShard) expect_everything_played(statistics, coverage);
}
INSTANTIATE_TEST_SUITE_P(Shard, ClusterSim, testing::Range(0U, kShards));

TEST(ClusterSimReplay, ASeedPlaysTheSameTwice) {
  for (unsigned long seed = 1; seed < 20; ++seed) {
    const Outcome a = play(seed);
    const Outcome b = play(seed);
    EXPECT_EQ(a.coverage, b.coverage) << seed;
    EXPECT_EQ(a.simulated, b.simulated) << seed;
    for (std::size_t r = 0; r < kRows; ++r) EXPECT_EQ(a.statistics[r].total_us, b.statistics[r].total_us) << seed;
  }
}

}  // namespace
}  // namespace fairlead::vip::sim
