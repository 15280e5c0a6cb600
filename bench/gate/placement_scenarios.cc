// What a connection costs beside its system calls: admission, the choice of a server, the hash of its client; and the tables behind them.
#include "base/ip_address.h"
#include "bench/gate/scenario.h"
#include "bench/gate/scripted_relay.h"
#include "lb/admission.h"
#include "lb/maglev.h"
#include "lb/rotation.h"

namespace {

using namespace fairlead;

constexpr std::uint32_t kPicks = 20'000;
constexpr std::uint32_t kHashes = 50'000;

IpAddress client_of(std::uint32_t n) {
  return IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
}

}  // namespace

extern "C" {
std::uint64_t fl_gate_pick(const lb::RoutePool& pool);
std::uint64_t fl_gate_source_hash();
std::uint64_t fl_gate_admission(const lb::RouteListener& listener, lb::SourceCounts& sources);
std::uint64_t fl_gate_tables(std::span<const lb::MaglevServer> servers, const std::vector<std::uint32_t>& weights);

/// Every place is kept for 16 connections, so that least_connections has something to compare.
[[gnu::noinline]] std::uint64_t fl_gate_pick(const lb::RoutePool& pool) {
  Prng prng(1);
  const lb::TriedServers none;
  std::uint16_t held[16] = {};
  std::uint64_t sum = 0;
  for (std::uint32_t n = 0; n < kPicks; ++n) {
    if (n >= 16) release(pool.servers[held[n % 16]]);
    held[n % 16] = pick(pool, client_of(n), none, prng).server;
    sum = sum * 31 + held[n % 16];
  }
  return sum;
}

[[gnu::noinline]] std::uint64_t fl_gate_source_hash() {
  std::uint64_t sum = 0;
  for (std::uint32_t n = 0; n < kHashes; ++n) sum = hash_of(client_of(n), sum);
  return sum;
}

[[gnu::noinline]] std::uint64_t fl_gate_admission(const lb::RouteListener& listener, lb::SourceCounts& sources) {
  std::uint64_t admitted = 0;
  Instant now{std::chrono::hours(1)};
  for (std::uint32_t n = 0; n < kPicks; ++n) {
    now += std::chrono::microseconds(20);
    const IpAddress client = IpAddress::v4({10, 5, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
    const lb::Admission admission = admit(listener, client, now, sources);
    admitted += admission.source_counted ? 1 : 0;
    leave(listener, client, admission.source_counted, sources);
  }
  return admitted;
}

[[gnu::noinline]] std::uint64_t fl_gate_tables(std::span<const lb::MaglevServer> servers, const std::vector<std::uint32_t>& weights) {
  std::uint64_t sum = 0;
  for (const std::uint16_t index : lb::build_maglev(servers, lb::maglev_size_for(servers.size()))) sum = sum * 31 + index;
  for (const std::uint16_t index : lb::build_rotation(weights)) sum = sum * 31 + index;
  return sum;
}
}

namespace fairlead::bench {
namespace {

template <config::Balance kBalance, std::size_t kServers>
Outcome picks() {
  const lb::RoutePool pool = make_gate_pool(kBalance, kServers);
  return {kPicks, fl_gate_pick(pool)};
}

Outcome admissions() {
  lb::RouteListener listener;
  listener.counters = std::make_shared<lb::ListenerCounters>();
  std::vector<IpPrefix> networks;
  for (std::uint8_t i = 0; i < 200; ++i) networks.push_back({IpAddress::v4({10, i, 0, 0}), 16});
  listener.allow = networks;
  listener.max_connections = 20'000;
  listener.max_connection_rate = 1'000'000;
  listener.per_source_connections = 100;
  listener.per_source_rate = 10'000;
  lb::SourceCounts sources(20'000, 1);
  return {kPicks, fl_gate_admission(listener, sources)};
}

Outcome tables() {
  std::vector<lb::MaglevServer> servers;
  std::vector<std::uint32_t> weights;
  for (std::uint16_t i = 0; i < 20; ++i) {
    servers.push_back({lb::server_key("pool", "server-" + std::to_string(i), "a:1"), 100U + i, i});
    weights.push_back(100U + i);
  }
  return {1, fl_gate_tables(servers, weights)};
}

}  // namespace

std::vector<Scenario> placement_scenarios() {
  return {
      {"pick_round_robin", "pick", picks<config::Balance::kRoundRobin, 3>},
      {"pick_least_connections", "pick", picks<config::Balance::kLeastConnections, 3>},
      {"pick_least_of_100", "pick", picks<config::Balance::kLeastConnections, 100>},
      {"pick_random_two", "pick", picks<config::Balance::kRandomTwo, 3>},
      {"pick_source_hash", "pick", picks<config::Balance::kSourceHash, 3>},
      {"source_hash", "hash",
       [] {
         return Outcome{kHashes, fl_gate_source_hash()};
       }},
      {"admission_every_limit", "connection", admissions},
      {"tables_20_servers", "build", tables},
  };
}

}  // namespace fairlead::bench
