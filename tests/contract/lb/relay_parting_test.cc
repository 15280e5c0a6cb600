// An address leaves the node: its connections are reset or drained, others are not, and whoever comes too late is told so.
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;
using std::chrono::milliseconds;

class RelayParting : public RelayContract {
 protected:
  [[nodiscard]] IpAddress here() { return rig().front().address; }
  [[nodiscard]] static IpAddress elsewhere() { return *parse_ip_address("192.0.2.1"); }
  RelayTable::Told note(std::optional<std::size_t>& told) {
    return [&told](std::size_t connections) {
      EXPECT_FALSE(told) << "told twice";
      told = connections;
    };
  }
  /// Enough turns of the table's clock for idle moments to be seen.
  void pass_moments() {
    for (int i = 0; i < 4; ++i) {
      rig().settle();
      rig().advance(milliseconds(300));
    }
    rig().settle();
  }
};

TEST_P(RelayParting, ResetsBothWaysInEveryStateAndTellsAfterThat) {
  RelayRig& rig = make(small_sockets());
  in_every_state(rig, [&](Link& link, Side) {
    std::optional<std::size_t> none;
    std::optional<std::size_t> told;
    rig.table().part(elsewhere(), EndCause::kVipReleased, note(none));
    rig.table().part(here(), EndCause::kVipReleased, note(told));
    EXPECT_FALSE(told) << "from inside the call";

    expect_reset(rig, link, Side::kClient);
    expect_reset(rig, link, Side::kServer);
    rig.release();
    rig.run_until([&] { return told && none; });
    EXPECT_EQ(told, 1U);
    EXPECT_EQ(none, 0U);
  });
  rig.expect_ended(EndCause::kVipReleased, 2 * kEveryState.size());
}

TEST_P(RelayParting, WhoIsResetInTimeIsNotLostWhenTheAddressGoesBeforeThatIsTold) {
  RelayRig& rig = make();
  Link& link = rig.connect_through();
  std::optional<std::size_t> released;
  std::optional<std::size_t> gone;
  rig.table().part(here(), EndCause::kVipReleased, note(released));
  rig.table().part(here(), EndCause::kVipLost, note(gone));

  expect_reset(rig, link, Side::kClient);
  rig.run_until([&] { return released && gone; });
  EXPECT_EQ(released, 1U);
  EXPECT_EQ(gone, 0U);
  rig.expect_ended(EndCause::kVipReleased, 1U);
}

TEST_P(RelayParting, TellsAboutNobodyInTheNextTurn) {
  RelayRig& rig = make();
  std::optional<std::size_t> told;
  rig.table().part(here(), EndCause::kVipReleased, note(told));
  rig.run_until([&] { return told.has_value(); });
  EXPECT_EQ(told, 0U);
}

TEST_P(RelayParting, WhoComesWhileItIsHeldBackIsResetAndCounted) {
  RelayRig& rig = make();
  Link& before = rig.connect_through();
  const std::uint64_t older = rig.table().hold_back(here());
  const std::uint64_t hold = rig.table().hold_back(here());
  (void)rig.table().hold_back(elsewhere());
  rig.table().end_hold(here(), older);

  Link& late = rig.connect();
  rig.run_until([&] { return late.client.error() != 0 || late.client.eof(); });

  EXPECT_FALSE(late.client.eof());
  EXPECT_EQ(rig.shed(Refusal::kVipReleased), 1U);
  EXPECT_EQ(rig.listener.counters->shed.load(), 1U);
  expect_relays(rig, before);
  rig.table().end_hold(here(), hold);
  expect_finishes(rig, rig.connect_through());
  EXPECT_EQ(rig.table().held_back(), std::vector{elsewhere()});
  expect_finishes(rig, before);
}

TEST_P(RelayParting, DrainingClosesIdleConnectionsInOrderAndLeavesBusyAndNewOnesAlone) {
  RelayRig& rig = make(small_sockets());
  Link& idle = rig.connect_through();
  expect_relays(rig, idle);
  Link& busy = reach(rig, State::kBackPressured, Side::kServer);
  std::optional<std::size_t> told;
  rig.table().drain(here(), note(told));
  rig.table().drain(elsewhere(), [](std::size_t n) { EXPECT_EQ(n, 0U); });
  Link& fresh = rig.connect_through();

  for (int i = 0; i < 6 && !idle.client.eof(); ++i) pass_moments();

  EXPECT_TRUE(idle.client.eof() && idle.server->eof()) << "with a FIN";
  EXPECT_TRUE(idle.whole());
  EXPECT_FALSE(told) << "one is busy";
  EXPECT_EQ(rig.ended(EndCause::kVipDrained), 1U);
  let_flow(rig, busy);
  rig.run_until([&] { return busy.server->unsent() == 0 && busy.whole(); });
  const Instant end = monotonic_now() + std::chrono::seconds(10);  // If it became bulk, that ends by the engine's clock.
  while (!told && monotonic_now() < end) pass_moments();
  EXPECT_EQ(told, 2U);
  EXPECT_TRUE(busy.client.eof()) << "with a FIN";
  EXPECT_TRUE(busy.whole());
  expect_relays(rig, fresh);
  expect_finishes(rig, fresh);
}

TEST_P(RelayParting, AReleaseTakesOverWhatStillDrains) {
  RelayRig& rig = make(small_sockets());
  Link& busy = reach(rig, State::kBackPressured, Side::kServer);
  std::optional<std::size_t> drained;
  std::optional<std::size_t> told;
  rig.table().drain(here(), note(drained));
  pass_moments();
  EXPECT_FALSE(drained);

  rig.table().part(here(), EndCause::kVipReleased, note(told));

  expect_reset(rig, busy, Side::kClient);
  rig.run_until([&] { return told && drained; });
  EXPECT_EQ(told, 1U);
  rig.expect_ended(EndCause::kVipReleased, 1U);
}

// A drain that is called off: the pool's own age counts again, and no timer fires for nothing.
TEST_P(RelayParting, WhatWasToDrainStaysWhenThatIsCalledOff) {
  RelayRig& rig = make(small_sockets());
  rig.keep_from_bulk(true);
  rig.pool.max_connection_age = std::chrono::hours(2);
  rig.publish();
  Link& busy = reach(rig, State::kBackPressured, Side::kServer);
  std::optional<std::size_t> told;
  rig.table().drain(here(), note(told));
  pass_moments();

  rig.table().stop_draining(here());

  rig.run_until([&] { return told.has_value(); });
  let_flow(rig, busy);
  rig.run_until([&] { return busy.server->unsent() == 0 && busy.whole(); });
  pass_moments();
  EXPECT_EQ(rig.ended(EndCause::kVipDrained), 0U);
  expect_relays(rig, busy);
  expect_finishes(rig, busy);
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayParting, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
