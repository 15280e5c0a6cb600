// What Corosync 3.1.7 really calls, in its order, at one node (three nodes, knet; rings as rep.seq, processes as node/pid): recorded with
// the time of each call, both streams interleaved as they came.
#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "membership/view_builder.h"

namespace fairlead::membership {
namespace {

using Callback = std::variant<GroupChange, RingChange, QuorumChange>;
using enum GroupReason;

constexpr NodeId k1{1}, k2{2}, k3{3};
constexpr RingId ring(std::uint64_t sequence) { return {k1, sequence}; }

std::vector<ClusterView> views(ClusterProcess self, const std::vector<Callback>& callbacks) {
  ViewBuilder builder(self);
  std::vector<ClusterView> out;
  for (const Callback& callback : callbacks) {
    if (auto view = std::visit([&](const auto& c) { return builder.step(c); }, callback)) out.push_back(*view);
  }
  return out;
}

TEST(RecordedCallbacks, ThreeNodesStartOneAfterTheOther) {
  const ClusterProcess a{k1, 13973}, b{k2, 13991}, c{k3, 13992};
  const auto seen = views(a, {
                                 GroupChange{{a}, {}, {{a, kJoin}}},  // Before the ring it joined.
                                 RingChange{ring(5), {k1}}, QuorumChange{ring(5), false}, GroupChange{{a, b}, {}, {{b, kNodeUp}}},
                                 RingChange{ring(9), {k1, k2}}, QuorumChange{ring(9), true}, GroupChange{{a, b, c}, {}, {{c, kNodeUp}}},
                                 RingChange{ring(13), {k1, k2, k3}}, QuorumChange{ring(13), true},  // 3.4 ms after the ring.
                             });

  EXPECT_EQ(seen, (std::vector<ClusterView>{
                      {ring(5), {k1}, {a}, false},
                      {ring(9), {k1, k2}, {a, b}, false},
                      {ring(9), {k1, k2}, {a, b}, true},
                      {ring(13), {k1, k2, k3}, {a, b, c}, false},
                      {ring(13), {k1, k2, k3}, {a, b, c}, true},
                  }));
}

TEST(RecordedCallbacks, ANodeIsCutOffAndComesBack) {
  const ClusterProcess a{k1, 13973}, b{k2, 13991}, c{k3, 13992};
  const auto seen = views(a, {
                                 GroupChange{{a, b, c}, {}, {{a, kJoin}}},
                                 RingChange{ring(13), {k1, k2, k3}},
                                 QuorumChange{ring(13), true},
                                 GroupChange{{a, c}, {{b, kNodeDown}}, {}},
                                 RingChange{ring(17), {k1, k3}},
                                 QuorumChange{ring(17), true},
                                 GroupChange{{a, b, c}, {}, {{b, kNodeUp}}},
                                 RingChange{ring(21), {k1, k2, k3}},
                                 QuorumChange{ring(21), true},
                             });

  EXPECT_EQ(seen, (std::vector<ClusterView>{
                      {ring(13), {k1, k2, k3}, {a, b, c}, false},
                      {ring(13), {k1, k2, k3}, {a, b, c}, true},
                      {ring(17), {k1, k3}, {a, c}, false},
                      {ring(17), {k1, k3}, {a, c}, true},
                      {ring(21), {k1, k2, k3}, {a, b, c}, false},
                      {ring(21), {k1, k2, k3}, {a, b, c}, true},
                  }));
}

TEST(RecordedCallbacks, ARingIsMadeAnewWithTheSameMembers) {
  const ClusterProcess a{k1, 13973}, b{k2, 13991};
  const auto seen = views(a, {
                                 GroupChange{{a, b}, {}, {{a, kJoin}}},
                                 RingChange{ring(21), {k1, k2}},
                                 QuorumChange{ring(21), true},
                                 RingChange{ring(25), {k1, k2}},  // Nobody left: no group change. 5.7 ms until quorum's word.
                                 QuorumChange{ring(25), true},
                             });

  EXPECT_EQ(seen, (std::vector<ClusterView>{
                      {ring(21), {k1, k2}, {a, b}, false},
                      {ring(21), {k1, k2}, {a, b}, true},
                      {ring(25), {k1, k2}, {a, b}, false},
                      {ring(25), {k1, k2}, {a, b}, true},
                  }));
}

TEST(RecordedCallbacks, ANodesCorosyncRestartsWithinOneChangeOfRing) {
  const ClusterProcess a{k1, 14614}, b{k2, 14631}, c{k3, 14632}, reborn{k2, 14639};
  const auto seen = views(a, {
                                 GroupChange{{a, b, c}, {}, {{a, kJoin}}},
                                 RingChange{ring(9), {k1, k2, k3}},
                                 QuorumChange{ring(9), true},
                                 GroupChange{{a, c}, {{b, kNodeDown}}, {}},
                                 GroupChange{{a, reborn, c}, {}, {{reborn, kNodeUp}}},
                                 QuorumChange{ring(18), true},  // Before CPG's ring, as read from two sockets.
                                 RingChange{ring(18), {k1, k2, k3}},
                             });

  EXPECT_EQ(seen, (std::vector<ClusterView>{
                      {ring(9), {k1, k2, k3}, {a, b, c}, false},
                      {ring(9), {k1, k2, k3}, {a, b, c}, true},
                      {ring(18), {k1, k2, k3}, {a, reborn, c}, true},
                  }));
}

}  // namespace
}  // namespace fairlead::membership
