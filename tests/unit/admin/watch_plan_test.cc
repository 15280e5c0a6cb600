#include "admin/watch_plan.h"

#include <boost/json.hpp>
#include <functional>
#include <gtest/gtest.h>

#include "admin/status_codec.h"
#include "admin/web_assets.h"
#include "base/prng.h"
#include "tests/contract/admin/fake_node_port.h"

namespace fairlead::admin {
namespace {

using Send = WatchPlan::Send;
using namespace std::chrono_literals;

constexpr Instant kStart = Instant(1h);

Result<WatchRequest> parsed(std::string_view query) { return parse_watch_request(*parse_api_target("/api/v1/watch" + std::string(query))); }

/// One that has had its hello and its first status, of report 1.
WatchPlan begun(WatchRequest request = {}, std::uint64_t oldest = 0, std::uint64_t newest = 0) {
  WatchPlan plan(request, oldest, newest);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart), Send::kHello);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart), Send::kStatus);
  return plan;
}

TEST(WatchRequestOf, TheQueryIsChecked) {
  EXPECT_EQ(parsed("")->interval, 1s);
  EXPECT_FALSE(parsed("")->after);
  EXPECT_EQ(parsed("?interval=250ms&after=0")->interval, 250ms);
  EXPECT_EQ(parsed("?interval=60s&after=18446744073709551615")->after, 18446744073709551615U);
  for (const char* query : {"?interval=", "?interval=1", "?interval=0", "?interval=249ms", "?interval=61s", "?interval=-1s",
                            "?after=", "?after=x", "?after=-1", "?after=1.5", "?after=18446744073709551616"}) {
    const auto out = parsed(query);
    ASSERT_FALSE(out) << query;
    EXPECT_EQ(out.error().code, Errc::kInvalidArgument) << query;
    EXPECT_TRUE(out.error().context.starts_with("query ")) << out.error().context;
  }
}

TEST(WatchPlanTest, SaysNothingUntilTheIntervalIsOver) {
  auto plan = begun();
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart + 900ms), Send::kNothing);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart + 1000ms), Send::kStatus);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart + 1000ms), Send::kNothing);
}

TEST(WatchPlanTest, AChangeComesBeforeItsTimeButNotInARush) {
  auto plan = begun();
  EXPECT_EQ(plan.next({.digest = 2, .next_event = std::nullopt}, kStart + kChangeGap - 1ms), Send::kNothing);
  EXPECT_EQ(plan.next({.digest = 2, .next_event = std::nullopt}, kStart + kChangeGap), Send::kStatus);
  EXPECT_EQ(plan.next({.digest = 2, .next_event = std::nullopt}, kStart + 500ms), Send::kNothing);
}

TEST(WatchPlanTest, WhatChangedAndChangedBackWhileNobodyLookedIsNoNews) {
  auto plan = begun();
  EXPECT_EQ(plan.next({.digest = 1, .next_event = std::nullopt}, kStart + 500ms), Send::kNothing);
}

TEST(WatchPlanTest, EventsAndStatusesTakeTurnsForASlowClient) {
  auto plan = begun({.interval = 250ms, .after = 0}, 1, 100);
  std::string order;
  for (int i = 1; i <= 6; ++i) {
    const auto sent = plan.next({.digest = 1, .next_event = plan.after() + 1}, kStart + i * 1s);
    order += sent == Send::kEvent ? 'e' : sent == Send::kStatus ? 's' : '?';
  }
  EXPECT_EQ(order, "eseses");
}

TEST(WatchPlanTest, BeginsWhereItWasAskedTo) {
  EXPECT_EQ(WatchPlan({}, 3, 9).after(), 9U) << "from now on";
  EXPECT_EQ(WatchPlan({.after = 5}, 3, 9).after(), 5U);
  EXPECT_EQ(WatchPlan({.after = 0}, 3, 9).after(), 2U) << "all that is kept; nothing is lost";
  EXPECT_EQ(WatchPlan({.after = 10}, 3, 9).after(), 2U) << "a number of the daemon's earlier life";
  EXPECT_EQ(WatchPlan({.after = 9}, 3, 9).after(), 9U);
  EXPECT_EQ(WatchPlan({}, 0, 0).after(), 0U);
  EXPECT_EQ(WatchPlan({.after = 7}, 0, 0).after(), 0U);
}

TEST(WatchPlanTest, AnOvertakenWatcherIsToldHowManyItMissed) {
  auto plan = begun({.after = 5}, 1, 9);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = 20}, kStart), Send::kLost);
  EXPECT_EQ(plan.lost(), 14U);
  EXPECT_EQ(plan.next({.digest = 1, .next_event = 20}, kStart), Send::kEvent);
  EXPECT_EQ(plan.after(), 20U);
}

/// A ring, clients that look at random moments: what is sent and counted as lost adds up (I1), statuses keep their gap (I2) and come.
TEST(WatchPlanSim, EveryEventIsSentOrCountedOnEverySeed) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Prng random(seed);
    std::uint64_t newest = random.next() % 50;
    const std::uint64_t kept = 8;
    const auto oldest = [&] { return newest == 0 ? 0 : newest > kept ? newest - kept + 1 : 1; };
    WatchRequest request{.interval = 250ms, .after = std::nullopt};
    if (random.next() % 2 == 0) request.after = random.next() % 60;
    WatchPlan plan(request, oldest(), newest);
    std::uint64_t expected = plan.after();
    Instant now = kStart;
    Instant last_status{};
    int statuses = 0;
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::milliseconds(random.next() % 120);
      newest += random.next() % 3 == 0 ? random.next() % 12 : 0;
      WatchNews news{.digest = random.next() % 4, .next_event = std::nullopt};
      if (newest > plan.after()) news.next_event = std::max(plan.after() + 1, oldest());
      switch (plan.next(news, now)) {
        case Send::kStatus:
          if (statuses++ > 0) { ASSERT_GE(now - last_status, kChangeGap) << "I2 seed " << seed; }
          last_status = now;
          break;
        case Send::kLost: expected += plan.lost(); break;
        case Send::kEvent: ++expected; break;
        case Send::kHello:
        case Send::kNothing: break;
      }
      ASSERT_EQ(plan.after(), expected) << "I1 seed " << seed;
    }
    EXPECT_GT(statuses, 40) << "seed " << seed;
  }
}

TEST(WatchDigest, FollowsWhatPeopleLookUpForAndNothingElse) {
  const auto base = testing::sample_cluster_report();
  const auto changes = [&](const std::function<void(NodeReport&)>& change) {
    auto other = base;
    change(other);
    return watch_digest(other) != watch_digest(base);
  };
  EXPECT_FALSE(changes([](NodeReport&) {}));
  EXPECT_FALSE(changes([](NodeReport& r) {
    r.uptime_s += 1;
    r.control_lateness_ms = 5;
    r.log_lines_dropped = 9;
    r.listeners[0].connections = {9, 9, 9};
    r.listeners[0].bytes.in += 1;
    r.listeners[0].shed_by_cause[0].count += 1;
    r.vips[0].lease_ms -= 100;
    r.workers[0].connections += 1;
    auto& server = r.pools[0].servers[0];
    server.connections.total += 1;
    server.connect_failures += 1;
    server.state_since_s += 1;
    server.effective_weight += 1;
    server.check.duration_ms += 1;
    auto& node = r.cluster->nodes[1];
    node.digest_age_s += 1;
    node.digest->uptime_ms += 1000;
    node.digest->connections += 1;
    node.digest->control_late_us += 1;
    node.digest->listeners[0].connections += 1;
    auto& dhcp = *r.dhcp;
    dhcp.dnsmasq.since_s += 1;
    dhcp.counters->local += 1;
    dhcp.leases.held += 1;
    dhcp.leases.synchronised_s = 1;
    dhcp.networks[0].leases_held += 1;
    dhcp.networks[0].pool_leased += 1;
  }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp = std::nullopt; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->dnsmasq.state = DnsmasqState::kFailed; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->dnsmasq.problem = "port 53 is taken"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->networks[0].serving = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->networks[0].holder = "gate-2"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->networks[0].holder = std::nullopt; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->networks[0].sweep = SweepState::kRunning; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.dhcp->networks.pop_back(); }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.ready = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->quorate = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].online = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].links[1].up = true; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest = std::nullopt; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->ready = true; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->reason = "another"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->config_hash = "another"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->listeners[0].accepting = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->pools[0].up = 1; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster->nodes[1].digest->pools[0].down.clear(); }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.cluster = std::nullopt; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.vips[0].holder = "gate-2"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.vips[0].holder = std::nullopt; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.vips[0].state = "releasing"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.vips[0].eligible[1].reason = "standby"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.listeners[0].accepting = false; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.pools[0].servers[0].state = ServerState::kDown; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.pools[0].servers[0].check.detail = "500"; }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.pools[0].servers.pop_back(); }));
  EXPECT_TRUE(changes([](NodeReport& r) { r.config_hash = "other"; }));
}

TEST(FrameBudgetTest, TenASecondAfterABurstOfTwenty) {
  FrameBudget budget(kStart);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(budget.take(kStart));
  EXPECT_FALSE(budget.take(kStart));
  EXPECT_FALSE(budget.take(kStart + 50ms));
  EXPECT_TRUE(budget.take(kStart + 110ms));
  EXPECT_FALSE(budget.take(kStart + 120ms));
  for (int i = 1; i < 100; ++i) EXPECT_TRUE(budget.take(kStart + 1s + i * 100ms)) << "ten a second for ever";
}

TEST(WatchFrames, AreWhatTheOtherCallsSay) {
  const auto report = testing::sample_cluster_report();
  const auto status = boost::json::parse(encode_status_frame(report));
  EXPECT_EQ(status.at("type"), "status");
  EXPECT_EQ(status.at("status"), boost::json::parse(encode_status(report)));
  const EventInfo event{3, "t", "SERVER_DOWN", "warning", {{"server", "a\"b"}}};
  EXPECT_EQ(boost::json::parse(encode_event_frame(event)).at("event"),
            boost::json::parse(encode_events({{event}, {}}, 0)).at_pointer("/events/0"));
  const auto hello = boost::json::parse(encode_hello({"n", "v", "beef", "uid 0 (root)", ApiRole::kOperate}, WatchPlan({}, 1, 4)));
  EXPECT_EQ(hello.at("type"), "hello");
  EXPECT_EQ(hello.at("node"), "n");
  EXPECT_EQ(hello.at("version"), "v");
  EXPECT_EQ(hello.at("life"), "beef");
  EXPECT_EQ(hello.at_pointer("/caller/name"), "uid 0 (root)");
  EXPECT_EQ(hello.at_pointer("/caller/role"), "operator");
  EXPECT_EQ(hello.at("interval_ms"), 1000);
  EXPECT_EQ(hello.at("after"), 4);
  EXPECT_EQ(encode_lost(4), "{\"type\":\"lost\",\"events\":4}");
}

TEST(WebAssets, TagsAreComparedAsTheStandardSays) {
  EXPECT_TRUE(etag_matches("\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("\"b\" ,W/\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("*", "\"a\""));
  EXPECT_FALSE(etag_matches("", "\"a\""));
  EXPECT_FALSE(etag_matches("a", "\"a\""));
  EXPECT_FALSE(etag_matches(",, \"b\"", "\"a\""));
}

}  // namespace
}  // namespace fairlead::admin
