// What the control thread pays with 1,000 servers in 20 pools (also in one, and in 200). A checked server brings one result and one tick
// a second; the report is made ten times a second. Expectation: one input about one server costs the log of the servers and a look at each
// pool, below 2 us and 30 ns a pool; the report is linear, below 1 us a server; a changed verdict builds its pool anew and copies the
// others, below 1 us a server, 5 ms with a Maglev table of 1,000 servers. All in all below 2 % of a core while nothing changes.
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/expectation.h"
#include "daemon/node_controller.h"

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kServers = 1000;

config::Snapshot snapshot_of(std::size_t pools, config::Balance balance) {
  config::Snapshot out;
  for (std::size_t p = 0; p < pools; ++p) {
    config::Pool pool;
    pool.name = "pool-" + std::to_string(p);
    pool.balance = balance;
    for (std::size_t s = 0; s < kServers / pools; ++s) {
      const std::string host = "10." + std::to_string(p) + "." + std::to_string(s / 250) + "." + std::to_string(s % 250 + 1);
      pool.servers.push_back({.name = "server-" + std::to_string(s), .address = {host, 6443}, .weight = 100});
    }
    out.pools.push_back(std::move(pool));
  }
  return out;
}

/// A node whose servers are all up, and the probe under way for each.
struct Node {
  Node(std::size_t pools, config::Balance balance) : snapshot(snapshot_of(pools, balance)) {
    for (const ProbeStart& probe : controller.apply(snapshot, now).probes) servers.push_back(probe);
    for (const ProbeStart& probe : servers) answer(probe, lb::ProbeOutcome::kOk);
  }
  ControlActions answer(const ProbeStart& probe, lb::ProbeOutcome outcome) {
    return controller.probe_done({.server = probe.server, .token = probe.token, .outcome = outcome, .detail = "200", .duration = 1ms}, now);
  }
  NodeController controller{7};
  Instant now{1h};
  config::Snapshot snapshot;
  std::vector<ProbeStart> servers;
};

/// One server's check: the tick that starts it, the answer, and when to wake up next.
void check(benchmark::State& state) {
  Node node(static_cast<std::size_t>(state.range(0)), config::Balance::kLeastConnections);
  for (auto _ : state) {
    node.now = node.controller.next_deadline();
    for (const ProbeStart& probe : node.controller.tick(node.now).probes)
      benchmark::DoNotOptimize(node.answer(probe, lb::ProbeOutcome::kOk));
  }
  bench::expect_ns(state, 2000 + 30.0 * static_cast<double>(state.range(0)));
}
BENCHMARK(check)->Name("node_controller/check")->Arg(1)->Arg(20)->Arg(200);

void report(benchmark::State& state) {
  Node node(static_cast<std::size_t>(state.range(0)), config::Balance::kLeastConnections);
  for (auto _ : state) {
    admin::NodeReport report;
    node.controller.describe(report, node.now);
    benchmark::DoNotOptimize(report);
  }
  bench::expect_ns(state, 1'000'000);
}
BENCHMARK(report)->Name("node_controller/report")->Arg(1)->Arg(20)->Arg(200);

/// An operator takes a server out and in: two new tables.
void change(benchmark::State& state, config::Balance balance, double expected_ns) {
  Node node(static_cast<std::size_t>(state.range(0)), balance);
  bool out = false;
  for (auto _ : state) {
    out = !out;
    const auto to = out ? admin::AdminState::kDrain : admin::AdminState::kReady;
    benchmark::DoNotOptimize(node.controller.command(admin::SetServerState{"pool-0", "server-3", to, /*force=*/true}, {"bench"}, node.now));
  }
  bench::expect_ns(state, expected_ns);
}
BENCHMARK_CAPTURE(change, least_connections, config::Balance::kLeastConnections, 1'000'000)
    ->Name("node_controller/new_table")
    ->Arg(1)
    ->Arg(20)
    ->Arg(200);
BENCHMARK_CAPTURE(change, source_hash, config::Balance::kSourceHash, 5'000'000)
    ->Name("node_controller/new_maglev")
    ->Arg(1)
    ->Arg(20)
    ->Arg(200);

void reload(benchmark::State& state) {
  Node node(static_cast<std::size_t>(state.range(0)), config::Balance::kLeastConnections);
  for (auto _ : state) benchmark::DoNotOptimize(node.controller.apply(node.snapshot, node.now));
  bench::expect_ns(state, 5'000'000);
}
BENCHMARK(reload)->Name("node_controller/reload")->Arg(1)->Arg(20)->Arg(200);

}  // namespace
}  // namespace fairlead::daemon
