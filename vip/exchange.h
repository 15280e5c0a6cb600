// fairlead: pure
// R2: who is a member of this round, and what each has said. A round begins with every change of the ring or of the group's processes; each
// process then says what it is (NodeState: a daemon, GuardHello: a guard). No plan is made before everybody has spoken or was left out.
//
// Invariant: in one round, at the same point of the delivered order, every member knows the same members, states and proposer.
// It holds because only delivered messages change them; a clock here only says whom to ask to be left out (Exclude, delivered again).
#pragma once

#include <optional>
#include <vector>

#include "base/cluster_message.h"
#include "base/time.h"

namespace fairlead::vip {

class Exchange {
 public:
  void begin(const ClusterView& view, Instant now);
  void set_quorate(bool quorate) { view_.quorate = quorate; }
  /// False: of another round, ignored.
  bool state(const ClusterProcess& from, const NodeState& state, Instant now);
  void guard(const ClusterProcess& from, const GuardHello& hello);
  void excluded(const Exclude& exclude);
  /// Anything at all was heard of it.
  void heard(const ClusterProcess& from, Instant now);
  /// This node paused: nobody else is to blame for the silence.
  void forgive(Instant now);

  [[nodiscard]] bool is_complete() const;
  struct Member {
    ClusterProcess process;
    NodeState state;
    Instant delivered{};
  };
  /// One per node (of two daemons on a node the later life), by id; complete or not. Valid until the next change.
  [[nodiscard]] const std::vector<const Member*>& members() const { return members_; }
  [[nodiscard]] const Member* member(NodeId node) const;
  [[nodiscard]] bool is_excluded(const ClusterProcess& process) const;
  /// Who makes the plan of this round; nothing before the exchange is complete.
  [[nodiscard]] std::optional<ClusterProcess> proposer() const;
  /// Silent for `limit`: to be left out.
  [[nodiscard]] std::vector<ClusterProcess> overdue(Instant now, Duration limit) const;
  [[nodiscard]] Instant next_overdue(Duration limit) const;
  [[nodiscard]] const ClusterView& view() const { return view_; }
  [[nodiscard]] RoundId round() const { return round_; }
  /// Nodes of the ring that run no daemon, as far as this round knows, or only one that was left out. Only meaningful when complete.
  [[nodiscard]] std::vector<NodeId> silent_nodes() const;
  /// It runs one, heard of or not.
  [[nodiscard]] bool has_daemon(NodeId node) const;

 private:
  struct Entry {
    ClusterProcess process;
    Instant heard{};
    bool guard = false;
    bool excluded = false;
    bool spoke = false;
    Member member;
  };
  [[nodiscard]] Entry* find(const ClusterProcess& process);
  void count_members();

  ClusterView view_;
  RoundId round_;
  std::vector<Entry> entries_;  ///< As view_.processes: by node, then pid. A few.
  std::vector<const Member*> members_;
};

}  // namespace fairlead::vip
