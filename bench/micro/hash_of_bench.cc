// Hashing a client's address: done once per connection by source_hash and the per-source limits. Expectation: a few multiplications,
// no memory but the address itself: below 10 ns for IPv4 and IPv6 alike; the integer mixer alone below 3 ns.
#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "bench/micro/expectation.h"

namespace fairlead {
namespace {

void hash_v4(benchmark::State& state) {
  auto address = IpAddress::v4({10, 1, 2, 3});
  std::uint64_t seed = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(address);
    seed = hash_of(address, seed);  // each needs the last: latency, not throughput
  }
  benchmark::DoNotOptimize(seed);
  bench::expect_ns(state, 10);
}
BENCHMARK(hash_v4)->Name("hash_of/v4");

void hash_v6(benchmark::State& state) {
  auto address = IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6});
  std::uint64_t seed = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(address);
    seed = hash_of(address, seed);
  }
  benchmark::DoNotOptimize(seed);
  bench::expect_ns(state, 10);
}
BENCHMARK(hash_v6)->Name("hash_of/v6");

void mixer(benchmark::State& state) {
  std::uint64_t value = 1;
  for (auto _ : state) benchmark::DoNotOptimize(value = mix64(value));
  bench::expect_ns(state, 3);
}
BENCHMARK(mixer)->Name("mix64");

void parse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(parse_ip_address("192.168.4.20"));
  bench::expect_ns(state, 100);  // one inet_pton and the checks around it; only on configuration paths
}
BENCHMARK(parse)->Name("parse_ip_address/v4");

}  // namespace
}  // namespace fairlead
