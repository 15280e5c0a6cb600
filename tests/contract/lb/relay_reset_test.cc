// A reset in every state stays a reset: the other end never takes what it got for the whole.
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;

class RelayReset : public RelayContract {
 protected:
  /// `stalled`: the other end goes on not reading until the relay has ended the connection.
  void reset_in_every_state(Side resetter, bool stalled) {
    RelayRig& rig = make(small_sockets());
    in_every_state(rig, [&](Link& link, Side) {
      link.end(resetter).reset();
      if (stalled) {
        rig.settle();
      } else {
        link.end(other(resetter)).reading = true;
      }
      rig.release();
      rig.run_until([&] { return rig.table().size() == 0; });
      expect_reset(rig, link, other(resetter));
    });
    EXPECT_EQ(rig.ended(EndCause::kFinished), 0U);
  }
};

TEST_P(RelayReset, ByTheClientInEveryState) { reset_in_every_state(Side::kClient, false); }

TEST_P(RelayReset, ByTheServerInEveryState) { reset_in_every_state(Side::kServer, false); }

TEST_P(RelayReset, ByTheClientInEveryStateWhileTheServerDoesNotRead) { reset_in_every_state(Side::kClient, true); }

TEST_P(RelayReset, ByTheServerInEveryStateWhileTheClientDoesNotRead) { reset_in_every_state(Side::kServer, true); }

TEST_P(RelayReset, AfterTheSameSidesEndOfFile) {
  RelayRig& rig = make(small_sockets());
  for (const Side side : {Side::kClient, Side::kServer}) {
    Link& link = rig.connect_through();
    link.end(side).send_more(3000);
    expect_fin_passed(rig, link, side);

    link.end(side).reset();

    Peer& peer = link.end(other(side));  // Has read the end of file: only a write can tell it.
    rig.run_until([&] {
      peer.send_more(1);
      return peer.error() != 0;
    });
    rig.expect_nothing_left();
  }
}

TEST_P(RelayReset, ByTheHalfClosedSidesPeer) {
  RelayRig& rig = make(small_sockets());
  for (const Side side : {Side::kClient, Side::kServer}) {
    Link& link = rig.connect_through();
    expect_fin_passed(rig, link, side);
    link.end(other(side)).send_more(10'000);
    rig.run_until([&] { return link.end(side).received() == 10'000; });

    link.end(other(side)).reset();

    expect_reset(rig, link, side);
    rig.expect_nothing_left();
  }
}

// What the server said before its reset has reached the client's kernel before the reset does.
TEST_P(RelayReset, BytesThatWereRelayedBeforeItArrive) {
  RelayRig& rig = make(small_sockets());
  for (const Side side : {Side::kClient, Side::kServer}) {
    Link& link = rig.connect_through();
    link.end(other(side)).reading = false;
    link.end(side).send_more(6000);
    rig.run_until([&] { return link.end(side).sent() == 6000; });
    rig.settle();

    link.end(side).reset();
    rig.run_until([&] { return rig.table().size() == 0; });

    expect_reset(rig, link, other(side));
    EXPECT_EQ(link.end(other(side)).received(), 6000U);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayReset, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
