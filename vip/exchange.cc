// fairlead: pure
#include "vip/exchange.h"

#include <algorithm>

namespace fairlead::vip {

void Exchange::begin(const ClusterView& view, Instant now) {
  view_ = view;
  round_ = view.round();
  states_.clear();
  guards_.clear();
  excluded_.clear();
  heard_.clear();
  for (const ClusterProcess& p : view.processes) heard_[p] = now;
}

bool Exchange::state(const ClusterProcess& from, const NodeState& state, Instant now) {
  if (state.round != round_ || !view_.has_process(from)) return false;
  states_[from] = {.process = from, .state = state, .delivered = now};
  excluded_.erase(from);
  heard(from, now);
  return true;
}

void Exchange::guard(const ClusterProcess& from, const GuardHello& hello) {
  if (hello.round == round_ && view_.has_process(from)) guards_.insert(from);
}

void Exchange::excluded(const Exclude& exclude) {
  if (exclude.round != round_ || !view_.has_process(exclude.process)) return;
  excluded_.insert(exclude.process);
  states_.erase(exclude.process);
}

void Exchange::heard(const ClusterProcess& from, Instant now) {
  if (const auto at = heard_.find(from); at != heard_.end()) at->second = now;
}

void Exchange::forgive(Instant now) {
  for (auto& [process, at] : heard_) at = now;
}

bool Exchange::is_complete() const {
  return !view_.processes.empty() && std::all_of(view_.processes.begin(), view_.processes.end(), [this](const ClusterProcess& p) {
    return states_.contains(p) || guards_.contains(p) || excluded_.contains(p);
  });
}

std::vector<const Exchange::Member*> Exchange::members() const {
  std::vector<const Member*> out;
  for (const auto& [process, member] : states_) {  // By node, then pid.
    if (!out.empty() && out.back()->process.node == process.node) {
      if (member.state.incarnation > out.back()->state.incarnation) out.back() = &member;
    } else {
      out.push_back(&member);
    }
  }
  return out;
}

const Exchange::Member* Exchange::member(NodeId node) const {
  for (const Member* m : members()) {
    if (m->process.node == node) return m;
  }
  return nullptr;
}

std::optional<ClusterProcess> Exchange::proposer() const {
  if (!is_complete()) return std::nullopt;
  const auto all = members();
  if (all.empty()) return std::nullopt;
  return all.front()->process;
}

std::vector<ClusterProcess> Exchange::overdue(Instant now, Duration limit) const {
  std::vector<ClusterProcess> out;
  for (const auto& [process, at] : heard_) {
    if (!guards_.contains(process) && !excluded_.contains(process) && now >= at + limit) out.push_back(process);
  }
  return out;
}

Instant Exchange::next_overdue(Duration limit) const {
  Instant next = Instant::max();
  for (const auto& [process, at] : heard_) {
    if (!guards_.contains(process) && !excluded_.contains(process)) next = std::min(next, at + limit);
  }
  return next;
}

std::vector<NodeId> Exchange::silent_nodes() const {
  std::vector<NodeId> out;
  for (const NodeId node : view_.nodes) {
    const bool has_daemon = std::any_of(view_.processes.begin(), view_.processes.end(),
                                        [&](const ClusterProcess& p) { return p.node == node && !guards_.contains(p); });
    if (!has_daemon) out.push_back(node);
  }
  return out;
}

}  // namespace fairlead::vip
