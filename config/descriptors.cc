// fairlead: pure
#include "config/descriptors.h"

#include <algorithm>

#include "config/limits.h"

namespace fairlead::config {
namespace {

constexpr std::uint64_t kPipesMax = 128;   ///< Of 256 KiB each, allocated as they fill.
constexpr std::uint64_t kPerWorker = 3;    ///< Its ring or epoll, its inbox, a spare one to accept and close with at the limit.
constexpr std::uint64_t kChecksMax = 128;  ///< lb/health_prober.h makes so many at a time.
constexpr std::uint64_t kReserveMax = 256;

}  // namespace

std::size_t pipes_for(std::uint64_t descriptors, Splice splice) {
  if (splice == Splice::kOff) return 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(kPipesMax, descriptors / 32));
}

std::uint64_t descriptor_reserve(std::uint64_t descriptors, std::size_t pipes, const Snapshot& snapshot, std::size_t workers) {
  std::uint64_t addresses = 0;
  for (const Listener& listener : snapshot.listeners) addresses += listener.bind.size();
  std::uint64_t servers = 0;
  for (const Pool& pool : snapshot.pools) servers += pool.servers.size();
  return 2 * pipes + workers * (addresses + kPerWorker) + std::min(servers, kChecksMax) +
         std::clamp<std::uint64_t>(descriptors / 4, kDescriptorReserve, kReserveMax);
}

std::uint32_t connections_for(std::uint64_t descriptors, std::size_t pipes, const Snapshot& snapshot, std::size_t workers) {
  const std::uint64_t reserve = descriptor_reserve(descriptors, pipes, snapshot, workers);
  const std::uint64_t left = descriptors > reserve ? descriptors - reserve : 0;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(left / 2, 1, kDescriptorsWanted));
}

}  // namespace fairlead::config
