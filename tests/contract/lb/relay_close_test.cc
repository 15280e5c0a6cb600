// Half-close in every state: the end of file follows the last byte, and the other way goes on.
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;

class RelayClose : public RelayContract {
 protected:
  void half_close_in_every_state(Side closer) {
    RelayRig& rig = make(small_sockets());
    in_every_state(rig, [&](Link& link, Side) {
      const std::uint64_t finished = rig.ended(EndCause::kFinished);
      Peer& closing = link.end(closer);
      Peer& going_on = link.end(other(closer));
      closing.fin_after_send = true;
      rig.settle();  // As far as the state lets it go.
      EXPECT_FALSE(closing.eof());

      let_flow(rig, link);
      expect_fin_passed(rig, link, closer);

      EXPECT_FALSE(closing.eof());
      going_on.send_more(30'000);
      rig.run_until([&] { return going_on.unsent() == 0 && closing.received() == going_on.sent(); });
      expect_fin_passed(rig, link, other(closer));
      EXPECT_TRUE(link.whole());
      rig.expect_nothing_left();
      rig.expect_ended(EndCause::kFinished, finished + 1);
    });
  }
};

TEST_P(RelayClose, ByTheClientInEveryState) { half_close_in_every_state(Side::kClient); }

TEST_P(RelayClose, ByTheServerInEveryState) { half_close_in_every_state(Side::kServer); }

TEST_P(RelayClose, ByBothInEveryState) {
  RelayRig& rig = make(small_sockets());
  in_every_state(rig, [&](Link& link, Side) {
    link.client.fin_after_send = true;
    link.server->fin_after_send = true;
    rig.settle();

    let_flow(rig, link);

    rig.run_until([&] { return link.client.eof() && link.server->eof(); });
    EXPECT_TRUE(link.whole());
    EXPECT_EQ(link.client.unsent() + link.server->unsent(), 0U);
  });
}

// The whole request and its end are there before any server is.
TEST_P(RelayClose, ByAClientThatDoesNotWaitForTheServer) {
  RelayRig& rig = make(small_sockets());
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  link.client.send_more(5000);
  link.client.fin_after_send = true;
  rig.run_until([&] { return link.server && link.client.sent() == 5000; });
  rig.settle();
  EXPECT_EQ(link.server->received(), 0U) << "sent before the connect was known to have worked";

  rig.release();

  expect_fin_passed(rig, link, Side::kClient);
  link.server->send_more(100'000);
  expect_fin_passed(rig, link, Side::kServer);
  rig.expect_nothing_left();
}

// The half-closed client keeps its answer waiting: nothing turns meanwhile but what faults turn by themselves.
TEST_P(RelayClose, AHalfClosedClientThatReadsSlowlyKeepsNobodyBusy) {
  RelayRig& rig = make(small_sockets());
  for (const State state : {State::kBackPressured, State::kBulkReady, State::kBulkRunning}) {
    SCOPED_TRACE(to_string(state));
    Link& link = reach(rig, state, Side::kServer);
    if (HasFailure()) return;
    link.client.reading = false;
    link.server->send_more(1024 * 1024);
    link.client.fin_after_send = true;
    rig.run_until([&] { return link.server->eof(); });
    rig.settle();

    const Duration cpu = process_cpu();
    const std::uint64_t turns = rig.turns();
    const Instant end = monotonic_now() + std::chrono::milliseconds(200);
    while (monotonic_now() < end) rig.turn(end - monotonic_now());
    EXPECT_LT(rig.turns() - turns, 50U);
    EXPECT_LT(process_cpu() - cpu, std::chrono::milliseconds(20));

    let_flow(rig, link);
    expect_fin_passed(rig, link, Side::kServer);
    rig.expect_nothing_left();
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayClose, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
