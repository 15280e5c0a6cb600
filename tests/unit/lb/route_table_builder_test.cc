#include "lb/route_table_builder.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;
using Indices = std::vector<std::uint16_t>;

std::set<std::uint16_t> members(const Indices& indices) { return {indices.begin(), indices.end()}; }

class RouteTableBuilderTest : public ::testing::Test {
 protected:
  RouteTableBuilderTest() {
    pool.name = "masters";
    for (const char* name : {"a", "b", "spare"}) {
      config::Server server;
      server.name = name;
      server.address = {std::string(name) + ".kube.demo", 6443};
      server.backup = server.name == "spare";
      pool.servers.push_back(server);
    }
    listener.name = "kube-api";
    listener.pool = "masters";
  }
  PoolView view() {
    PoolView out{.settings = &pool, .counters = pool_counters, .servers = {}};
    for (std::size_t i = 0; i < pool.servers.size(); ++i) {
      out.servers.push_back({.settings = &pool.servers[i],
                             .id = static_cast<ServerId>(10 + i),
                             .endpoint = {IpAddress::v4({192, 168, 1, static_cast<std::uint8_t>(i)}), 6443},
                             .usable = usable[i],
                             .effective_weight = weights[i],
                             .counters = std::make_shared<ServerCounters>()});
    }
    return out;
  }
  RoutePool build() { return *build_route_table(1, {}, std::vector{view()}).pools.at(0); }

  config::Pool pool;
  config::Listener listener;
  std::shared_ptr<PoolCounters> pool_counters = std::make_shared<PoolCounters>();
  std::vector<bool> usable{true, true, true};
  std::vector<std::uint32_t> weights{100, 100, 100};
};

TEST_F(RouteTableBuilderTest, CarriesTheSettingsOver) {
  pool.balance = config::Balance::kRandomTwo;
  pool.source = IpAddress::v4({10, 0, 0, 9});
  pool.connect_timeout = 1s;
  pool.retries = 2;
  pool.idle_timeout = 3s;
  pool.half_close_timeout = 4s;
  pool.keepalive = {5s, 6s, 7};
  pool.tcp_user_timeout = 8s;
  pool.congestion_control = "cubic";
  pool.max_connection_age = 9s;
  pool.send_proxy = config::SendProxy::kV2;
  pool.servers[1].max_connections = 11;
  listener.max_connections = 12;
  listener.max_connection_rate = 13;
  listener.per_source_connections = 14;
  listener.per_source_rate = 15;
  listener.allow = {parse_ip_prefix("10.0.0.0/8").value()};
  listener.deny = {parse_ip_prefix("10.9.0.0/16").value()};
  listener.accept_proxy = true;
  listener.log = true;
  const auto counters = std::make_shared<ListenerCounters>();
  const auto pools = std::vector{view()};
  const RouteTable table = build_route_table(7, std::vector{ListenerView{&listener, 3, counters}}, pools);

  EXPECT_EQ(table.version, 7U);
  const RoutePool& p = *table.pools.at(0);
  EXPECT_EQ(p.name, "masters");
  EXPECT_EQ(p.balance, config::Balance::kRandomTwo);
  EXPECT_EQ(p.source, pool.source);
  EXPECT_EQ(p.connect_timeout, 1s);
  EXPECT_EQ(p.retries, 2U);
  EXPECT_EQ(p.idle_timeout, 3s);
  EXPECT_EQ(p.half_close_timeout, 4s);
  EXPECT_EQ(p.keepalive, pool.keepalive);
  EXPECT_EQ(p.tcp_user_timeout, 8s);
  EXPECT_EQ(p.congestion_control, "cubic");
  EXPECT_EQ(p.max_connection_age, 9s);
  EXPECT_EQ(p.send_proxy, config::SendProxy::kV2);
  EXPECT_EQ(p.counters, pool_counters);
  ASSERT_EQ(p.servers.size(), 3U);
  EXPECT_EQ(p.servers[1].id, 11U);
  EXPECT_EQ(p.servers[1].name, "b");
  EXPECT_EQ(p.servers[1].endpoint.to_string(), "192.168.1.1:6443");
  EXPECT_EQ(p.servers[1].max_connections, 11U);
  EXPECT_EQ(p.servers[1].counters, pools[0].servers[1].counters);
  EXPECT_TRUE(p.servers[2].backup);

  const RouteListener* l = table.find_listener(3);
  ASSERT_NE(l, nullptr);
  EXPECT_EQ(l->name, "kube-api");
  EXPECT_EQ(l->max_connections, 12U);
  EXPECT_EQ(l->max_connection_rate, 13U);
  EXPECT_EQ(l->per_source_connections, 14U);
  EXPECT_EQ(l->per_source_rate, 15U);
  EXPECT_TRUE(l->allow.contains(IpAddress::v4({10, 1, 1, 1})));
  EXPECT_TRUE(l->deny.contains(IpAddress::v4({10, 9, 1, 1})));
  EXPECT_TRUE(l->accept_proxy);
  EXPECT_TRUE(l->log);
  EXPECT_EQ(l->counters, counters);
}

TEST_F(RouteTableBuilderTest, FindsAListenersPoolByName) {
  config::Pool other;
  other.name = "ingress";
  listener.pool = "ingress";
  const std::vector<PoolView> pools{view(), {.settings = &other, .counters = std::make_shared<PoolCounters>(), .servers = {}}};
  const RouteTable table = build_route_table(1, std::vector{ListenerView{&listener, 1, std::make_shared<ListenerCounters>()}}, pools);

  EXPECT_EQ(table.listeners.at(0).pool, 1U);
  EXPECT_TRUE(table.pools[1]->rotation.empty());
}

TEST_F(RouteTableBuilderTest, RotatesOverUsableRegularServersByWeight) {
  weights = {200, 100, 100};
  const RoutePool built = build();
  EXPECT_EQ(built.rotation, (Indices{0, 0, 1}));
  EXPECT_FALSE(built.use_backups);

  usable[0] = false;
  EXPECT_EQ(build().rotation, (Indices{1}));
}

TEST_F(RouteTableBuilderTest, TurnsToBackupsOnlyWithoutARegularServer) {
  usable[0] = usable[1] = false;
  EXPECT_TRUE(build().use_backups);
  EXPECT_EQ(build().rotation, (Indices{2}));

  usable[1] = true;
  weights[1] = 0;
  EXPECT_TRUE(build().use_backups);

  weights[1] = 1;
  EXPECT_FALSE(build().use_backups);
  EXPECT_EQ(build().rotation, (Indices{1}));
}

TEST_F(RouteTableBuilderTest, BuildsTheTableItsAlgorithmReads) {
  pool.balance = config::Balance::kSourceHash;
  const RoutePool hashed = build();
  EXPECT_TRUE(hashed.rotation.empty());
  EXPECT_EQ(hashed.maglev.size(), 4093U);
  EXPECT_EQ(members(hashed.maglev), (std::set<std::uint16_t>{0, 1}));

  pool.balance = config::Balance::kLeastConnections;
  EXPECT_TRUE(build().maglev.empty());
  EXPECT_FALSE(build().rotation.empty());
}

TEST_F(RouteTableBuilderTest, KeepsTheSizeOfTheMaglevTableWhileServersAreUnresolved) {
  pool.balance = config::Balance::kSourceHash;
  for (int i = 0; i < 60; ++i) pool.servers.push_back(pool.servers[0]);
  usable.resize(63, true);
  weights.resize(63, 100);
  PoolView shorter = view();
  shorter.servers.resize(2);
  EXPECT_EQ(build_route_table(1, {}, std::vector{shorter}).pools[0]->maglev.size(), build().maglev.size());
}

TEST_F(RouteTableBuilderTest, MapsClientsAlikeWhereverAServerStandsAndWhateverItsAddressNow) {
  pool.balance = config::Balance::kSourceHash;
  const RoutePool built = build();
  PoolView swapped = view();
  std::swap(swapped.servers[0], swapped.servers[1]);
  swapped.servers[0].endpoint.address = IpAddress::v4({172, 16, 0, 1});
  const RoutePool other = *build_route_table(1, {}, std::vector{swapped}).pools.at(0);
  for (std::size_t i = 0; i < built.maglev.size(); ++i) ASSERT_EQ(built.servers[built.maglev[i]].name, other.servers[other.maglev[i]].name);
}

TEST_F(RouteTableBuilderTest, LeavesTheSourceToTheKernelWhileItIsNotHeld) {
  pool.source = IpAddress::v4({10, 0, 0, 9});
  PoolView away = view();
  away.source_held = false;
  EXPECT_EQ(build_route_table(1, {}, std::vector{away}).pools[0]->source, std::nullopt);
}

TEST_F(RouteTableBuilderTest, MakesAnEmptyPoolWhenNothingIsUsable) {
  usable = {false, false, false};
  const RoutePool built = build();
  EXPECT_TRUE(built.rotation.empty());
  EXPECT_EQ(built.servers.size(), 3U);

  pool.balance = config::Balance::kSourceHash;
  EXPECT_TRUE(build().maglev.empty());
}

}  // namespace
}  // namespace fairlead::lb
