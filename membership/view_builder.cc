// fairlead: pure
#include "membership/view_builder.h"

#include <algorithm>
#include <utility>

namespace fairlead::membership {
namespace {

template <class T>
std::vector<T> sorted_set(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

/// Each node sees the sequence numbers of its rings rise.
bool older(const RingId& a, const RingId& b) { return a.sequence < b.sequence; }

}  // namespace

std::optional<ClusterView> ViewBuilder::step(const GroupChange& change) {
  processes_ = sorted_set(change.members);
  for (const GroupPart& part : change.left) {
    const bool in_ring = std::binary_search(nodes_.begin(), nodes_.end(), part.process.node);
    if (part.reason == GroupReason::kNodeDown && in_ring) ring_over_ = true;
  }
  return show();
}

std::optional<ClusterView> ViewBuilder::step(const RingChange& change) {
  if (ring_ && older(change.ring, *ring_)) return std::nullopt;
  if (ring_ != change.ring) quorate_ = newest_ && newest_->ring == change.ring && newest_->quorate;
  ring_ = change.ring;
  nodes_ = sorted_set(change.nodes);
  ring_over_ = false;
  return show();
}

std::optional<ClusterView> ViewBuilder::step(const QuorumChange& change) {
  if (newest_ && older(change.ring, newest_->ring)) return std::nullopt;
  newest_ = change;
  if (!ring_ || older(change.ring, *ring_)) return std::nullopt;
  if (change.ring == *ring_) {
    quorate_ = change.quorate;
  } else if (!change.quorate) {
    quorate_ = false;
  }
  return show();
}

std::optional<ClusterView> ViewBuilder::stop_waiting() {
  ring_over_ = false;
  return show();
}

std::optional<ClusterView> ViewBuilder::set_third_vote(bool on) {
  if (std::exchange(third_vote_, on) == on || on) return std::nullopt;
  return show();
}

std::optional<ClusterView> ViewBuilder::ring_speaks() {
  if (spoke_ == ring_) return std::nullopt;
  spoke_ = ring_;
  return show();
}

/// I4
bool ViewBuilder::waits_for_votes() const { return third_vote_ && spoke_ != ring_ && (!newest_ || older(newest_->ring, *ring_)); }

std::optional<ClusterView> ViewBuilder::show() {
  if (!ring_ || waits_for_votes()) return std::nullopt;
  const bool lost_quorum = shown_ && shown_->quorate && !quorate_;
  if (ring_over_ && !lost_quorum) return std::nullopt;
  ClusterView view{*ring_, nodes_, {}, quorate_};
  if (ring_over_) {
    // Quorum is gone (I2): that is told at once, with the processes as they were.
    view = *shown_;
    view.quorate = false;
  } else {
    std::copy_if(processes_.begin(), processes_.end(), std::back_inserter(view.processes),
                 [&](const ClusterProcess& p) { return view.has_node(p.node); });
  }
  if (!view.has_process(self_) || view == shown_) return std::nullopt;
  shown_ = view;
  return view;
}

}  // namespace fairlead::membership
