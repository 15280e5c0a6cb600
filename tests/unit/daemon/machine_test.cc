#include "daemon/machine.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

TEST(Machine, PipesAreAtMostASixteenthOfTheDescriptors) {
  for (const std::uint64_t descriptors : {128U, 1024U, 4096U, 65536U, 1048576U})
    EXPECT_LE(2 * pipes_for(descriptors, config::Splice::kAuto), descriptors / 16);
  EXPECT_EQ(pipes_for(1024, config::Splice::kOff), 0U);
  EXPECT_EQ(pipes_for(1 << 20, config::Splice::kOn), 128U);
}

TEST(Machine, ConnectionsPipesAndReserveFitIntoTheDescriptors) {
  for (std::uint64_t descriptors = kDescriptorsMin; descriptors <= (1U << 20); descriptors += 97) {
    const std::size_t pipes = pipes_for(descriptors, config::Splice::kAuto);
    const std::uint64_t connections = connections_for(descriptors, pipes);
    ASSERT_GE(connections, 1U);
    ASSERT_LE(2 * connections + 2 * pipes + 64, descriptors) << descriptors;
  }
  EXPECT_EQ(connections_for(1024, 0), 384U);
  EXPECT_EQ(connections_for(0, 128), 1U);
  EXPECT_EQ(connections_for(~0ULL, 0), 1U << 20);
}

TEST(Machine, ThereIsACpuAndTheEpollEngineIsAlwaysToBeHad) {
  EXPECT_FALSE(allowed_cpus().empty());
  const auto engine = choose_engine(config::EngineChoice::kEpoll);
  ASSERT_TRUE(engine);
  EXPECT_FALSE(engine->uring);
  const auto automatic = choose_engine(config::EngineChoice::kAuto);
  ASSERT_TRUE(automatic);
  EXPECT_FALSE(automatic->reason.empty());
}

}  // namespace
}  // namespace fairlead::daemon
