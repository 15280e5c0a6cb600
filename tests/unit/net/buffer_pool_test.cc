#include "net/buffer_pool.h"

#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"

namespace fairlead::net {
namespace {

constexpr std::size_t kBlock = 64;

BufferIndex block_with(BufferPool& pool, std::string_view text) {
  const BufferIndex index = pool.take();
  std::memcpy(pool.block(index), text.data(), text.size());
  pool.meta(index).length = static_cast<std::uint32_t>(text.size());
  return index;
}

std::string text_of(const BufferPool& pool, const BufferChain& chain) {
  std::string text;
  for (BufferIndex at = chain.head; at != kNoBuffer; at = pool.meta(at).next) {
    const auto bytes = pool.bytes(at);
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return text;
}

TEST(BufferPool, LendsEachBlockOnceAndThenNone) {
  BufferPool pool(5, kBlock);

  std::set<BufferIndex> taken;
  for (int i = 0; i < 5; ++i) taken.insert(pool.take());

  EXPECT_EQ(taken.size(), 5U);
  EXPECT_EQ(*taken.rbegin(), 4U);
  EXPECT_EQ(pool.take(), kNoBuffer);
  EXPECT_EQ(pool.used(), 5U);
  EXPECT_EQ(pool.free(), 0U);
}

TEST(BufferPool, CountsWhatIsUsedAndFree) {
  BufferPool pool(3, kBlock);
  const BufferIndex a = pool.take();
  const BufferIndex b = pool.take();
  EXPECT_EQ(pool.used() + pool.free(), pool.count());

  pool.give_back(a);

  EXPECT_EQ(pool.used(), 1U);
  pool.give_back(b);
  EXPECT_EQ(pool.used(), 0U);
  EXPECT_EQ(pool.free(), 3U);
}

// The cache-warm order of the header: what came back last goes out first.
TEST(BufferPool, LendsTheBlockThatCameBackLast) {
  BufferPool pool(4, kBlock);
  const BufferIndex a = pool.take();
  const BufferIndex b = pool.take();
  pool.give_back(a);
  pool.give_back(b);

  EXPECT_EQ(pool.take(), b);
  EXPECT_EQ(pool.take(), a);
}

TEST(BufferPool, ResetsTheMetaOfALentBlock) {
  BufferPool pool(2, kBlock);
  const BufferIndex a = pool.take();
  pool.meta(a) = {.next = 1, .offset = 7, .length = 9};
  pool.give_back(a);

  const BufferIndex again = pool.take();

  ASSERT_EQ(again, a);
  EXPECT_EQ(pool.meta(again).next, kNoBuffer);
  EXPECT_EQ(pool.meta(again).offset, 0U);
  EXPECT_EQ(pool.meta(again).length, 0U);
}

TEST(BufferPool, BlocksDoNotOverlap) {
  BufferPool pool(3, kBlock);
  for (BufferIndex i = 0; i < 3; ++i) std::memset(pool.block(pool.take()), 'a' + static_cast<int>(i), kBlock);

  std::set<char> first_bytes;
  for (BufferIndex i = 0; i < 3; ++i) {
    const char* block = reinterpret_cast<const char*>(pool.block(i));
    first_bytes.insert(block[0]);
    EXPECT_EQ(std::string(block, kBlock), std::string(kBlock, block[0])) << "block " << i;
  }
  EXPECT_EQ(first_bytes.size(), 3U);
}

TEST(BufferPool, NamesTheUnconsumedBytesOfABlock) {
  BufferPool pool(1, kBlock);
  const BufferIndex a = block_with(pool, "hello, world");
  pool.meta(a).offset = 7;
  pool.meta(a).length = 5;

  const auto bytes = pool.bytes(a);

  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "world");
}

TEST(BufferChain, AppendsInOrder) {
  BufferPool pool(4, kBlock);
  BufferChain chain;
  EXPECT_TRUE(chain.empty());

  chain.append(pool, block_with(pool, "one "));
  chain.append(pool, block_with(pool, "two "));
  chain.append(pool, block_with(pool, "three"));

  EXPECT_FALSE(chain.empty());
  EXPECT_EQ(text_of(pool, chain), "one two three");
  chain.clear(pool);
}

TEST(BufferChain, PrependsToAnEmptyAndToAFilledChain) {
  BufferPool pool(4, kBlock);
  BufferChain chain;

  chain.prepend(pool, block_with(pool, "b"));
  chain.prepend(pool, block_with(pool, "a"));
  chain.append(pool, block_with(pool, "c"));

  EXPECT_EQ(text_of(pool, chain), "abc");
  chain.clear(pool);
}

// A block that was in another chain must not drag that chain's rest along.
TEST(BufferChain, AppendCutsTheLinkOfAnEarlierChain) {
  BufferPool pool(4, kBlock);
  BufferChain first;
  first.append(pool, block_with(pool, "x"));
  first.append(pool, block_with(pool, "y"));
  const BufferIndex x = first.head;
  const BufferIndex y = first.tail;

  BufferChain second;
  second.append(pool, x);

  EXPECT_EQ(text_of(pool, second), "x");
  second.clear(pool);
  pool.give_back(y);
  EXPECT_EQ(pool.used(), 0U);
}

TEST(BufferChain, ConsumeGivesEmptiedBlocksBackAndKeepsTheRest) {
  BufferPool pool(4, kBlock);
  BufferChain chain;
  chain.append(pool, block_with(pool, "abcd"));
  chain.append(pool, block_with(pool, "efgh"));

  EXPECT_EQ(chain.consume(pool, 6), 6U);

  EXPECT_EQ(text_of(pool, chain), "gh");
  EXPECT_EQ(pool.used(), 1U);
  EXPECT_EQ(chain.head, chain.tail);
  chain.clear(pool);
}

TEST(BufferChain, ConsumeOfExactlyABlockLeavesNoEmptyBlock) {
  BufferPool pool(4, kBlock);
  BufferChain chain;
  chain.append(pool, block_with(pool, "abcd"));
  chain.append(pool, block_with(pool, "efgh"));

  EXPECT_EQ(chain.consume(pool, 4), 4U);

  EXPECT_EQ(text_of(pool, chain), "efgh");
  EXPECT_EQ(pool.used(), 1U);
  chain.clear(pool);
}

TEST(BufferChain, ConsumeOfMoreThanThereIsSaysHowMuchThereWas) {
  BufferPool pool(4, kBlock);
  BufferChain chain;
  chain.append(pool, block_with(pool, "abc"));

  EXPECT_EQ(chain.consume(pool, 10), 3U);

  EXPECT_TRUE(chain.empty());
  EXPECT_EQ(chain.tail, kNoBuffer);
  EXPECT_EQ(pool.used(), 0U);
  EXPECT_EQ(chain.consume(pool, 1), 0U);
}

TEST(BufferChain, ClearGivesEverythingBackAndMayBeRepeated) {
  BufferPool pool(4, kBlock);
  BufferChain chain;
  for (int i = 0; i < 4; ++i) chain.append(pool, block_with(pool, "z"));

  chain.clear(pool);
  chain.clear(pool);

  EXPECT_TRUE(chain.empty());
  EXPECT_EQ(chain.tail, kNoBuffer);
  EXPECT_EQ(pool.used(), 0U);
}

// A chain against a string, on many seeds: the same bytes in the same order, and no block lost.
TEST(BufferChain, AgreesWithAStringUnderRandomAppendsPrependsAndConsumes) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    BufferPool pool(16, kBlock);
    BufferChain chain;
    std::string model;
    char next = 'a';
    for (int step = 0; step < 300; ++step) {
      const std::uint32_t dice = prng.below(3);
      if (dice < 2 && pool.free() > 0) {
        std::string piece;
        for (std::uint32_t n = 1 + prng.below(kBlock); n > 0; --n) piece.push_back(next = next == 'z' ? 'a' : static_cast<char>(next + 1));
        const BufferIndex index = block_with(pool, piece);
        if (dice == 0) {
          chain.append(pool, index);
          model += piece;
        } else {
          chain.prepend(pool, index);
          model = piece + model;
        }
      } else {
        const std::size_t n = prng.below(3 * kBlock);
        const std::size_t expected = std::min(n, model.size());
        ASSERT_EQ(chain.consume(pool, n), expected) << "seed " << seed << " step " << step;
        model.erase(0, expected);
      }
      ASSERT_EQ(text_of(pool, chain), model) << "seed " << seed << " step " << step;
      ASSERT_EQ(pool.used() + pool.free(), pool.count());
    }
    chain.clear(pool);
    ASSERT_EQ(pool.used(), 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fairlead::net
