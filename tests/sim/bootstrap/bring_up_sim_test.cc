// Every point of interruption of a bring-up x every subset of seven machines unseen, off, or without an API (at most two machines; all
// with FL_LONG=1): no second init, no lost quorum, nothing that has joined is reset or removed, and when all are back every run ends as an
// uninterrupted one does.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>

#include "tests/sim/bootstrap/bring_up_cases.h"

namespace fairlead::bootstrap::test {
namespace {

constexpr unsigned kShards = 8;
constexpr int kAbsentMax = 2;       // make test
constexpr int kAbsentMaxLong = 32;  // make test-long: every subset

int absent_max() { return std::getenv("FL_LONG") != nullptr ? kAbsentMaxLong : kAbsentMax; }

class BringUpSim : public ::testing::TestWithParam<unsigned> {};

TEST_P(BringUpSim, EndsAlikeFromEveryInterruptionWithoutAnyMachines) {
  EXPECT_EQ(first_violation(prepared({.control_planes = 3, .workers = 2, .gateways = 2}), absent_max(), GetParam(), kShards), "");
}
INSTANTIATE_TEST_SUITE_P(Shards, BringUpSim, ::testing::Range(0U, kShards));

// From bare machines, preparation too: fewer machines, all of it.
TEST(BringUpFromNothing, EndsAlikeFromEveryInterruption) {
  Site site = lab_site({.control_planes = 1, .workers = 1, .gateways = 1});
  site.pki.ssh_ca = true;
  EXPECT_EQ(first_violation(BootstrapModel(site, lab_texts(site)), absent_max()), "");
}

TEST(BringUpWithBastion, EndsAlikeFromEveryInterruption) {
  EXPECT_EQ(first_violation(prepared({.control_planes = 2, .workers = 0, .gateways = 2, .bastion = true}), absent_max()), "");
}

TEST(ReplaceNodeSim, EndsAlikeFromEveryInterruptionWithoutAnyMachines) {
  BootstrapModel whole = prepared({.control_planes = 3, .workers = 1, .gateways = 1});
  ASSERT_TRUE(whole.converge());
  for (const char* name : {"mast-1", "mast-3", "node-1"}) {
    for (std::size_t step = 0; step < 4; ++step) {
      for (const auto& [how, part] : {std::pair{How::kMiddle, 0U},
                                      {How::kMiddle, 1U},
                                      {How::kMiddle, 2U},
                                      {How::kMiddle, 3U},
                                      {How::kUnrecorded, 0U},
                                      {How::kWhole, 0U}}) {
        for (unsigned bits = 0; bits < 32; ++bits) {
          if (std::popcount(bits) > absent_max()) continue;
          for (const Absence absence : kAbsences)
            ASSERT_EQ(judge_replacement(whole, name, {step, how, part}, subset_of(whole.site, bits), absence), "");
        }
      }
    }
  }
}

TEST(BringUpFromNothing, TwoHalfJoinsLoseTheirMembersOneAfterTheOther) { EXPECT_EQ(judge_two_half_joins(), ""); }

RC_GTEST_PROP(BringUpStories, EndAlikeAfterAnyNumberOfInterruptions, ()) {
  static const BootstrapModel start = prepared({.control_planes = 3, .workers = 1, .gateways = 1});
  static const BootstrapModel whole = [] {
    BootstrapModel out = start;
    EXPECT_TRUE(out.converge());
    return out;
  }();
  const auto story = *rc::gen::container<std::vector<Chapter>>(rc::gen::build<Chapter>(
      rc::gen::set(&Chapter::absent, rc::gen::inRange(0U, 32U)), rc::gen::set(&Chapter::how, rc::gen::elementOf(kAbsences)),
      rc::gen::set(&Chapter::steps, rc::gen::inRange(0U, 24U)),
      rc::gen::set(&Chapter::end, rc::gen::element(How::kWhole, How::kUnrecorded, How::kMiddle)),
      rc::gen::set(&Chapter::part, rc::gen::inRange(0U, 7U))));
  const std::string wrong = judge_story(start, whole, story);
  if (!wrong.empty()) RC_FAIL(text_of(story) + wrong);
}

}  // namespace
}  // namespace fairlead::bootstrap::test
