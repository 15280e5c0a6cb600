// fairlead: pure
// TakeoverCore's half that plans and takes operators' words. Only the proposer of a round plans; everybody else waits for its Assign (R1).
#include <algorithm>

#include "base/refusal.h"
#include "vip/mutant.h"
#include "vip/takeover_core.h"

namespace fairlead::vip {
namespace {

constexpr Duration kMovesWindow = 60s;  ///< R17
constexpr std::size_t kMovesMax = 3;
constexpr Duration kPlanInterval = 250ms;

}  // namespace

bool TakeoverCore::is_proposer() const { return in_view_ && completed_ && exchange_.proposer() == self_; }

PlanInput TakeoverCore::plan_input() const {
  PlanInput input{.settings = settings_,
                  .elsewhere = {},
                  .members = {},
                  .owners = {},
                  .owner_hash = {},
                  .disabled = {},
                  .frozen = FL_RULE(kR16Frozen, is_on(OverrideKind::kFrozen, "")),
                  .flapping = {},
                  .preempt = {},
                  .requests = {},
                  .serve_stable = settings_.serve_stable};
  for (const PendingRequest& pending : requests_) {
    if (now_ < pending.until) input.requests.push_back(pending.request);
  }
  for (const Exchange::Member* m : exchange_.members()) {
    input.plan_version = std::min(input.plan_version, m->state.plan_version);
    const auto name =
        std::find_if(settings_.nodes.begin(), settings_.nodes.end(), [m](const NodeName& n) { return n.id == m->process.node; });
    MemberFacts facts{.node = m->process.node,
                      .settled = m->state.settled,
                      .standby = FL_RULE(kR16Standby, name != settings_.nodes.end()) && is_on(OverrideKind::kNodeStandby, name->name),
                      .cluster_hash = m->state.cluster_hash,
                      .vips = m->state.vips};
    const auto since = static_cast<std::uint32_t>(to_ms(now_ - m->delivered));
    for (VipState& s : facts.vips) {
      if (s.serves) s.serves_for_ms += since;
    }
    input.members.push_back(std::move(facts));
  }
  for (const auto& [name, record] : records_) {
    if (!record.configured) input.elsewhere.push_back(record.holder.settings());
    input.owners[name] = owner_for_plan(name, record);
    if (record.owner != kNoNode && record.owner_hash != 0) input.owner_hash[name] = record.owner_hash;
    if (FL_RULE(kR16Disabled, is_on(OverrideKind::kVipDisabled, name))) input.disabled.insert(name);
    if (FL_RULE(kR17Flapping, is_flapping(record))) input.flapping.insert(name);
    const bool ripe = record.preferred != kNoNode && now_ >= record.preferred_since + record.holder.settings().preempt_delay;
    if (FL_RULE(kR3Preempt, ripe)) input.preempt[name] = record.preferred;
  }
  return input;
}

bool TakeoverCore::is_flapping(const Record& record) const {
  const auto recent = std::count_if(record.moves.begin(), record.moves.end(), [this](Instant at) { return now_ < at + kMovesWindow; });
  return static_cast<std::size_t>(recent) > kMovesMax;
}

/// R14 at the beginning of a round, later what was assigned in it.
NodeId TakeoverCore::owner_for_plan(const std::string& vip, const Record& record) const {
  const NodeId assigned = record.released || record.given_up ? kNoNode : record.owner;
  if (assigned_ || !FL_RULE(kR14Merge, true)) return assigned;
  struct Claim {
    bool since_before;
    Epoch epoch;
    NodeId node;
  };
  std::optional<Claim> best;
  for (const Exchange::Member* m : exchange_.members()) {
    for (const VipState& s : m->state.vips) {
      if (s.name != vip || !s.holding) continue;
      const bool since_before = std::all_of(exchange_.view().nodes.begin(), exchange_.view().nodes.end(), [&](NodeId node) {
        return node == m->process.node || std::find(s.held_with.begin(), s.held_with.end(), node) != s.held_with.end();
      });
      const Claim claim{since_before, s.owner == m->process.node ? s.epoch : 0, m->process.node};
      const bool better = !best || std::pair(claim.since_before, claim.epoch) > std::pair(best->since_before, best->epoch);
      if (better) best = claim;  // Members come by id: among equals the lower one stays.
    }
  }
  return best ? best->node : assigned;
}

/// R3: a preferred node that has been eligible for preempt_delay.
void TakeoverCore::watch_preferred() {
  if (std::none_of(records_.begin(), records_.end(), [](const auto& entry) { return entry.second.holder.settings().preempt; })) return;
  const PlanInput input = plan_input();
  for (auto& [name, record] : records_) {
    const VipSettings& vip = record.holder.settings();
    NodeId best = kNoNode;
    if (vip.preempt && record.owner != kNoNode) {
      for (const NodeId node : vip.prefer) {
        if (node == record.owner) break;
        if (why_ineligible(input, name, node).empty()) {
          best = node;
          break;
        }
      }
    }
    if (best == record.preferred) continue;
    record.preferred = best;
    record.preferred_since = now_;
  }
}

void TakeoverCore::propose(TakeoverActions& out) {
  if (proposed_ || (!plan_due_ && now_ < plan_again_) || !is_proposer() || !exchange_.view().quorate) return;
  plan_due_ = false;
  plan_again_ = now_ + kPlanInterval;
  watch_preferred();
  const PlanInput input = plan_input();
  const auto plan = plan_owners(input);
  Assign assign{.round = exchange_.round(), .plan_version = input.plan_version, .table = {}};
  bool changed = !assigned_;
  for (auto& [name, record] : records_) {
    const auto planned = plan.find(name);
    const NodeId owner = planned == plan.end() ? kNoNode : planned->second;
    // Who was assigned in an earlier round and has nothing yet gets a new epoch: it may have given up unheard.
    const bool holds = record.claims.contains(owner) || (owner == settings_.self && record.holder.may_be_present());
    const bool same =
        !record.outdated && owner == record.owner && (owner == kNoNode || (!record.released && !record.given_up && (assigned_ || holds)));
    assign.table.push_back({name, owner, same ? record.epoch : record.epoch + 1});
    changed = changed || !same;
    while (!record.moves.empty() && now_ >= record.moves.front() + kMovesWindow) record.moves.pop_front();
    const bool flaps = is_flapping(record);
    if (flaps && !record.flapping_said)
      out.emplace_back(TakeoverNote{MessageId::VIP_FLAPPING, {{"vip", name}, {"moves", std::to_string(record.moves.size())}}});
    record.flapping_said = flaps;
  }
  if (!changed) {
    requests_.clear();  // Nothing to do for them: the target is not eligible any more, or has it.
    return;
  }
  proposed_ = assign.table;
  out.emplace_back(SendMessage{std::move(assign)});
}

// ---- operators (R16) ----

std::string TakeoverCore::name_of(NodeId node) const {
  for (const NodeName& n : settings_.nodes) {
    if (n.id == node) return n.name;
  }
  return std::to_string(to_number(node));
}

std::vector<NodeId> TakeoverCore::missing_nodes() const {
  std::vector<NodeId> out;
  for (const NodeName& n : settings_.nodes) {
    if (n.id != settings_.self && (!in_view_ || exchange_.member(n.id) == nullptr)) out.push_back(n.id);
  }
  return out;
}

std::string TakeoverCore::names_of(const std::vector<NodeId>& nodes) const {
  std::string out;
  for (const NodeId node : nodes) out += (out.empty() ? "" : ", ") + name_of(node);
  return out;
}

/// R16
Status TakeoverCore::check_quorum(const std::string& verb) const {
  if (!in_view_) return Error{Errc::kRefused, verb + ": this node has no part in the cluster now (Corosync: `fairlead cluster status`)"};
  if (!exchange_.view().quorate) {
    return Error{Errc::kRefused, verb + ": this node is not in a quorate part of the cluster; missing: " + names_of(missing_nodes())};
  }
  if (!completed_) return Error{Errc::kUnavailable, verb + ": the nodes are just agreeing on who is there; try again in a second"};
  return {};
}

Status TakeoverCore::may_move(const std::string& vip, NodeId to) const {
  const std::string verb = "vip move " + vip;
  const auto found = records_.find(vip);
  if (found == records_.end()) return Error{Errc::kNotFound, "no VIP " + vip + "; `fairlead vip list` shows them"};
  if (auto status = check_quorum(verb); !status) return status;
  const PlanInput input = plan_input();
  const NodeId owner = found->second.owner;
  if (to != kNoNode) {
    if (const std::string why = why_ineligible(input, vip, to); !why.empty())
      return Error{Errc::kRefused, verb + ": node " + name_of(to) + " cannot take it: " + why};
  } else {
    const bool any = std::any_of(input.members.begin(), input.members.end(),
                                 [&](const MemberFacts& m) { return m.node != owner && why_ineligible(input, vip, m.node).empty(); });
    if (!any) return Error{Errc::kRefused, verb + ": no other node can take it; `fairlead vip explain " + vip + "` says why"};
  }
  return {};
}

Status TakeoverCore::move(const std::string& vip, NodeId to, TakeoverActions& out) {
  Status possible = may_move(vip, to);
  if (possible) out.emplace_back(SendMessage{MoveVip{vip, to}});
  return possible;
}

Status TakeoverCore::wish(OverrideKind kind, const std::string& name, bool on, bool force, TakeoverActions& out) {
  std::string verb = on ? "cluster freeze" : "cluster unfreeze";
  if (kind == OverrideKind::kVipDisabled) {
    verb = (on ? "vip disable " : "vip enable ") + name;
    if (!records_.contains(name)) return Error{Errc::kNotFound, "no VIP " + name + "; `fairlead vip list` shows them"};
  }
  const auto node = std::find_if(settings_.nodes.begin(), settings_.nodes.end(), [&](const NodeName& n) { return n.name == name; });
  if (kind == OverrideKind::kNodeStandby) {
    verb = (on ? "node standby " : "node online ") + name;
    if (node == settings_.nodes.end()) return Error{Errc::kNotFound, "no node " + name + "; `fairlead node list` shows them"};
  }
  if (auto status = check_quorum(verb); !status) return status;
  if (kind == OverrideKind::kNodeStandby && on && !force) {
    const PlanInput input = plan_input();
    for (const auto& [vip, record] : records_) {
      const bool it_could = why_ineligible(input, vip, node->id).empty();
      const bool others = std::any_of(input.members.begin(), input.members.end(), [&, name = vip](const MemberFacts& m) {
        return m.node != node->id && why_ineligible(input, name, m.node).empty();
      });
      if (it_could && !others)
        return refused_without_force(verb + ": no other node is left to hold VIP " + vip + " (`fairlead vip explain " + vip +
                                     "` says why)");
    }
  }
  out.emplace_back(SendMessage{SetOverride{Override{kind, name, on, {++last_wish_, settings_.self}}}});
  return {};
}

/// The operator stands in for the majority: he says that nobody else can have the address. Hence he has to name everybody who might.
Status TakeoverCore::force(const std::string& vip, const std::vector<NodeId>& fenced, TakeoverActions& out) {
  const std::string verb = "vip force " + vip;
  const auto found = records_.find(vip);
  if (found == records_.end()) return Error{Errc::kNotFound, "no VIP " + vip + "; `fairlead vip list` shows them"};
  if (!in_view_) return Error{Errc::kRefused, verb + ": Corosync does not run here; a VIP is held only under its watch"};
  if (exchange_.view().quorate)
    return Error{Errc::kRefused, verb + ": this part of the cluster is quorate; use `fairlead vip move " + vip + "`"};
  std::vector<NodeId> unnamed = missing_nodes();
  std::erase_if(unnamed, [&](NodeId node) { return std::find(fenced.begin(), fenced.end(), node) != fenced.end(); });
  if (!unnamed.empty()) {
    return Error{Errc::kRefused, verb + ": " + names_of(unnamed) +
                                     " cannot be seen and may hold it. Switch them off, then repeat it with "
                                     "--i-have-fenced and the names of all nodes that are missing"};
  }
  for (const NodeId node : fenced) {
    if (exchange_.member(node) != nullptr)
      return Error{Errc::kRefused, verb + ": node " + name_of(node) + " is here and alive, not fenced"};
  }
  Record& record = found->second;
  record.forced = true;
  record.first_beat = lease_.last() + 1;
  record.holder.assign(record.epoch + 1, now_);
  record.epoch += 1;
  record.owner = settings_.self;
  state_dirty_ = true;
  settle(out);
  return {};
}

}  // namespace fairlead::vip
