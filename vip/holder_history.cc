// fairlead: pure
#include "vip/holder_history.h"

#include <algorithm>

namespace fairlead::vip {

void HolderHistory::see(NodeId holder, WallTime at) {
  if (holder == this->holder()) return;  // Nobody is nobody before the first, too.
  if (holder != kNoNode) {
    lost_.reset();  // Somebody has it. Of this node taken() was told before.
    if (last_node_ != kNoNode && holder != last_node_) ++changes_;
    last_node_ = holder;
  }
  entries_.push_back({at, holder, entries_.empty()});
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

void HolderHistory::holder_lost(Instant now) {
  if (!lost_ && holder() != kNoNode) lost_ = now;
}

void HolderHistory::taken(Instant assigned, Instant announced) {
  const Instant began = std::min(lost_.value_or(assigned), assigned);
  lost_.reset();
  const Duration took = std::max(announced - began, Duration::zero());
  std::size_t bucket = 0;
  while (bucket < kTakeoverBoundsMs.size() && took > std::chrono::milliseconds(kTakeoverBoundsMs[bucket])) ++bucket;
  ++takeovers_.counts[bucket];
  takeovers_.sum += took;
  takeovers_.last = took;
}

}  // namespace fairlead::vip
