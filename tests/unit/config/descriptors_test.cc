#include "config/descriptors.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace fairlead::config {
namespace {

Snapshot with(std::size_t addresses, std::size_t servers) {
  Snapshot out;
  out.listeners.emplace_back().bind.resize(addresses);
  out.pools.emplace_back().servers.resize(servers);
  return out;
}

TEST(Descriptors, PipesAreAtMostASixteenthOfThem) {
  for (const std::uint64_t descriptors : {128U, 1024U, 4096U, 65536U, 1048576U})
    EXPECT_LE(2 * pipes_for(descriptors, Splice::kAuto), descriptors / 16);
  EXPECT_EQ(pipes_for(1024, Splice::kOff), 0U);
  EXPECT_EQ(pipes_for(1 << 20, Splice::kOn), 128U);
}

TEST(Descriptors, ConnectionsAndReserveFitIntoThem) {
  const Snapshot snapshot = with(2, 3);
  for (std::uint64_t descriptors = 128; descriptors <= (1U << 20); descriptors += 97) {
    const std::size_t pipes = pipes_for(descriptors, Splice::kAuto);
    const std::uint64_t connections = connections_for(descriptors, pipes, snapshot, 4);
    ASSERT_GE(connections, 1U);
    ASSERT_LE(2 * connections + 2 * pipes + 4 * (2 + 3) + 3 + 64, descriptors) << descriptors;
  }
  EXPECT_EQ(connections_for(0, 128, snapshot, 4), 1U);
  EXPECT_EQ(connections_for(~0ULL, 0, snapshot, 4), 1U << 20);
}

TEST(Descriptors, EveryWorkerBindsEveryAddressAndChecksAreBounded) {
  const std::uint64_t least = descriptor_reserve(65536, 0, with(0, 0), 0);
  EXPECT_EQ(descriptor_reserve(65536, 0, with(16, 0), 8), least + 8 * (16 + 3));
  EXPECT_EQ(descriptor_reserve(65536, 0, with(0, 5), 0), least + 5);
  EXPECT_EQ(descriptor_reserve(65536, 0, with(0, 1000), 0), least + 128);
}

// What the check of a file says and what the daemon allows is one number.
TEST(Descriptors, TheWarningsBeginWhereTheDaemonStops) {
  Environment machine;
  machine.descriptors_max = 20000;
  machine.cpus = 4;
  const auto problems = [&](const std::string& listeners, const std::string& more = "") {
    return load_text(
               "apiVersion: fairlead/v1\nlisteners:\n" + listeners + "pools: [{name: p, servers: [{name: s, address: 'h:1'}]}]\n" + more,
               "f", machine)
        .problems;
  };
  const auto listener = [](const std::string& name, std::uint32_t most) {
    return "  - {name: " + name + ", bind: ['0.0.0.0:" + (name == "a" ? "1" : "2") +
           "'], pool: p, max_connections: " + std::to_string(most) + "}\n";
  };
  const std::uint32_t fit = connections_for(20000, pipes_for(20000, Splice::kAuto), with(1, 1), 4);
  const std::uint32_t of_two = connections_for(20000, pipes_for(20000, Splice::kAuto), with(2, 1), 4);
  EXPECT_TRUE(problems(listener("a", fit)).empty());
  EXPECT_EQ(problems(listener("a", fit + 1)).size(), 1U);
  EXPECT_TRUE(problems(listener("a", fit), "proxy: {max_connections: " + std::to_string(fit) + "}\n").empty());
  EXPECT_EQ(problems(listener("a", fit), "proxy: {max_connections: " + std::to_string(fit + 1) + "}\n").size(), 1U);
  EXPECT_TRUE(problems(listener("a", of_two / 2) + listener("b", of_two / 2)).empty());
  EXPECT_EQ(problems(listener("a", of_two / 2 + 1) + listener("b", of_two / 2 + 1)).size(), 1U) << "all together";
}

}  // namespace
}  // namespace fairlead::config
