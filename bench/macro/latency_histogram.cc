// fairlead: pure
#include "bench/macro/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace fairlead::bench {

void LatencyHistogram::add(std::uint64_t ns) {
  ++counts_[latency_bucket_of(std::min(ns, kLatencyMaxNs))];
  ++count_;
  sum_ += ns;
  max_ = std::max(max_, ns);
}

std::uint64_t LatencyHistogram::percentile_ns(double share) const {
  if (count_ == 0) return 0;
  // The rank of the sample asked for, 1-based: with 1,000 samples p99.9 is the 999th, p100 the last.
  const double exact = std::ceil(share * static_cast<double>(count_) - 1e-9);
  const auto rank = std::clamp<std::uint64_t>(exact < 1 ? 1 : static_cast<std::uint64_t>(exact), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return std::min(last_of_latency_bucket(bucket), max_);
  }
  return max_;
}

}  // namespace fairlead::bench
