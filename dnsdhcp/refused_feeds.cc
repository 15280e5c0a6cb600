// fairlead: pure
#include "dnsdhcp/refused_feeds.h"

#include <algorithm>

namespace fairlead::dnsdhcp {

bool RefusedFeeds::refused(const IpAddress& address, bool deletion, Instant now) {
  const auto found = waiting_.find(address);
  if (found != waiting_.end()) {
    Waiting& one = found->second;
    (deletion ? one.deletion : one.addition) = true;
    if (one.due != Instant::max()) return false;  // The second half of one that is to be told again already.
    one.wait = std::min(2 * one.wait, kRefusedWaitMax);
    one.due = now + one.wait;
    return false;
  }
  if (waiting_.size() < kRefusedMax) waiting_.emplace(address, Waiting{kRefusedWaitFirst, now + kRefusedWaitFirst, !deletion, deletion});
  return true;
}

void RefusedFeeds::taken(const IpAddress& address, bool deletion) {
  const auto found = waiting_.find(address);
  if (found == waiting_.end()) return;
  (deletion ? found->second.deletion : found->second.addition) = false;
  if (!found->second.deletion && !found->second.addition) waiting_.erase(found);
}

std::vector<RefusedFeeds::Again> RefusedFeeds::take_due(Instant now, const std::function<bool(const IpAddress&)>& may) {
  std::vector<Again> out;
  for (auto& [address, one] : waiting_) {
    if (one.due > now || !may(address)) continue;
    out.push_back({address, one.deletion});
    one.due = Instant::max();
  }
  return out;
}

bool RefusedFeeds::has_due(const IpPrefix& network, Instant now) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& w) { return w.second.due <= now && network.contains(w.first); });
}

Instant RefusedFeeds::next_due() const {
  Instant out = Instant::max();
  for (const auto& [address, one] : waiting_) out = std::min(out, one.due);
  return out;
}

}  // namespace fairlead::dnsdhcp
