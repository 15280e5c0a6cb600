// fairlead: pure
#include "vip/exchange.h"

#include <algorithm>

#include "vip/mutant.h"

namespace fairlead::vip {

void Exchange::begin(const ClusterView& view, Instant now) {
  view_ = view;
  round_ = view.round();
  members_.clear();
  entries_.clear();
  for (const ClusterProcess& p : view.processes) entries_.push_back({.process = p, .heard = now, .member = {}});
}

Exchange::Entry* Exchange::find(const ClusterProcess& process) {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.process == process; });
  return at == entries_.end() ? nullptr : &*at;
}

bool Exchange::state(const ClusterProcess& from, const NodeState& state, Instant now) {
  if (state.round != round_) return false;
  Entry* entry = find(from);
  if (entry == nullptr) return false;
  entry->member = {.process = from, .state = state, .delivered = now};
  entry->spoke = true;
  entry->excluded = false;
  entry->heard = now;
  count_members();
  return true;
}

void Exchange::guard(const ClusterProcess& from, const GuardHello& hello) {
  if (hello.round != round_) return;
  if (Entry* entry = find(from)) entry->guard = true;
}

void Exchange::excluded(const Exclude& exclude) {
  Entry* entry = exclude.round == round_ ? find(exclude.process) : nullptr;
  if (entry == nullptr) return;
  entry->excluded = true;
  entry->spoke = false;
  count_members();
}

void Exchange::heard(const ClusterProcess& from, Instant now) {
  if (Entry* entry = find(from)) entry->heard = now;
}

void Exchange::forgive(Instant now) {
  for (Entry& entry : entries_) entry.heard = now;
}

bool Exchange::is_complete() const {
  if (!FL_RULE(kR2Exchange, true)) return !members_.empty();
  return !entries_.empty() &&
         std::all_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.spoke || e.guard || e.excluded; });
}

void Exchange::count_members() {
  members_.clear();
  for (const Entry& entry : entries_) {  // By node, then pid.
    if (!entry.spoke) continue;
    if (!members_.empty() && members_.back()->process.node == entry.process.node) {
      if (entry.member.state.incarnation > members_.back()->state.incarnation) members_.back() = &entry.member;
    } else {
      members_.push_back(&entry.member);
    }
  }
}

const Exchange::Member* Exchange::member(NodeId node) const {
  const auto at = std::find_if(members_.begin(), members_.end(), [node](const Member* m) { return m->process.node == node; });
  return at == members_.end() ? nullptr : *at;
}

bool Exchange::is_excluded(const ClusterProcess& process) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.process == process && e.excluded; });
}

std::optional<ClusterProcess> Exchange::proposer() const {
  if (members_.empty() || !is_complete()) return std::nullopt;
  return members_.front()->process;
}

std::vector<ClusterProcess> Exchange::overdue(Instant now, Duration limit) const {
  std::vector<ClusterProcess> out;
  for (const Entry& e : entries_) {
    if (!e.guard && !e.excluded && now >= e.heard + limit) out.push_back(e.process);
  }
  return out;
}

Instant Exchange::next_overdue(Duration limit) const {
  Instant next = Instant::max();
  for (const Entry& e : entries_) {
    if (!e.guard && !e.excluded) next = std::min(next, e.heard + limit);
  }
  return next;
}

bool Exchange::has_daemon(NodeId node) const {
  return std::any_of(entries_.begin(), entries_.end(), [node](const Entry& e) { return e.process.node == node && !e.guard; });
}

std::vector<NodeId> Exchange::silent_nodes() const {
  std::vector<NodeId> out;
  for (const NodeId node : view_.nodes) {
    const bool speaks =
        std::any_of(entries_.begin(), entries_.end(), [node](const Entry& e) { return e.process.node == node && !e.guard && !e.excluded; });
    if (!speaks) out.push_back(node);
  }
  return out;
}

}  // namespace fairlead::vip
