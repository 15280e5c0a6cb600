// fairlead: pure
// Latencies as counts in buckets: constant memory whatever the length of a run, no allocation per sample, percentiles of the whole.
//
// Buckets are linear within a power of two: 64 to each doubling, so a percentile is at most 1.6 % above the sample it stands for, and never
// below it. 0 .. 127 ns are exact; what is longer than kLatencyMaxNs is counted in the last bucket, and `max_ns` is always exact.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fairlead::bench {

inline constexpr std::uint32_t kLatencySubBits = 6;
inline constexpr std::uint64_t kLatencySub = std::uint64_t{1} << kLatencySubBits;
inline constexpr std::uint64_t kLatencyMaxNs = (std::uint64_t{1} << 40) - 1;  ///< About 18 minutes.

/// 0 .. 2 * kLatencySub - 1 are their own buckets; above, kLatencySub buckets per doubling.
[[nodiscard]] constexpr std::size_t latency_bucket_of(std::uint64_t ns) {
  if (ns < 2 * kLatencySub) return static_cast<std::size_t>(ns);
  const auto shift = static_cast<std::uint32_t>(std::bit_width(ns)) - (kLatencySubBits + 1);
  return static_cast<std::size_t>(shift * kLatencySub + (ns >> shift));
}
/// The largest value that falls into it.
[[nodiscard]] constexpr std::uint64_t last_of_latency_bucket(std::size_t bucket) {
  if (bucket < 2 * kLatencySub) return bucket;
  const std::uint64_t shift = bucket / kLatencySub - 1;
  return ((bucket % kLatencySub + kLatencySub + 1) << shift) - 1;
}

class LatencyHistogram {
 public:
  void add(std::uint64_t ns);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t max_ns() const { return max_; }
  [[nodiscard]] double mean_ns() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  /// The least bucket bound that `share` (0 .. 1) of the samples do not exceed; at most max_ns(). 0 without samples.
  [[nodiscard]] std::uint64_t percentile_ns(double share) const;

 private:
  static constexpr std::size_t kBuckets = latency_bucket_of(kLatencyMaxNs) + 1;
  static_assert(last_of_latency_bucket(kBuckets - 1) == kLatencyMaxNs);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace fairlead::bench
