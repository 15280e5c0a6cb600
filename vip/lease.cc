// fairlead: pure
#include "vip/lease.h"

#include <algorithm>

#include "vip/mutant.h"

namespace fairlead::vip {

std::uint64_t HolderLease::sent(Instant now, Duration lease) {
  beats_.push_back({++last_, now, lease});
  if (beats_.size() > kBeatsKept) beats_.pop_front();
  return last_;
}

void HolderLease::acknowledged(NodeId node, std::uint64_t sequence) {
  if (sequence < first_of_round_ || sequence > last_) return;
  const auto known = std::find_if(acknowledged_.begin(), acknowledged_.end(), [node](const Acknowledged& a) { return a.node == node; });
  if (known == acknowledged_.end()) {
    acknowledged_.push_back({node, sequence});
  } else {
    known->sequence = std::max(known->sequence, sequence);
  }
}

bool HolderLease::settle(const Quorum& quorum, Duration lease) {
  if (!quorum.quorate) return false;
  // The newest sequence that enough votes reach: sort the acknowledgements, the newest first, and count votes down the list.
  std::uint64_t own = 0;
  reached_.clear();
  for (const Acknowledged& a : acknowledged_) {
    reached_.push_back(a.sequence);
    if (a.node == quorum.self) own = a.sequence;
  }
  std::sort(reached_.begin(), reached_.end(), std::greater<>());
  const std::uint32_t majority = quorum.expected_votes / 2 + 1;
  const auto given = quorum.extra_votes + quorum.silent;
  const std::uint32_t needed = FL_RULE(kR4Majority, majority > given) ? majority - given : 1;
  if (reached_.size() < needed || own == 0) return false;
  const std::uint64_t proved = std::min(reached_[needed - 1], own);
  if (proved <= proved_) return false;
  bool grew = false;
  while (!beats_.empty() && beats_.front().sequence <= proved) {
    if (beats_.front().sequence == proved) {
      proved_ = proved;
      proved_sent_ = beats_.front().at;
      until_ = std::max(until_, proved_sent_ + std::min(lease, beats_.front().lease));
      grew = true;
    }
    beats_.pop_front();
  }
  return grew;
}

void PromiseBook::acknowledged(NodeId holder, const std::vector<HeldVip>& held, Instant until) {
  for (const HeldVip& vip : held) {
    auto& promises = own_[vip.name];
    const auto same = std::find_if(promises.begin(), promises.end(), [holder](const Promise& p) { return p.holder == holder; });
    if (same == promises.end()) {
      promises.push_back({holder, vip.epoch, until});
    } else {
      *same = {holder, vip.epoch, std::max(same->until, until)};
    }
  }
}

void PromiseBook::reported(NodeId member, const std::string& vip, NodeId holder, Instant until) {
  Instant& known = reported_[vip].try_emplace({member, holder}, Instant::min()).first->second;
  known = std::max(known, until);
}

void PromiseBook::silent_node(NodeId node, Instant until) { silent_.try_emplace(node, until); }

void PromiseBook::begin_round(const std::vector<NodeId>& known) {
  silent_.clear();
  for (auto& [vip, said] : reported_) {
    std::erase_if(said, [&](const auto& entry) { return std::find(known.begin(), known.end(), entry.first.first) == known.end(); });
  }
}

void PromiseBook::forget_starts() {
  for (auto& [vip, said] : reported_) {
    std::erase_if(said, [](const auto& entry) { return entry.first.second == kNoNode; });
  }
}

void PromiseBook::begin_report(NodeId member) {
  for (auto& [vip, said] : reported_) {
    std::erase_if(said, [member](const auto& entry) { return entry.first.first == member; });
  }
}

void PromiseBook::released(const Released& released, bool newest, Instant now) {
  const auto ends = [&](NodeId holder, Instant until) {
    return holder == released.holder || (released.clear && holder != kNoNode && until <= now);
  };
  if (const auto said = reported_.find(released.vip); newest && said != reported_.end()) {
    std::erase_if(said->second, [&](const auto& entry) { return ends(entry.first.second, entry.second); });
  }
  const auto found = own_.find(released.vip);
  if (found == own_.end()) return;
  std::erase_if(found->second, [&](const Promise& p) { return ends(p.holder, p.until) && p.epoch <= released.epoch; });
}

bool PromiseBook::is_free(const std::string& vip, NodeId taker, Instant forgotten) const {
  if (!silent_.empty()) return false;
  if (const auto found = own_.find(vip); found != own_.end()) {
    if (std::any_of(found->second.begin(), found->second.end(), [taker](const Promise& p) { return p.holder != taker; })) return false;
  }
  const auto said = reported_.find(vip);
  return said == reported_.end() || std::none_of(said->second.begin(), said->second.end(), [&](const auto& entry) {
           const NodeId holder = entry.first.second;
           return holder == kNoNode ? entry.second > forgotten : holder != taker;
         });
}

std::vector<NodeId> PromiseBook::bound_to(const std::string& vip, NodeId taker, Instant now) const {
  std::vector<NodeId> out;
  if (const auto found = own_.find(vip); found != own_.end()) {
    for (const Promise& p : found->second) {
      if (p.holder != taker && p.until > now) out.push_back(p.holder);
    }
  }
  return out;
}

std::vector<PromiseLeft> PromiseBook::own(const std::string& vip, Instant now, Duration kernel_lease, bool forgot) const {
  std::vector<PromiseLeft> out;
  const auto add = [&](NodeId holder, Instant until, Duration longer) {
    if (until == Instant::min() || until + longer <= now) return;
    const Duration left = std::max(until - now, Duration::zero());
    out.push_back({holder, static_cast<std::uint32_t>(to_ms(left)) + 1});  // Rounded up: a promise never shrinks on its way.
  };
  add(kNoNode, blanket_, forgot ? kernel_lease : Duration::zero());
  if (const auto found = own_.find(vip); found != own_.end()) {
    for (const Promise& p : found->second) add(p.holder, p.until, kernel_lease);
  }
  return out;
}

template <class Counts>
Instant PromiseBook::latest(const std::string& vip, Counts&& counts) const {
  Instant until = Instant::min();
  if (const auto found = own_.find(vip); found != own_.end()) {
    for (const Promise& p : found->second) {
      if (counts(p.holder)) until = std::max(until, p.until);
    }
  }
  if (const auto found = reported_.find(vip); found != reported_.end()) {
    for (const auto& [who, at] : found->second) {
      if (counts(who.second)) until = std::max(until, at);
    }
  }
  return until;
}

Instant PromiseBook::to(const std::string& vip, const std::set<NodeId>& holders) const {
  return latest(vip, [&](NodeId holder) { return holders.contains(holder); });
}

Instant PromiseBook::of_view(const std::string& vip, NodeId taker) const {
  Instant until = std::max(blanket_, latest(vip, [taker](NodeId holder) { return holder != taker; }));
  for (const auto& [node, at] : silent_) until = std::max(until, at);
  return until;
}

}  // namespace fairlead::vip
