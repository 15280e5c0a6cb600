// fairlead: pure
#include "lb/source_counts.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "base/assert.h"
#include "lb/rate_window.h"

namespace fairlead::lb {
namespace {

constexpr int kCountBits = 24;
constexpr std::uint64_t kCountMask = (1ULL << kCountBits) - 1;
constexpr RateLayout kRateLayout{14, 14};
constexpr int kRateTagShift = kRateLayout.second_bits + 2 * kRateLayout.count_bits;
constexpr std::size_t kBucketsMax = std::size_t{1} << 20;
constexpr std::size_t kCacheLine = 64;

std::uint64_t tag_of(SourceCounts::Key key) { return key >> kCountBits; }
std::uint64_t rate_tag_of(SourceCounts::Key key) { return key >> kRateTagShift; }
bool carries(std::uint64_t word, std::uint64_t tag) { return word != 0 && word >> kCountBits == tag; }
std::uint64_t count_in(std::uint64_t word) { return word & kCountMask; }
std::uint64_t one_less(std::uint64_t word) { return count_in(word) == 1 ? 0 : word - 1; }

// One source's words as one look over its bucket shows them.
struct Glance {
  std::uint64_t sum = 0;
  std::optional<std::size_t> own;  ///< A word with its tag,
  std::uint64_t own_word = 0;      ///< and what it held.
  std::optional<std::size_t> free;
};

}  // namespace

SourceCounts::Words::Words(std::size_t count)
    : memory_(static_cast<std::uint64_t*>(std::calloc(count * sizeof(std::uint64_t) + kCacheLine, 1))), first_(nullptr) {
  FL_ASSERT(memory_ != nullptr);
  std::size_t space = count * sizeof(std::uint64_t) + kCacheLine;
  void* at = memory_.get();
  first_ = static_cast<std::uint64_t*>(std::align(kCacheLine, count * sizeof(std::uint64_t), at, space));
  FL_ASSERT(first_ != nullptr);
}

SourceCounts::SourceCounts(std::size_t sources_max, std::uint64_t seed)
    : buckets_(std::bit_ceil(std::clamp<std::size_t>(sources_max * 4 / kWays, 8, kBucketsMax))),
      seed_(seed),
      counts_(buckets_ * kWays),
      rates_(buckets_ * kWays) {}

SourceCounts::Key SourceCounts::key_of(ListenerId listener, const IpAddress& client) const {
  IpAddress source = client.unmapped();
  if (!source.is_v4()) source = IpPrefix{source, 64}.network();
  return hash_of(source, seed_ ^ mix64(listener));
}

namespace {
template <class WordAt>
Glance look(std::size_t bucket, std::size_t ways, std::uint64_t tag, WordAt&& word_at) {
  Glance seen;
  for (std::size_t i = bucket; i < bucket + ways; ++i) {
    const std::uint64_t word = word_at(i);
    if (carries(word, tag)) {
      seen.sum += count_in(word);
      if (!seen.own) {
        seen.own = i;
        seen.own_word = word;
      }
    } else if (word == 0 && !seen.free) {
      seen.free = i;
    }
  }
  return seen;
}
}  // namespace

SourceCounts::Take SourceCounts::take(Key key, std::uint32_t limit) {
  const std::uint64_t bound = std::min<std::uint64_t>(limit, kCountMask);
  const std::uint64_t tag = tag_of(key);
  const std::size_t bucket = bucket_of(key);
  const auto word_at = [this](std::size_t i) { return counts_.at(i).load(std::memory_order_seq_cst); };
  for (;;) {
    const Glance seen = look(bucket, kWays, tag, word_at);
    if (seen.sum >= bound) return Take::kRefused;
    std::uint64_t expected = seen.own_word;
    std::size_t at = 0;
    if (seen.own) {
      at = *seen.own;
    } else if (seen.free) {
      at = *seen.free;
    } else {
      untracked_.fetch_add(1, std::memory_order_relaxed);
      return Take::kUntracked;
    }
    const std::uint64_t wanted = seen.own ? expected + 1 : (tag << kCountBits | 1);
    if (!counts_.at(at).compare_exchange_strong(expected, wanted, std::memory_order_seq_cst)) continue;  // Somebody else got on.
    if (look(bucket, kWays, tag, word_at).sum <= bound) return Take::kTaken;
    give_back(key);  // I1: there is a second word.
    return Take::kRefused;
  }
}

void SourceCounts::give_back(Key key) {
  const std::uint64_t tag = tag_of(key);
  const std::size_t bucket = bucket_of(key);
  for (int round = 0;; ++round) {
    const Glance seen = look(bucket, kWays, tag, [this](std::size_t i) { return counts_.at(i).load(std::memory_order_seq_cst); });
    if (!seen.own) {
      // Words do not move, but with two of them one may go and the other come between two loads of one look. It is there at the next.
      FL_ASSERT(round < 1000);
      continue;
    }
    std::uint64_t expected = seen.own_word;
    if (counts_.at(*seen.own).compare_exchange_strong(expected, one_less(expected), std::memory_order_seq_cst)) return;
  }
}

bool SourceCounts::count_event(Key key, Instant now, std::uint32_t limit) {
  const std::uint64_t tag = rate_tag_of(key);
  const std::size_t bucket = bucket_of(key);
  const std::uint32_t second = RateWindow::second_of(now, kRateLayout);
  for (;;) {
    std::optional<std::size_t> own;
    std::optional<std::size_t> free;
    std::uint64_t expected = 0;
    for (std::size_t i = bucket; i < bucket + kWays && !own; ++i) {
      const std::uint64_t word = rates_.at(i).load(std::memory_order_relaxed);
      const bool past = word == 0 || RateWindow::unpack(word, kRateLayout).age(second, kRateLayout) > 1;
      if (word != 0 && word >> kRateTagShift == tag) {
        own = i;
        expected = word;
      } else if (past && !free) {
        free = i;
        expected = word;
      }
    }
    if (!own && !free) {
      untracked_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    RateWindow window = own ? RateWindow::unpack(expected, kRateLayout) : RateWindow{second, 0, 0};
    if (!window.count(now, limit, kRateLayout)) return false;
    const std::uint64_t wanted = tag << kRateTagShift | window.pack(kRateLayout);
    if (rates_.at(own ? *own : *free).compare_exchange_strong(expected, wanted, std::memory_order_relaxed)) return true;
  }
}

std::uint32_t SourceCounts::current(Key key) const {
  const auto word_at = [this](std::size_t i) { return counts_.at(i).load(std::memory_order_relaxed); };
  return static_cast<std::uint32_t>(look(bucket_of(key), kWays, tag_of(key), word_at).sum);
}

std::size_t SourceCounts::used() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < capacity(); ++i) count += counts_.at(i).load(std::memory_order_relaxed) != 0 ? 1U : 0U;
  return count;
}

}  // namespace fairlead::lb
