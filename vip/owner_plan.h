// fairlead: pure
// R1, R3, R15, R16, R17: who is to own each VIP. A function of values; the proposer of a round calls it and multicasts the answer.
//
// Per group of VIPs (a VIP without a group is one alone), in the order of the configuration:
//   1. the owner stays if it is a member and eligible, no move is asked for, and no preferred node's time has come;
//   2. else the best other eligible member takes it; best: the order of `prefer`, then the fewest groups, then the lowest id;
//   3. if nobody else is eligible an owner that is a member stays (all are equally bad: nobody moves);
//   4. if the owner is lost and nobody is eligible, the best member that is able and not in standby;
//   5. else nobody.
// A VIP that no member knows is nobody's; one that its group's owner does not know waits, and the others of the group stay (R15).
// Eligible: able, not in standby, settled (or every configured node is a member), serving unless no member serves, its gateway answering
// unless no member's does, and of the same configuration as the owner (R15).
// A group on several interfaces: able is who lacks the fewest of its VIPs (carrier, interface), and at least has one. What that node lacks
// waits for its interface, and the others of the group are served. While a member plans by version 1, able is who lacks none: so the plan
// does not depend on which release happens to propose.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "vip/takeover_values.h"

namespace fairlead::vip {

struct MemberFacts {
  NodeId node = kNoNode;
  bool settled = false;
  bool standby = false;
  std::uint64_t cluster_hash = 0;
  std::vector<VipState> vips;
  [[nodiscard]] const VipState* find(const std::string& vip) const;
};

struct Request {
  std::string vip;
  NodeId to = kNoNode;  ///< kNoNode: any other.
  bool operator==(const Request&) const = default;
};

struct PlanInput {
  const Settings& settings;
  std::vector<VipSettings> elsewhere;               ///< VIPs of other members' configurations (R15).
  std::vector<MemberFacts> members;                 ///< By id.
  std::map<std::string, NodeId> owners;             ///< Before; absent or kNoNode: nobody.
  std::map<std::string, std::uint64_t> owner_hash;  ///< What the last owner said its configuration is (R15).
  std::set<std::string> disabled;                   ///< R16
  bool frozen = false;                              ///< R16: no move but on loss of the holder.
  std::set<std::string> flapping;                   ///< R17: likewise for one VIP.
  std::map<std::string, NodeId> preempt;            ///< R3: a preferred node whose delay has passed.
  std::vector<Request> requests;                    ///< R16
  Duration serve_stable = 3s;                       ///< R17
  std::uint16_t plan_version = kPlanVersion;        ///< The least of the members' (R1).
};
inline constexpr std::uint16_t kPlanByMissing = 2;  ///< From this version on groups go by the fewest missing VIPs.

/// Owner of each VIP of the settings and of `elsewhere`; kNoNode: nobody.
[[nodiscard]] std::map<std::string, NodeId> plan_owners(const PlanInput& input);

/// Why `node` could not hold `vip` now; empty: it could. For `vip explain` and refused moves.
[[nodiscard]] std::string why_ineligible(const PlanInput& input, const std::string& vip, NodeId node);

}  // namespace fairlead::vip
