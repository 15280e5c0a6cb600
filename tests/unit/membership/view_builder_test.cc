#include "membership/view_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "base/prng.h"

namespace fairlead::membership {
namespace {

constexpr NodeId kOne{1}, kTwo{2}, kThree{3};
constexpr ClusterProcess kSelf{kOne, 101}, kPeer{kTwo, 102}, kGuard{kTwo, 202}, kThird{kThree, 103};
constexpr RingId kOld{kOne, 8}, kNew{kOne, 12}, kNext{kOne, 16};

class ViewBuilderTest : public ::testing::Test {
 protected:
  /// Three nodes in kOld, quorate.
  void settle() {
    (void)builder.step(RingChange{kOld, {kOne, kTwo, kThree}});
    (void)builder.step(QuorumChange{kOld, true});
    (void)builder.step(GroupChange{{kSelf, kPeer, kThird}, {}, {{kSelf, GroupReason::kJoin}}});
    ASSERT_TRUE(builder.shown());
  }
  ViewBuilder builder{kSelf};
};

TEST_F(ViewBuilderTest, ShowsNothingBeforeItsOwnProcessIsInTheGroup) {
  EXPECT_FALSE(builder.step(RingChange{kOld, {kTwo, kOne}}));
  EXPECT_FALSE(builder.step(QuorumChange{kOld, true}));
  EXPECT_FALSE(builder.step(GroupChange{{kPeer}, {}, {}}));

  const auto view = builder.step(GroupChange{{kPeer, kSelf}, {}, {{kSelf, GroupReason::kJoin}}});

  EXPECT_EQ(view, (ClusterView{kOld, {kOne, kTwo}, {kSelf, kPeer}, true}));
}

TEST_F(ViewBuilderTest, ShowsNothingBeforeTheFirstRing) {
  EXPECT_FALSE(builder.step(GroupChange{{kSelf}, {}, {{kSelf, GroupReason::kJoin}}}));
  EXPECT_FALSE(builder.step(QuorumChange{kOld, true}));

  EXPECT_EQ(builder.step(RingChange{kOld, {kOne}}), (ClusterView{kOld, {kOne}, {kSelf}, true}));
}

TEST_F(ViewBuilderTest, AProcessDeathIsShownInTheSameRingAtOnce) {
  settle();

  const auto view = builder.step(GroupChange{{kSelf, kThird}, {{kPeer, GroupReason::kProcessDown}}, {}});

  EXPECT_EQ(view, (ClusterView{kOld, {kOne, kTwo, kThree}, {kSelf, kThird}, true}));
}

TEST_F(ViewBuilderTest, WithAQuorumDeviceARingIsShownWhenItsVotesAreKnown) {
  EXPECT_FALSE(builder.set_third_vote(true));
  settle();

  EXPECT_FALSE(builder.step(GroupChange{{kSelf}, {{kPeer, GroupReason::kNodeDown}, {kThird, GroupReason::kNodeDown}}, {}}));
  EXPECT_FALSE(builder.step(RingChange{kNew, {kOne}})) << "the device is asked now";
  EXPECT_EQ(builder.step(QuorumChange{kNew, true}), (ClusterView{kNew, {kOne}, {kSelf}, true}));
}

TEST_F(ViewBuilderTest, ThatTheDeviceVotesForOthersIsALossOfQuorum) {
  EXPECT_FALSE(builder.set_third_vote(true));
  settle();
  (void)builder.step(GroupChange{{kSelf}, {{kPeer, GroupReason::kNodeDown}, {kThird, GroupReason::kNodeDown}}, {}});
  (void)builder.step(RingChange{kNew, {kOne}});

  EXPECT_EQ(builder.step(QuorumChange{kNew, false}), (ClusterView{kNew, {kOne}, {kSelf}, false}));
}

TEST_F(ViewBuilderTest, AMessageOfTheRingIsNotKeptWaitingForQuorumsWord) {
  EXPECT_FALSE(builder.set_third_vote(true));
  settle();
  (void)builder.step(RingChange{kNew, {kOne}});

  EXPECT_EQ(builder.ring_speaks(), (ClusterView{kNew, {kOne}, {kSelf}, false}));
  EXPECT_FALSE(builder.ring_speaks());
  EXPECT_EQ(builder.step(QuorumChange{kNew, true}), (ClusterView{kNew, {kOne}, {kSelf}, true}));
}

TEST_F(ViewBuilderTest, WhatWaitsForADeviceThatIsTakenAwayIsShown) {
  EXPECT_FALSE(builder.set_third_vote(true));
  settle();
  EXPECT_FALSE(builder.step(RingChange{kNew, {kOne}}));

  EXPECT_EQ(builder.set_third_vote(false), (ClusterView{kNew, {kOne}, {kSelf}, false}));
}

TEST_F(ViewBuilderTest, TwoProcessesOfANodeAreBothShown) {
  settle();

  const auto view = builder.step(GroupChange{{kThird, kGuard, kPeer, kSelf}, {}, {{kGuard, GroupReason::kJoin}}});

  EXPECT_EQ(view->processes, (std::vector{kSelf, kPeer, kGuard, kThird}));
}

TEST_F(ViewBuilderTest, ANodeDeathIsShownWithTheRingThatIsMadeWithoutIt) {
  settle();

  EXPECT_FALSE(builder.step(GroupChange{{kSelf, kPeer}, {{kThird, GroupReason::kNodeDown}}, {}}));
  EXPECT_TRUE(builder.waits_for_ring());

  EXPECT_EQ(builder.step(RingChange{kNew, {kOne, kTwo}}), (ClusterView{kNew, {kOne, kTwo}, {kSelf, kPeer}, false}));
  EXPECT_FALSE(builder.waits_for_ring());
  EXPECT_EQ(builder.step(QuorumChange{kNew, true}), (ClusterView{kNew, {kOne, kTwo}, {kSelf, kPeer}, true}));
}

TEST_F(ViewBuilderTest, ANodeDeathToldAfterTheRingIsNotWaitedFor) {
  settle();

  EXPECT_EQ(builder.step(RingChange{kNew, {kOne, kTwo}}), (ClusterView{kNew, {kOne, kTwo}, {kSelf, kPeer}, false}));
  EXPECT_FALSE(builder.step(GroupChange{{kSelf, kPeer}, {{kThird, GroupReason::kNodeDown}}, {}}));
  EXPECT_FALSE(builder.waits_for_ring());
}

TEST_F(ViewBuilderTest, ARingThatDoesNotComeIsNotWaitedForForEver) {
  settle();
  (void)builder.step(GroupChange{{kSelf, kPeer}, {{kThird, GroupReason::kNodeDown}}, {}});

  EXPECT_EQ(builder.stop_waiting(), (ClusterView{kOld, {kOne, kTwo, kThree}, {kSelf, kPeer}, true}));
}

TEST_F(ViewBuilderTest, SaysWhenQuorumHasNotSpokenOfItsRing) {
  EXPECT_FALSE(builder.waits_for_quorum()) << "there is no ring yet";
  settle();
  EXPECT_FALSE(builder.waits_for_quorum());

  (void)builder.step(RingChange{kNew, {kOne, kTwo}});
  EXPECT_TRUE(builder.waits_for_quorum());
  (void)builder.step(QuorumChange{kNew, false});
  EXPECT_FALSE(builder.waits_for_quorum());
}

TEST_F(ViewBuilderTest, QuorumToldBeforeTheRingCountsWhenTheRingComes) {
  settle();

  EXPECT_FALSE(builder.step(QuorumChange{kNew, true}));
  EXPECT_TRUE(builder.shown()->quorate) << "the old ring's own word stands";

  EXPECT_EQ(builder.step(RingChange{kNew, {kOne, kTwo}}), (ClusterView{kNew, {kOne, kTwo}, {kSelf, kPeer}, true}));
}

TEST_F(ViewBuilderTest, QuorumOfAnotherRingNeverMakesAViewQuorate) {
  settle();
  (void)builder.step(QuorumChange{kNew, true});

  EXPECT_FALSE(builder.step(RingChange{kNext, {kOne}})->quorate);
}

TEST_F(ViewBuilderTest, TheLossOfQuorumCountsBeforeItsRing) {
  settle();

  EXPECT_EQ(builder.step(QuorumChange{kNew, false}), (ClusterView{kOld, {kOne, kTwo, kThree}, {kSelf, kPeer, kThird}, false}));
  EXPECT_EQ(builder.step(RingChange{kNew, {kOne}}), (ClusterView{kNew, {kOne}, {kSelf}, false}));
}

TEST_F(ViewBuilderTest, TheLossOfQuorumIsToldWhileTheRingIsWaitedFor) {
  settle();
  (void)builder.step(GroupChange{{kSelf}, {{kPeer, GroupReason::kNodeDown}, {kThird, GroupReason::kNodeDown}}, {}});

  EXPECT_EQ(builder.step(QuorumChange{kNew, false}), (ClusterView{kOld, {kOne, kTwo, kThree}, {kSelf, kPeer, kThird}, false}));
  EXPECT_EQ(builder.step(RingChange{kNew, {kOne}}), (ClusterView{kNew, {kOne}, {kSelf}, false}));
}

TEST_F(ViewBuilderTest, QuorumMayComeAndGoWithinARing) {
  settle();

  EXPECT_FALSE(builder.step(QuorumChange{kOld, false})->quorate);
  EXPECT_TRUE(builder.step(QuorumChange{kOld, true})->quorate);
}

TEST_F(ViewBuilderTest, LateWordsOfOlderRingsChangeNothing) {
  settle();
  (void)builder.step(RingChange{kNew, {kOne, kTwo}});
  (void)builder.step(QuorumChange{kNew, true});

  EXPECT_FALSE(builder.step(QuorumChange{kOld, false}));
  EXPECT_FALSE(builder.step(RingChange{kOld, {kOne, kTwo, kThree}}));
  EXPECT_EQ(builder.shown(), (ClusterView{kNew, {kOne, kTwo}, {kSelf, kPeer}, true}));
}

TEST_F(ViewBuilderTest, WhatComesTwiceIsShownOnce) {
  settle();

  EXPECT_FALSE(builder.step(RingChange{kOld, {kThree, kTwo, kOne, kOne}}));
  EXPECT_FALSE(builder.step(QuorumChange{kOld, true}));
  EXPECT_FALSE(builder.step(GroupChange{{kThird, kPeer, kSelf, kSelf}, {}, {}}));
}

TEST_F(ViewBuilderTest, ProcessesOfANodeThatIsNotYetInTheRingWaitForTheRing) {
  (void)builder.step(RingChange{kOld, {kOne}});
  (void)builder.step(GroupChange{{kSelf}, {}, {{kSelf, GroupReason::kJoin}}});

  EXPECT_FALSE(builder.step(GroupChange{{kSelf, kPeer}, {}, {{kPeer, GroupReason::kNodeUp}}}));
  EXPECT_EQ(builder.step(RingChange{kNew, {kOne, kTwo}})->processes, (std::vector{kSelf, kPeer}));
}

TEST_F(ViewBuilderTest, IsSilentOnceItsOwnProcessIsOut) {
  settle();

  EXPECT_FALSE(builder.step(GroupChange{{kPeer, kThird}, {{kSelf, GroupReason::kProcessDown}}, {}}));
}

// ---- a random history of rings and processes, told over two streams that keep their own order only ----

struct History {
  struct Ring {
    RingId id;
    std::vector<NodeId> nodes;
    bool quorate = false;
  };
  std::vector<Ring> rings;
  std::deque<std::variant<GroupChange, RingChange>> cpg;
  std::deque<QuorumChange> quorum;
  std::vector<ClusterProcess> members{kSelf};

  explicit History(Prng& prng) : prng_(prng) {
    const int count = 2 + static_cast<int>(prng.below(5));
    for (int i = 0; i < count; ++i) {
      add_ring();
      for (std::uint32_t n = prng_.below(3); n > 0; --n) toggle_process();
      if (prng_.below(4) == 0) tell_quorum(rings.back().quorate = prng_.below(2) == 0);
    }
  }

 private:
  void add_ring() {
    Ring ring;
    ring.id = {kOne, (rings.size() + 1) * 4};
    ring.nodes = {kOne};
    if (prng_.below(3) > 0) ring.nodes.push_back(kTwo);
    if (prng_.below(3) > 0) ring.nodes.push_back(kThree);
    ring.quorate = ring.nodes.size() >= 2;
    GroupChange down, up;
    for (const ClusterProcess& p : {kPeer, kGuard, kThird}) {
      const bool is_there = std::find(ring.nodes.begin(), ring.nodes.end(), p.node) != ring.nodes.end();
      const auto at = std::find(members.begin(), members.end(), p);
      if (!is_there && at != members.end()) {
        members.erase(at);
        down.left.push_back({p, GroupReason::kNodeDown});
      }
    }
    down.members = members;
    if (rings.empty()) up.joined.push_back({kSelf, GroupReason::kJoin});
    for (const ClusterProcess& p : {kPeer, kThird}) {
      const bool is_new = std::find(ring.nodes.begin(), ring.nodes.end(), p.node) != ring.nodes.end() &&
                          std::find(members.begin(), members.end(), p) == members.end();
      if (is_new && prng_.below(2) == 0) {
        members.push_back(p);
        up.joined.push_back({p, GroupReason::kNodeUp});
      }
    }
    up.members = members;
    rings.push_back(ring);
    if (!down.left.empty()) tell(cpg, down);
    if (!up.joined.empty()) tell(cpg, up);
    tell(cpg, RingChange{ring.id, ring.nodes});
    tell_quorum(ring.quorate);
  }
  void toggle_process() {
    const std::vector<ClusterProcess> all{kPeer, kGuard, kThird};
    const ClusterProcess p = all[prng_.below(3)];
    const Ring& ring = rings.back();
    if (std::find(ring.nodes.begin(), ring.nodes.end(), p.node) == ring.nodes.end()) return;
    const auto at = std::find(members.begin(), members.end(), p);
    GroupChange change;
    if (at != members.end()) {
      members.erase(at);
      change.left.push_back({p, GroupReason::kProcessDown});
    } else {
      members.push_back(p);
      change.joined.push_back({p, GroupReason::kJoin});
    }
    change.members = members;
    tell(cpg, change);
  }
  void tell_quorum(bool quorate) { tell(quorum, QuorumChange{rings.back().id, quorate}); }
  void tell(auto& stream, const auto& change) {
    for (std::uint32_t n = prng_.below(5) == 0 ? 2 : 1; n > 0; --n) stream.push_back(change);
  }
  Prng& prng_;
};

TEST(ViewBuilderRandom, KeepsItsInvariantsInEveryInterleaving) {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Prng prng(seed);
    History history(prng);
    ViewBuilder builder(kSelf);
    std::map<RingId, bool> told;  // quorum's last word, by ring
    std::set<RingId> spoke;       // rings of which a message came
    std::optional<RingId> now;    // CPG's
    std::optional<ClusterView> last;
    const bool third_vote = prng.below(2) == 0;
    ASSERT_FALSE(builder.set_third_vote(third_vote));
    while (!history.cpg.empty() || !history.quorum.empty()) {
      std::optional<ClusterView> view;
      if (now && prng.below(8) == 0) {
        spoke.insert(*now);
        view = builder.ring_speaks();
      } else if (history.quorum.empty() || (!history.cpg.empty() && prng.below(2) == 0)) {
        if (const auto* change = std::get_if<RingChange>(&history.cpg.front())) now = change->ring;
        view = std::visit([&](const auto& change) { return builder.step(change); }, history.cpg.front());
        history.cpg.pop_front();
      } else {
        told[history.quorum.front().ring] = history.quorum.front().quorate;
        view = builder.step(history.quorum.front());
        history.quorum.pop_front();
      }
      if (!view) continue;
      ASSERT_TRUE(!view->quorate || told[view->ring]) << "I2, seed " << seed;
      const bool asked = told.lower_bound(view->ring) != told.end();  // Of it, or of one that came after it.
      ASSERT_TRUE(!third_vote || asked || spoke.contains(view->ring)) << "I4, seed " << seed;
      ASSERT_NE(view, last) << "I5, seed " << seed;
      const auto ring = std::find_if(history.rings.begin(), history.rings.end(), [&](const auto& r) { return r.id == view->ring; });
      ASSERT_NE(ring, history.rings.end()) << seed;
      ASSERT_EQ(view->nodes, ring->nodes) << "I1, seed " << seed;
      ASSERT_TRUE(view->has_process(kSelf)) << "I5, seed " << seed;
      for (const ClusterProcess& p : view->processes) ASSERT_TRUE(view->has_node(p.node)) << "I3, seed " << seed;
      ASSERT_TRUE(!last || last->ring.sequence <= view->ring.sequence) << seed;
      last = view;
    }
    const History::Ring& end = history.rings.back();
    ClusterView expected{end.id, end.nodes, history.members, end.quorate};
    std::sort(expected.processes.begin(), expected.processes.end());
    ASSERT_EQ(builder.shown(), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fairlead::membership
