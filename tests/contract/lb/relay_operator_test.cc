// What operators and the control thread do to open connections, in every state; and limits.
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"

namespace fairlead::lb {
namespace {

using namespace support;

class RelayOperator : public RelayContract {};

TEST_P(RelayOperator, AKilledConnectionIsResetBothWaysInEveryState) {
  RelayRig& rig = make(small_sockets());
  in_every_state(rig, [&](Link& link, Side) {
    const std::vector<ConnectionView> views = rig.table().list({}, 10);
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(rig.table().kill(with_id(views[0].id + 1), EndCause::kKilled), 0U);
    EXPECT_EQ(rig.table().kill(with_id(views[0].id), EndCause::kKilled), 1U);
    EXPECT_EQ(rig.table().kill(with_id(views[0].id), EndCause::kKilled), 0U) << "twice";
    (void)rig.table().list({}, 10);  // A closing one is listed without its sockets.

    expect_reset(rig, link, Side::kClient);
    expect_reset(rig, link, Side::kServer);
    rig.release();
  });
  rig.expect_ended(EndCause::kKilled, 2 * kEveryState.size());
}

TEST_P(RelayOperator, AServerThatIsDownLosesItsConnectionsInEveryState) {
  RelayRig& rig = make(small_sockets());
  in_every_state(rig, [&](Link& link, Side) {
    rig.table().close_server_connections(99, EndCause::kServerDown);
    const bool was_connecting = rig.state_of(link) == "connecting";
    rig.table().close_server_connections(1, EndCause::kServerDown);

    expect_reset(rig, link, Side::kClient);
    if (!was_connecting) expect_reset(rig, link, Side::kServer);
    rig.release();
  });
  rig.expect_ended(EndCause::kServerDown, 2 * kEveryState.size());
  EXPECT_TRUE(rig.reports().empty()) << "the order came from control; nothing failed by itself";
  const ServerCounters& server = *rig.pool.servers[0].counters;
  EXPECT_EQ(server.resets_sent.load(), 2 * (kEveryState.size() - 1));
  EXPECT_EQ(server.shares[0].ended[static_cast<std::size_t>(EndCause::kServerDown)].get(), 2 * kEveryState.size());
}

// It was connecting: nothing was sent, so another server takes it with all its bytes.
TEST_P(RelayOperator, AServerThatGoesDownWhileConnectingIsLeftForAnother) {
  RelayRig& rig = make({.servers = 2});
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  link.client.send_more(8000);
  rig.run_until([&] { return rig.held() == 1 && link.server && link.client.unsent() == 0; });
  const std::size_t first = link.at;

  rig.table().close_server_connections(rig.pool.servers[first].id, EndCause::kServerDown);
  rig.release();

  rig.run_until([&] { return link.at != first && link.server->received() == 8000; });
  EXPECT_EQ(rig.placed(first), 0U);
  EXPECT_EQ(rig.placed(link.at), 1U);
  EXPECT_EQ(rig.pool.servers[first].counters->connect_failures.load(), 0U);
  expect_relays(rig, link);
  expect_finishes(rig, link);
}

// Rebalancing: one at a time, in order, the one that has been idle longest.
TEST_P(RelayOperator, AServerGivesUpTheConnectionThatHasBeenIdleLongest) {
  RelayRig& rig = make(small_sockets());
  Link& longest = rig.connect_through();
  expect_relays(rig, longest);
  rig.settle();
  rig.advance(std::chrono::milliseconds(300));
  Link& other = rig.connect_through();
  expect_relays(rig, other);
  rig.table().close_idle(99);  // Another server.
  EXPECT_EQ(rig.ended(EndCause::kRebalanced), 0U);

  rig.table().close_idle(1);
  rig.run_until([&] { return longest.client.eof() && longest.server->eof(); });
  expect_relays(rig, other);
  rig.settle();
  rig.advance(std::chrono::seconds(1));
  rig.table().close_idle(1);
  rig.run_until([&] { return other.client.eof() && other.server->eof(); });

  EXPECT_TRUE(longest.whole() && other.whole());
  rig.expect_ended(EndCause::kRebalanced, 2U);
}

// It is looked for in parts: whoever has moved in between is not the one, and nobody else is taken for it.
TEST_P(RelayOperator, OneThatIsBusyOrGoneWhenAllWereSeenIsNotClosedAsIdle) {
  RelayRig& rig = make(small_sockets());
  Link& first = rig.connect_through();
  expect_relays(rig, first);
  rig.settle();
  rig.advance(std::chrono::milliseconds(300));
  Link& second = rig.connect_through();
  expect_relays(rig, second);
  rig.settle();
  rig.advance(std::chrono::milliseconds(300));
  IdleClosing moved{.server = 1};
  rig.table().close_idle(moved, 1);
  ASSERT_TRUE(moved.longest && !moved.is_done) << "in parts";
  expect_relays(rig, first);  // Moved since.
  rig.settle();
  while (!moved.is_done) rig.table().close_idle(moved, 1);
  EXPECT_EQ(rig.ended(EndCause::kRebalanced), 0U);

  rig.advance(std::chrono::seconds(1));
  IdleClosing gone{.server = 1};
  rig.table().close_idle(gone, rig.table().size());  // The second one is idle longest now.
  EXPECT_TRUE(gone.is_done);
  rig.run_until([&] { return second.client.eof() && second.server->eof(); });
  rig.settle();
  rig.expect_ended(EndCause::kRebalanced, 1U);

  IdleClosing killed{.server = 1};
  rig.table().close_idle(killed, 1);
  ASSERT_TRUE(killed.longest);
  EXPECT_EQ(rig.table().kill({}, EndCause::kKilled), 1U);
  killed.is_done = false;
  rig.table().close_idle(killed, 1);
  EXPECT_TRUE(killed.is_done);
  rig.expect_ended(EndCause::kRebalanced, 1U);
}

TEST_P(RelayOperator, QueriesMeanWhatTheySay) {
  RelayRig& rig = make({.servers = 2});
  std::vector<Link*> links;
  for (int i = 0; i < 6; ++i) links.push_back(&rig.connect_through());
  RelayTable& table = rig.table();
  EXPECT_EQ(table.list({}, 4).size(), 4U);
  ConnectionListing listing{.query = with(&ConnectionQuery::listener, "kube-api"), .limit = 5, .next = 0, .found = {}, .is_done = false};
  std::vector<std::size_t> after;
  for (; !listing.is_done && after.size() < 6; after.push_back(listing.found.size())) table.list(listing, 2);
  EXPECT_EQ(after, (std::vector<std::size_t>{2, 4, 5})) << "in parts";
  EXPECT_EQ(table.list(with(&ConnectionQuery::listener, "kube-api"), 10).size(), 6U);
  EXPECT_EQ(table.list(with(&ConnectionQuery::listener, "other"), 10).size(), 0U);
  EXPECT_EQ(table.list(with(&ConnectionQuery::server, "mast-1"), 10).size(), 3U);
  EXPECT_EQ(table.list(with(&ConnectionQuery::client, links[0]->address.address.to_string()), 10).size(), 6U);

  ConnectionKilling killing{.query = with(&ConnectionQuery::server, "mast-2"), .cause = EndCause::kKilled};
  after.clear();
  for (; !killing.is_done && after.size() < 6; after.push_back(killing.killed)) table.kill(killing, 4);
  EXPECT_EQ(after, (std::vector<std::size_t>{2, 3})) << "in parts, so that nobody else waits for all of it";

  for (Link* link : links) {
    if (link->at == 1)
      expect_reset(rig, *link, Side::kClient);
    else
      expect_relays(rig, *link);
  }
  ServerClosing closing{.server = rig.pool.servers[0].id, .cause = EndCause::kServerDown};
  table.close_server_connections(closing, 1);
  EXPECT_FALSE(closing.is_done) << "in parts as well";
  while (!closing.is_done) table.close_server_connections(closing, 1);
  EXPECT_EQ(rig.pool.servers[0].counters->resets_sent.load(), 3U);
  EXPECT_EQ(table.kill({}, EndCause::kShutdown), 0U);
  rig.expect_nothing_left();
}

// Old tables live as long as their connections, in all states, and new connections use the new one.
TEST_P(RelayOperator, TablesGoWithTheirLastConnection) {
  RelayRig& rig = make(small_sockets());
  std::vector<std::weak_ptr<PoolCounters>> seen;
  std::vector<Link*> links;
  for (const State state : {State::kIdle, State::kQueued, State::kBackPressured, State::kBulkRunning}) {
    rig.pool.counters = std::make_shared<PoolCounters>();  // Held by this table only.
    rig.publish();
    seen.push_back(rig.pool.counters);
    links.push_back(&reach(rig, state, Side::kServer));
    if (HasFailure()) return;
  }
  rig.pool.counters = std::make_shared<PoolCounters>();
  rig.publish();
  rig.publish();
  for (std::size_t i = 0; i < links.size(); ++i) {
    EXPECT_FALSE(seen[i].expired()) << i;
    let_flow(rig, *links[i]);
    rig.run_until([&] { return links[i]->server->unsent() == 0 && links[i]->whole(); });
    expect_relays(rig, *links[i]);
    expect_finishes(rig, *links[i]);
    rig.run_until([&] { return rig.table().size() == links.size() - 1 - i; });
    EXPECT_TRUE(seen[i].expired()) << i;
  }
}

TEST_P(RelayOperator, AListenerThatLeftTheTableShedsItsClients) {
  RelayRig& rig = make();
  Link& old = rig.connect_through();
  rig.listener.id = 1;
  rig.publish();
  rig.listener.id = 0;  // What the door is called.

  Link& link = rig.connect();
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });

  EXPECT_FALSE(link.client.eof());
  EXPECT_EQ(rig.shed(Refusal::kListenerClosed), 1U);
  expect_relays(rig, old);
  expect_finishes(rig, old);
}

class RelayLimits : public RelayContract {
 protected:
  void expect_shed(Refusal why) {
    const std::uint64_t before = rig().shed(why);
    const std::uint64_t counted = rig().listener.counters->shed.load();
    Link& link = rig().connect();
    rig().run_until([&] { return link.client.error() != 0 || link.client.eof(); });
    EXPECT_FALSE(link.client.eof());
    EXPECT_EQ(rig().shed(why), before + 1);
    EXPECT_EQ(rig().listener.counters->shed.load(), counted + 1) << "as everybody counts it";
  }
  /// Two connections fill the limit, a third is shed, and once one has ended another fits.
  void expect_limit_of_two(Refusal why) {
    Link& one = rig().connect_through();
    Link& two = rig().connect_through();
    expect_shed(why);
    expect_shed(why);
    expect_relays(rig(), one);
    expect_finishes(rig(), one);
    rig().run_until([&] { return rig().table().size() == 1; });
    Link& three = rig().connect_through();
    expect_shed(why);
    expect_finishes(rig(), two);
    expect_finishes(rig(), three);
    rig().expect_nothing_left();
  }
};

TEST_P(RelayLimits, Slots) {
  make({.connections = 2});
  expect_limit_of_two(Refusal::kProcessFull);
}

TEST_P(RelayLimits, PlacesOfTheProcess) {
  make({.process = 2});
  expect_limit_of_two(Refusal::kProcessFull);
}

TEST_P(RelayLimits, ConnectionsOfTheListener) {
  make().listener.max_connections = 2;
  rig().publish();
  expect_limit_of_two(Refusal::kListenerFull);
}

TEST_P(RelayLimits, ConnectionsOfASource) {
  make().listener.per_source_connections = 2;
  rig().publish();
  expect_limit_of_two(Refusal::kSourceConnections);
}

TEST_P(RelayLimits, RatesAreOfTheTablesClock) {
  make().listener.max_connection_rate = 3;
  rig().publish();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 3; ++i) expect_finishes(rig(), rig().connect_through());
    expect_shed(Refusal::kListenerRate);
    rig().advance(std::chrono::seconds(3));
  }
}

TEST_P(RelayLimits, ThoseWhoAreDeniedAreReset) {
  RelayRig& rig = make();
  rig.listener.deny = PrefixSet({*parse_ip_prefix(v4() ? "127.0.0.0/8" : "::1/128")});
  rig.publish();
  expect_shed(Refusal::kDenied);
}

TEST_P(RelayLimits, EndedAllAtOnceLeaveTheirPlaces) {
  make().listener.per_source_connections = 100;
  rig().publish();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50; ++i) {
      Link& link = rig().connect();
      link.client.send_more(500);
      if (i % 5 == 0) link.client.reset();
    }
    rig().settle();
    for (Link& link : rig().links()) link.client.close();
    rig().run_until([&] {
      for (Link& link : rig().links()) {
        if (link.server) link.server->fin_after_send = true;
      }
      return rig().table().size() == 0;
    });
    rig().expect_nothing_left();
  }
}

// The table goes while connections are open, as when a worker ends: nothing stays taken.
TEST_P(RelayLimits, ATableThatGoesGivesEverythingBack) {
  RelayRig& rig = make(small_sockets());
  rig.listener.per_source_connections = 100;
  rig.publish();
  for (const State state : {State::kIdle, State::kQueued, State::kBackPressured, State::kBulkRunning, State::kConnecting}) {
    (void)reach(rig, state, Side::kServer);
  }
  rig.abandon();
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayOperator, testing::ValuesIn(every_engine()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Engines, RelayLimits, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
