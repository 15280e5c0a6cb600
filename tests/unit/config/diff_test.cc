#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "config/diff.h"
#include "snapshot_gen.h"

namespace fairlead::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Server server(std::string name, std::string host) { return {.name = std::move(name), .address = {std::move(host), 6443}}; }

Snapshot base() {
  Snapshot out;
  Pool pool;
  pool.name = "masters";
  pool.servers = {server("a", "10.0.0.1"), server("b", "10.0.0.2")};
  out.pools = {pool};
  Listener listener;
  listener.name = "kube-api";
  listener.bind = {*parse_endpoint("0.0.0.0:6443")};
  listener.pool = "masters";
  out.listeners = {listener};
  return out;
}

std::vector<std::string> described(const Snapshot& from, const Snapshot& to) {
  std::vector<std::string> out;
  for (const Change& change : diff(from, to)) out.push_back(describe(change));
  return out;
}

TEST(Diff, OfUnrelatedConfigurationsReplays) {
  EXPECT_TRUE(rc::check("apply(a, diff(a, b)) == b", [] {
    const Snapshot a = testing::any_snapshot();
    const Snapshot b = testing::any_snapshot();
    RC_ASSERT(config::apply(a, diff(a, b)) == b);
  }));
}

TEST(Diff, OfRelatedConfigurationsReplays) {
  EXPECT_TRUE(rc::check("apply(a, diff(a, b)) == b", [] {
    const Snapshot a = testing::any_snapshot();
    const Snapshot b = testing::any_relative(a);
    const std::vector<Change> changes = diff(a, b);
    RC_ASSERT(config::apply(a, changes) == b);
    RC_ASSERT(config::apply(b, diff(b, a)) == a);
    for (const Change& change : changes) RC_ASSERT(!describe(change).empty());
  }));
}

TEST(Diff, OfAConfigurationWithItselfIsEmpty) {
  EXPECT_TRUE(rc::check("diff(a, a) is empty", [] {
    const Snapshot a = testing::any_snapshot();
    RC_ASSERT(diff(a, a).empty());
  }));
}

TEST(Diff, NamesOnlyTheServerThatChanged) {
  Snapshot after = base();
  after.pools[0].servers[1].weight = 50;

  EXPECT_THAT(described(base(), after), ElementsAre("server masters/b: weight 100 -> 50"));
}

TEST(Diff, NamesEachSettingThatChanged) {
  Snapshot after = base();
  after.pools[0].idle_timeout = 30min;
  after.pools[0].health.type = HealthType::kHttps;
  after.listeners[0].log = true;
  after.pools[0].source = parse_ip_address("10.0.0.9").value();

  EXPECT_THAT(described(base(), after),
              ElementsAre("pool masters: source (none) -> 10.0.0.9, idle_timeout 1h -> 30m, health.type tcp -> https",
                          "listener kube-api: log false -> true"));
}

TEST(Diff, AServerWithANewAddressIsAnotherServerAddedFirst) {
  Snapshot after = base();
  after.pools[0].servers[0].address.host = "10.0.0.9";

  const auto changes = diff(base(), after);

  EXPECT_THAT(described(base(), after),
              ElementsAre("add server masters/a at 10.0.0.9:6443", "remove server masters/a at 10.0.0.1:6443 (drains)",
                          "pool masters: order of servers a, b"));
  EXPECT_EQ(config::apply(base(), changes), after);
}

TEST(Diff, AddsPoolsBeforeListenersAndRemovesThemAfter) {
  Snapshot after = base();
  after.pools[0].name = "others";
  after.listeners[0].name = "other";
  after.listeners[0].pool = "others";

  EXPECT_THAT(described(base(), after), ElementsAre("add pool others with 2 servers", "add listener other on 0.0.0.0:6443",
                                                    "remove listener kube-api (its connections finish)", "remove pool masters"));
}

TEST(NeedsRestart, NamesTheKeysThatWait) {
  Snapshot after = base();
  after.node = "gate-2";
  after.proxy.engine = EngineChoice::kEpoll;
  after.proxy.workers = 4;
  after.proxy.buffer_pool = 1ULL << 20;
  after.proxy.splice = Splice::kOff;
  after.admin.socket = "/tmp/socket";
  after.admin.listen = "";
  after.admin.operators = {"ops"};
  after.log.level = LogLevel::kDebug;
  after.state_dir = "/tmp";
  after.pools[0].retries = 1;

  EXPECT_THAT(needs_restart(base(), after), ElementsAre("admin.listen", "admin.socket", "node", "proxy.buffer_pool", "proxy.engine",
                                                        "proxy.splice", "proxy.workers", "state_dir"));
}

Snapshot with_cluster() {
  Snapshot s = base();
  s.cluster.emplace().name = "gates";
  for (std::uint32_t id = 1; id <= 2; ++id) {
    Node node;
    node.name = "gate-" + std::to_string(id);
    node.id = id;
    s.cluster->nodes.push_back(node);
  }
  return s;
}

TEST(NeedsRestart, HighAvailabilityStartsWithTheDaemon) {
  Snapshot after = base();
  after.guard.hang = 3s;
  after.vips.emplace_back().name = "the-first";
  EXPECT_THAT(needs_restart(base(), after), ElementsAre("guard", "vips"));

  EXPECT_THAT(needs_restart(base(), with_cluster()), ElementsAre("cluster"));
  Snapshot one_more = with_cluster();
  one_more.vips.emplace_back().name = "one-more";
  EXPECT_THAT(needs_restart(base(), one_more), ElementsAre("cluster", "vips")) << "it would be taken by other rules";
}

TEST(NeedsRestart, VipsAndNodesComeAndGoWithinOneCluster) {
  Snapshot after = with_cluster();
  after.cluster->nodes.emplace_back().name = "gate-3";
  after.cluster->nodes.back().id = 3;
  after.cluster->start_wait = 1s;
  after.vips.emplace_back().name = "one-more";
  EXPECT_THAT(needs_restart(with_cluster(), after), IsEmpty());
  Snapshot without = with_cluster();
  without.vips.clear();
  EXPECT_THAT(needs_restart(without, with_cluster()), IsEmpty()) << "there is a takeover, if nothing to take over";

  after.cluster->nodes.front().id = 4;
  after.cluster->name = "other";
  EXPECT_THAT(needs_restart(with_cluster(), after), ElementsAre("cluster.name", "cluster.nodes", "vips"));
}

TEST(NeedsRestart, NothingWaitsWhenOnlyLiveKeysChange) {
  Snapshot after = base();
  after.shutdown_grace = 1s;
  after.pools[0].servers.pop_back();

  EXPECT_THAT(needs_restart(base(), after), IsEmpty());
}

}  // namespace
}  // namespace fairlead::config
