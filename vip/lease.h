// fairlead: pure
// R4: who may believe that he holds, and who has promised not to move it.
//
// A holder's beat carries a sequence; every member acknowledges it when it is delivered. The holder's lease runs for L from the *send* time
// of its newest beat that a majority of votes acknowledged in a quorate view. A member that acknowledged at t takes no part in moving what
// the beat named before t + P, P = L + 100 ms. Proof that leases of two holders never overlap while clocks run:
//   - a lease that ends at s + L needs acknowledgements of a majority, each given at t >= s, hence promises until t + P > s + L;
//   - a new holder needs a quorate view, hence a majority, and waits for the promises of all its members (Assign, vip/takeover_core.h);
//   - two majorities share a node, and that node's promise outlasts the old lease; while it runs that node acknowledges no other holder
//     that does not follow one plan with the first (TakeoverCore::is_bound_elsewhere), so nobody prolongs an old lease beside a new one.
//     A node that lost its memory in between (a restart) promises everything for P from its start; one without a daemon, for P from the
//     beginning of the view that shows it so.
// With a quorum device two majorities may share only the device, which remembers nothing: then R12 and R5's probe stand in (third_vote.h).
// The vote of a node whose daemon is gone, as Corosync agrees, counts as acknowledged: it cannot take anything before its next start, and
// that one makes the promise of the line above. So does the vote of one that was left out (R2): it delivers the beats that it missed, and
// promises, before it can follow any plan.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/cluster_message.h"
#include "base/time.h"
#include "vip/takeover_values.h"

namespace fairlead::vip {

/// The holder's side.
class HolderLease {
 public:
  /// A beat goes out now; `lease`: what it may prove at most. Returns its sequence.
  std::uint64_t sent(Instant now, Duration lease);
  /// The ring or its processes changed: acknowledgements of beats sent before no longer prove anything new. What was proved stays.
  void begin_round() { first_of_round_ = last_ + 1, acknowledged_.clear(); }
  /// `node` acknowledged (self: the beat came back).
  void acknowledged(NodeId node, std::uint64_t sequence);

  struct Quorum {
    NodeId self = kNoNode;  ///< Its own delivery is needed whatever the others say: it proves that the ring turns.
    bool quorate = false;
    std::uint32_t expected_votes = 1;
    std::uint32_t extra_votes = 0;  ///< A quorum device's, in a quorate view.
    std::uint32_t silent = 0;       ///< In the ring, without a daemon or left out: their votes count as given.
  };
  /// Takes the newest proof into account. True when the lease grew. `lease`: L as agreed now; where T and C changed since the beat was
  /// sent the shorter one counts, because who acknowledged it promised by one or the other.
  bool settle(const Quorum& quorum, Duration lease);

  /// Instant::min(): never proved.
  [[nodiscard]] Instant until() const { return until_; }
  /// The newest beat that is proved.
  [[nodiscard]] std::uint64_t proved() const { return proved_; }
  /// When the newest proved beat was sent.
  [[nodiscard]] Instant proved_sent() const { return proved_sent_; }
  [[nodiscard]] std::uint64_t last() const { return last_; }
  /// Everything proved so far is void (own pause, Corosync lost).
  void drop() { until_ = Instant::min(), proved_sent_ = Instant::min(), first_of_round_ = last_ + 1, acknowledged_.clear(); }

 private:
  static constexpr std::size_t kBeatsKept = 256;
  struct SentBeat {
    std::uint64_t sequence;
    Instant at;
    Duration lease;
  };
  std::deque<SentBeat> beats_;  ///< Not yet proved, oldest first; kBeatsKept at most.
  struct Acknowledged {
    NodeId node;
    std::uint64_t sequence;
  };
  std::vector<Acknowledged> acknowledged_;  ///< The newest of this round, by node. As many as there are nodes.
  std::vector<std::uint64_t> reached_;      ///< settle()'s, kept for its memory.
  std::uint64_t last_ = 0;
  std::uint64_t first_of_round_ = 1;
  std::uint64_t proved_ = 0;
  Instant proved_sent_ = Instant::min();
  Instant until_ = Instant::min();
};

/// The member's side: what this node promised, and what the members of its view say they promised.
class PromiseBook {
 public:
  /// This node's daemon came into the group: whatever an earlier life promised, or its node's vote was counted for while it was away, it
  /// keeps (P is not known yet: the longest there is).
  void started(Instant now, Duration promise) { blanket_ = now + promise; }
  /// This node acknowledged `holder`'s beat.
  void acknowledged(NodeId holder, const std::vector<HeldVip>& held, Instant until);
  /// A member reported that it is bound to `holder`.
  void reported(NodeId member, const std::string& vip, NodeId holder, Instant until);
  /// A node is in the view without a daemon.
  void silent_node(NodeId node, Instant until);
  /// A new round: what members reported is void, they say it again. `known`: but for those, who may have fallen silent since.
  void begin_round(const std::vector<NodeId>& known);
  /// Every configured node is a member: what an earlier life of one may have promised is of no account any more.
  void forget_starts();
  /// `member` says anew what it is bound to.
  void begin_report(NodeId member);
  /// Ends the promises to that holder up to that epoch; those to others that have run out, too, when it is clear that nobody before it has
  /// the address either. `newest`: no later epoch is known, so that what members reported is void, too (reports name no epoch).
  void released(const Released& released, bool newest, Instant now);

  /// Whom this node itself is bound to at this time, but for `taker`.
  [[nodiscard]] std::vector<NodeId> bound_to(const std::string& vip, NodeId taker, Instant now) const;
  /// What this node itself is bound to, and for `kernel_lease` longer that it was: no `Released` came, and the kernel of a holder whose
  /// daemon and guard are dead may still have the address. `forgot`: since its start it has not met everybody.
  [[nodiscard]] std::vector<PromiseLeft> own(const std::string& vip, Instant now, Duration kernel_lease, bool forgot) const;
  /// Nobody of this view is bound to anybody but `taker`, or was and has not heard that it was released.
  /// What a start promised to whomever counts until it has ended before `forgotten`.
  [[nodiscard]] bool is_free(const std::string& vip, NodeId taker, Instant forgotten) const;
  /// Until when anybody of this view is bound to anybody but `taker`. Instant::min(): free.
  [[nodiscard]] Instant of_view(const std::string& vip, NodeId taker) const;
  /// Likewise to any of `holders`, who are all here: what was promised before they met says nothing any more.
  [[nodiscard]] Instant to(const std::string& vip, const std::set<NodeId>& holders) const;

 private:
  struct Promise {
    NodeId holder{};
    Epoch epoch{};
    Instant until;
  };
  /// The last end of the promises to those holders that `counts`.
  template <class Counts>
  [[nodiscard]] Instant latest(const std::string& vip, Counts&& counts) const;

  Instant blanket_ = Instant::min();
  std::map<std::string, std::vector<Promise>> own_;                               ///< One per holder.
  std::map<std::string, std::map<std::pair<NodeId, NodeId>, Instant>> reported_;  ///< By member and holder.
  std::map<NodeId, Instant> silent_;
};

}  // namespace fairlead::vip
