// Servers: checks, passive ejection, what an operator said, what a reload keeps (I1, I3, I4).
#include "daemon/node_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tests/unit/daemon/controller_fixture.h"

namespace fairlead::daemon {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class NodeControllerTest : public ::testing::Test, public Shell {
 protected:
  void TearDown() override { EXPECT_THAT(faults, IsEmpty()); }
  void start(const config::Snapshot& s) {
    apply(s);
    all_up();
  }
};

TEST_F(NodeControllerTest, FirstApplyOpensPublishesAndAsksButTrustsNobody) {
  const auto& did = apply(usual());
  EXPECT_THAT(addresses(), UnorderedElementsAre("api 10.0.0.1:6443"));
  ASSERT_NE(did.routes, nullptr);
  ASSERT_THAT(did.routes->pools, SizeIs(1));
  ASSERT_THAT(did.routes->pools[0]->servers, SizeIs(3));
  for (const lb::RouteServer& s : did.routes->pools[0]->servers) EXPECT_FALSE(s.usable) << s.name;
  EXPECT_THAT(did.probes, SizeIs(3));
  EXPECT_EQ(said(MessageId::POOL_SERVES) + said(MessageId::SERVER_UP), 0U);
}

TEST_F(NodeControllerTest, TheFirstGoodCheckMakesAServerUsable) {
  apply(usual());
  const auto version = routes->version;
  const auto a = id("masters", "a");
  const auto& did = checked(a, lb::ProbeOutcome::kOk);
  ASSERT_NE(did.routes, nullptr);
  EXPECT_GT(did.routes->version, version);
  EXPECT_TRUE(find("masters", "a")->usable);
  EXPECT_EQ(said(MessageId::SERVER_UP, "server"), "a");
  EXPECT_EQ(said(MessageId::POOL_SERVES, "pool"), "masters");
  checked(id("masters", "b"), lb::ProbeOutcome::kOk);
  EXPECT_EQ(said(MessageId::POOL_SERVES), 0U);
}

TEST_F(NodeControllerTest, AnAnswerThatChangesNothingPublishesNothing) {
  start(usual());
  EXPECT_EQ(check_again(id("masters", "a"), lb::ProbeOutcome::kOk).routes, nullptr);
  EXPECT_EQ(carry(node.probe_done({.server = 4711, .token = 1, .outcome = lb::ProbeOutcome::kOk}, now)).routes, nullptr);
}

TEST_F(NodeControllerTest, FailingChecksTakeAServerAndTheLastOneEmptiesThePool) {
  start(usual());
  for (const char* name : {"a", "b", "c"}) {
    const auto which = id("masters", name);
    check_again(which, lb::ProbeOutcome::kRefused);
    EXPECT_TRUE(find("masters", name)->usable) << "fall is 2";
    const auto& did = check_again(which, lb::ProbeOutcome::kRefused);
    EXPECT_FALSE(find("masters", name)->usable);
    EXPECT_EQ(said(MessageId::SERVER_DOWN, "server"), name);
    EXPECT_THAT(did.reset, ElementsAre(which));
    EXPECT_EQ(said(MessageId::POOL_EMPTY), std::string(name) == "c" ? 1U : 0U);
  }
}

TEST_F(NodeControllerTest, ConnectionsStayWhereTheConfigurationSaysKeep) {
  auto config = usual();
  config.pools[0].on_server_down = config::OnServerDown::kKeep;
  start(config);
  const auto a = id("masters", "a");
  check_again(a, lb::ProbeOutcome::kRefused);
  EXPECT_THAT(check_again(a, lb::ProbeOutcome::kRefused).reset, IsEmpty());
  EXPECT_EQ(said(MessageId::SERVER_DOWN), 1U);
}

TEST_F(NodeControllerTest, TheRecorderIsToldOfEachCheckThatEndedOtherwiseThanTheOneBefore) {
  start(usual());
  const lb::ServerId a = id("masters", "a");

  check_again(a, lb::ProbeOutcome::kOk);
  EXPECT_EQ(said(MessageId::SERVER_CHECK), 0U);
  check_again(a, lb::ProbeOutcome::kRefused);
  EXPECT_EQ(said(MessageId::SERVER_CHECK, "server"), "a");
  EXPECT_EQ(said(MessageId::SERVER_CHECK, "result"), "refused");
  check_again(a, lb::ProbeOutcome::kRefused);
  EXPECT_EQ(said(MessageId::SERVER_CHECK), 0U);
  check_again(a, lb::ProbeOutcome::kOk);
  EXPECT_EQ(said(MessageId::SERVER_CHECK, "result"), "ok");
}

TEST_F(NodeControllerTest, AServerThatAnswersWithTheWrongStatusIsDownButKeepsItsConnections) {
  start(usual());
  const auto a = id("masters", "a");
  check_again(a, lb::ProbeOutcome::kStatus);
  EXPECT_THAT(check_again(a, lb::ProbeOutcome::kStatus).reset, IsEmpty());
  EXPECT_FALSE(find("masters", "a")->usable);
}

TEST_F(NodeControllerTest, AFailedConnectEjectsAtOnceButNeverTheLast) {
  start(usual());
  for (const char* name : {"a", "b"}) {
    now += kTablePause;
    const auto& did = carry(node.connect_failed(id("masters", name), lb::ConnectCause::kRefused, now));
    ASSERT_NE(did.routes, nullptr);
    EXPECT_FALSE(find("masters", name)->usable);
    EXPECT_THAT(said(MessageId::SERVER_DOWN, "reason"), HasSubstr("connect"));
  }
  EXPECT_EQ(carry(node.connect_failed(id("masters", "c"), lb::ConnectCause::kRefused, now)).routes, nullptr);
  EXPECT_TRUE(find("masters", "c")->usable);
  node.connect_worked(id("masters", "c"), now);
  EXPECT_EQ(carry(node.connect_failed(4711, lb::ConnectCause::kRefused, now)).routes, nullptr);
}

TEST_F(NodeControllerTest, DrainMaintAndWeightSurviveAReloadUnlessTheServersOwnLinesChanged) {
  start(usual());
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  ASSERT_TRUE(command(admin::SetServerState{"masters", "b", admin::AdminState::kMaint}));
  EXPECT_THAT(last.kill, ElementsAre(id("masters", "b")));
  ASSERT_TRUE(command(admin::SetServerWeight{"masters", "c", 7}));
  auto config = usual();
  config.pools[0].retries = 1;
  apply(config);
  EXPECT_FALSE(find("masters", "a")->usable);
  EXPECT_FALSE(find("masters", "b")->usable);
  EXPECT_EQ(find("masters", "c")->weight, 7U);
  EXPECT_EQ(routes->pools[0]->retries, 1U);

  for (config::Server& s : config.pools[0].servers) s.max_connections = 500;
  apply(config);
  EXPECT_TRUE(find("masters", "a")->usable);
  checked(id("masters", "b"), lb::ProbeOutcome::kOk);
  EXPECT_TRUE(find("masters", "b")->usable);
  EXPECT_EQ(find("masters", "c")->weight, 100U);
}

TEST_F(NodeControllerTest, ReadyEndsDrainAtOnceAndMaintAfterACheck) {
  start(usual());
  const auto a = id("masters", "a");
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  EXPECT_FALSE(find("masters", "a")->usable);
  EXPECT_THAT(last.kill, IsEmpty());
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kReady}));
  EXPECT_TRUE(find("masters", "a")->usable);
  EXPECT_EQ(said(MessageId::SERVER_ADMIN, "by"), "tester");
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kMaint}));
  ASSERT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kReady}));
  EXPECT_FALSE(find("masters", "a")->usable);
  ASSERT_THAT(last.probes, SizeIs(1));
  checked(a, lb::ProbeOutcome::kOk);
  EXPECT_TRUE(find("masters", "a")->usable);
}

TEST_F(NodeControllerTest, WhatWasAddedOrRemovedAtRunTimeSurvivesAReload) {
  start(usual());
  ASSERT_TRUE(command(admin::AddServer{.pool = "masters", .server = "d", .address = "10.1.0.4:6443"}));
  ASSERT_TRUE(find("masters", "d"));
  EXPECT_FALSE(find("masters", "d")->usable);
  EXPECT_TRUE(checked(id("masters", "d"), lb::ProbeOutcome::kOk).routes != nullptr);
  const auto a = id("masters", "a");
  ASSERT_TRUE(command(admin::RemoveServer{"masters", "a"}));
  EXPECT_THAT(last.forget, ElementsAre(a));
  EXPECT_FALSE(find("masters", "a"));

  auto config = usual();
  config.pools[0].retries = 0;
  apply(config);
  EXPECT_TRUE(find("masters", "d")->usable);
  EXPECT_FALSE(find("masters", "a"));

  config.pools[0].servers[0].weight = 5;  // Its own lines: the file is newer than the operator's word.
  apply(config);
  ASSERT_TRUE(find("masters", "a"));
  EXPECT_EQ(id("masters", "a"), a);
}

TEST_F(NodeControllerTest, ARunTimeServerThatTheFileNamesTooBecomesTheFiles) {
  start(usual());
  ASSERT_TRUE(command(admin::AddServer{.pool = "masters", .server = "d", .address = "10.1.0.4:6443"}));
  checked(id("masters", "d"), lb::ProbeOutcome::kOk);
  const auto d = id("masters", "d");
  auto config = usual();
  config.pools[0].servers.push_back(server("d", "10.1.0.4:6443"));
  apply(config);
  EXPECT_EQ(id("masters", "d"), d);
  EXPECT_TRUE(find("masters", "d")->usable) << "its health stays";
  apply(usual());
  EXPECT_FALSE(find("masters", "d")) << "no longer the operator's";

  ASSERT_TRUE(command(admin::AddServer{.pool = "masters", .server = "d", .address = "10.1.0.4:6443"}));
  config.pools[0].servers.back() = server("d", "10.1.0.5:6443");
  apply(config);
  EXPECT_EQ(find("masters", "d")->endpoint.to_string(), "10.1.0.5:6443") << "a name is one server's: the file's";
}

TEST_F(NodeControllerTest, AServerThatReturnsHasItsIdAndCountersButNoHealth) {
  start(usual());
  const auto a = id("masters", "a");
  const auto counters = find("masters", "a")->counters;
  auto without = usual();
  without.pools[0].servers.erase(without.pools[0].servers.begin());
  EXPECT_THAT(apply(without).forget, ElementsAre(a));
  EXPECT_FALSE(find("masters", "a"));
  apply(usual());
  EXPECT_EQ(id("masters", "a"), a);
  EXPECT_EQ(find("masters", "a")->counters, counters);
  EXPECT_FALSE(find("masters", "a")->usable);
  EXPECT_TRUE(find("masters", "b")->usable);
}

TEST_F(NodeControllerTest, AnotherAddressIsAnotherServer) {
  start(usual());
  const auto a = id("masters", "a");
  auto config = usual();
  config.pools[0].servers[0] = server("a", "10.1.0.9:6443");
  EXPECT_THAT(apply(config).forget, ElementsAre(a));
  EXPECT_NE(id("masters", "a"), a);
  EXPECT_FALSE(find("masters", "a")->usable);
}

TEST_F(NodeControllerTest, SlowStartRaisesTheWeightStepByStep) {
  auto config = usual();
  config.pools[0].slow_start = 10s;
  start(config);
  EXPECT_EQ(find("masters", "a")->weight, 100U) << "nobody ramps up at the start of the daemon";
  const auto a = id("masters", "a");
  check_again(a, lb::ProbeOutcome::kRefused);
  check_again(a, lb::ProbeOutcome::kRefused);
  check_again(a, lb::ProbeOutcome::kOk);
  check_again(a, lb::ProbeOutcome::kOk);
  ASSERT_TRUE(find("masters", "a")->usable);
  EXPECT_EQ(find("masters", "a")->weight, 1U);
  EXPECT_LE(node.next_deadline(), now + 1s);
  std::uint32_t before = 1;
  for (int second = 1; second <= 10; ++second) {
    now += 1s;
    carry(node.tick(now));
    EXPECT_GT(find("masters", "a")->weight, before);
    before = find("masters", "a")->weight;
  }
  EXPECT_EQ(before, 100U);
}

TEST_F(NodeControllerTest, WithoutChecksServersServeFromTheFirstInstant) {
  auto config = usual();
  config.pools[0].health.type = config::HealthType::kNone;
  EXPECT_THAT(apply(config).probes, IsEmpty());
  EXPECT_TRUE(find("masters", "a")->usable);
  EXPECT_EQ(said(MessageId::POOL_SERVES), 1U);
  EXPECT_EQ(report().pools[0].servers[0].check.result, "none");
}

TEST_F(NodeControllerTest, UnknownNamesAreNotFoundAndSayWhereToLook) {
  start(usual());
  const admin::Command commands[] = {admin::SetServerState{"masters", "x"},
                                     admin::SetServerState{"x", "a"},
                                     admin::SetServerWeight{"masters", "x", 1},
                                     admin::RemoveServer{"masters", "x"},
                                     admin::AddServer{.pool = "x", .server = "a", .address = "10.0.0.9:1"},
                                     admin::SetListenerEnabled{"x", false}};
  for (const admin::Command& c : commands) {
    const auto result = command(c);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kNotFound);
    EXPECT_THAT(result.error().message(), HasSubstr("list` shows them"));
    EXPECT_EQ(last.routes, nullptr);
  }
}

TEST_F(NodeControllerTest, ServersThatCannotBeAddedChangeNothing) {
  start(usual());
  const auto why = [&](const char* name, const char* address) {
    return command(admin::AddServer{.pool = "masters", .server = name, .address = address}).error().code;
  };
  EXPECT_EQ(why("a", "10.1.0.9:6443"), Errc::kConflict);
  EXPECT_EQ(why("d", "10.1.0.9:0"), Errc::kInvalidArgument);
  for (const char* address : {"::::", "_foo2", "_foo:0", "-x..y:80"}) EXPECT_EQ(why("d", address), Errc::kInvalidArgument) << address;
  for (const char* name : {"Mast-4", "m\xc3\xbcnchen", ""}) EXPECT_EQ(why(name, "10.1.0.9:6443"), Errc::kInvalidArgument) << name;
  EXPECT_THAT(routes->pools[0]->servers, SizeIs(3));
  EXPECT_EQ(command(admin::Reload{}).error().code, Errc::kUnsupported);
}

TEST_F(NodeControllerTest, AServerMayBeAnSrvRecordAtRunTime) {
  start(usual());
  ASSERT_TRUE(command(admin::AddServer{.pool = "masters", .server = "d", .address = "_kube-api._tcp.kube.demo"}));
  ASSERT_EQ(last.lookups.size(), 1U);
  EXPECT_EQ(last.lookups[0].question.host, "_kube-api._tcp.kube.demo");
}

TEST_F(NodeControllerTest, AServerThatIsAListenerOfItsPoolIsRefused) {
  auto config = usual();
  config.listeners[0].bind = {endpoint("0.0.0.0:6443"), endpoint("10.0.0.1:7443")};
  start(config);
  node.set_own_addresses({*parse_ip_address("10.0.0.1")});
  const auto refused = [&](const char* address) {
    return !command(admin::AddServer{.pool = "masters", .server = "d", .address = address});
  };
  EXPECT_TRUE(refused("10.0.0.1:6443"));
  EXPECT_TRUE(refused("127.0.0.1:6443"));
  EXPECT_TRUE(refused("10.0.0.1:7443"));
  EXPECT_FALSE(refused("10.0.0.2:6443"));
}

// Connections keep tables for days: a server that comes and goes must not leave a copy of every pool each time.
TEST_F(NodeControllerTest, TablesShareThePoolsThatDidNotChange) {
  config::Snapshot config = usual();
  config.pools.push_back(pool("quiet", {server("z", "10.2.0.1:80")}));
  apply(config);
  const auto before = routes;

  checked(id("masters", "a"), lb::ProbeOutcome::kOk);

  ASSERT_NE(routes->version, before->version);
  EXPECT_NE(routes->pools[0], before->pools[0]);
  EXPECT_EQ(routes->pools[1], before->pools[1]);
}

config::Snapshot sourced_from(const char* address) {
  config::Snapshot config = usual();
  config.pools[0].source = parse_ip_address(address).value();
  config.vips.resize(1);
  config.vips[0].name = "api";
  config.vips[0].address = parse_ip_prefix("192.168.4.20/24").value();
  return config;
}

TEST_F(NodeControllerTest, AVipIsASourceOnlyWhileItIsHeldHere) {
  const IpAddress vip = parse_ip_address("192.168.4.20").value();
  apply(sourced_from("192.168.4.20"));
  EXPECT_EQ(routes->pools[0]->source, std::nullopt);
  EXPECT_TRUE(routes->pools[0]->wants_source);

  carry(node.vips_held({vip}, now));
  EXPECT_EQ(routes->pools[0]->source, vip);

  EXPECT_EQ(carry(node.vips_held({vip}, now)).routes, nullptr) << "nothing is new";
  carry(node.vips_held({}, now));
  EXPECT_EQ(routes->pools[0]->source, std::nullopt);
}

TEST_F(NodeControllerTest, AnotherSourceIsAlwaysTried) {
  apply(sourced_from("192.168.4.130"));
  EXPECT_EQ(routes->pools[0]->source, parse_ip_address("192.168.4.130").value());
  EXPECT_EQ(routes->pools[0]->source_ports, std::nullopt);
  EXPECT_EQ(carry(node.vips_held({parse_ip_address("192.168.4.20").value()}, now)).routes, nullptr);
}

TEST_F(NodeControllerTest, NodesShareTheLocalPortsOfAVip) {
  const auto ports_of = [](const char* self) {
    Shell shell;
    config::Snapshot config = sourced_from("192.168.4.20");
    config.node = self;
    config.cluster.emplace();
    config.cluster->nodes = {{"gw-7", 7, {}, {}}, {"gw-1", 1, {}, {}}, {"gw-3", 3, {}, {}}};
    shell.node.set_local_ports({32'768, 60'999});
    shell.apply(config);
    shell.carry(shell.node.vips_held({parse_ip_address("192.168.4.20").value()}, shell.now));
    return shell.routes->pools[0]->source_ports;
  };
  EXPECT_EQ(ports_of("gw-1"), (lb::PortRange{32'768, 42'177}));
  EXPECT_EQ(ports_of("gw-3"), (lb::PortRange{42'178, 51'587}));
  EXPECT_EQ(ports_of("gw-7"), (lb::PortRange{51'588, 60'997}));
  EXPECT_EQ(ports_of("a stranger"), std::nullopt);
}

TEST_F(NodeControllerTest, ARefusedProbeIsAskedForAgain) {
  apply(usual());
  const auto a = id("masters", "a");
  const auto token = probes.at(a).token;
  node.probe_refused(a, token, now);
  EXPECT_LE(node.next_deadline(), now + 200ms);
  now += 200ms;
  carry(node.tick(now));
  EXPECT_GT(probes.at(a).token, token);
}

/// I6
TEST_F(NodeControllerTest, TheLastServerThatTakesConnectionsGoesOnlyByForce) {
  using admin::AdminState;
  apply(usual());
  checked(id("masters", "a"), lb::ProbeOutcome::kOk);
  const auto refused = [&](const admin::Command& c) {
    const auto version = routes->version;
    const auto result = command(c);
    EXPECT_EQ(routes->version, version) << "nothing changed";
    EXPECT_THAT(last.kill, IsEmpty());
    return !result && yields_to_force(result.error());
  };
  EXPECT_TRUE(refused(admin::SetServerState{"masters", "a", AdminState::kDrain}));
  EXPECT_TRUE(refused(admin::SetServerState{"masters", "a", AdminState::kMaint}));
  EXPECT_TRUE(refused(admin::SetServerWeight{"masters", "a", 0}));
  EXPECT_TRUE(refused(admin::RemoveServer{"masters", "a"}));
  EXPECT_TRUE(find("masters", "a")->usable);

  EXPECT_TRUE(command(admin::SetServerWeight{"masters", "a", 1}));
  EXPECT_TRUE(command(admin::SetServerState{"masters", "b", AdminState::kMaint})) << "it takes none";
  EXPECT_TRUE(command(admin::RemoveServer{"masters", "b"}));
  EXPECT_TRUE(command(admin::SetServerState{"masters", "a", AdminState::kDrain, /*force=*/true}));
  EXPECT_TRUE(command(admin::SetServerState{"masters", "a", AdminState::kMaint})) << "it took none";
}

TEST_F(NodeControllerTest, ForceAlsoSetsWeightZeroAndRemoves) {
  apply(usual());
  checked(id("masters", "a"), lb::ProbeOutcome::kOk);
  EXPECT_TRUE(command(admin::SetServerWeight{"masters", "a", 0, /*force=*/true}));
  EXPECT_TRUE(command(admin::SetServerWeight{"masters", "a", 100}));
  EXPECT_TRUE(command(admin::RemoveServer{"masters", "a", /*force=*/true}));
}

TEST_F(NodeControllerTest, ABackupStandsInForTheLastRegularServer) {
  auto config = usual();
  config.pools[0].servers[1].backup = true;
  apply(config);
  checked(id("masters", "a"), lb::ProbeOutcome::kOk);
  checked(id("masters", "b"), lb::ProbeOutcome::kOk);
  EXPECT_TRUE(command(admin::SetServerState{"masters", "a", admin::AdminState::kDrain}));
  EXPECT_FALSE(command(admin::SetServerState{"masters", "b", admin::AdminState::kDrain}));
}

TEST_F(NodeControllerTest, ServersThatAreGoneForLongAreForgottenAndThoseThatAreThereAreNot) {
  start(usual());
  const auto a = id("masters", "a");
  const auto add_and_remove = [&](const std::string& name) {
    EXPECT_TRUE(command(admin::AddServer{.pool = "masters", .server = name, .address = "10.4.0.1:1"}));
    const auto given = id("masters", name);
    EXPECT_TRUE(command(admin::RemoveServer{"masters", name}));
    return given;
  };
  const auto first = add_and_remove("x");
  EXPECT_EQ(add_and_remove("x"), first) << "remembered";
  const auto in_use = find("masters", "b")->counters;
  std::set<lb::ServerId> ids;
  for (std::size_t i = 0; i < kIdentitiesMin + 10; ++i) ids.insert(add_and_remove("n" + std::to_string(i)));
  EXPECT_EQ(ids.size(), kIdentitiesMin + 10);
  const auto again = add_and_remove("x");
  EXPECT_NE(again, first) << "forgotten";
  EXPECT_FALSE(ids.contains(again));
  apply(usual());
  EXPECT_EQ(id("masters", "a"), a);
  EXPECT_EQ(find("masters", "b")->counters, in_use);
}

TEST_F(NodeControllerTest, ManyChangesAtOnceMakeTwoTablesAndResetOnlyWhatIsOutOfThem) {
  auto config = usual();
  config.pools[0].health.fall = 1;
  start(config);
  for (const char* name : {"a", "b"}) {
    const auto before = probes.at(id("masters", name)).token;
    for (int i = 0; i < 100 && probes.at(id("masters", name)).token == before; ++i) {
      now += 100ms;
      carry(node.tick(now));
    }
  }
  const auto refused = [&](const char* name) -> const ControlActions& {
    const auto which = id("masters", name);
    return carry(node.probe_done(
        {.server = which, .token = probes.at(which).token, .outcome = lb::ProbeOutcome::kRefused, .detail = "", .duration = 1ms}, now));
  };
  now += kTablePause;
  const auto a = id("masters", "a");
  EXPECT_THAT(refused("a").reset, ElementsAre(a));
  EXPECT_FALSE(find("masters", "a")->usable);

  const auto b = id("masters", "b");
  const auto& second = refused("b");
  EXPECT_EQ(second.routes, nullptr);
  EXPECT_THAT(second.reset, IsEmpty()) << "clients would come back to it";
  EXPECT_EQ(said(MessageId::SERVER_DOWN, "server"), "b");
  EXPECT_EQ(node.next_deadline(), now + kTablePause);
  now += kTablePause;
  EXPECT_THAT(carry(node.tick(now)).reset, ElementsAre(b));
  EXPECT_FALSE(find("masters", "b")->usable);
}

TEST_F(NodeControllerTest, AnOperatorNeverWaitsForTheTable) {
  apply(usual());
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(command(admin::SetServerState{"masters", name, admin::AdminState::kMaint}));
    EXPECT_NE(last.routes, nullptr);
  }
}

// pools[].rebalance
TEST_F(NodeControllerTest, AServerThatComesBackMakesTheOthersGiveUpIdleConnections) {
  auto config = usual();
  config.pools[0].rebalance = {.when = config::RebalanceWhen::kServerUp, .rate = 10};
  start(config);
  const auto a = id("masters", "a");
  find("masters", "a")->counters->current = 90;
  ASSERT_TRUE(command(admin::SetServerState{"masters", "b", admin::AdminState::kDrain}));
  ASSERT_TRUE(command(admin::SetServerState{"masters", "b", admin::AdminState::kReady}));
  now += 2s;

  EXPECT_THAT(carry(node.tick(now)).spread, ElementsAre(a));
  EXPECT_THAT(carry(node.tick(now)).spread, IsEmpty()) << "not before a tenth of a second";
}

TEST_F(NodeControllerTest, WithoutRebalanceNobodyGivesUpAnything) {
  start(usual());
  find("masters", "a")->counters->current = 90;
  now += 2s;
  EXPECT_THAT(carry(node.tick(now)).spread, IsEmpty());
}

}  // namespace
}  // namespace fairlead::daemon
