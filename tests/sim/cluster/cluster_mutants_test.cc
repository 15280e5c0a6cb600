// A rule that can be left out without anybody noticing is no rule: each mutant (vip/mutant.h) is caught within 10,000 seeds, and by what
// the rule is there to prevent.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <vector>

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

/// A mutant, and what the violation says that it leads to: one of these. Whatever else it breaks on the way does not count.
struct Case {
  Mutant mutant;
  const char* name;
  std::vector<const char*> says;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr const char* kTwoHolders = "is answered for by nodes";

// clang-format off
const Case kCases[] = {
    {Mutant::kR1OnlyThisRound, "R1OnlyThisRound", {"held by 0 nodes", "must cost nothing: "}},
    {Mutant::kR2Exchange, "R2Exchange", {kTwoHolders}},
    {Mutant::kR3Sticky, "R3Sticky", {"must cost nothing: "}},
    {Mutant::kR3Preempt, "R3Preempt", {"R3: "}},
    {Mutant::kR4Lease, "R4Lease", {kTwoHolders}},
    {Mutant::kR4Promise, "R4Promise", {kTwoHolders}},
    {Mutant::kR4Majority, "R4Majority", {kTwoHolders}},
    {Mutant::kR4SilentVotes, "R4SilentVotes", {"standby dies: ", "daemon and guard killed: "}},
    {Mutant::kR4Start, "R4Start", {kTwoHolders}},
    {Mutant::kR4OneHolder, "R4OneHolder", {kTwoHolders}},
    {Mutant::kR5Release, "R5Release", {kTwoHolders}},
    {Mutant::kR5Probe, "R5Probe", {kTwoHolders}},
    {Mutant::kR6Refresh, "R6Refresh", {"must cost nothing: "}},
    {Mutant::kR6OnlyWithLease, "R6OnlyWithLease", {kTwoHolders}},
    {Mutant::kR7BootClock, "R7BootClock", {kTwoHolders}},
    {Mutant::kR7Pause, "R7Pause", {"R7:"}},
    {Mutant::kR7Fresh, "R7Fresh", {"R7:"}},
    {Mutant::kR7Answer, "R7Answer", {"R7:"}},
    {Mutant::kR7Announce, "R7Announce", {"R19: "}},
    {Mutant::kR8Claims, "R8Claims", {kTwoHolders}},
    {Mutant::kR9Lost, "R9Lost", {"R9:"}},
    {Mutant::kR10Guard, "R10Guard", {"daemon killed: "}},
    {Mutant::kR10Epoch, "R10Epoch", {"daemon killed: "}},
    {Mutant::kR11Stay, "R11Stay", {kTwoHolders}},
    {Mutant::kR11Take, "R11Take", {kTwoHolders}},
    {Mutant::kR11Return, "R11Return", {"must cost nothing: "}},
    {Mutant::kR12StandsIn, "R12StandsIn", {"standby dies: ", "machine frozen: ", "corosync killed: "}},
    {Mutant::kR12OtherSilent, "R12OtherSilent", {"daemon hung: "}},
    {Mutant::kR12NoMemory, "R12NoMemory", {kTwoHolders}},
    {Mutant::kR12Sleep, "R12Sleep", {kTwoHolders}},
    {Mutant::kR13Start, "R13Start", {"R15: the VIP began on the node that differs"}},
    {Mutant::kR13Conflict, "R13Conflict", {kTwoHolders}},
    {Mutant::kR14Merge, "R14Merge", {"R14: ", "must cost nothing: "}},
    {Mutant::kR15Hash, "R15Hash", {"R15", "was to stay on node"}},
    {Mutant::kR16Frozen, "R16Frozen", {"was to stay on node"}},
    {Mutant::kR16Standby, "R16Standby", {"R16: a node in standby"}},
    {Mutant::kR16Disabled, "R16Disabled", {"R16: a disabled VIP", "is disabled and"}},
    {Mutant::kR16Forced, "R16Forced", {"R16: a word of long ago"}},
    {Mutant::kR17Flapping, "R17Flapping", {"R17:"}},
    {Mutant::kR18Reset, "R18Reset", {"R18:"}},
    {Mutant::kR19Announce, "R19Announce", {"held and not served"}},
    {Mutant::kR19Merge, "R19Merge", {"must cost nothing: "}},
    {Mutant::kR20Yield, "R20Yield", {"R20:"}},
};
// clang-format on
static_assert(std::size(kCases) + 1 == static_cast<std::size_t>(Mutant::kCount));

class ClusterMutants : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { mutant = GetParam().mutant; }
  void TearDown() override { mutant = Mutant::kNone; }
};

TEST_P(ClusterMutants, IsCaught) {
  const Case& c = GetParam();
  const auto is_expected = [&c](const std::string& violation) {
    return std::any_of(c.says.begin(), c.says.end(), [&](const char* text) { return violation.find(text) != std::string::npos; });
  };
  if (const char* one = std::getenv("FL_SIM_SEED")) {
    const Outcome outcome = play(std::strtoul(one, nullptr, 10), {.trace = true});
    EXPECT_TRUE(std::any_of(outcome.violations.begin(), outcome.violations.end(), is_expected)) << outcome.what;
    return;
  }
  std::string others;
  for (unsigned long seed = first_seed(), end = seed + kSeedsMax; seed < end; ++seed) {
    const Outcome outcome = play(seed);
    const auto found = std::find_if(outcome.violations.begin(), outcome.violations.end(), is_expected);
    if (found == outcome.violations.end()) {
      if (!outcome.violations.empty() && others.size() < 1000)
        others += "\n" + std::to_string(seed) + " " + outcome.what + ": " + outcome.violations.front();
      continue;
    }
    std::printf("%s caught by seed %lu (%s): %s\n", c.name, seed, outcome.what.c_str(), found->c_str());
    mutant = Mutant::kNone;
    EXPECT_TRUE(play(seed).violations.empty()) << "seed " << seed << " fails without any mutant";
    return;
  }
  FAIL() << c.name << " lives; what was broken by it:" << others;
}
INSTANTIATE_TEST_SUITE_P(Rule, ClusterMutants, testing::ValuesIn(kCases), [](const auto& its) { return std::string(its.param.name); });

}  // namespace
}  // namespace fairlead::vip::sim
