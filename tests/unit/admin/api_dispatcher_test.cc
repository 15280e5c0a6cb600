#include "admin/api_dispatcher.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <optional>

#include "admin/web_assets.h"
#include "tests/contract/admin/fake_node_port.h"
#include "tests/support/event_capture.h"
#include "tests/support/manual_clock.h"

namespace fairlead::admin {
namespace {

using namespace std::string_literals;

class ApiDispatcherTest : public ::testing::Test {
 protected:
  ApiResponse ask(ApiRequest request) {
    std::optional<ApiResponse> out;
    dispatcher.handle(request, [&](ApiResponse response) {
      EXPECT_FALSE(out) << "answered twice";
      out = std::move(response);
    });
    EXPECT_TRUE(out) << "not answered";
    if (!out) return {};
    if (out->late_body) out->body = out->late_body();
    return *out;
  }
  ApiResponse get(std::string target) { return ask(make("GET", std::move(target), "")); }
  ApiResponse operate(std::string method, std::string target, std::string body) {
    return ask(make(std::move(method), std::move(target), std::move(body)));
  }

  static ApiRequest make(std::string method, std::string target, std::string body) {
    ApiRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.content_type = "application/json; charset=utf-8";
    request.host = "localhost";
    request.caller = {"uid 0 (root)", ApiRole::kOperate};
    return request;
  }

  testing::FakeNodePort node;
  ApiCounters counters;
  test::ManualClock clock;
  RefusalLog refusals{clock, counters};
  ApiDispatcher dispatcher{node, counters, refusals};
};

TEST_F(ApiDispatcherTest, AMoveMayTakeAsLongAsItsDrain) {
  const auto takes = [&](std::string body) {
    return dispatcher.handle(make("POST", "/api/v1/vips/api/move", std::move(body)), [](const ApiResponse&) {});
  };
  EXPECT_EQ(takes("{}"), Duration::zero());
  EXPECT_EQ(takes("{\"drain\":\"10m\"}"), std::chrono::minutes(10));
  EXPECT_EQ(takes("{\"drain\":\"2h\"}"), Duration::zero()) << "refused at once";
}

TEST_F(ApiDispatcherTest, DrillsHaveTheirBoundsInThisSitesTimes) {
  const auto bound = [&](std::string_view name) {
    const auto document = boost::json::parse(get("/api/v1/drills").body);
    for (const auto& drill : document.at("drills").as_array()) {
      if (drill.at("name").as_string() == name) return drill.at("bound_ms").is_null() ? -1 : drill.at("bound_ms").as_int64();
    }
    return std::int64_t{-2};
  };
  EXPECT_EQ(bound("hang-process"), 1300);
  EXPECT_EQ(bound("kill-node"), -1) << "without a cluster";
  node.set_report(testing::sample_cluster_report());
  node.set_config("apiVersion: fairlead/v1\nguard: {hang: 2s}\nvips:\n  - {name: a, address: 192.0.2.7/24, lease: 5s}\n");
  EXPECT_EQ(bound("hang-process"), 2300);
  EXPECT_EQ(bound("kill-node"), 800 + 960 + 350);
  EXPECT_EQ(bound("kill-both"), 5000 + 800 + 960 + 500);
  EXPECT_EQ(bound("planned"), 20);
  EXPECT_EQ(bound("double-failure"), -1);
}

TEST_F(ApiDispatcherTest, ReadinessFollowsTheReport) {
  EXPECT_EQ(get("/readyz").status, 200U);
  auto report = testing::sample_report();
  report.ready = false;
  report.ready_reasons[1] = {"pool masters", false, "no server up"};
  node.set_report(report);

  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/readyz").body, "not ready\npool masters: no server up\n");
  const auto verbose = get("/readyz?verbose");
  EXPECT_EQ(verbose.status, 503U);
  EXPECT_EQ(boost::json::parse(verbose.body).at_pointer("/reasons/1/detail"), "no server up");
  EXPECT_EQ(get("/livez").status, 200U);
}

TEST_F(ApiDispatcherTest, BeforeTheFirstReportItIsAliveButNotReady) {
  node.no_report();
  EXPECT_EQ(get("/livez").status, 200U);
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/api/v1/status").status, 503U);
}

TEST_F(ApiDispatcherTest, EveryReadingRouteAnswers) {
  node.set_report(testing::sample_cluster_report());
  node.set_config(testing::sample_dhcp_yaml());
  for (const auto& route : api_routes()) {
    if (route.role != ApiRole::kRead || route.call == ApiCall::kWatch || route.call == ApiCall::kAsset) continue;
    const auto response = get(std::string(route.pattern));
    EXPECT_EQ(response.status, 200U) << route.pattern;
    EXPECT_FALSE(response.body.empty()) << route.pattern;
    if (response.content_type == "application/json") { EXPECT_TRUE(boost::json::parse(response.body).is_object()) << route.pattern; }
  }
}

// The node may answer on a worker's thread: a list of thousands is encoded where the answer is sent.
TEST_F(ApiDispatcherTest, ConnectionsAreEncodedOnlyWhenTheAnswerIsSent) {
  std::optional<ApiResponse> out;
  dispatcher.handle(make("GET", "/api/v1/connections", ""), [&](ApiResponse response) { out = std::move(response); });
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->body.empty());
  ASSERT_TRUE(out->late_body);
  EXPECT_TRUE(boost::json::parse(out->late_body()).at("connections").is_array());
}

TEST_F(ApiDispatcherTest, UnknownPathsAndMethodsAreProblems) {
  const auto unknown = get("/nowhere");
  EXPECT_EQ(unknown.status, 404U);
  EXPECT_EQ(unknown.content_type, "application/problem+json");
  EXPECT_EQ(boost::json::parse(unknown.body).at("code"), "not_found");

  const auto wrong = operate("PATCH", "/api/v1/status", "");
  EXPECT_EQ(wrong.status, 405U);
  EXPECT_EQ(wrong.allow, "GET, HEAD");
}

TEST_F(ApiDispatcherTest, AReaderMayNotChangeAnything) {
  std::uint64_t asked = 0;
  for (const auto& route : api_routes()) {
    if (route.role != ApiRole::kOperate) continue;
    ++asked;
    auto request = make(std::string(route.method), std::string(route.pattern), "");
    request.caller = {"uid 1000 (jo)", ApiRole::kRead};
    EXPECT_EQ(ask(request).status, 403U) << route.pattern;
  }
  EXPECT_TRUE(node.commands().empty());
  EXPECT_GE(asked, 8U);
  EXPECT_EQ(counters.refused, asked);
}

TEST_F(ApiDispatcherTest, OneWhoIsRefusedAllTheTimeHidesNobodyElse) {
  const test::EventCapture events;
  const auto refused = [&](const std::string& name, const std::string& party = "") {
    auto request = make("POST", "/api/v1/reload", "");
    request.caller = {name, ApiRole::kRead, party};
    EXPECT_EQ(ask(request).status, 403U);
    return std::pair(events.value(MessageId::COMMAND_REFUSED, "by"), events.value(MessageId::COMMAND_REFUSED, "count"));
  };
  for (int i = 0; i < 5; ++i) refused("uid 1000 (jo)");
  EXPECT_EQ(events.count(MessageId::COMMAND_REFUSED), 1U);
  EXPECT_EQ(refused("uid 1001 (ann)"), std::pair("uid 1001 (ann)"s, "1"s));
  for (int port = 1; port < 9; ++port) refused("tcp 127.0.0.1:" + std::to_string(port), "tcp 127.0.0.1");
  EXPECT_EQ(events.count(MessageId::COMMAND_REFUSED), 3U) << "a port is no caller";

  clock.advance(std::chrono::seconds(61));
  EXPECT_EQ(refused("uid 1000 (jo)"), std::pair("uid 1000 (jo)"s, "5"s)) << "four of the minute before, and this one";
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "reason"), "no operator");
}

TEST_F(ApiDispatcherTest, TheAuditTrailHasWhatWasTriedAndEachKindOfIt) {
  const test::EventCapture events;
  const auto tries = [&](const std::string& target) {
    auto request = make("POST", target, R"({"state":"maint"})");
    request.caller = {"uid 1000 (jo)", ApiRole::kRead};
    EXPECT_EQ(ask(request).status, 403U);
    return events.value(MessageId::COMMAND_REFUSED, "command");
  };
  EXPECT_EQ(tries("/api/v1/servers/masters/mast-1/state"), "POST /api/v1/servers/masters/mast-1/state");
  EXPECT_EQ(tries("/api/v1/reload"), "POST /api/v1/reload") << "not hidden by what the same caller tried before";
  tries("/api/v1/servers/masters/mast-2/state");
  EXPECT_EQ(events.count(MessageId::COMMAND_REFUSED), 2U) << "names do not fill the log";
  EXPECT_LE(tries("/api/v1/vips/" + std::string(5000, 'x') + "/move").size(), 205U);
}

TEST_F(ApiDispatcherTest, WhoTakesTheFlightRecorderIsInTheAuditTrail) {
  const test::EventCapture events;
  node.set_blackbox("bytes");
  EXPECT_EQ(get("/api/v1/blackbox").status, 200U);
  EXPECT_EQ(events.value(MessageId::COMMAND_DONE, "command"), "read the flight recorder");
  EXPECT_EQ(events.value(MessageId::COMMAND_DONE, "by"), "uid 0 (root)");
  EXPECT_EQ(events.value(MessageId::COMMAND_DONE, "result"), "done");
}

TEST_F(ApiDispatcherTest, EventsSayOfWhichStartOfTheDaemonTheyAre) {
  node.set_life("c0ffee", {{3, "2024-01-31T12:00:00.000Z", "SERVER_DOWN", "warning", {}}});
  const auto none = boost::json::parse(get("/api/v1/events?after=900").body);
  EXPECT_EQ(none.at("life"), "c0ffee");
  EXPECT_EQ(none.at("newest").to_number<int>(), 3) << "900 is of another start";
}

TEST_F(ApiDispatcherTest, NoListIsMadeWhileClientsLeaveTooManyBytesOfThemLying) {
  counters.answer_bytes = kAnswerBytesMax + 1;
  EXPECT_EQ(get("/api/v1/connections").status, 503U);
  EXPECT_EQ(get("/api/v1/dhcp/leases").status, 503U);
  EXPECT_EQ(get("/readyz").status, 200U);
  EXPECT_EQ(get("/metrics").status, 200U);
  EXPECT_EQ(node.last_filter(), "") << "workers are not asked for it";
}

TEST_F(ApiDispatcherTest, WhoSendsABrowserHereIsInTheAuditTrail) {
  const test::EventCapture events;
  auto change = make("POST", "/api/v1/reload", "");
  change.origin = "https://evil.example";
  EXPECT_EQ(ask(change).status, 403U);
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "by"), "uid 0 (root)");
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "command"), "POST /api/v1/reload");
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "reason"), "a page of another site");

  auto watch = make("GET", "/api/v1/watch", "");
  watch.websocket = true;
  watch.websocket_version = "13";
  watch.websocket_key = "dGhlIHNhbXBsZSBub25jZQ==";
  watch.caller.name = "uid 1000 (jo)";
  watch.origin = "https://evil.example";
  EXPECT_EQ(ask(watch).status, 403U);
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "command"), "GET /api/v1/watch");

  watch.caller.name = "uid 1001 (ann)";
  watch.origin.clear();
  watch.host = "rebound.evil.example:9440";
  EXPECT_EQ(ask(watch).status, 421U);
  EXPECT_EQ(events.value(MessageId::COMMAND_REFUSED, "by"), "uid 1001 (ann)");
  EXPECT_EQ(counters.refused, 3U);
  auto read = make("GET", "/api/v1/status", "");
  read.host = watch.host;
  EXPECT_EQ(ask(read).status, 421U);
  EXPECT_EQ(counters.refused, 3U) << "a proxy that was set up wrong changes nothing";
}

TEST_F(ApiDispatcherTest, ACommandReachesTheNodeWithItsActor) {
  const auto response = operate("POST", "/api/v1/servers/masters/mast-1/state", R"({"state":"drain"})");
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(boost::json::parse(response.body).at("summary"), "done as asked");
  EXPECT_EQ(node.commands(), std::vector<std::string>{"server masters/mast-1 state drain"});
  EXPECT_EQ(node.actors(), std::vector<std::string>{"uid 0 (root)"});
}

TEST_F(ApiDispatcherTest, WhatTheNodeRefusesBecomesAProblem) {
  node.set_answer(Error{Errc::kInvalidConfig, "f.yaml:1:2: error: a\nf.yaml:3:4: error: b"});
  const auto response = operate("POST", "/api/v1/reload", "");
  EXPECT_EQ(response.status, 422U);
  EXPECT_EQ(boost::json::parse(response.body).at("problems").as_array().size(), 2U);
}

TEST_F(ApiDispatcherTest, OnlyJsonAndOnlyFromOurOwnPages) {
  auto form = make("POST", "/api/v1/reload", "dry_run=1");
  form.content_type = "application/x-www-form-urlencoded";
  EXPECT_EQ(ask(form).status, 415U);

  auto foreign = make("POST", "/api/v1/reload", "");
  foreign.origin = "https://evil.example";
  EXPECT_EQ(ask(foreign).status, 403U);
  foreign.origin = "https://localhost";
  EXPECT_EQ(ask(foreign).status, 200U);
  EXPECT_EQ(node.commands().size(), 1U);
}

// A page whose name was pointed at this machine is its own site to the browser: Origin and Host agree.
TEST_F(ApiDispatcherTest, WithoutTlsNamesThatAStrangerCanGiveOutAreRefused) {
  const auto asked = [&](std::string host, std::string target) {
    auto request = make("GET", std::move(target), "");
    request.host = std::move(host);
    return ask(request).status;
  };
  for (const char* host :
       {"", "localhost", "localhost:9440", "127.0.0.1:9440", "[::1]:9440", "[::1]", "192.168.4.130", "gate-1:9440", "dash.localhost:1"})
    EXPECT_EQ(asked(host, "/api/v1/status"), 200U) << host;
  for (const char* host :
       {"evil.example", "evil.example:9440", "127.0.0.1.evil.example:9440", "[evil.example]:1", "localhost.evil.example"}) {
    EXPECT_EQ(asked(host, "/api/v1/status"), 421U) << host;
    EXPECT_EQ(asked(host, "/"), 421U) << host;
    EXPECT_EQ(asked(host, "/readyz"), 200U) << "probes and Prometheus may use any name";
    EXPECT_EQ(asked(host, "/metrics"), 200U) << host;
  }
  auto change = make("POST", "/api/v1/reload", "");
  change.host = "evil.example:9440";
  change.origin = "http://evil.example:9440";
  EXPECT_EQ(ask(change).status, 421U);
  EXPECT_TRUE(node.commands().empty());
  change.tls = true;  // The certificate has to be valid for that name.
  change.origin = "https://evil.example:9440";
  EXPECT_EQ(ask(change).status, 200U);
}

TEST_F(ApiDispatcherTest, EveryFileOfTheDashboardIsServedAndATagSavesItsBody) {
  ASSERT_GE(web_assets().size(), 4U);
  for (const auto& asset : web_assets()) {
    auto request = make("GET", std::string(asset.path), "");
    const auto full = ask(request);
    EXPECT_EQ(full.status, 200U) << asset.path;
    EXPECT_EQ(full.body, asset.body) << asset.path;
    EXPECT_EQ(full.content_type, asset.content_type);
    EXPECT_EQ(full.cache_control, "no-cache");
    request.if_none_match = asset.etag;
    EXPECT_EQ(ask(request).status, 304U);
    EXPECT_EQ(ask(request).body, "");
    request.if_none_match = "\"0\"";
    EXPECT_EQ(ask(request).status, 200U);
  }
  EXPECT_EQ(get("/app.js?v=1").status, 400U) << "queries are for nothing here";
  EXPECT_EQ(ask(make("POST", "/", "")).status, 405U);
}

TEST_F(ApiDispatcherTest, AnUpgradeIsAnsweredWithWhatWasAskedFor) {
  auto request = make("GET", "/api/v1/watch?interval=2s&after=7", "");
  EXPECT_EQ(ask(request).status, 426U);
  request.websocket = true;
  request.websocket_version = "13";
  request.websocket_key = "dGhlIHNhbXBsZSBub25jZQ==";
  const auto answer = ask(request);
  EXPECT_EQ(answer.status, 101U);
  ASSERT_TRUE(answer.watch);
  EXPECT_EQ(answer.watch->interval, std::chrono::seconds(2));
  EXPECT_EQ(answer.watch->after, 7U);
  for (const char* key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25j!Q=="}) {
    request.websocket_key = key;
    EXPECT_EQ(ask(request).status, 400U) << key;
  }
}

TEST_F(ApiDispatcherTest, AMisspeltFilterListsNothing) {
  EXPECT_EQ(get("/api/v1/connections?server=mast-1&pool=masters&limit=5").status, 200U);
  EXPECT_EQ(node.last_filter(), "pool=masters server=mast-1");
  for (const char* query : {"sever=a", "limit=0", "limit=x", "limit=10001", "limit=-1", "pool%20server=1"}) {
    EXPECT_EQ(get("/api/v1/connections?" + std::string(query)).status, 400U) << query;
  }
  EXPECT_EQ(get("/api/v1/events?after=x").status, 400U);
}

class DhcpRoutesTest : public ApiDispatcherTest {
 protected:
  DhcpRoutesTest() {
    node.set_report(testing::sample_cluster_report());
    node.set_config(testing::sample_dhcp_yaml());
  }
  std::vector<std::string> addresses(const std::string& query) {
    const auto page = boost::json::parse(get("/api/v1/dhcp/leases" + query).body);
    std::vector<std::string> out;
    for (const auto& lease : page.at("leases").as_array()) out.emplace_back(lease.at("address").as_string().c_str());
    return out;
  }
  using Addresses = std::vector<std::string>;
};

TEST_F(DhcpRoutesTest, LeasesAreFilteredByEveryKey) {
  EXPECT_EQ(addresses(""), (Addresses{"192.168.1.101", "192.168.1.11"})) << "not those that are over";
  EXPECT_EQ(addresses("?released=true").size(), 3U);
  EXPECT_EQ(addresses("?released=false").size(), 2U);
  EXPECT_EQ(addresses("?network=mast&name=MAST-1"), Addresses{"192.168.1.11"}) << "names have no case";
  EXPECT_EQ(addresses("?name=mast"), Addresses{}) << "a part of a name is another name";
  EXPECT_EQ(addresses("?network=node"), Addresses{});
  EXPECT_EQ(addresses("?mac=52-54-00-00-01-65"), Addresses{"192.168.1.101"}) << "however it is written";
  EXPECT_EQ(addresses("?address=192.168.1.11"), Addresses{"192.168.1.11"});
  EXPECT_EQ(addresses("?limit=1"), Addresses{"192.168.1.101"}) << "the newest";
}

TEST_F(DhcpRoutesTest, WhatWouldFilterWronglyIsRefused) {
  for (const char* query : {"mac=52:54", "address=mast-1", "limit=0", "limit=10001", "released=yes", "nam=x"})
    EXPECT_EQ(get("/api/v1/dhcp/leases?" + std::string(query)).status, 400U) << query;
  for (const char* path : {"/api/v1/dhcp/leases?network=mats", "/api/v1/dhcp/reservations?network=mats"}) {
    const auto answer = get(path);
    EXPECT_EQ(answer.status, 404U) << path;
    EXPECT_EQ(boost::json::parse(answer.body).at("detail"), "no network 'mats' (there are: mast, node)");
  }
}

TEST_F(DhcpRoutesTest, ALeaseHasWhatMergesAreDecidedBy) {
  const auto page = boost::json::parse(get("/api/v1/dhcp/leases?address=192.168.1.11").body);
  const auto& lease = page.at_pointer("/leases/0");
  EXPECT_EQ(lease.at("network"), "mast");
  EXPECT_EQ(lease.at("mac"), "52:54:00:00:01:01");
  EXPECT_EQ(lease.at("seconds_left").to_number<int>(), 39600);
  EXPECT_EQ(lease.at("state"), "held");
  EXPECT_EQ(lease.at("holder"), "gate-1");
  EXPECT_EQ(lease.at("epoch").to_number<int>(), 7);
  EXPECT_EQ(lease.at("sequence").to_number<int>(), 11);
  EXPECT_EQ(lease.at("reserved"), true);
  EXPECT_EQ(page.at("limit").to_number<int>(), 1000);
}

TEST_F(DhcpRoutesTest, ReservationsAreThoseOfTheActiveConfiguration) {
  const auto all = boost::json::parse(get("/api/v1/dhcp/reservations").body);
  EXPECT_EQ(all.at("reservations").as_array().size(), 2U);
  EXPECT_EQ(all.at_pointer("/reservations/0/aliases/0"), "etcd-1");
  const auto node_only = boost::json::parse(get("/api/v1/dhcp/reservations?network=node").body);
  EXPECT_EQ(node_only.at("reservations").as_array().size(), 1U);
  EXPECT_EQ(node_only.at_pointer("/reservations/0/address"), "192.168.2.11");
}

TEST_F(DhcpRoutesTest, DnsNamesTheServersAndWhoHoldsThem) {
  const auto dns = boost::json::parse(get("/api/v1/dns").body);
  EXPECT_EQ(dns.at("domain"), "kube.demo");
  EXPECT_EQ(dns.at_pointer("/servers/0/address"), "192.168.1.1");
  EXPECT_EQ(dns.at_pointer("/servers/0/holder"), "gate-1");
  EXPECT_TRUE(dns.at_pointer("/servers/1/holder").is_null());
  EXPECT_EQ(dns.at_pointer("/dnsmasq/version"), "2.90");
  EXPECT_EQ(dns.at_pointer("/queries/local").to_number<int>(), 3400);
}

TEST_F(DhcpRoutesTest, AReleaseReachesTheNodeAndIsInTheAuditTrail) {
  const test::EventCapture events;
  EXPECT_EQ(operate("POST", "/api/v1/dhcp/release", R"({"address":"192.168.1.101"})").status, 200U);
  EXPECT_EQ(node.commands(), std::vector<std::string>{"dhcp release 192.168.1.101"});
  EXPECT_EQ(events.value(MessageId::COMMAND_DONE, "command"), "dhcp release 192.168.1.101");
}

TEST_F(DhcpRoutesTest, WithoutDnsdhcpEachCallSaysSo) {
  node.set_report(testing::sample_report());
  for (const char* path : {"/api/v1/dhcp/leases", "/api/v1/dhcp/leases?network=mast", "/api/v1/dhcp/reservations", "/api/v1/dns"}) {
    const auto answer = get(path);
    EXPECT_EQ(answer.status, 404U) << path;
    EXPECT_EQ(answer.body.find("no dnsdhcp is in the configuration") == std::string::npos, false) << answer.body;
  }
  EXPECT_EQ(operate("POST", "/api/v1/dhcp/release", R"({"address":"192.168.1.101"})").status, 404U);
  EXPECT_TRUE(node.commands().empty());
}

TEST_F(ApiDispatcherTest, EventsContinueAfterASequenceNumber) {
  node.set_events({{1, "t", "A", "info", {}}, {2, "t", "B", "info", {}}, {3, "t", "C", "info", {}}});
  const auto page = boost::json::parse(get("/api/v1/events?after=1&limit=1").body);
  EXPECT_EQ(page.at("events").as_array().size(), 1U);
  EXPECT_EQ(page.at_pointer("/events/0/id"), "B");
  EXPECT_EQ(page.at("last").to_number<int>(), 2);
}

}  // namespace
}  // namespace fairlead::admin
