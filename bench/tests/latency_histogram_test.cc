#include "bench/macro/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

#include "base/prng.h"

namespace fairlead::bench {
namespace {

TEST(LatencyHistogram, EachBucketEndsWhereTheNextBegins) {
  for (std::size_t bucket = 0; bucket + 1 < latency_bucket_of(kLatencyMaxNs); ++bucket) {
    const std::uint64_t last = last_of_latency_bucket(bucket);
    ASSERT_EQ(latency_bucket_of(last), bucket);
    ASSERT_EQ(latency_bucket_of(last + 1), bucket + 1);
  }
}

TEST(LatencyHistogram, PercentilesAreThoseOfTheSortedSamplesWithinABucket) {
  Prng prng(/*seed=*/7);
  for (const int samples : {1, 2, 99, 1000, 20000}) {
    LatencyHistogram histogram;
    std::vector<std::uint64_t> all;
    for (int i = 0; i < samples; ++i) {
      const std::uint64_t ns = prng.next() >> (prng.next() % 40 + 24);  // all magnitudes up to 2^40
      all.push_back(ns);
      histogram.add(ns);
    }
    std::sort(all.begin(), all.end());
    for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(share * samples - 1e-9));
      const std::uint64_t exact = all[std::max<std::size_t>(rank, 1) - 1];
      const std::uint64_t got = histogram.percentile_ns(share);
      EXPECT_GE(got, exact) << share << " of " << samples;
      EXPECT_LE(got, exact + exact / 64) << share << " of " << samples;
    }
  }
}

TEST(LatencyHistogram, TheOneSlowSampleOfAThousandShowsBehindP999) {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) histogram.add(100);
  histogram.add(5'000'000);

  EXPECT_EQ(histogram.percentile_ns(0.5), 100U);
  EXPECT_EQ(histogram.percentile_ns(0.999), 100U);
  EXPECT_EQ(histogram.percentile_ns(1.0), 5'000'000U);
  EXPECT_EQ(histogram.max_ns(), 5'000'000U);
  EXPECT_NEAR(histogram.mean_ns(), 5099.9, 0.01);
}

TEST(LatencyHistogram, WhatIsLongerThanTheLastBucketIsNotLost) {
  LatencyHistogram histogram;
  histogram.add(kLatencyMaxNs + 12345);

  EXPECT_EQ(histogram.count(), 1U);
  EXPECT_EQ(histogram.max_ns(), kLatencyMaxNs + 12345);
  EXPECT_EQ(histogram.percentile_ns(0.5), kLatencyMaxNs);
}

TEST(LatencyHistogram, WithoutSamplesEverythingIsZero) {
  const LatencyHistogram histogram;

  EXPECT_EQ(histogram.percentile_ns(0.99), 0U);
  EXPECT_EQ(histogram.mean_ns(), 0.0);
}

}  // namespace
}  // namespace fairlead::bench
