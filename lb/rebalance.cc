// fairlead: pure
#include "lb/rebalance.h"

#include <algorithm>

namespace fairlead::lb {
namespace {

/// What every server needs to connect, be checked and take its first new connections by itself.
constexpr Duration kHeadStart = std::chrono::seconds(1);

}  // namespace

void Rebalancer::configure(const config::Rebalance& settings) {
  settings_ = settings;
  if (settings_.when == config::RebalanceWhen::kOff) next_ = Instant::max();
}

void Rebalancer::server_up(Instant now) {
  if (settings_.when != config::RebalanceWhen::kServerUp || settings_.rate == 0) return;
  began_ = now;
  if (next_ == Instant::max()) peak_ = 0;
  next_ = std::min(next_, now + kHeadStart);
}

std::optional<ServerId> Rebalancer::tick(std::span<const ServerLoad> usable, Instant now) {
  if (now < next_) return std::nullopt;
  std::uint64_t connections = 0;
  std::uint64_t weights = 0;
  for (const ServerLoad& s : usable) {
    connections += s.current;
    weights += s.weight;
  }
  peak_ = std::max(peak_, connections);
  const ServerLoad* fullest = nullptr;
  std::uint64_t excess = 0;
  for (const ServerLoad& s : usable) {
    const std::uint64_t share = weights == 0 ? s.current : (peak_ * s.weight + weights - 1) / weights;
    if (s.current <= share || s.current - share <= excess) continue;
    excess = s.current - share;
    fullest = &s;
  }
  if (fullest == nullptr || now >= began_ + kSpreadingMax) {
    next_ = Instant::max();
    return std::nullopt;
  }
  next_ = now + Duration(std::chrono::seconds(1)) / settings_.rate;
  return fullest->id;
}

}  // namespace fairlead::lb
