// fairlead: pure
#include "lb/rotation.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <tuple>

#include "base/assert.h"

namespace fairlead::lb {
namespace {

// Visits per server: the weights in lowest terms, or scaled down to about kRotationLengthMax in all.
std::vector<std::uint64_t> visits_of(std::span<const std::uint32_t> weights) {
  std::uint64_t divisor = 0;
  std::uint64_t sum = 0;
  for (const std::uint32_t w : weights) {
    divisor = std::gcd(divisor, std::uint64_t{w});
    sum += w;
  }
  std::vector<std::uint64_t> visits(weights.begin(), weights.end());
  if (sum == 0) return visits;
  const bool scale = sum / divisor > kRotationLengthMax;
  for (std::uint64_t& v : visits) {
    if (v == 0) continue;
    v = scale ? std::max<std::uint64_t>(1, (v * kRotationLengthMax + sum / 2) / sum) : v / divisor;
  }
  return visits;
}

}  // namespace

std::vector<std::uint16_t> build_rotation(std::span<const std::uint32_t> weights) {
  FL_ASSERT(weights.size() <= kServersPerPoolMax);
  const std::vector<std::uint64_t> visits = visits_of(weights);
  const std::uint64_t length = std::accumulate(visits.begin(), visits.end(), std::uint64_t{0});

  struct Visit {
    std::uint64_t end;  ///< Position before which it must lie.
    std::uint16_t server;
    bool operator>(const Visit& other) const { return std::tie(end, server) > std::tie(other.end, other.server); }
  };
  std::vector<std::vector<Visit>> opening(length);  // By the position at which the window opens.
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const std::uint64_t v = visits[i];
    for (std::uint64_t k = 0; k < v; ++k) {
      opening[k * length / v].push_back({((k + 1) * length + v - 1) / v, static_cast<std::uint16_t>(i)});
    }
  }
  std::priority_queue<Visit, std::vector<Visit>, std::greater<>> open_now;
  std::vector<std::uint16_t> rotation;
  rotation.reserve(length);
  for (std::uint64_t position = 0; position < length; ++position) {
    for (const Visit& visit : opening[position]) open_now.push(visit);
    FL_ASSERT(!open_now.empty() && open_now.top().end > position);  // I1
    rotation.push_back(open_now.top().server);
    open_now.pop();
  }
  return rotation;
}

}  // namespace fairlead::lb
