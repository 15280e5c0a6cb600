// A rule that can be left out without anybody noticing is no rule: each is left out in turn, in the book (dnsdhcp/lease_mutant.h) or around
// it, and the simulator has to notice.
#include <gtest/gtest.h>

#include <cstdio>

#include "dnsdhcp/lease_mutant.h"
#include "tests/sim/leases/lease_world.h"

namespace fairlead::dnsdhcp::sim {
namespace {

constexpr unsigned long kSeedsMax = 3'000;

struct Case {
  const char* name;
  Mutant mutant;
  Omission omission;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"NoSweep", Mutant::kNone, Omission::kSweep},
    {"NoBarrier", Mutant::kNone, Omission::kBarrier},
    {"NoSweepAfterDnsmasqDied", Mutant::kNone, Omission::kCrashSweep},
    {"NoEpochInTheStamp", Mutant::kEpoch, Omission::kNone},
    {"EchoesReplicated", Mutant::kEcho, Omission::kNone},
    {"HolderGivesIn", Mutant::kRestamp, Omission::kNone},
    {"NewsWithAnOpenGate", Mutant::kNews, Omission::kNone},
    {"HastyClosingCountsAsTold", Mutant::kTold, Omission::kNone},
};

class LeaseMutants : public ::testing::TestWithParam<Case> {};

TEST_P(LeaseMutants, AreCaught) {
  mutant = GetParam().mutant;
  std::string violation;
  unsigned long seed = 0;
  for (; seed < kSeedsMax && violation.empty(); ++seed) violation = LeaseWorld(seed, GetParam().omission).run();
  mutant = Mutant::kNone;
  std::printf("  %s: seed %lu: %s\n", GetParam().name, seed - 1, violation.c_str());
  EXPECT_NE(violation, "");
}

INSTANTIATE_TEST_SUITE_P(Rules, LeaseMutants, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace fairlead::dnsdhcp::sim
