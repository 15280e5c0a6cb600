// Gateways that die, part and restart, and clients that join, renew, sleep and leave, with the production lease book and sweep:
// docs/internals/leases.md says what is promised, lease_world.h what is played.
//   FL_SIM_SEED=7       replays one seed and prints its story
//   FL_LEASE_SEEDS=N    seeds per shard
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/leases/lease_world.h"

namespace fairlead::dnsdhcp::sim {
namespace {

constexpr unsigned kShards = 4;
constexpr unsigned kFailuresMax = 5;  // Seeds that are told of per shard.
#ifdef FL_DCHECKS
constexpr unsigned kSeedsPerShard = 5;
#else
constexpr unsigned kSeedsPerShard = 300;
#endif
constexpr unsigned kSeedsPerShardLong = 5'000;

unsigned seeds_per_shard() {
  if (const char* n = std::getenv("FL_LEASE_SEEDS")) return static_cast<unsigned>(std::atoi(n));
  return std::getenv("FL_LONG") != nullptr ? kSeedsPerShardLong : kSeedsPerShard;
}

void expect_everything_played(const Coverage& c) {
  const std::pair<const char*, std::uint64_t> kinds[] = {
      {"planned moves", c.moves},
      {"planned moves without the barrier", c.hasty_moves},
      {"killed holders", c.kills},
      {"kills between ACK and record", c.kills_at_ack},
      {"cuts", c.cuts},
      {"cuts between ACK and record", c.cuts_at_ack},
      {"merges", c.merges},
      {"all gateways off", c.blackouts},
      {"crashes of dnsmasq", c.crashes},
      {"restarts of dnsmasq", c.restarts},
      {"sweeps", c.sweeps},
      {"pauses", c.pauses},
      {"adopted addresses", c.adopted},
      {"leases made longer by a sweep", c.extended},
      {"opened without a sweep", c.handed_over},
      {"books made equal", c.synchronised},
      {"leases lost in the window", c.lost_leases},
      {"clients at another address", c.moved_clients},
      {"refusals", c.naks},
  };
  for (const auto& [what, count] : kinds) {
    std::printf("  %-32s %8llu\n", what, static_cast<unsigned long long>(count));
    EXPECT_GT(count, 0U) << "never played: " << what;
  }
  std::printf("  %-32s %8llu\n  %-32s %8llu\n", "ACKs", static_cast<unsigned long long>(c.acks), "conflicts told",
              static_cast<unsigned long long>(c.conflicts));
}

class LeaseSim : public ::testing::TestWithParam<unsigned> {};

TEST_P(LeaseSim, NoAddressHasTwoLiveClientsAndAllBooksBecomeEqual) {
  if (const char* seed = std::getenv("FL_SIM_SEED")) {
    LeaseWorld world(std::strtoul(seed, nullptr, 10), Omission::kNone);
    world.tell_story();
    EXPECT_EQ(world.run(), "");
    return;
  }
  const unsigned seeds = seeds_per_shard();
  const unsigned long first = 1'000'000UL * GetParam();
  Coverage coverage;
  unsigned failures = 0;
  for (unsigned long seed = first; seed < first + seeds && failures < kFailuresMax; ++seed) {
    LeaseWorld world(seed, Omission::kNone);
    const std::string violation = world.run();
    coverage.add(world.coverage());
    failures += violation.empty() ? 0 : 1;
    EXPECT_EQ(violation, "") << "FL_SIM_SEED=" << seed;
  }
  if (seeds >= kSeedsPerShard) expect_everything_played(coverage);
}

INSTANTIATE_TEST_SUITE_P(Shards, LeaseSim, ::testing::Range(0U, kShards));

}  // namespace
}  // namespace fairlead::dnsdhcp::sim
