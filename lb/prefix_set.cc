// fairlead: pure
#include "lb/prefix_set.h"

#include <algorithm>

namespace fairlead::lb {
namespace {

template <class Range>
void sort_and_merge(std::vector<Range>& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (merged.empty() || merged.back().last < range.first) {
      merged.push_back(range);
    } else if (merged.back().last < range.last) {
      merged.back().last = range.last;
    }
  }
  ranges = std::move(merged);
}

template <class Range, class Key>
bool any_contains(const std::vector<Range>& ranges, const Key& key) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), key, [](const Key& k, const Range& r) { return k < r.first; });
  return after != ranges.begin() && !(std::prev(after)->last < key);
}

constexpr std::uint64_t low_mask(int bits) { return bits <= 0 ? 0 : bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }

}  // namespace

PrefixSet::PrefixSet(const std::vector<IpPrefix>& prefixes) {
  for (const IpPrefix& prefix : prefixes) add(prefix);
  sort_and_merge(v4_);
  sort_and_merge(v6_);
}

void PrefixSet::add(const IpPrefix& prefix) {
  const IpAddress network = prefix.network();
  const IpAddress plain = network.unmapped();
  if (plain.is_v4() && (network.is_v4() || prefix.length >= 96)) {
    const int host_bits = network.bits() - prefix.length;
    const std::uint32_t first = key4(plain);
    v4_.push_back({first, first | static_cast<std::uint32_t>(low_mask(host_bits))});
    return;
  }
  const int host_bits = 128 - prefix.length;
  const Key6 first = key6(network);
  v6_.push_back({first, {first.high | low_mask(host_bits - 64), first.low | low_mask(host_bits)}});
}

bool PrefixSet::contains(const IpAddress& address) const {
  const IpAddress plain = address.unmapped();
  return plain.is_v4() ? any_contains(v4_, key4(plain)) : any_contains(v6_, key6(plain));
}

std::uint32_t PrefixSet::key4(const IpAddress& address) {
  const auto& b = address.bytes();
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

PrefixSet::Key6 PrefixSet::key6(const IpAddress& address) {
  Key6 key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.high = key.high << 8 | address.bytes()[i];
    key.low = key.low << 8 | address.bytes()[i + 8];
  }
  return key;
}

}  // namespace fairlead::lb
