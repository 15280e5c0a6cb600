// Deadlines, by the test's own clock.
#include <cerrno>
#include <sys/socket.h>

#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kLateTurns = 24;  ///< More than some faults after one another last.

class RelayTime : public RelayContract {
 protected:
  void expect_both_reset(Link& link) {
    expect_reset(rig(), link, Side::kClient);
    expect_reset(rig(), link, Side::kServer);
    rig().expect_nothing_left();
  }
  /// Lets `total` pass in steps, so that timers are armed and looked at on the way.
  void pass(Duration total, Duration step) {
    rig().settle();  // What is late in the engine is not late by this clock.
    for (Duration passed{}; passed < total && !HasFailure(); passed += step) {
      rig().advance(step);
      for (int i = 0; i < kLateTurns; ++i) rig().turn(Duration::zero());
    }
  }
};

TEST_P(RelayTime, ASilentConnectionIsResetAtTheIdleTimeoutAndNotBefore) {
  RelayRig& rig = make();
  rig.pool.idle_timeout = minutes(10);
  rig.publish();
  Link& link = rig.connect_through();
  pass(minutes(9), minutes(1));
  expect_relays(rig, link);
  pass(minutes(9), minutes(1));
  expect_relays(rig, link);
  pass(seconds(597), seconds(199));
  rig.settle();
  EXPECT_EQ(rig.state_of(link), "open");

  pass(seconds(6), seconds(2));

  expect_both_reset(link);
  rig.expect_ended(EndCause::kClientIdle, 1U);
}

// One direction moving keeps the connection: in bulk, too, where the relay sees no data.
TEST_P(RelayTime, BytesOfABulkDirectionAreActivity) {
  RelayRig& rig = make(small_sockets());
  rig.pool.idle_timeout = minutes(1);
  rig.publish();
  Link& link = reach(rig, State::kBulkRunning, Side::kServer);
  for (int i = 0; i < 10 && !HasFailure(); ++i) {
    const std::uint64_t before = link.client.received();
    rig.run_until([&] {
      if (link.server->unsent() == 0) link.server->send_more(500'000);
      return link.client.received() > before + 400'000;
    });
    rig.advance(seconds(40));
  }
  rig.run_until([&] { return link.server->unsent() == 0 && link.whole(); });
  expect_finishes(rig, link);
}

TEST_P(RelayTime, AHalfClosedConnectionWaitsForTheHalfCloseTimeout) {
  RelayRig& rig = make();
  rig.pool.idle_timeout = minutes(60);
  rig.pool.half_close_timeout = seconds(30);
  rig.publish();
  for (const Side side : {Side::kClient, Side::kServer}) {
    Link& link = rig.connect_through();
    expect_fin_passed(rig, link, side);
    pass(seconds(28), seconds(7));
    rig.settle();
    EXPECT_EQ(rig.state_of(link), "half_closed");

    pass(seconds(4), seconds(2));

    expect_reset(rig, link, side);
    rig.expect_nothing_left();
  }
  rig.expect_ended(EndCause::kServerIdle, 1U);
  rig.expect_ended(EndCause::kClientIdle, 1U);
}

TEST_P(RelayTime, AnOldConnectionIsClosedInOrderOnceItIsSilent) {
  RelayRig& rig = make();
  rig.pool.max_connection_age = minutes(10);
  rig.publish();
  Link& link = rig.connect_through();
  expect_relays(rig, link);
  pass(minutes(8), minutes(1));
  rig.settle();
  EXPECT_EQ(rig.state_of(link), "open");

  pass(minutes(4), seconds(20));

  rig.run_until([&] { return link.client.eof() && link.server->eof(); });
  EXPECT_TRUE(link.whole());
  rig.expect_ended(EndCause::kMaxAge, 1U);
}

// The rig fails when a timer is armed for the past again and again, as one was here.
TEST_P(RelayTime, AnOldConnectionWaitsForItsStalledReader) {
  RelayRig& rig = make(small_sockets());
  rig.pool.max_connection_age = minutes(10);
  rig.publish();
  for (const State state : {State::kBackPressured, State::kBulkRunning}) {
    SCOPED_TRACE(to_string(state));
    Link& link = reach(rig, state, Side::kServer);
    if (HasFailure()) return;
    link.client.reading = false;
    link.server->send_more(400'000);
    rig.settle();
    pass(minutes(15), seconds(15));
    for (int i = 0; i < 20; ++i) rig.turn(Duration::zero());
    pass(seconds(5), milliseconds(100));
    EXPECT_EQ(rig.state_of(link), "open");

    let_flow(rig, link);
    rig.run_until([&] { return link.server->unsent() == 0 && link.client.received() == link.server->sent(); });
    rig.run_until([&] {
      rig.advance(milliseconds(100));
      return link.client.eof() && link.server->eof();
    });
    EXPECT_TRUE(link.whole());
    rig.expect_nothing_left();
  }
  rig.expect_ended(EndCause::kMaxAge, 2U);
}

// Nothing is read while no block is free: such silence is none.
TEST_P(RelayTime, AnOldConnectionIsNotClosedWhileNothingCanBeRead) {
  RelayRig& rig = make(small_sockets());
  rig.pool.max_connection_age = minutes(10);
  rig.publish();
  Link& link = rig.connect_through();
  expect_relays(rig, link);
  rig.settle();
  {
    const Hoard hoard(rig);
    const std::size_t parked = rig.buffers().available();  // In io_uring's ring. As if receives had taken them:
    rig.buffers().set_parked(0);
    if (parked == 0) link.server->send_more(5000);
    rig.run_until([&] { return link.server->unsent() == 0; });
    pass(minutes(15), minutes(1));
    EXPECT_EQ(rig.state_of(link), "open");
    rig.buffers().set_parked(parked);
  }
  rig.run_until([&] {
    rig.advance(milliseconds(50));
    return link.client.eof() && link.server->eof();
  });
  EXPECT_TRUE(link.whole());
}

TEST_P(RelayTime, TheServerLegGetsItsKeepaliveLater) {
  RelayRig& rig = make();
  rig.pool.keepalive = {.idle = seconds(31), .interval = seconds(11), .count = 4};
  rig.pool.tcp_user_timeout = seconds(33);
  rig.publish();
  Link& link = rig.connect_through();
  const int leg = find_socket(rig.table().list({}, 1).at(0).local, rig.pool.servers[0].endpoint);
  ASSERT_GE(leg, 0);
  int keepalive = -1;
  socklen_t size = sizeof keepalive;
  ASSERT_EQ(::getsockopt(leg, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &size), 0);
  EXPECT_EQ(keepalive, 0) << "a short connection is spared the system calls";
  pass(seconds(12), seconds(3));
  expect_leg_options(leg, {.keepalive = rig.pool.keepalive, .tcp_user_timeout = rig.pool.tcp_user_timeout});
  expect_relays(rig, link);
  pass(minutes(60), minutes(10));
  expect_relays(rig, link);
  expect_finishes(rig, link);
}

TEST_P(RelayTime, TheServerLegHasItsPoolsCongestionControlFromTheBeginning) {
  const std::string other = other_congestion_control();
  if (other.empty()) GTEST_SKIP() << "this kernel allows one congestion control only";
  RelayRig& rig = make();
  rig.pool.congestion_control = other;
  rig.publish();
  Link& link = rig.connect_through();
  const int leg = find_socket(rig.table().list({}, 1).at(0).local, rig.pool.servers[0].endpoint);
  ASSERT_GE(leg, 0);
  EXPECT_EQ(congestion_control_of(leg), other);
  expect_relays(rig, link);
  expect_finishes(rig, link);
}

TEST_P(RelayTime, OneThatTheKernelDoesNotOfferChangesNothing) {
  RelayRig& rig = make();
  rig.pool.congestion_control = "no-such-thing";
  rig.publish();
  Link& link = rig.connect_through();
  const int leg = find_socket(rig.table().list({}, 1).at(0).local, rig.pool.servers[0].endpoint);
  const Fd fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(congestion_control_of(leg), congestion_control_of(fresh.get()));
  expect_finishes(rig, link);
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayTime, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
