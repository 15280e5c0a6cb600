#include "daemon/flight_notes.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

TEST(FlightNotes, SayWhatAMessageDecides) {
  const NodeId one{1};
  const NodeId two{2};
  EXPECT_EQ(note_of(Assign{.round = {}, .plan_version = 1, .table = {{"api", two, 7}, {"ingress", kNoNode, 3}}}),
            "api to 2 epoch 7, ingress to nobody epoch 3");
  EXPECT_EQ(note_of(Released{.vip = "api", .epoch = 6, .holder = one, .incarnation = 9, .clear = false}), "api by 1 epoch 6 not_clear");
  EXPECT_EQ(note_of(MoveVip{.vip = "api", .to = kNoNode}), "api to any other");
  EXPECT_EQ(note_of(SetOverride{.wish = {.kind = OverrideKind::kNodeStandby, .name = "gate-1", .on = true, .stamp = {}}}),
            "gate-1 standby on");
  EXPECT_EQ(note_of(Exclude{.round = {}, .process = {two, 77}}), "2/77");
}

TEST(FlightNotes, SayWhatANodeCouldDo) {
  NodeState state;
  VipState api;
  api.name = "api";
  api.able = true;
  api.holding = true;
  api.epoch = 7;
  api.owner = NodeId{1};
  api.reason = "pool masters has no server that is up";
  state.vips = {api};
  state.settled = true;
  EXPECT_EQ(note_of(state), "api: able holding epoch 7 owner 1 (pool masters has no server that is up), settled");
}

TEST(FlightNotes, LeaveOutWhatComesEveryMoment) {
  EXPECT_EQ(note_of(Beat{}), std::nullopt);
  EXPECT_EQ(note_of(BeatAck{}), std::nullopt);
  EXPECT_TRUE(is_worth_a_note(vip::HolderActionKind::kAdd));
  EXPECT_TRUE(is_worth_a_note(vip::HolderActionKind::kRemove));
  EXPECT_FALSE(is_worth_a_note(vip::HolderActionKind::kRefresh));
  EXPECT_FALSE(is_worth_a_note(vip::HolderActionKind::kBeatNow));
}

}  // namespace
}  // namespace fairlead::daemon
