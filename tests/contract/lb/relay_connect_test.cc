// Connecting: what the client sent first survives a failed try, no server is tried twice, and every place comes back.
#include <algorithm>

#include "base/sockaddr.h"
#include "tests/contract/lb/relay_contract.h"
#include "tests/contract/lb/relay_states.h"
#include "tests/support/few_descriptors.h"

namespace fairlead::lb {
namespace {

using namespace support;
using std::chrono::milliseconds;
using std::chrono::seconds;

class RelayConnect : public RelayContract {
 protected:
  [[nodiscard]] std::uint64_t failures(std::size_t server) { return rig().pool.servers[server].counters->connect_failures.load(); }
  [[nodiscard]] static std::uint64_t timed(const ServerCounters& server) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kConnectBuckets; ++i) sum += server.connect_times.count(i);
    return sum;
  }
  [[nodiscard]] std::uint64_t retries() { return rig().stats().listeners[0].retries.get(); }
  /// The client sends a request at once and must get it answered whole.
  void expect_served(Link& link, std::uint64_t request = 5000) {
    link.client.send_more(request);
    rig().run_until([&] { return link.server && link.server->received() == request; });
    if (!link.server) return;
    link.server->send_more(7000);
    rig().run_until([&] { return link.client.received() == 7000; });
    expect_finishes(rig(), link);
  }
  void run_clock_until(Duration step, const std::function<bool()>& done) {
    rig().run_until([&] {
      rig().advance(step);
      return done();
    });
  }
};

TEST_P(RelayConnect, ARefusedConnectGoesToAnotherServerWithTheFirstBytes) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kRefuses);
  rig.add_server(ServerKind::kServes);
  rig.publish();

  for (int i = 0; i < 4; ++i) {
    expect_served(rig.connect());
    rig.expect_nothing_left();
  }

  EXPECT_GE(failures(0), 1U);
  EXPECT_EQ(failures(0), retries());
  EXPECT_EQ(failures(1), 0U);
  EXPECT_EQ(rig.server(1).accepted, 4U);
  const auto& gone = *rig.pool.servers[0].counters;
  const auto& good = *rig.pool.servers[1].counters;
  EXPECT_EQ(gone.failed_by_cause[static_cast<std::size_t>(ConnectCause::kRefused)].load(), failures(0));
  EXPECT_EQ(timed(gone), 0U) << "only connects that worked are timed";
  EXPECT_EQ(timed(good), 4U);
  EXPECT_EQ(gone.bytes_in() + gone.bytes_out(), 0U);
  EXPECT_EQ(good.bytes_in(), 4U * 5000U);
  EXPECT_EQ(good.bytes_out(), 4U * 7000U);
  EXPECT_EQ(rig.reports().size(), failures(0));
}

TEST_P(RelayConnect, AllRefusedResetsTheClientAfterOneTryEach) {
  RelayRig& rig = make({.servers = 0});
  for (int i = 0; i < 4; ++i) rig.add_server(ServerKind::kRefuses);
  rig.publish();

  Link& link = rig.connect();
  link.client.send_more(2000);
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });

  EXPECT_FALSE(link.client.eof());
  rig.expect_nothing_left();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(failures(i), 1U) << "server " << i;
  rig.expect_ended(EndCause::kConnectRefused, 1U);
}

TEST_P(RelayConnect, NoServerIsTriedMoreOftenThanRetriesAllow) {
  RelayRig& rig = make({.servers = 0});
  for (int i = 0; i < 4; ++i) rig.add_server(ServerKind::kRefuses);
  rig.pool.retries = 1;
  rig.publish();

  Link& link = rig.connect();
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });

  EXPECT_FALSE(link.client.eof());
  EXPECT_EQ(failures(0) + failures(1) + failures(2) + failures(3), 2U);
  EXPECT_EQ(retries(), 1U);
}

// retries allow more, but there is no other server: nothing was tried again.
TEST_P(RelayConnect, ARetryCountsWhenThereIsAServerForIt) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kRefuses);
  rig.publish();

  rig.connect();
  rig.expect_ended(EndCause::kConnectRefused, 1U);

  EXPECT_EQ(failures(0), 1U);
  EXPECT_EQ(retries(), 0U);
}

// No descriptor is left for the server leg: that says nothing about the server.
TEST_P(RelayConnect, OurOwnErrorIsNoFailureOfTheServers) {
  RelayRig& rig = make();
  rig.listener.accept_proxy = true;
  rig.publish();
  Link& link = rig.connect();
  rig.run_until([&] { return rig.table().size() == 1; });
  {
    const test::FewDescriptors limit(0);
    rig.write_raw(link.client, "PROXY UNKNOWN\r\n");
    rig.expect_ended(EndCause::kConnectLocal, 1U);
  }
  EXPECT_EQ(failures(0), 0U);
  EXPECT_FALSE(rig.pool.servers[0].counters->failing.load());
  EXPECT_TRUE(rig.reports().empty());
}

// bind(2) says so.
TEST_P(RelayConnect, ASourceThatIsNotHereGivesWayToTheKernelsChoice) {
  RelayRig& rig = make();
  rig.pool.wants_source = true;
  rig.pool.source = parse_ip_address(v4() ? "192.0.2.77" : "2001:db8::77").value();
  rig.publish();
  expect_served(rig.connect());
  EXPECT_EQ(rig.pool.counters->source_fallbacks.load(), 1U);

  rig.pool.source.reset();  // A VIP that is not held here.
  rig.publish();
  expect_served(rig.connect());
  EXPECT_EQ(rig.pool.counters->source_fallbacks.load(), 2U);
  EXPECT_EQ(failures(0), 0U);
}

// bind(2) took it and connect(2) says so: here for want of a port, as for an address that only ip_nonlocal_bind admits.
TEST_P(RelayConnect, ASourceThatConnectRefusesGivesWayToTheKernelsChoice) {
  RelayRig& rig = make();
  rig.pool.wants_source = true;
  rig.pool.source = rig.front().address;
  rig.pool.source_ports = PortRange{41'500, 41'500};
  rig.publish();
  Link& one = rig.connect_through();
  Link& two = rig.connect_through();
  if (HasFailure()) return;
  EXPECT_NE(peer_of(two.server->fd()).port, 41'500);
  EXPECT_GE(rig.pool.counters->source_fallbacks.load(), 1U);
  EXPECT_EQ(failures(0), 0U);
  EXPECT_EQ(rig.placed(0), 2U);
  expect_finishes(rig, one);
  expect_finishes(rig, two);
}

TEST_P(RelayConnect, ASourceIsUsedWithItsPorts) {
  RelayRig& rig = make();
  rig.pool.wants_source = true;
  rig.pool.source = rig.front().address;
  rig.pool.source_ports = PortRange{41'000, 41'009};
  rig.publish();
  for (int i = 0; i < 5; ++i) {
    Link& link = rig.connect_through();
    if (HasFailure()) return;
    const Endpoint leg = peer_of(link.server->fd());
    EXPECT_EQ(leg.address, rig.front().address);
    EXPECT_TRUE(leg.port >= 41'000 && leg.port <= 41'009) << leg.port;
    expect_finishes(rig, link);
  }
  EXPECT_EQ(rig.pool.counters->source_fallbacks.load(), 0U);
}

TEST_P(RelayConnect, AsManyTriesAsThereCanBe) {
  RelayRig& rig = make({.servers = 0});
  for (std::size_t i = 0; i <= TriedServers::kMax; ++i) rig.add_server(ServerKind::kRefuses);
  rig.pool.retries = kRetriesMax;
  rig.publish();

  Link& link = rig.connect();
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });

  std::uint64_t all = 0;
  for (std::size_t i = 0; i <= TriedServers::kMax; ++i) {
    EXPECT_LE(failures(i), 1U) << "server " << i;
    all += failures(i);
  }
  EXPECT_EQ(all, TriedServers::kMax);
}

TEST_P(RelayConnect, ASilentServerIsGivenUpAtTheTimeout) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.add_server(ServerKind::kSilent);
  rig.add_server(ServerKind::kServes);
  rig.pool.servers[2].usable = false;
  rig.pool.connect_timeout = milliseconds(500);
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(5000);
  rig.run_until([&] { return rig.state_of(link) == "connecting" && rig.placed(0) + rig.placed(1) == 1; });
  rig.settle();
  rig.advance(milliseconds(450));
  EXPECT_EQ(failures(0) + failures(1), 0U) << "too early";

  rig.advance(milliseconds(100));
  EXPECT_EQ(failures(0) + failures(1), 1U);
  EXPECT_EQ(rig.placed(0) + rig.placed(1), 1U) << "the next one's place; the first one's was given back";

  rig.advance(milliseconds(600));
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });
  EXPECT_FALSE(link.client.eof());
  EXPECT_EQ(rig.server(2).accepted, 0U) << "not usable";
  rig.expect_ended(EndCause::kConnectTimeout, 1U);
}

TEST_P(RelayConnect, ATimeoutIsFollowedByAServerThatAnswers) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.add_server(ServerKind::kServes);
  rig.pool.servers[0].weight = 1000;  // Chosen first.
  rig.pool.servers[1].weight = 1;
  rig.pool.servers[1].counters->current = 1;
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(40'000);
  link.client.fin_after_send = true;
  rig.run_until([&] { return rig.placed(0) == 1 && link.client.unsent() == 0; });
  rig.settle();

  rig.advance(seconds(2));

  rig.run_until([&] { return link.server && link.server->eof(); });
  EXPECT_EQ(link.server->received(), 40'000U);
  rig.pool.servers[1].counters->current -= 1;
  expect_fin_passed(rig, link, Side::kServer);
  ASSERT_EQ(rig.reports().size(), 1U);
  EXPECT_EQ(std::get<ConnectFailed>(rig.reports()[0]).cause, ConnectCause::kTimeout);
}

// More than the high-water mark comes while no server is there: the client waits, and nothing is lost.
TEST_P(RelayConnect, AClientThatFloodsWhileConnectingIsHeldBack) {
  RelayRig& rig = make(small_sockets());
  rig.hold(net::EventKind::kConnected);
  Link& link = rig.connect();
  link.client.send_more(2 * 1024 * 1024);
  rig.run_until([&] { return rig.held() == 1 && link.server.has_value(); });
  rig.settle();
  EXPECT_GT(link.client.unsent(), 0U);
  EXPECT_LT(rig.blocks_in_use(), rig.buffers().count());

  rig.release();

  rig.run_until([&] { return link.client.unsent() == 0 && link.server->received() == link.client.sent(); });
  expect_finishes(rig, link);
}

TEST_P(RelayConnect, WithoutAUsableServerTheClientIsResetAtOnce) {
  RelayRig& rig = make();
  rig.pool.servers[0].usable = false;
  rig.publish();

  Link& link = rig.connect();
  rig.run_until([&] { return link.client.error() != 0 || link.client.eof(); });

  EXPECT_FALSE(link.client.eof());
  rig.expect_ended(EndCause::kNoServer, 1U);
  EXPECT_EQ(rig.listener.counters->shed.load(), 1U);
}

TEST_P(RelayConnect, FullServersArePassedOverAndTheLastOneRefuses) {
  RelayRig& rig = make({.servers = 2});
  for (RouteServer& server : rig.pool.servers) server.max_connections = 1;
  rig.publish();
  Link& one = rig.connect_through();
  Link& two = rig.connect_through();
  EXPECT_NE(one.at, two.at);

  Link& three = rig.connect();
  rig.run_until([&] { return three.client.error() != 0 || three.client.eof(); });

  EXPECT_FALSE(three.client.eof());
  rig.expect_ended(EndCause::kServersFull, 1U);
  expect_finishes(rig, one);
  rig.run_until([&] { return rig.placed(one.at) == 0; });
  expect_served(rig.connect());
  expect_finishes(rig, two);
}

TEST_P(RelayConnect, AClientThatLeavesWhileConnectingLeavesNothing) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.publish();
  Link& link = rig.connect();
  rig.run_until([&] { return rig.placed(0) == 1; });

  link.client.reset();

  rig.expect_nothing_left();
  rig.expect_ended(EndCause::kClientLeftEarly, 1U);
  EXPECT_EQ(failures(0), 0U) << "no fault of the server's";
}

// A retry looks at what is known now, not at what was known when the client came.
TEST_P(RelayConnect, AServerThatCameUpMeanwhileTakesTheRetry) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(3000);
  rig.run_until([&] { return rig.placed(0) == 1; });
  rig.pool.servers[0].usable = false;
  rig.add_server(ServerKind::kServes);
  rig.publish();
  EXPECT_EQ(rig.placed(0), 1U) << "the try that is under way goes on";

  rig.advance(seconds(2));

  rig.run_until([&] { return link.server && link.server->received() == 3000; });
  expect_finishes(rig, link);
  rig.expect_nothing_left();
  EXPECT_EQ(rig.ended(EndCause::kConnectTimeout), 0U);
}

TEST_P(RelayConnect, AServerThatWentDownMeanwhileIsNotTried) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.publish();
  rig.add_server(ServerKind::kServes);
  rig.add_server(ServerKind::kServes);
  rig.pool.servers[0].weight = 1000;  // Chosen first.
  rig.pool.servers[1].weight = 100;   // Would be next.
  rig.pool.servers[2].weight = 1;
  rig.pool.servers[1].counters->current = 1;
  rig.pool.servers[2].counters->current = 1;
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(3000);
  rig.run_until([&] { return rig.placed(0) == 1; });
  rig.pool.servers[1].usable = false;
  rig.publish();

  rig.advance(seconds(2));

  rig.run_until([&] { return link.server && link.server->received() == 3000; });
  EXPECT_EQ(link.at, 2U);
  EXPECT_EQ(rig.server(1).accepted, 0U);
  for (const std::size_t i : {1U, 2U}) rig.pool.servers[i].counters->current -= 1;
  expect_finishes(rig, link);
}

// Servers stand in another order after a reload: tried is who was tried, not where it stood.
TEST_P(RelayConnect, TriedServersAreKnownInTheNewTable) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(3000);
  rig.run_until([&] { return rig.placed(0) == 1; });
  rig.add_server(ServerKind::kServes);
  RoutePool turned = rig.pool;
  std::swap(turned.servers[0], turned.servers[1]);
  turned.servers[1].weight = 1000;  // Better, were it not tried.
  turned.rotation = {0, 1};
  auto table = std::make_shared<RouteTable>();
  table->listeners = {rig.listener};
  table->pools = {std::make_shared<const RoutePool>(turned)};
  rig.table().set_routes(std::move(table));

  rig.advance(seconds(2));

  rig.run_until([&] { return link.server && link.server->received() == 3000; });
  expect_finishes(rig, link);
  EXPECT_EQ(failures(0), 1U);
}

TEST_P(RelayConnect, WhatAListenerThatIsGoneAcceptedFinishesByItsOwnTable) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kSilent);
  rig.add_server(ServerKind::kServes);
  rig.pool.servers[0].weight = 1000;
  rig.pool.servers[1].counters->current = 1;
  rig.publish();
  Link& link = rig.connect();
  link.client.send_more(3000);
  rig.run_until([&] { return rig.placed(0) == 1; });
  auto table = std::make_shared<RouteTable>();
  table->listeners = {rig.listener};  // Another one, which got its id.
  table->listeners[0].name = "other";
  table->listeners[0].counters = std::make_shared<ListenerCounters>();
  table->pools = {std::make_shared<const RoutePool>()};
  rig.table().set_routes(std::move(table));

  rig.advance(seconds(2));

  rig.run_until([&] { return link.server && link.server->received() == 3000; });
  rig.pool.servers[1].counters->current -= 1;
  expect_finishes(rig, link);
}

TEST_P(RelayConnect, AServerThatWorksAgainIsReportedOnce) {
  RelayRig& rig = make();
  rig.pool.servers[0].counters->failing = true;

  expect_served(rig.connect());
  expect_served(rig.connect());

  ASSERT_EQ(rig.reports().size(), 1U);
  EXPECT_EQ(std::get<ConnectWorked>(rig.reports()[0]).server, 1U);
}

TEST_P(RelayConnect, ManyAtOnceOverServersThatRefuse) {
  RelayRig& rig = make({.servers = 0});
  rig.add_server(ServerKind::kRefuses);
  rig.add_server(ServerKind::kServes);
  rig.add_server(ServerKind::kRefuses);
  rig.add_server(ServerKind::kServes);
  rig.publish();
  std::vector<Link*> links;
  for (int i = 0; i < 40; ++i) {
    links.push_back(&rig.connect());
    links.back()->client.send_more(3000);
    links.back()->client.fin_after_send = true;
  }

  rig.run_until([&] {
    for (Link* link : links) {
      if (link->server) link->server->fin_after_send = true;
    }
    return std::all_of(links.begin(), links.end(), [](const Link* l) { return l->client.eof() && l->whole(); });
  });

  rig.expect_nothing_left();
  EXPECT_EQ(rig.server(1).accepted + rig.server(3).accepted, 40U);
  EXPECT_EQ(failures(0) + failures(2), retries());
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayConnect, testing::ValuesIn(every_engine()), name_of_case);

}  // namespace
}  // namespace fairlead::lb
