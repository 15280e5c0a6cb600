// fairlead: pure
// The whole node's part in high availability (rules R1-R21): views and messages in, what is to be sent and done to the kernel out.
// Composed of this room's machines: Exchange (R2), HolderLease and PromiseBook (R4), plan_owners (R1, R3, R15-R17), TieBreak (R11) and
// one VipHolder per VIP (R5, R8, R18-R20). docs/internals/takeover.md tells the story; the shells are wired in daemon/.
//
//   view, delivered message --+                       +--> kSend: multicast to everybody, this node included
//   own facts, probe answers -+--> TakeoverCore ------+--> kAdd, kRefresh, kRemove, kAnnounce, kProbe, kReset: one VIP
//   kernel's answers, clock --+   (the same code in   +--> kProbeTie
//   operators ----------------+    the simulator)     +--> kKeepOverrides: the wishes that outlive a restart
//
// Invariants (tests/sim/cluster on every seed):
//   I1  No two nodes whose clocks run have the address in their kernels by valid leases at one time (proof: vip/lease.h).
//   I2  A VIP's address is asked for only by the owner named in the delivered Assign of this round.
//   I3  What a node did not hear in the agreed order changes no plan; its own clock only ends leases, promises and waits.
// Call order: turn() first in every turn of the loop, with the time; then the inputs; tick() last, in every turn.
// Threading: control (R22). Nothing here blocks or allocates without bound.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/cluster_message.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "vip/exchange.h"
#include "vip/lease.h"
#include "vip/owner_plan.h"
#include "vip/takeover_values.h"
#include "vip/third_vote.h"
#include "vip/tie_break.h"
#include "vip/vip_holder.h"

namespace fairlead::vip {

struct SendMessage {
  ClusterMessage message;
};
/// For one VIP; the kinds that are the kernel's or the network's.
struct VipAction {
  HolderActionKind kind{};
  std::string vip;
  Epoch epoch = 0;
};
struct ProbeTie {};
struct KeepOverrides {
  std::vector<Override> overrides;
};
/// To log and to stream; the shell adds the time.
struct TakeoverNote {
  MessageId id{};
  std::vector<LogField> fields;
};
using TakeoverAction = std::variant<SendMessage, VipAction, ProbeTie, KeepOverrides, TakeoverNote>;
using TakeoverActions = std::vector<TakeoverAction>;

/// What this node knows of itself about one VIP.
struct LocalVip {
  bool able = false;  ///< Loops turn, carrier has been there long enough, the guard lives, the interface exists.
  bool serves = false;
  bool gateway_ok = true;
  std::string reason;  ///< Why not.
  bool operator==(const LocalVip&) const = default;
};

class TakeoverCore {
 public:
  TakeoverCore(Settings settings, Incarnation incarnation, std::vector<Override> kept, Instant now);

  // ---- inputs ----
  /// First in every turn: CLOCK_MONOTONIC, and CLOCK_BOOTTIME on the same scale: equal at the start, ahead after a suspension (R7).
  void turn(Instant now, Instant boot, TakeoverActions& out);
  /// Corosync's timeouts on this node.
  void timing(const Timing& timing);
  void view(const ClusterView& view, const ClusterProcess& self, TakeoverActions& out);
  /// R9
  void lost(TakeoverActions& out);
  void delivered(const ClusterProcess& from, const ClusterMessage& message, TakeoverActions& out);
  void local(const std::string& vip, LocalVip facts, TakeoverActions& out);
  void tie_answered(std::uint32_t target);
  /// R12: whether the qdevice's vote was counted for this node when Corosync was asked, on CLOCK_MONOTONIC.
  void third_vote(bool counted, Instant asked, TakeoverActions& out);
  void kernel_done(const std::string& vip, HolderActionKind what, const KernelAnswer& answer, TakeoverActions& out);
  void reset_done(const std::string& vip, Epoch epoch, TakeoverActions& out);
  void kernel_gone(const std::string& vip, TakeoverActions& out);
  void answered(const std::string& vip, const std::string& mac, bool gateway, TakeoverActions& out);
  void claimed(const std::string& vip, const std::string& mac, TakeoverActions& out);
  /// Somebody asks for the address without having it.
  void probed(const std::string& vip);
  /// A kProbe could not be sent: nobody was asked, and silence means nothing.
  void probe_failed(const std::string& vip);
  /// Another configuration of the same cluster and node: VIPs come, go and change, nodes and targets likewise. What a VIP is added as
  /// changes only after it was given up as it is (R18).
  void configure(Settings settings, TakeoverActions& out);
  /// SIGTERM: everything is released as planned (R18); is_clear() tells when.
  void leave(TakeoverActions& out);
  /// What is due at the time of turn().
  void tick(TakeoverActions& out);

  // ---- operators (R16) ----
  [[nodiscard]] Status move(const std::string& vip, NodeId to, TakeoverActions& out);
  /// Whether move() would be taken now.
  [[nodiscard]] Status may_move(const std::string& vip, NodeId to) const;
  [[nodiscard]] Status wish(OverrideKind kind, const std::string& name, bool on, bool force, TakeoverActions& out);
  /// Takes it without a majority. `fenced`: every node that is missing; the operator has switched them off.
  [[nodiscard]] Status force(const std::string& vip, const std::vector<NodeId>& fenced, TakeoverActions& out);

  // ---- what there is to see ----
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] bool is_clear() const;
  [[nodiscard]] bool in_view() const { return in_view_; }
  [[nodiscard]] bool is_quorate() const { return in_view_ && exchange_.view().quorate; }
  [[nodiscard]] const ClusterView& current_view() const { return exchange_.view(); }
  [[nodiscard]] const Exchange& exchange() const { return exchange_; }
  [[nodiscard]] Timing timing() const { return timing_; }
  [[nodiscard]] bool is_tie_armed() const { return tie_.is_armed(now_); }
  [[nodiscard]] bool is_tie_disarmed() const { return disarmed_; }
  [[nodiscard]] bool is_settled() const { return settled_; }
  struct VipView {
    HolderState state{};
    Epoch epoch = 0;
    NodeId owner = kNoNode;   ///< By the newest delivered assignment.
    NodeId holder = kNoNode;  ///< Who says that it has it, this node or a member.
    bool held_here = false;
    std::string waits_for;                     ///< Of the owner, while it has not taken it: why not yet.
    bool flapping = false;                     ///< R17
    Duration lease_left{};                     ///< Of this node; zero: none.
    std::map<NodeId, std::string> ineligible;  ///< By member; empty text: eligible.
  };
  [[nodiscard]] VipView describe(const std::string& vip) const;
  /// The same of every VIP that is known, for less than one by one.
  [[nodiscard]] std::map<std::string, VipView> describe_all() const;
  [[nodiscard]] const VipHolder* holder(const std::string& vip) const;
  /// VipView::holder, for less.
  [[nodiscard]] NodeId holder_seen(const std::string& vip) const;
  /// Of this node; zero: it has none.
  [[nodiscard]] Duration lease_left() const { return std::max(lease_.until(), now_) - now_; }
  [[nodiscard]] const std::map<std::string, Override>& overrides() const { return overrides_; }
  [[nodiscard]] bool is_on(OverrideKind kind, const std::string& name) const;

 private:
  static constexpr std::uint64_t kNotNamed = UINT64_MAX;
  /// What is known of one VIP.
  struct Record {
    explicit Record(VipSettings settings) : holder(std::move(settings)) {}
    VipHolder holder;
    bool configured = true;                    ///< False: only other members name it (R15), or it was taken out and is being released.
    std::optional<VipSettings> next_settings;  ///< Of another address or place: wait until the present one is deleted.
    LocalVip local;
    Instant serves_since{};
    // The newest assignment.
    Epoch epoch = 0;
    NodeId owner = kNoNode;
    bool released = false;    ///< And clear.
    bool outdated = false;    ///< The newest plan named an older epoch.
    bool given_up = false;    ///< Said Released, clear or not: nobody owns it now.
    Epoch said_released = 0;  ///< The newest epoch this node itself gave up.
    // The one before, for the new owner: it waits for its Released.
    Epoch epoch_before = 0;
    NodeId owner_before = kNoNode;
    bool released_before = false;
    std::set<NodeId> claims;               ///< Other members that said at the round's beginning that they have the address.
    std::set<NodeId> assigned_to;          ///< Others that a plan of this round named: they may have it without having said so.
    std::set<NodeId> held_with;            ///< R14
    std::uint64_t first_beat = kNotNamed;  ///< The first beat that names this wish to hold.
    bool forced = false;                   ///< R16: whatever the quorum says.
    std::deque<Instant> moves;             ///< R17
    NodeId seen_on = kNoNode;              ///< Who had it last.
    bool flapping_said = false;
    bool yield_said = false;       ///< R20: in its last state this node did not offer itself.
    std::uint64_t owner_hash = 0;  ///< R15
    NodeId preferred = kNoNode;    ///< R3, with its time.
    Instant preferred_since{};
  };

  void settle(TakeoverActions& out);
  void run_holders(TakeoverActions& out);
  void carry(const std::string& vip, Record& record, VipHolder::Step&& step, TakeoverActions& out);
  void note(const std::string& vip, const HolderNote& note, TakeoverActions& out);
  [[nodiscard]] HolderFacts facts_of(const std::string& vip, const Record& record) const;
  [[nodiscard]] bool is_covered(const Record& record) const;
  [[nodiscard]] bool is_named(const Record& record) const;
  [[nodiscard]] bool is_bound_elsewhere(NodeId holder, const Beat& beat) const;
  [[nodiscard]] Instant on_callers_clock(Instant at) const { return at == Instant::max() ? at : at - ahead_; }
  [[nodiscard]] bool is_alone() const;
  [[nodiscard]] bool is_peer_quiet() const;
  [[nodiscard]] bool is_quorate_by_third_vote() const;
  [[nodiscard]] Duration sleep_max() const;
  [[nodiscard]] bool is_other_silent() const;
  [[nodiscard]] bool may_stay_alone() const;
  [[nodiscard]] bool trusts_release(const std::string& vip, const Record& record) const;
  [[nodiscard]] bool is_everybody_here() const;
  [[nodiscard]] bool is_tie_urgent() const { return is_alone() || is_peer_quiet() || now_ < alone_grace_; }
  [[nodiscard]] NodeId peer() const;
  [[nodiscard]] int rank() const;

  void begin_round(const ClusterView& view, TakeoverActions& out);
  void completed(TakeoverActions& out);
  void on_state(const ClusterProcess& from, const NodeState& state, TakeoverActions& out);
  void on_beat(const ClusterProcess& from, const Beat& beat, TakeoverActions& out);
  void on_ack(const ClusterProcess& from, const BeatAck& ack);
  void on_assign(const ClusterProcess& from, const Assign& assign, TakeoverActions& out);
  void on_released(const Released& released, TakeoverActions& out);
  void on_exclude(const Exclude& exclude, TakeoverActions& out);
  void on_wish(const Override& wish, TakeoverActions& out);
  void adopt(const std::string& vip, Record& record, const Assignment& assignment, TakeoverActions& out);
  void merge_states();
  void count_move(const std::string& vip, Record& record);
  void learn_hash(const std::string& vip, Record& record);
  void settle_forced();
  void agree_on_timing();
  void forget_requests(const Assign& assign);
  void prune_wishes();
  void meet(const VipState& vip);
  void forget_unnamed();
  void settle_lease();
  void count_silent();
  void fell_silent(NodeId node, Instant since);
  void start_promise();

  [[nodiscard]] NodeState own_state() const;
  void send_state(TakeoverActions& out);
  void send_beat(TakeoverActions& out);
  void check_settled();
  void leave_out_silent(TakeoverActions& out);

  // takeover_plan.cc: the proposer.
  void propose(TakeoverActions& out);
  [[nodiscard]] bool is_proposer() const;
  [[nodiscard]] PlanInput plan_input() const;
  [[nodiscard]] VipView describe(const std::string& vip, const Record& record, const PlanInput& input) const;
  [[nodiscard]] NodeId holder_of(const std::string& vip, const Record& record) const;
  [[nodiscard]] std::string waits_for(const std::string& vip, const Record& record) const;
  [[nodiscard]] NodeId owner_for_plan(const std::string& vip, const Record& record) const;
  [[nodiscard]] bool is_flapping(const Record& record) const;
  void watch_preferred();
  [[nodiscard]] std::string name_of(NodeId node) const;
  [[nodiscard]] std::string names_of(const std::vector<NodeId>& nodes) const;
  [[nodiscard]] std::vector<NodeId> missing_nodes() const;
  [[nodiscard]] Status check_quorum(const std::string& verb) const;

  Settings settings_;
  Incarnation incarnation_;
  Instant started_;
  Instant joined_;     ///< When it came into the group, first or again: before that its node's vote was counted without asking it.
  Instant wait_from_;  ///< R13: of this start, or since Corosync came back.
  Instant now_;        ///< CLOCK_BOOTTIME: what a suspended machine slept through has passed for its lease, too.
  Duration ahead_{};   ///< Of it before CLOCK_MONOTONIC, which the caller counts in.
  bool turned_ = false;
  Timing own_timing_;
  Timing timing_;  ///< The maximum over the members.
  ClusterProcess self_;
  bool in_view_ = false;
  bool completed_ = false;  ///< This round's exchange.
  bool assigned_ = false;   ///< This round's first Assign was delivered.
  Instant round_began_{};
  Instant alone_grace_ = Instant::min();  ///< R11 stood in for the lease until the peer came back; it stands in until the first proof.
  Exchange exchange_;
  HolderLease lease_;
  PromiseBook promises_;
  TieBreak tie_;
  ThirdVote third_vote_;
  bool disarmed_ = false;
  bool peer_armed_ = false;             ///< In the peer's last state.
  bool own_armed_said_ = false;         ///< In our last state.
  Instant peer_heard_{};                ///< Its last beat.
  Instant pause_end_ = Instant::min();  ///< R7
  bool settled_ = false;
  bool began_apart_ = true;     ///< R13: since the wait began not everybody has met, and the others may be about to take the same.
  bool met_everybody_ = false;  ///< Since it joined, in one round: nothing is forgotten.
  bool leaving_ = false;
  bool state_dirty_ = false;
  bool plan_due_ = false;                ///< Something was delivered that a plan depends on.
  Instant plan_again_ = Instant::min();  ///< Plans depend on time, too: preemption, stable servers.
  bool merged_ = false;                  ///< A new ring, of several: who holds announces again (R14, R19).
  std::vector<NodeId> silent_;           ///< exchange_.silent_nodes() of this round.
  std::vector<NodeId> accounted_;        ///< Spoke in this ring: what they are bound to is known even when they fall silent.
  RingId accounted_ring_;
  Instant alone_since_ = Instant::max();  ///< R11
  bool beat_now_ = false;
  Instant beat_at_ = Instant::min();  ///< The next.
  std::map<std::string, Record> records_;
  std::map<std::string, Override> overrides_;  ///< By kind and name.
  std::uint64_t last_wish_ = 0;
  /// An operator's move that was delivered; carried out by a plan of the next seconds, or forgotten: it leaves no constraint (R16).
  struct PendingRequest {
    Request request;
    NodeId from = kNoNode;  ///< The owner then.
    Instant until{};
  };
  std::vector<PendingRequest> requests_;
  std::set<ClusterProcess> asked_out_;               ///< Exclude was sent in this round.
  std::optional<std::vector<Assignment>> proposed_;  ///< Sent, not yet delivered.
};

}  // namespace fairlead::vip
