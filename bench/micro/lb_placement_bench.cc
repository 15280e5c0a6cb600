// What placing one connection costs beside its system calls: the choice of a server with its place, admission. Expectation: a
// handful of atomics on lines this core holds, and one cache line per server looked at; together well below 1 % of an accept and a connect.
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/expectation.h"
#include "lb/admission.h"
#include "lb/balancer.h"
#include "lb/maglev.h"
#include "lb/rotation.h"

namespace fairlead::lb {
namespace {

RoutePool make_pool(config::Balance balance, std::size_t servers) {
  RoutePool pool;
  pool.balance = balance;
  pool.counters = std::make_shared<PoolCounters>();
  std::vector<MaglevServer> maglev;
  for (std::size_t i = 0; i < servers; ++i) {
    RouteServer server;
    server.name = "server-" + std::to_string(i);
    server.weight = 100;
    server.usable = true;
    server.max_connections = 100'000;
    server.counters = std::make_shared<ServerCounters>();
    maglev.push_back({server_key("pool", server.name, "a:1"), 100, static_cast<std::uint16_t>(i)});
    pool.servers.push_back(std::move(server));
  }
  pool.rotation = build_rotation(std::vector<std::uint32_t>(servers, 100));
  pool.maglev = build_maglev(maglev, maglev_size_for(servers));
  return pool;
}

void pick_and_release(benchmark::State& state, config::Balance balance, double expected_ns) {
  const RoutePool pool = make_pool(balance, static_cast<std::size_t>(state.range(0)));
  Prng prng(1);
  const TriedServers none;
  std::uint32_t n = 0;
  for (auto _ : state) {
    ++n;
    const auto client =
        IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
    const Pick chosen = pick(pool, client, none, prng);
    release(pool.servers[chosen.server]);
  }
  bench::expect_ns(state, expected_ns);
}
BENCHMARK_CAPTURE(pick_and_release, round_robin, config::Balance::kRoundRobin, 60)->Arg(3)->Name("pick/round_robin");
BENCHMARK_CAPTURE(pick_and_release, least_connections, config::Balance::kLeastConnections, 80)->Arg(3)->Name("pick/least_connections");
BENCHMARK_CAPTURE(pick_and_release, least_of_many, config::Balance::kLeastConnections, 1000)
    ->Arg(100)
    ->Name("pick/least_connections_of_many");
BENCHMARK_CAPTURE(pick_and_release, random_two, config::Balance::kRandomTwo, 80)->Arg(3)->Name("pick/random_two");
BENCHMARK_CAPTURE(pick_and_release, source_hash, config::Balance::kSourceHash, 70)->Arg(3)->Name("pick/source_hash");

void admit_and_leave(benchmark::State& state, bool with_limits) {
  RouteListener listener;
  listener.counters = std::make_shared<ListenerCounters>();
  SourceCounts sources(20'000, 1);
  if (with_limits) {
    std::vector<IpPrefix> networks;
    for (std::uint8_t i = 0; i < 200; ++i) networks.push_back({IpAddress::v4({10, i, 0, 0}), 16});
    listener.allow = networks;
    listener.max_connections = 20'000;
    listener.max_connection_rate = 1'000'000;
    listener.per_source_connections = 100;
    listener.per_source_rate = 10'000;
  }
  Instant now{std::chrono::hours(1)};
  std::uint32_t n = 0;
  for (auto _ : state) {
    n = (n + 1) % 2048;  // Sources whose words stay in the core's cache; a new one costs two cache misses more.
    now += std::chrono::microseconds(20);
    const auto client = IpAddress::v4({10, 5, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
    const Admission admission = admit(listener, client, now, sources);
    leave(listener, client, admission.source_counted, sources);
  }
  bench::expect_ns(state, with_limits ? 200 : 40);
}
BENCHMARK_CAPTURE(admit_and_leave, no_limits, false)->Name("admit/no_limits");
BENCHMARK_CAPTURE(admit_and_leave, every_limit, true)->Name("admit/every_limit");

}  // namespace
}  // namespace fairlead::lb
