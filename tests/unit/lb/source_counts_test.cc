#include "lb/source_counts.h"

#include <array>
#include <atomic>
#include <latch>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/prng.h"

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;
using Take = SourceCounts::Take;

constexpr Instant kNow{1h};
IpAddress address(std::string_view text) { return parse_ip_address(text).value(); }
IpAddress client(std::uint32_t n) {
  return IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
}

TEST(SourceCounts, RefusesBeyondTheLimitAndForgetsWhatIsGivenBack) {
  SourceCounts sources(100, 1);
  const auto key = sources.key_of(1, client(1));

  EXPECT_EQ(sources.take(key, 2), Take::kTaken);
  EXPECT_EQ(sources.take(key, 2), Take::kTaken);
  EXPECT_EQ(sources.take(key, 2), Take::kRefused);
  EXPECT_EQ(sources.current(key), 2U);

  sources.give_back(key);
  EXPECT_EQ(sources.take(key, 2), Take::kTaken);
  sources.give_back(key);
  sources.give_back(key);
  EXPECT_EQ(sources.current(key), 0U);
  EXPECT_EQ(sources.used(), 0U);
}

TEST(SourceCounts, CountsEverySourceAndListenerApart) {
  SourceCounts sources(100, 1);
  EXPECT_EQ(sources.take(sources.key_of(1, client(1)), 1), Take::kTaken);
  EXPECT_EQ(sources.take(sources.key_of(1, client(2)), 1), Take::kTaken);
  EXPECT_EQ(sources.take(sources.key_of(2, client(1)), 1), Take::kTaken);
  EXPECT_EQ(sources.take(sources.key_of(1, client(1)), 1), Take::kRefused);
}

TEST(SourceCounts, CountsIpv6ByNetworkAndMappedAddressesAsIpv4) {
  const SourceCounts sources(100, 1);
  EXPECT_EQ(sources.key_of(1, address("2001:db8:1:2::1")), sources.key_of(1, address("2001:db8:1:2:ffff::9")));
  EXPECT_NE(sources.key_of(1, address("2001:db8:1:2::1")), sources.key_of(1, address("2001:db8:1:3::1")));
  EXPECT_EQ(sources.key_of(1, address("::ffff:10.0.0.1")), sources.key_of(1, address("10.0.0.1")));
  EXPECT_NE(sources.key_of(1, address("10.0.0.2")), sources.key_of(1, address("10.0.0.1")));
}

TEST(SourceCounts, HashesByItsSeed) { EXPECT_NE(SourceCounts(100, 1).key_of(1, client(1)), SourceCounts(100, 2).key_of(1, client(1))); }

TEST(SourceCounts, LetsInAndCountsWhatItCannotTrack) {
  SourceCounts sources(1, 1);
  std::vector<SourceCounts::Key> tracked;
  std::uint64_t untracked = 0;
  for (std::uint32_t n = 0; n < sources.capacity() * 4; ++n) {
    const auto key = sources.key_of(1, client(n));
    const Take take = sources.take(key, 1);
    ASSERT_NE(take, Take::kRefused);
    if (take == Take::kTaken) tracked.push_back(key);
    untracked += take == Take::kUntracked ? 1U : 0U;
  }
  EXPECT_EQ(tracked.size(), sources.capacity());
  EXPECT_EQ(sources.untracked_total(), untracked);

  for (const auto key : tracked) sources.give_back(key);
  EXPECT_EQ(sources.used(), 0U);
}

TEST(SourceCounts, TracksAsManySourcesAsItWasMadeFor) {
  SourceCounts sources(20'000, 7);
  for (std::uint32_t n = 0; n < 20'000; ++n) (void)sources.take(sources.key_of(1, client(n)), 1);
  EXPECT_LT(sources.untracked_total(), 20U);
}

TEST(SourceCounts, LimitsTheRateOfASource) {
  SourceCounts sources(100, 1);
  const auto key = sources.key_of(1, client(1));
  int admitted = 0;
  for (int i = 0; i < 50; ++i) admitted += sources.count_event(key, kNow, 5) ? 1 : 0;

  EXPECT_EQ(admitted, 5);
  EXPECT_TRUE(sources.count_event(sources.key_of(1, client(2)), kNow, 5));
  EXPECT_TRUE(sources.count_event(key, kNow + 2s, 5));
}

TEST(SourceCounts, ReusesTheRateWordsOfSourcesThatAreGone) {
  SourceCounts sources(1, 1);
  for (int second = 0; second < 50; second += 2) {
    for (std::uint32_t n = 0; n < 16; ++n) {
      EXPECT_TRUE(sources.count_event(sources.key_of(1, client(static_cast<std::uint32_t>(second) * 1000 + n)), kNow + second * 1s, 1));
    }
  }
  EXPECT_EQ(sources.untracked_total(), 0U);
}

TEST(SourceCounts, StaysExactWithFourThreads) {
  constexpr std::uint32_t kLimit = 3;
  constexpr std::uint32_t kSources = 12;
  constexpr int kThreads = 4;
  SourceCounts sources(1, 1);  // Small: words are shared, freed and taken again all the time.
  std::array<std::atomic<std::uint32_t>, kSources> held{};
  std::atomic<std::uint32_t> worst{0};
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Prng prng(static_cast<std::uint64_t>(t));
      std::vector<std::uint32_t> mine;
      start.arrive_and_wait();
      for (int i = 0; i < 20'000; ++i) {
        const std::uint32_t n = prng.below(kSources);
        if (prng.below(2) == 0 && sources.take(sources.key_of(1, client(n)), kLimit) == Take::kTaken) {
          const std::uint32_t now = held[n].fetch_add(1) + 1;
          if (now > worst.load()) worst.store(now);
          mine.push_back(n);
        } else if (!mine.empty()) {
          held[mine.back()].fetch_sub(1);
          sources.give_back(sources.key_of(1, client(mine.back())));
          mine.pop_back();
        }
      }
      for (const std::uint32_t n : mine) {
        held[n].fetch_sub(1);
        sources.give_back(sources.key_of(1, client(n)));
      }
    });
  }
  for (std::thread& t : threads) t.join();

  EXPECT_LE(worst.load(), kLimit);
  EXPECT_GT(worst.load(), 0U);
  EXPECT_EQ(sources.used(), 0U);
}

RC_GTEST_PROP(SourceCountsProperty, AgreesWithAMapOfCounts, ()) {
  SourceCounts sources(1000, *rc::gen::arbitrary<std::uint64_t>());
  std::map<std::uint32_t, std::uint32_t> model;
  const auto steps = *rc::gen::inRange(0, 300);
  const auto limit = *rc::gen::inRange<std::uint32_t>(1, 5);
  for (int i = 0; i < steps; ++i) {
    const auto n = *rc::gen::inRange<std::uint32_t>(0, 20);
    const auto key = sources.key_of(3, client(n));
    if (*rc::gen::inRange(0, 3) != 0) {
      RC_ASSERT((sources.take(key, limit) == Take::kTaken) == (model[n] < limit));
      model[n] += model[n] < limit ? 1U : 0U;
    } else if (model[n] > 0) {
      sources.give_back(key);
      --model[n];
    }
    RC_ASSERT(sources.current(key) == model[n]);
  }
}

}  // namespace
}  // namespace fairlead::lb
