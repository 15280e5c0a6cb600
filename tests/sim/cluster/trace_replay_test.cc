// What a core was told in a schedule, written down and played again, has to give the same answers: daemon/takeover_trace.h. Traces of real
// daemons: tests/netns/test_trace.py.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>

#include "daemon/takeover_trace.h"
#include "tests/sim/cluster/adversary.h"

namespace fairlead::vip::sim {
namespace {

#ifdef FL_DCHECKS
constexpr std::uint64_t kSeeds = 4;
#else
constexpr std::uint64_t kSeeds = 120;
#endif

struct Traces final : Recorder {
  std::map<int, std::string> text;  ///< By node.
  std::array<std::size_t, std::variant_size_v<TakeoverInput>> kinds{};
  void begins(int node, const Settings& settings, Incarnation incarnation, const std::vector<Override>& kept, Instant now) override {
    text[node] += daemon::trace_begin(settings, incarnation, kept, now);
  }
  void told(int node, const TakeoverInput& input) override {
    text[node] += daemon::trace_input(input);
    ++kinds[input.index()];
  }
  void answered(int node, const TakeoverAction& action) override { text[node] += daemon::trace_action(action); }
};

/// Schedules of every kind: storms, calm ones and stories.
TEST(TraceReplay, OfSimulatedNodesGivesTheSameAnswers) {
  daemon::TraceReplay all;
  std::array<std::size_t, std::variant_size_v<TakeoverInput>> kinds{};
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Traces traces;
    ASSERT_TRUE(play(seed, {.recorder = &traces}).violations.empty());
    for (const auto& [node, text] : traces.text) {
      std::istringstream trace(text);
      const auto replayed = daemon::replay_trace(trace);
      ASSERT_TRUE(replayed) << "seed " << seed << ", node " << node + 1 << ": " << replayed.error().message();
      all.lives += replayed->lives;
      all.inputs += replayed->inputs;
      all.actions += replayed->actions;
    }
    for (std::size_t k = 0; k < kinds.size(); ++k) kinds[k] += traces.kinds[k];
  }
  std::printf("%zu lives, %zu inputs, %zu actions\n", all.lives, all.inputs, all.actions);
  EXPECT_GT(all.actions, 10'000U);
#ifndef FL_DCHECKS
  for (std::size_t k = 0; k < kinds.size(); ++k) EXPECT_GT(kinds[k], 0U) << "no schedule has input " << k;
#endif
}

}  // namespace
}  // namespace fairlead::vip::sim
