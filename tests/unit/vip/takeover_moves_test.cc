// R17: what counts as a move of a VIP.
#include "tests/unit/vip/core_fixture.h"

namespace fairlead::vip {
namespace {

using namespace std::chrono_literals;

class Moves : public TakeoverCoreTest {
 protected:
  NodeState holding(NodeId node) {
    NodeState s = state_of(node);
    s.vips.front().holding = true;
    s.vips.front().owner = node;
    s.vips.front().epoch = core->describe("api").epoch;
    return s;
  }
  /// It is given to `to` by whoever plans, and `from` and `to` say so.
  void move(NodeId from, NodeId to) {
    core->delivered(daemon_of(n1), Assign{current.round(), 1, {{"api", to, core->describe("api").epoch + 1}}}, out);
    core->delivered(daemon_of(from), state_of(from), out);
    core->delivered(daemon_of(to), holding(to), out);
    out.clear();
    tick(300ms);
    out.clear();
  }
};

TEST_F(Moves, R17AHolderThatIsAnotherOneThanBeforeIsOne) {
  begin(3);
  view({n1, n2, n3});
  exchange();
  move(n3, n2);
  for (int i = 0; i < 3; ++i) i % 2 == 0 ? move(n2, n3) : move(n3, n2);
  EXPECT_FALSE(core->describe("api").flapping) << "three moves";
  move(n3, n2);
  EXPECT_TRUE(core->describe("api").flapping) << "four";
  tick(61s);
  EXPECT_FALSE(core->describe("api").flapping) << "a minute later";
}

TEST_F(Moves, R17WhatAHalfAssignedThatCouldNotTakeItIsNone) {
  begin(2, /*tie=*/true);
  view({n1, n2});
  core->delivered(daemon_of(n2), holding(n2), out);
  echo();
  tick(300ms);
  echo();
  ASSERT_EQ(core->describe("api").holder, n2);
  for (int i = 0; i < 4; ++i) {
    view({n1});  // Its gateway does not answer: it may plan, and not take.
    echo();
    for (int j = 0; j < 20; ++j) tick(100ms), echo();
    ASSERT_NE(core->describe("api").owner, n2) << "it plans for itself";
    ASSERT_FALSE(core->holder("api")->may_be_present());
    view({n1, n2});
    core->delivered(daemon_of(n2), holding(n2), out);
    echo();
    tick(300ms);
    echo();
    ASSERT_EQ(core->describe("api").owner, n2);
  }
  EXPECT_FALSE(core->describe("api").flapping) << "it was on node 2 all the time";
}

}  // namespace
}  // namespace fairlead::vip
