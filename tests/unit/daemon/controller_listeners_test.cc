// Listeners over reloads and commands (I2), servers by name, and what operators are shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/limits.h"
#include "tests/unit/daemon/controller_fixture.h"

namespace fairlead::daemon {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ControllerListenersTest : public ::testing::Test, public Shell {
 protected:
  void TearDown() override { EXPECT_THAT(faults, IsEmpty()); }
  /// The only bind could not be opened. How many events it was worth.
  std::size_t fail(const Error& error) {
    const auto bind = open.begin()->first;
    open.clear();
    return carry(node.bind_failed(bind, error, now)).notices.size();
  }
};

TEST_F(ControllerListenersTest, AChangedBindLeavesTheCommonOneAlone) {
  auto config = usual();
  config.listeners[0] = listener("api", {"10.0.0.1:6443", "10.0.0.2:6443"}, "masters");
  apply(config);
  const auto before = open;
  config.listeners[0] = listener("api", {"10.0.0.1:6443", "10.0.0.3:6443"}, "masters");
  const auto& did = apply(config);
  EXPECT_THAT(did.open, SizeIs(1));
  EXPECT_THAT(did.close, SizeIs(1));
  EXPECT_EQ(did.close[0].second.id, MessageId::LISTENER_CLOSED);
  EXPECT_THAT(addresses(), UnorderedElementsAre("api 10.0.0.1:6443", "api 10.0.0.3:6443"));
  for (const auto& [bind, was] : before) EXPECT_EQ(open.contains(bind), was.address == endpoint("10.0.0.1:6443"));
}

const Error kInUse{Errc::kConflict, "in use"};

TEST_F(ControllerListenersTest, AFailedBindIsTriedAgainAtOnceByTheNextApply) {
  apply(usual());
  fail(kInUse);
  EXPECT_FALSE(report().listeners[0].accepting);
  EXPECT_EQ(report().listeners[0].problem, "in use");
  EXPECT_FALSE(report().ready);
  EXPECT_EQ(report().ready_reasons[0].detail, "in use");
  EXPECT_THAT(node.bind_problems(), ElementsAre("listener api: in use"));
  apply(usual());
  EXPECT_THAT(addresses(), UnorderedElementsAre("api 10.0.0.1:6443"));
  EXPECT_TRUE(report().listeners[0].accepting);
  EXPECT_THAT(node.bind_problems(), IsEmpty());
  EXPECT_THAT(apply(usual()).open, IsEmpty());
}

TEST_F(ControllerListenersTest, AFailedBindIsTriedAgainLessAndLessOftenWithOneEventAtEachEnd) {
  apply(usual());
  std::vector<Duration> pauses;
  std::size_t events = fail(kInUse);
  EXPECT_EQ(events, 1U);
  for (int i = 0; i < 8; ++i) {
    const Instant next = node.next_deadline();  // Checks are under way: nothing else is due.
    pauses.push_back(next - now);
    now = next - 1ms;
    EXPECT_THAT(carry(node.tick(now)).open, IsEmpty());
    now = next;
    ASSERT_THAT(carry(node.tick(now)).open, SizeIs(1));
    if (i < 7) events += fail(kInUse);
  }
  EXPECT_THAT(pauses, ElementsAre(1s, 2s, 4s, 8s, 10s, 10s, 10s, 10s));
  EXPECT_EQ(events, 1U) << "one when it fails";
  carry(node.bind_opened(open.begin()->first));
  EXPECT_EQ(said(MessageId::LISTENER_OPEN, "bind"), "10.0.0.1:6443");
  EXPECT_TRUE(report().listeners[0].accepting);
  now += 1min;
  EXPECT_THAT(carry(node.tick(now)).open, IsEmpty());
}

TEST_F(ControllerListenersTest, AnAddressThatIsNotWantedAnyMoreIsNotTriedAgain) {
  apply(usual());
  fail(kInUse);
  ASSERT_TRUE(command(admin::SetListenerEnabled{"api", false}));
  now += 20s;
  EXPECT_THAT(carry(node.tick(now)).open, IsEmpty());
}

TEST_F(ControllerListenersTest, ADisabledListenerStaysDisabledOverAReload) {
  apply(usual());
  ASSERT_TRUE(command(admin::SetListenerEnabled{"api", false}));
  EXPECT_THAT(addresses(), IsEmpty());
  EXPECT_EQ(report().ready_reasons[0].detail, "disabled by an operator");
  auto config = usual();
  config.listeners[0] = listener("api", {"10.0.0.1:6443", "10.0.0.2:6443"}, "masters");
  apply(config);
  EXPECT_THAT(addresses(), IsEmpty());
  ASSERT_TRUE(command(admin::SetListenerEnabled{"api", true}));
  EXPECT_THAT(addresses(), UnorderedElementsAre("api 10.0.0.1:6443", "api 10.0.0.2:6443"));
  ASSERT_TRUE(command(admin::SetListenerEnabled{"api", true}));
  EXPECT_THAT(last.open, IsEmpty());
}

// I2: its sockets stay, with the clients in their queues.
TEST_F(ControllerListenersTest, ABindMovesFromOneListenerToAnother) {
  auto config = usual();
  config.listeners.push_back(listener("other", {"10.0.0.2:6443"}, "masters"));
  apply(config);
  const auto before = open;
  config.listeners = {listener("api", {"10.0.0.9:6443"}, "masters"), listener("other", {"10.0.0.2:6443", "10.0.0.1:6443"}, "masters")};
  const auto& did = apply(config);
  EXPECT_THAT(did.close, IsEmpty());
  ASSERT_THAT(did.open, SizeIs(1)) << "10.0.0.9 only";
  EXPECT_THAT(addresses(), UnorderedElementsAre("api 10.0.0.9:6443", "other 10.0.0.2:6443", "other 10.0.0.1:6443"));
  for (const auto& [id, bind] : before) EXPECT_EQ(open.at(id).listener, node.listener_ids()[1]);
}

TEST_F(ControllerListenersTest, ARenamedListenerKeepsItsSockets) {
  apply(usual());
  const auto before = open.begin()->first;
  auto config = usual();
  config.listeners[0].name = "kube-api";
  const auto& did = apply(config);
  EXPECT_THAT(did.open, IsEmpty());
  EXPECT_THAT(did.close, IsEmpty());
  EXPECT_EQ(routes->listener_of(before), node.listener_ids()[0]);
  EXPECT_EQ(routes->find_listener(node.listener_ids()[0])->name, "kube-api");
  EXPECT_EQ(said(MessageId::LISTENER_OPEN, "listener"), "kube-api");
  EXPECT_TRUE(report().listeners[0].accepting);
}

TEST_F(ControllerListenersTest, AnAddressThatFailedIsTriedAnewUnderItsNewName) {
  apply(usual());
  fail(kInUse);
  auto config = usual();
  config.listeners[0].name = "kube-api";
  EXPECT_THAT(apply(config).open, SizeIs(1));
  EXPECT_THAT(addresses(), UnorderedElementsAre("kube-api 10.0.0.1:6443"));
}

TEST_F(ControllerListenersTest, AListenerMovesToAnotherPoolAndTheOldPoolGoes) {
  apply(usual());
  const auto before = open;
  auto config = usual();
  config.pools = {pool("next", {server("z", "10.2.0.1:6443")})};
  config.pools[0].tcp_user_timeout = 9s;
  node.set_congestion_controls({"bbr", "reno"});
  config.pools[0].congestion_control = "bbr";
  config.listeners[0].congestion_control = "reno";
  config.listeners[0].pool = "next";
  const auto& did = apply(config);
  EXPECT_THAT(did.forget, SizeIs(3));
  EXPECT_EQ(open.size(), before.size());
  EXPECT_EQ(open.begin()->first, before.begin()->first);
  ASSERT_THAT(did.change, SizeIs(1));
  EXPECT_EQ(did.change[0].options.tcp_user_timeout, 9s);
  EXPECT_EQ(did.change[0].options.congestion_control, "reno") << "the clients' side is the listener's";
  ASSERT_THAT(routes->pools, SizeIs(1));
  EXPECT_EQ(routes->pools[routes->listeners[0].pool]->name, "next");
  EXPECT_EQ(routes->pools[0]->congestion_control, "bbr");
}

/// For a name that it does not have the kernel runs modprobe, at each connection: no worker is told such a one.
TEST_F(ControllerListenersTest, ACongestionControlThatIsNotToBeHadIsLeftToTheHost) {
  auto config = usual();
  config.pools[0].congestion_control = "bbr";
  config.listeners[0].congestion_control = "cubik";
  node.set_congestion_controls({"cubic", "reno"});
  apply(config);
  EXPECT_EQ(open.begin()->second.options.congestion_control, "");
  EXPECT_EQ(routes->pools[0]->congestion_control, "");
}

TEST_F(ControllerListenersTest, AListenerKeepsItsIdAndCountersAndTakesThemUpAgain) {
  apply(usual());
  const auto id_before = routes->listeners[0].id;
  const auto counters = routes->listeners[0].counters;
  apply(snapshot({}, usual().pools));
  EXPECT_THAT(addresses(), IsEmpty());
  EXPECT_THAT(routes->listeners, IsEmpty());
  apply(usual());
  EXPECT_EQ(routes->listeners[0].id, id_before);
  EXPECT_EQ(routes->listeners[0].counters, counters);
}

/// Workers count by listener in arrays of this size.
TEST_F(ControllerListenersTest, IdsStayBelowTheMostListenersThereCanBeHoweverOftenNamesChange) {
  for (int round = 0; round < 4; ++round) {
    std::vector<config::Listener> all;
    for (std::size_t i = 0; i < 200; ++i)
      all.push_back(listener("l" + std::to_string(i) + (i < 100 ? "" : "-" + std::to_string(round)), {}, "masters"));
    const auto kept = round == 0 ? std::vector<lb::ListenerId>{} : node.listener_ids();
    apply(snapshot(all, usual().pools));
    const auto ids = node.listener_ids();
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
    for (const lb::ListenerId id : ids) EXPECT_LT(id, config::kListenersMax);
    EXPECT_TRUE(kept.empty() || std::equal(kept.begin(), kept.begin() + 100, ids.begin()));
  }
}

TEST_F(ControllerListenersTest, AServerByNameServesOnceItIsResolvedAndKeepsItsAddressWhenTheResolverDies) {
  auto config = snapshot(usual().listeners, {pool("masters", {server("n", "api.kube.demo:6443")})});
  const auto& did = apply(config);
  ASSERT_THAT(did.lookups, SizeIs(1));
  EXPECT_EQ(did.lookups[0].question.host, "api.kube.demo");
  EXPECT_EQ(did.lookups[0].question.port, 6443);
  EXPECT_THAT(did.probes, IsEmpty());
  EXPECT_FALSE(find("masters", "n")) << "no address, no route";
  EXPECT_EQ(report().pools[0].servers[0].endpoint, "");
  EXPECT_THAT(report().pools[0].servers[0].check.result, "unresolved");

  const lb::ServerId n = did.lookups[0].server;
  const auto answer = [&](const lb::ResolveAnswer& a) -> const ControlActions& {
    return carry(node.answered(n, lookups.at(n).token, a, now));
  };
  answer({.outcome = lb::ResolveOutcome::kFound, .endpoints = {endpoint("10.9.0.1:6443")}});
  EXPECT_EQ(said(MessageId::SERVER_RESOLVED, "address"), "10.9.0.1:6443");
  ASSERT_TRUE(probes.contains(n));
  checked(n, lb::ProbeOutcome::kOk);
  ASSERT_TRUE(find("masters", "n")->usable);

  for (int i = 0; i < 3; ++i) {
    now += 1min;
    carry(node.tick(now));
    answer({.outcome = lb::ResolveOutcome::kFailed, .error = "timeout"});
    EXPECT_EQ(said(MessageId::SERVER_RESOLVE_FAILED), i == 0 ? 1U : 0U) << "one event per outage";
    ASSERT_TRUE(find("masters", "n"));
    EXPECT_EQ(find("masters", "n")->endpoint.to_string(), "10.9.0.1:6443");
  }
  now += 1min;
  carry(node.tick(now));
  const auto token = lookups.at(n).token;
  answer({.outcome = lb::ResolveOutcome::kFound, .endpoints = {endpoint("10.9.0.2:6443")}});
  EXPECT_EQ(find("masters", "n")->endpoint.to_string(), "10.9.0.2:6443");
  EXPECT_FALSE(find("masters", "n")->usable) << "nothing is known of the new address";
  EXPECT_EQ(carry(node.answered(n, token, {.outcome = lb::ResolveOutcome::kFound, .endpoints = {endpoint("10.9.0.3:1")}}, now)).routes,
            nullptr)
      << "an old answer";
}

TEST_F(ControllerListenersTest, ARefusedLookupIsAskedForAgainAndAnUnresolvedServerSaysWhy) {
  apply(snapshot(usual().listeners, {pool("masters", {server("n", "api.kube.demo:6443")})}));
  const auto [n, lookup] = *lookups.begin();
  node.lookup_refused(n, lookup.token, now);
  EXPECT_LE(node.next_deadline(), now + 1s);
  now += 1s;
  ASSERT_THAT(carry(node.tick(now)).lookups, SizeIs(1));
  carry(node.answered(n, lookups.at(n).token, {.outcome = lb::ResolveOutcome::kNotFound, .error = "no such name"}, now));
  EXPECT_EQ(report().pools[0].servers[0].check.detail, "no such name");
  EXPECT_EQ(said(MessageId::SERVER_RESOLVE_FAILED, "host"), "api.kube.demo");
}

TEST_F(ControllerListenersTest, ANameInAFilterThatNobodyHasIsNamed) {
  auto config = usual();
  config.pools.push_back(pool("spare", {server("s", "10.3.0.1:80")}));
  apply(config);
  const auto unknown = [&](const admin::ConnectionFilter& f) {
    const auto error = node.unknown_name(f);
    return error ? error->context.substr(0, error->context.find(';')) : "";
  };
  EXPECT_EQ(unknown({}), "");
  EXPECT_EQ(unknown({.pool = "masters", .server = "a", .client = "10.0.0.1", .listener = "api", .id = "1"}), "");
  EXPECT_EQ(unknown({.pool = "", .server = "s", .client = "", .listener = "", .id = ""}), "");
  EXPECT_EQ(unknown({.pool = "mastres", .server = "", .client = "", .listener = "", .id = ""}), "no pool mastres");
  EXPECT_EQ(unknown({.pool = "masters", .server = "s", .client = "", .listener = "", .id = ""}), "no server masters/s");
  EXPECT_EQ(unknown({.pool = "", .server = "x", .client = "", .listener = "", .id = ""}), "no server x");
  EXPECT_EQ(unknown({.pool = "", .server = "", .client = "", .listener = "apo", .id = ""}), "no listener apo");
}

TEST_F(ControllerListenersTest, TheTimeInAStateBeginsWithAnOperatorsWishAndWithItsEnd) {
  apply(usual());
  all_up();
  const auto since = [&] { return report().pools[0].servers[0].state_since_s; };
  now += 1h;
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  now += 5s;
  EXPECT_NEAR(since(), 5.0, 0.1) << "draining, not up";
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  EXPECT_NEAR(since(), 5.0, 0.1) << "it was so already";
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kReady}));
  now += 2s;
  EXPECT_NEAR(since(), 2.0, 0.1) << "up again";
}

TEST_F(ControllerListenersTest, TheReportShowsEveryStateAndWhyTheNodeIsOrIsNotReady) {
  auto config = usual();
  config.pools.push_back(pool("spare", {server("s", "10.3.0.1:80")}));
  apply(config);
  EXPECT_FALSE(report().ready);
  EXPECT_EQ(report().pools[0].servers[0].state, admin::ServerState::kUnknown);
  EXPECT_EQ(report().pools[0].servers[0].check.result, "pending");
  checked(id("masters", "a"), lb::ProbeOutcome::kOk);
  checked(id("masters", "b"), lb::ProbeOutcome::kRefused);
  ASSERT_TRUE(command(admin::SetServerState{"masters", "c", admin::AdminState::kMaint}));
  ASSERT_TRUE(command(admin::AddServer{.pool = "masters", .server = "d", .address = "10.1.0.4:6443", .weight = 3, .backup = true}));
  ASSERT_TRUE(command(admin::SetServerState{"masters", "d", admin::AdminState::kDrain}));
  now += 5s;
  const auto r = report();
  EXPECT_TRUE(r.ready) << "the empty pool is nobody's";
  ASSERT_THAT(r.pools, SizeIs(2));
  const auto& servers = r.pools[0].servers;
  ASSERT_THAT(servers, SizeIs(4));
  EXPECT_EQ(r.pools[0].balance, "least_connections");
  EXPECT_EQ(servers[0].state, admin::ServerState::kUp);
  EXPECT_EQ(servers[0].endpoint, "10.1.0.1:6443");
  EXPECT_NEAR(servers[0].state_since_s, 5.0, 0.02);
  EXPECT_EQ(servers[1].state, admin::ServerState::kDown);
  EXPECT_EQ(servers[1].check.result, "refused");
  EXPECT_EQ(servers[2].state, admin::ServerState::kMaint);
  EXPECT_EQ(servers[3].state, admin::ServerState::kDrain);
  EXPECT_TRUE(servers[3].added_at_run_time);
  EXPECT_TRUE(servers[3].backup);
  EXPECT_EQ(servers[3].weight, 3U);
  ASSERT_THAT(r.ready_reasons, SizeIs(3));
  EXPECT_EQ(r.ready_reasons[0].what, "listener api");
  EXPECT_EQ(r.ready_reasons[0].detail, "accepts");
  EXPECT_EQ(r.ready_reasons[1].what, "pool masters");
  EXPECT_EQ(r.ready_reasons[1].detail, "1 of 4 servers take connections");
  EXPECT_FALSE(r.ready_reasons[2].ok);
  ASSERT_THAT(r.listeners, SizeIs(1));
  EXPECT_THAT(r.listeners[0].bind, ElementsAre("10.0.0.1:6443"));
}

}  // namespace
}  // namespace fairlead::daemon
