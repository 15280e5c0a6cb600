// fairlead: pure
// Holds one virtual IP on this node, or waits for it, or gives it up. Who is to hold is decided elsewhere (vip/owner_plan.h); whether the
// lease stands, in vip/lease.h. This machine knows one address, its kernel and its neighbours.
//
//                    assign                clear, silent, lease         kernel ok
//        Idle ----------------> Waiting --------------------> Adding ------------> Held --- refresh, announce, repair
//         ^                        |                             |                  |
//         |  Released              | unassigned                  | unassigned       | unassigned (planned), lease over (forced)
//         +------------------------+                             v                  v
//         +------------------------------------------------- Removing <------- Resetting (planned only)
//                         kernel ok, Released
//
// Invariants (tests/unit/vip/vip_holder_test.cc, tests/sim/cluster):
//   I1  kAdd only with a lease that covers this VIP, after Released of the holder before (R5a), or after the promises and a silent round of
//       probes (R5b).
//   I2  In the step that finds the lease over, kRemove is asked for (R4); nothing is announced or refreshed after it.
//   I3  Released is said exactly once per epoch, after the kernel confirmed the removal, or when nothing was ever added.
//   I4  An address deleted behind our back is added again only with a lease proved by a beat sent after that (R20).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "vip/takeover_values.h"

namespace fairlead::vip {

enum class HolderState : std::uint8_t { kIdle, kWaiting, kAdding, kHeld, kResetting, kRemoving };
[[nodiscard]] std::string_view to_string(HolderState state);

enum class HolderActionKind : std::uint8_t {
  kProbe,        ///< One ARP/NS request for the address.
  kAdd,          ///< Tell the guard `epoch`, then add it with the kernel lease; kernel_done() follows.
  kRefresh,      ///< Likewise: the guard is to know the newest epoch (R10). Renew the kernel lease.
  kRemove,       ///< Delete it; kernel_done() follows.
  kAnnounce,     ///< GARP request and reply, or unsolicited NA.
  kReset,        ///< Reset the connections on it and the legs sourced from it (R18); reset_done() follows.
  kSayReleased,  ///< Multicast Released for `epoch`.
  kBeatNow,      ///< A beat at once: its acknowledgement is waited for.
};
struct HolderAction {
  HolderActionKind kind{};
  Epoch epoch = 0;
  bool was_present = true;  ///< kSayReleased: the address was in the kernel, at least asked for.
  bool foreign = false;     ///< kSayReleased: it is on this host still, and not ours: nobody may take it without asking for it.
  bool operator==(const HolderAction&) const = default;
};

/// What the kernel said to kAdd or kRemove.
struct KernelAnswer {
  bool ok = true;
  std::string error;     ///< When not.
  bool unsure = false;   ///< kAdd failed, and it may be there all the same (no answer came). Otherwise nothing of ours is there.
  bool foreign = false;  ///< kAdd failed because it is there and not ours.
};

/// For the log and the event stream.
enum class HolderEvent : std::uint8_t {
  kAcquired,      ///< Held and announced.
  kReleased,      ///< Given up as planned.
  kLeaseLost,     ///< R4: no majority acknowledged in time.
  kForeignClaim,  ///< R5, R8: somebody else answers for the address.
  kProxyArp,      ///< R5: the gateway answers for everything.
  kAddFailed,
  kRemoveFailed,
  kRepaired,   ///< R20
  kYielded,    ///< R20: deleted too often.
  kClaimLost,  ///< R8: a foreign claim that could not be disproved.
};
struct HolderNote {
  HolderEvent event{};
  std::string detail;
  Duration took{};
};

/// What the node knows at this moment; the same for all its VIPs but `covered` and `free_at`.
struct HolderFacts {
  bool covered = false;                  ///< The lease stands and a beat that named this VIP is proved, or R11 stands in for it.
  bool fresh = true;                     ///< False after an own pause, until the lease is proved anew (R7).
  Instant proved_sent = Instant::min();  ///< When the newest proved beat was sent.
  Instant alive_at = Instant::min();     ///< Likewise, or when a tie-break target last answered while this node is alone (R11).
  Instant alone_since = Instant::max();  ///< R11: since when this node is alone of two; max: it is not.
  bool claimed = false;                  ///< Another member said that it has it, and has not said Released (R14).
  Duration backoff{};                    ///< After a claim that could not be disproved: by rank, so that not all come back at once.
  bool may_take = true;                  ///< R11: a tie-break target answers, when one is needed.
  bool cleared = false;                  ///< R5(a): the holder before has said Released.
  Instant free_at = Instant::min();      ///< R5(b): no promise binds anybody after this.
};

class VipHolder {
 public:
  explicit VipHolder(VipSettings settings) : settings_(std::move(settings)) {}

  struct Step {
    std::vector<HolderAction> actions;
    std::vector<HolderNote> notes;
  };

  /// This node is the owner by `epoch`. While it is held already only the epoch changes, and the guard hears of it by a kRefresh.
  void assign(Epoch epoch, Instant now);
  /// This node is not the owner (any more). `planned`: connections are reset first (R18).
  void unassign(bool planned, Instant now, Step& out);
  /// Corosync is lost, an own pause was longer than the lease, ...: delete at once.
  void drop(HolderEvent why, Instant now, Step& out);
  /// Everything that time and facts bring about. Called after every other call too.
  void tick(const HolderFacts& facts, Instant now, Step& out);

  void kernel_done(HolderActionKind what, const KernelAnswer& answer, Instant now, Step& out);
  /// `epoch`: of the kReset.
  void reset_done(Epoch epoch, Step& out);
  /// The address was deleted by somebody else.
  void kernel_gone(Instant now, Step& out);
  /// An answer to a probe. `gateway`: from the gateway's own MAC.
  void answered(const std::string& mac, bool gateway, Instant now, Step& out);
  /// An ARP or NA that claims the address, from another MAC (R8).
  void claimed(const std::string& mac, Instant now, Step& out);
  /// Another MAC asks whether anybody has it: a node that is about to take it likewise (R13). Waits `backoff` for its answers, once.
  void probed(Duration backoff, Instant now);
  /// A kProbe was not sent.
  void probe_failed();
  /// After a merge or an own pause (R19).
  void announce_again(Instant now);

  [[nodiscard]] Instant next_deadline(const HolderFacts& facts) const;
  [[nodiscard]] HolderState state() const { return state_; }
  [[nodiscard]] bool is_held() const { return state_ == HolderState::kHeld; }
  /// While held: from the assignment to the kernel's answer.
  [[nodiscard]] Duration took() const { return acquired_ - since_; }
  /// Held, and not deleted by somebody a moment ago.
  [[nodiscard]] bool is_here() const { return is_held() && !gone_; }
  /// A proof of the lease changes what it does next; else only time does.
  [[nodiscard]] bool waits_for_proof() const {
    return state_ == HolderState::kWaiting || state_ == HolderState::kAdding || claim_.has_value() || gone_.has_value();
  }
  /// The kernel may have it: from the moment of asking to the confirmed removal.
  [[nodiscard]] bool may_be_present() const { return state_ >= HolderState::kAdding; }
  /// Assigned, and not being given up.
  [[nodiscard]] bool is_wanted() const {
    return state_ != HolderState::kIdle && state_ != HolderState::kResetting && state_ != HolderState::kRemoving;
  }
  /// Nothing but the lease is missing.
  [[nodiscard]] bool is_ready() const { return state_ == HolderState::kWaiting && ready_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] const VipSettings& settings() const { return settings_; }
  void set_settings(VipSettings settings) { settings_ = std::move(settings); }
  /// Who answers for it while this node waits; empty: nobody.
  [[nodiscard]] const std::string& answering_mac() const { return answering_mac_; }
  /// R20: until then this node does not offer itself for the VIP.
  [[nodiscard]] Instant yield_until() const { return yield_until_; }
  [[nodiscard]] std::uint32_t repairs() const { return static_cast<std::uint32_t>(repaired_.size()); }

 private:
  void wait(const HolderFacts& facts, Instant now, Step& out);
  [[nodiscard]] bool probes_are_silent(const HolderFacts& facts, Instant now, Step& out);
  void hold(const HolderFacts& facts, Instant now, Step& out);
  void repair(const HolderFacts& facts, Instant now, Step& out);
  [[nodiscard]] Instant announce_at() const;
  [[nodiscard]] bool watches() const { return by_promise_ && settings_.takeover_probe; }
  void announce_due(Instant now, Step& out);
  void removed(const KernelAnswer& answer, Instant now, Step& out);
  void released(Instant now, Step& out, bool foreign = false);
  void force_out(HolderEvent why, const std::string& detail, Instant now, Step& out);
  void remove(Step& out);
  void forget();

  VipSettings settings_;
  HolderState state_ = HolderState::kIdle;
  Epoch epoch_ = 0;
  std::optional<Epoch> next_;  ///< Assigned again while it is being removed.
  Epoch told_ = 0;             ///< The newest epoch the guard heard of.
  Instant since_{};            ///< Of the state.
  // Waiting.
  Instant last_probe_ = Instant::min();
  std::uint32_t silent_probes_ = 0;   ///< In a row, unanswered.
  std::optional<Instant> contested_;  ///< Since when somebody answers.
  std::string answering_mac_;         ///< Since then.
  Instant last_answer_ = Instant::min();
  bool foreign_reported_ = false;
  Instant conflict_until_ = Instant::min();
  bool ready_ = false;
  bool by_promise_ = false;  ///< R5(b): R8 probes on for a minute.
  // Held.
  Instant acquired_{};
  Instant refreshed_{};
  std::size_t announced_ = 0;  ///< Of the schedule.
  Instant announce_base_{};
  Instant announced_at_{};
  std::optional<Instant> claim_;
  Instant claimed_at_ = Instant::min();
  Instant claims_since_ = Instant::min();
  Instant claim_noted_ = Instant::min();
  std::string claim_noted_mac_;
  std::optional<Instant> gone_;
  bool adding_ = false;  ///< A repair's kAdd is under way.
  std::deque<Instant> repaired_;
  Instant yield_until_ = Instant::min();
  // Removing.
  Instant remove_asked_{};
  Instant remove_noted_{};
  bool remove_pending_ = false;
};

}  // namespace fairlead::vip
