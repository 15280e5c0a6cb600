#include "vip/exchange.h"

#include <gtest/gtest.h>

namespace fairlead::vip {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow{1h};
constexpr ClusterProcess kDaemon1{NodeId{1}, 11};
constexpr ClusterProcess kGuard1{NodeId{1}, 12};
constexpr ClusterProcess kDaemon2{NodeId{2}, 21};

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    view.ring = {NodeId{1}, 8};
    view.nodes = {NodeId{1}, NodeId{2}};
    view.processes = {kDaemon1, kGuard1, kDaemon2};
    view.quorate = true;
    exchange.begin(view, kNow);
  }
  NodeState state(Incarnation incarnation = 1) const {
    NodeState s;
    s.round = view.round();
    s.incarnation = incarnation;
    return s;
  }

  ClusterView view;
  Exchange exchange;
};

TEST_F(ExchangeTest, IsCompleteWhenEveryProcessHasSaidWhatItIs) {
  EXPECT_TRUE(exchange.state(kDaemon2, state(), kNow));
  exchange.guard(kGuard1, {view.round()});
  EXPECT_FALSE(exchange.is_complete());
  EXPECT_EQ(exchange.proposer(), std::nullopt);

  EXPECT_TRUE(exchange.state(kDaemon1, state(), kNow));

  EXPECT_TRUE(exchange.is_complete());
  EXPECT_EQ(exchange.proposer(), kDaemon1);
}

TEST_F(ExchangeTest, IgnoresWhatBelongsToAnotherRoundOrComesFromAStranger) {
  NodeState old = state();
  old.round.digest += 1;
  EXPECT_FALSE(exchange.state(kDaemon1, old, kNow));
  EXPECT_FALSE(exchange.state({NodeId{3}, 31}, state(), kNow));
  exchange.guard(kGuard1, {old.round});
  exchange.excluded({old.round, kDaemon2});
  EXPECT_EQ(exchange.silent_nodes(), std::vector<NodeId>{});
  EXPECT_FALSE(exchange.is_complete());
}

TEST_F(ExchangeTest, ALeftOutDaemonIsNoMemberUntilItSpeaks) {
  (void)exchange.state(kDaemon1, state(), kNow);
  exchange.guard(kGuard1, {view.round()});
  exchange.excluded({view.round(), kDaemon2});
  ASSERT_TRUE(exchange.is_complete());
  EXPECT_EQ(exchange.member(NodeId{2}), nullptr);

  EXPECT_TRUE(exchange.state(kDaemon2, state(), kNow));

  EXPECT_NE(exchange.member(NodeId{2}), nullptr);
  EXPECT_FALSE(exchange.is_excluded(kDaemon2));
}

TEST_F(ExchangeTest, NodesWithoutADaemonOrWithOneLeftOutAreSilent) {
  view.nodes.push_back(NodeId{3});
  exchange.begin(view, kNow);
  exchange.guard(kGuard1, {view.round()});
  EXPECT_EQ(exchange.silent_nodes(), std::vector<NodeId>{NodeId{3}});

  exchange.excluded({view.round(), kDaemon2});

  EXPECT_EQ(exchange.silent_nodes(), (std::vector<NodeId>{NodeId{2}, NodeId{3}}));
  EXPECT_TRUE(exchange.has_daemon(NodeId{2}));
}

TEST_F(ExchangeTest, OfTwoDaemonsOfANodeTheLaterLifeIsTheMember) {
  const ClusterProcess second{NodeId{2}, 22};
  view.processes = {kDaemon1, kDaemon2, second};
  exchange.begin(view, kNow);
  (void)exchange.state(kDaemon2, state(/*incarnation=*/5), kNow);
  (void)exchange.state(second, state(/*incarnation=*/9), kNow);
  ASSERT_NE(exchange.member(NodeId{2}), nullptr);
  EXPECT_EQ(exchange.member(NodeId{2})->process, second);
}

TEST_F(ExchangeTest, ASilentDaemonIsOverdueAGuardNever) {
  exchange.guard(kGuard1, {view.round()});
  exchange.heard(kDaemon1, kNow + 900ms);
  EXPECT_EQ(exchange.next_overdue(1s), kNow + 1s);
  EXPECT_EQ(exchange.overdue(kNow + 1s, 1s), std::vector<ClusterProcess>{kDaemon2});
}

TEST_F(ExchangeTest, AfterAPauseOfItsOwnNobodyIsToBlame) {
  exchange.forgive(kNow + 5s);
  EXPECT_TRUE(exchange.overdue(kNow + 5s + 999ms, 1s).empty());
}

}  // namespace
}  // namespace fairlead::vip
