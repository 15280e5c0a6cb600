// The ring's accounts, without a kernel: a completion is imitated by its flags.
#include "net/buffer_ring.h"

#include <gtest/gtest.h>
#include <memory>
#include <utility>

namespace fairlead::net {
namespace {

constexpr std::uint32_t flags_of(BufferIndex buffer) { return (buffer << IORING_CQE_BUFFER_SHIFT) | IORING_CQE_F_BUFFER; }

class BufferRingTest : public testing::Test {
 protected:
  void make(std::size_t blocks) {
    ring.reset();
    pool = std::make_unique<BufferPool>(blocks, 64);
    ring = std::make_unique<BufferRing>(*pool);
    ASSERT_TRUE(ring->open().has_value());
    ring->publish();
  }
  std::unique_ptr<BufferPool> pool;
  std::unique_ptr<BufferRing> ring;
};

TEST_F(BufferRingTest, PublishesOnlyAPartOfThePool) {
  for (const auto& [blocks, expected] : {std::pair{1UL, 1UL}, {4UL, 2UL}, {100UL, 50UL}, {256UL, 64UL}, {4096UL, 64UL}}) {
    make(blocks);
    EXPECT_EQ(ring->published(), expected) << blocks << " blocks";
    EXPECT_EQ(pool->used(), expected);
    EXPECT_EQ(pool->available(), blocks);  // I1
  }
}

// One receive takes all that lies in the ring: of the quarter that is kept for sockets with nothing queued, little lies there.
TEST_F(BufferRingTest, PublishesLittleOfTheLastQuarter) {
  make(256);
  BufferChain held;
  while (pool->free() > 60) held.append(*pool, pool->take());
  for (BufferIndex block = 0; ring->published() > 0; ++block) held.append(*pool, ring->unpark(flags_of(block)));

  ring->publish();
  EXPECT_EQ(ring->published(), 2U);

  held.clear(*pool);
  ring->publish();
  EXPECT_EQ(ring->published(), 64U);
}

TEST_F(BufferRingTest, ABlockThatCameBackIsReplaced) {
  make(4);
  const BufferIndex first = ring->unpark(flags_of(0));
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(ring->published(), 1U);

  ring->publish();

  EXPECT_EQ(ring->published(), 2U);
  EXPECT_EQ(pool->free(), 1U);
  pool->give_back(first);
}

TEST_F(BufferRingTest, AnEmptyPoolIsNoError) {
  make(4);
  BufferChain rest;
  for (BufferIndex index = pool->take(); index != kNoBuffer; index = pool->take()) rest.append(*pool, index);
  const BufferIndex first = ring->unpark(flags_of(0));

  ring->publish();

  EXPECT_EQ(ring->published(), 1U);
  EXPECT_EQ(pool->available(), 1U);
  pool->give_back(first);
  rest.clear(*pool);
}

TEST_F(BufferRingTest, AnEmptyRingDoublesTheTargetUpToASixteenthOfThePool) {
  make(8192);
  for (const std::size_t expected : {128UL, 256UL, 512UL, 512UL}) {
    ring->met_empty();
    ring->publish();
    EXPECT_EQ(ring->published(), expected);
  }
}

// A larger share of an empty pool would help nobody.
TEST_F(BufferRingTest, AnEmptyPoolDoesNotRaiseTheTarget) {
  make(4096);
  BufferChain rest;
  for (BufferIndex index = pool->take(); index != kNoBuffer; index = pool->take()) rest.append(*pool, index);

  ring->met_empty();
  rest.clear(*pool);

  EXPECT_EQ(ring->target(), 64U);
}

TEST_F(BufferRingTest, ShrinksAgainAfterALongQuiet) {
  make(8192);
  for (int i = 0; i < 3; ++i) ring->met_empty();
  ASSERT_EQ(ring->target(), 512U);

  for (unsigned i = 1; i < BufferRing::kQuietTurns; ++i) ring->publish();
  EXPECT_EQ(ring->target(), 512U);
  ring->publish();
  EXPECT_EQ(ring->target(), 256U);
  for (unsigned i = 0; i < 10 * BufferRing::kQuietTurns; ++i) ring->publish();
  EXPECT_EQ(ring->target(), 64U);
  EXPECT_EQ(ring->published(), 512U);  // What lies in the ring stays there until it is used.
}

TEST_F(BufferRingTest, ItsEndGivesTheBlocksBack) {
  make(256);
  const BufferIndex taken = ring->unpark(flags_of(7));

  ring.reset();

  EXPECT_EQ(pool->used(), 1U);
  EXPECT_EQ(pool->available(), 255U);
  pool->give_back(taken);
}

}  // namespace
}  // namespace fairlead::net
