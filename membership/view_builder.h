// fairlead: pure
// Corosync's callbacks in, ClusterViews out.
//
// Two streams come from Corosync over two sockets, each in order, neither in step with the other:
//
//   CPG      group changes (who joined or left, and why), then the ring they happened in, then its messages
//   quorum   ring + quorate or not, once for each ring and at each change; -0.1 .. +19 ms from CPG's word on the same ring
//
// Invariants:
//   I1  A view's ring and nodes are those that CPG told last: the ring in which the messages that follow are delivered.
//   I2  A view is quorate only if quorum was told for exactly its ring. The loss of quorum counts at once, also when it is told for a ring
//       that CPG has not reached: then this one is over.
//   I3  Processes of nodes outside the ring are not shown. A node's death is told before the ring that is made without it: until that ring
//       comes nothing is shown, so that no view has a dead ring and half of its processes.
//   I4  With a quorum device CPG's word on a ring comes before Corosync asks the device, and quorum's after, up to sync_timeout later, with
//       no message between them. Until then the view before holds (R12): the new one would show a loss of quorum that there is not.
//   I5  A view is shown once, only while this process is in it. What comes twice, late (an older ring) or about others changes nothing.
// Threading: none of its own; one owner.
// Limits: Corosync's, 128 processes of a group (CPG_MEMBERS_MAX).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/cluster_view.h"

namespace fairlead::membership {

/// Why a process came or went: CPG_REASON_....
enum class GroupReason : std::uint8_t { kUndefined = 0, kJoin = 1, kLeave = 2, kNodeDown = 3, kNodeUp = 4, kProcessDown = 5 };

struct GroupPart {
  ClusterProcess process;
  GroupReason reason = GroupReason::kUndefined;
};
/// cpg_confchg: `members` after the change.
struct GroupChange {
  std::vector<ClusterProcess> members;
  std::vector<GroupPart> left;
  std::vector<GroupPart> joined;
};
/// cpg_totem_confchg.
struct RingChange {
  RingId ring;
  std::vector<NodeId> nodes;
};
/// quorum_notification of model v1.
struct QuorumChange {
  RingId ring;
  bool quorate = false;
};

class ViewBuilder {
 public:
  explicit ViewBuilder(ClusterProcess self) : self_(self) {}

  /// The view to show after this; nothing when it is the one shown already, or none.
  [[nodiscard]] std::optional<ClusterView> step(const GroupChange& change);
  [[nodiscard]] std::optional<ClusterView> step(const RingChange& change);
  [[nodiscard]] std::optional<ClusterView> step(const QuorumChange& change);

  /// I4. Off: what was held back is shown.
  [[nodiscard]] std::optional<ClusterView> set_third_vote(bool on);

  /// A node of the ring has died and the ring without it has not come yet (I3).
  [[nodiscard]] bool waits_for_ring() const { return ring_over_; }
  /// It does not come: shows what is known. For a timer of the shell.
  [[nodiscard]] std::optional<ClusterView> stop_waiting();
  /// A message of CPG's ring is there, whatever quorum is about to say of it.
  [[nodiscard]] std::optional<ClusterView> ring_speaks();
  /// CPG's ring is one of which quorum has not spoken yet.
  [[nodiscard]] bool waits_for_quorum() const { return ring_ && (!newest_ || newest_->ring != *ring_); }

  [[nodiscard]] const std::optional<ClusterView>& shown() const { return shown_; }

 private:
  [[nodiscard]] std::optional<ClusterView> show();
  [[nodiscard]] bool waits_for_votes() const;

  ClusterProcess self_;
  bool third_vote_ = false;
  std::optional<RingId> spoke_;  ///< The newest ring of which a message came.
  std::optional<RingId> ring_;   ///< CPG's.
  std::vector<NodeId> nodes_;
  std::vector<ClusterProcess> processes_;  ///< Of the group, in the ring or not.
  bool ring_over_ = false;
  bool quorate_ = false;                  ///< Of ring_.
  std::optional<QuorumChange> newest_{};  ///< What quorum told last, of whatever ring.
  std::optional<ClusterView> shown_;
};

}  // namespace fairlead::membership
