// fairlead: pure
#include "vip/owner_plan.h"

#include <algorithm>
#include <limits>

#include "vip/mutant.h"

namespace fairlead::vip {
namespace {

using Group = std::vector<const VipSettings*>;

std::vector<Group> groups_of(const PlanInput& input) {
  std::vector<Group> groups;
  for (const auto* vips : {&input.settings.vips, &input.elsewhere}) {
    for (const VipSettings& vip : *vips) {
      const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.front()->group == vip.group; });
      if (same == groups.end()) {
        groups.push_back({&vip});
      } else {
        same->push_back(&vip);
      }
    }
  }
  return groups;
}

NodeId owner_of(const PlanInput& input, const Group& group) {
  for (const VipSettings* vip : group) {
    const auto found = input.owners.find(vip->name);
    if (found != input.owners.end() && found->second != kNoNode) return found->second;
  }
  return kNoNode;
}

/// What one member is worth for one group, the members being what they are.
class Bench {
 public:
  Bench(const PlanInput& input, const Group& group)
      : input_(input), group_(group), everybody_(input.members.size() == input.settings.nodes.size()) {
    const MemberFacts* owner = find(owner_of(input, group));
    cluster_hash_ = owner == nullptr ? input.settings.cluster_hash : owner->cluster_hash;
    fewest_ = input.plan_version < kPlanByMissing ? 0 : fewest_missing();
    for (const MemberFacts& m : input.members) {
      if (m.standby || missing(m) > fewest_) continue;
      any_serves_ = any_serves_ || all_of(m, [](const VipState& s) { return s.serves; });
      any_gateway_ = any_gateway_ || all_of(m, [](const VipState& s) { return s.gateway_ok; });
    }
  }

  [[nodiscard]] const MemberFacts* find(NodeId node) const {
    const auto at = std::find_if(input_.members.begin(), input_.members.end(), [node](const MemberFacts& m) { return m.node == node; });
    return at == input_.members.end() ? nullptr : &*at;
  }

  /// Empty: it may have the group.
  [[nodiscard]] std::string why_not(const MemberFacts& m) const {
    if (m.standby) return "in standby";
    if (FL_RULE(kR15Hash, m.cluster_hash != cluster_hash_)) return "the cluster (its name or its nodes) is configured differently there";
    if (!m.settled && !everybody_) return "started a moment ago";
    const bool too_few = missing(m) > fewest_;
    for (const VipSettings* vip : group_) {
      const VipState* state = m.find(vip->name);
      if (state == nullptr) return "does not know VIP " + vip->name;
      if (!state->able && too_few) return state->reason.empty() ? "not able" : state->reason;
      if (!same_configuration(*vip, *state)) return "VIP " + vip->name + " is configured differently there";
      if (!state->serves && any_serves_) return state->reason.empty() ? "no server is up" : state->reason;
      if (!state->gateway_ok && any_gateway_) return "its gateway does not answer";
    }
    return {};
  }
  [[nodiscard]] bool is_eligible(const MemberFacts& m) const { return why_not(m).empty(); }

  /// Rule 4: the owner is lost and nobody is eligible.
  [[nodiscard]] bool is_last_resort(const MemberFacts& m) const {
    return !m.standby && (m.settled || everybody_) && missing(m) <= fewest_ && same_address(m);
  }

  /// The owner serves nothing: R17 asks for a successor that has served for a while.
  [[nodiscard]] bool serves_steadily(const MemberFacts& m) const {
    return all_of(m, [this](const VipState& s) { return s.serves && std::chrono::milliseconds(s.serves_for_ms) >= input_.serve_stable; });
  }
  [[nodiscard]] bool only_lacks_servers(const MemberFacts& m) const {
    return !m.standby && missing(m) <= fewest_ && all_of(m, [](const VipState& s) { return s.gateway_ok; });
  }

 private:
  /// VIPs of the group it could not hold; one it does not know counts as one.
  [[nodiscard]] std::size_t missing(const MemberFacts& m) const {
    return static_cast<std::size_t>(std::count_if(group_.begin(), group_.end(), [&](const VipSettings* vip) {
      const VipState* state = m.find(vip->name);
      return state == nullptr || !state->able;
    }));
  }
  /// Over those that could have the group if interfaces were all that counts; 0 when nobody has any of it.
  [[nodiscard]] std::size_t fewest_missing() const {
    std::size_t fewest = group_.size();
    for (const MemberFacts& m : input_.members) {
      if (!m.standby && (m.settled || everybody_) && same_address(m)) fewest = std::min(fewest, missing(m));
    }
    return fewest == group_.size() ? 0 : fewest;
  }
  template <class Test>
  [[nodiscard]] bool all_of(const MemberFacts& m, Test test) const {
    return std::all_of(group_.begin(), group_.end(), [&](const VipSettings* vip) {
      const VipState* state = m.find(vip->name);
      return state != nullptr && test(*state);
    });
  }
  [[nodiscard]] bool same_configuration(const VipSettings& vip, const VipState& state) const {
    const auto known = input_.owner_hash.find(vip.name);
    return !FL_RULE(kR15Hash, true) || state.config_hash == (known == input_.owner_hash.end() ? vip.config_hash : known->second);
  }
  [[nodiscard]] bool same_address(const MemberFacts& m) const {
    return std::all_of(group_.begin(), group_.end(), [&](const VipSettings* vip) {
      const VipState* state = m.find(vip->name);
      return state != nullptr && state->address == vip->address;
    });
  }

  const PlanInput& input_;
  const Group& group_;
  std::uint64_t cluster_hash_ = 0;  ///< What the owner's file says; without one, the proposer's (R15).
  bool everybody_ = false;
  std::size_t fewest_ = 0;  ///< How many VIPs of the group the best member lacks.
  bool any_serves_ = false;
  bool any_gateway_ = false;
};

std::size_t rank_in(const std::vector<NodeId>& prefer, NodeId node) {
  return static_cast<std::size_t>(std::find(prefer.begin(), prefer.end(), node) - prefer.begin());
}

template <class Test>
NodeId best_of(const PlanInput& input, const Group& group, const std::map<NodeId, int>& load, Test test) {
  NodeId best = kNoNode;
  std::pair<std::size_t, int> best_rank{std::numeric_limits<std::size_t>::max(), 0};
  for (const MemberFacts& m : input.members) {  // By id: among equals the lowest wins.
    if (!test(m)) continue;
    const auto held = load.find(m.node);
    const std::pair<std::size_t, int> rank{rank_in(group.front()->prefer, m.node), held == load.end() ? 0 : held->second};
    if (best != kNoNode && rank >= best_rank) continue;
    best = m.node;
    best_rank = rank;
  }
  return best;
}

bool names_any(const Group& group, const std::set<std::string>& names) {
  return std::any_of(group.begin(), group.end(), [&](const VipSettings* vip) { return names.contains(vip->name); });
}

/// Rules 1 and 2 for an owner that is a member: where a wish leads; kNoNode: nowhere.
NodeId asked_for(const PlanInput& input, const Group& group, const Bench& bench, NodeId owner, const std::map<NodeId, int>& load) {
  for (const Request& request : input.requests) {
    if (std::none_of(group.begin(), group.end(), [&](const VipSettings* v) { return v->name == request.vip; })) continue;
    if (request.to == owner) continue;
    const auto suits = [&](const MemberFacts& m) {
      return m.node != owner && (request.to == kNoNode || m.node == request.to) && bench.is_eligible(m);
    };
    if (const NodeId to = best_of(input, group, load, suits); to != kNoNode) return to;
  }
  if (input.frozen || names_any(group, input.flapping)) return kNoNode;
  for (const VipSettings* vip : group) {
    const auto preferred = input.preempt.find(vip->name);
    if (preferred == input.preempt.end() || preferred->second == owner) continue;
    const MemberFacts* m = bench.find(preferred->second);
    if (m != nullptr && bench.is_eligible(*m)) return preferred->second;
  }
  return kNoNode;
}

NodeId plan_group(const PlanInput& input, const Group& group, const std::map<NodeId, int>& load) {
  const Bench bench(input, group);
  const NodeId owner = owner_of(input, group);
  const auto eligible = [&](const MemberFacts& m) { return bench.is_eligible(m); };
  const MemberFacts* present = owner == kNoNode ? nullptr : bench.find(owner);
  if (present != nullptr && present->find(group.front()->name) == nullptr) present = nullptr;  // Taken out of its configuration.
  if (present == nullptr) {
    const NodeId taker = best_of(input, group, load, eligible);
    if (taker != kNoNode) return taker;
    return best_of(input, group, load, [&](const MemberFacts& m) { return bench.is_last_resort(m); });
  }
  if (const NodeId to = asked_for(input, group, bench, owner, load); to != kNoNode) return to;
  if (!FL_RULE(kR3Sticky, true)) return best_of(input, group, load, eligible);
  if (bench.is_eligible(*present)) return owner;
  if (input.frozen || names_any(group, input.flapping)) return owner;
  const bool patient = bench.only_lacks_servers(*present);
  const NodeId taker = best_of(input, group, load, [&](const MemberFacts& m) {
    return m.node != owner && bench.is_eligible(m) && (!patient || bench.serves_steadily(m));
  });
  return taker != kNoNode ? taker : owner;
}

/// What of a group can have an owner now: what is not disabled, and known to the owner; without one that knows any of it, known to anybody.
Group plannable(const PlanInput& input, const Group& group) {
  Group enabled;
  for (const VipSettings* vip : group) {
    const bool known = std::any_of(input.members.begin(), input.members.end(), [&](const auto& m) { return m.find(vip->name) != nullptr; });
    if (known && !input.disabled.contains(vip->name)) enabled.push_back(vip);
  }
  const NodeId owner = owner_of(input, enabled);
  const auto member = std::find_if(input.members.begin(), input.members.end(), [owner](const MemberFacts& m) { return m.node == owner; });
  if (member == input.members.end()) return enabled;
  Group knows;
  std::copy_if(enabled.begin(), enabled.end(), std::back_inserter(knows),
               [&](const VipSettings* vip) { return member->find(vip->name) != nullptr; });
  return knows.empty() ? enabled : knows;
}

/// A VIP whose interface its group's owner lacks waits, unless it is there already.
bool may_get(const PlanInput& input, const VipSettings& vip, NodeId owner) {
  const auto before = input.owners.find(vip.name);
  if (input.plan_version < kPlanByMissing || owner == kNoNode || (before != input.owners.end() && before->second == owner)) return true;
  const auto member = std::find_if(input.members.begin(), input.members.end(), [owner](const MemberFacts& m) { return m.node == owner; });
  const VipState* state = member == input.members.end() ? nullptr : member->find(vip.name);
  return state != nullptr && state->able;
}

}  // namespace

const VipState* MemberFacts::find(const std::string& vip) const {
  const auto at = std::find_if(vips.begin(), vips.end(), [&](const VipState& s) { return s.name == vip; });
  return at == vips.end() ? nullptr : &*at;
}

std::map<std::string, NodeId> plan_owners(const PlanInput& input) {
  std::map<std::string, NodeId> plan;
  std::map<NodeId, int> load;
  const auto groups = groups_of(input);
  // Groups that stay count first, so that those that move are spread around them.
  for (const Group& group : groups) {
    if (const NodeId owner = owner_of(input, group); owner != kNoNode && Bench(input, group).find(owner) != nullptr) ++load[owner];
  }
  for (const Group& group : groups) {
    for (const VipSettings* vip : group) plan[vip->name] = kNoNode;
    const Group enabled = plannable(input, group);
    if (enabled.empty()) continue;
    const NodeId before = owner_of(input, enabled);
    const NodeId owner = plan_group(input, enabled, load);
    if (owner != before) {
      if (auto left = load.find(before); left != load.end() && left->second > 0) --left->second;
      if (owner != kNoNode) ++load[owner];
    }
    for (const VipSettings* vip : enabled) plan[vip->name] = may_get(input, *vip, owner) ? owner : kNoNode;
  }
  return plan;
}

std::string why_ineligible(const PlanInput& input, const std::string& vip, NodeId node) {
  for (const Group& group : groups_of(input)) {
    if (std::none_of(group.begin(), group.end(), [&](const VipSettings* v) { return v->name == vip; })) continue;
    if (input.disabled.contains(vip)) return "the VIP is disabled";
    const Bench bench(input, group);
    const MemberFacts* m = bench.find(node);
    if (m == nullptr) return "not a member of the cluster now";
    if (std::string why = bench.why_not(*m); !why.empty()) return why;
    const VipState* state = m->find(vip);  // It may have the group, without this one.
    return state == nullptr || state->able ? "" : state->reason.empty() ? "not able" : state->reason;
  }
  return "no VIP of this name";
}

}  // namespace fairlead::vip
