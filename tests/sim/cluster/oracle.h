// Looks at the site from outside: which machines answer the client's ARP for a VIP, and whether a new connection would be served. It knows
// nothing of leases, plans or messages; what a rule forbids beyond that is told to it by the adversary as an expectation.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/cluster_message.h"
#include "tests/sim/cluster/sim_world.h"
#include "vip/vip_holder.h"

namespace fairlead::vip::sim {

class NodeModel;
class Site;

/// The rows of the table of bounds, and what else is measured.
enum class Row : std::uint8_t {
  kPlannedMove,
  kDaemonKilled,
  kDaemonHung,
  kNodeDead,
  kOneWay,
  kStandbyDies,
  kBothKilled,
  kFrozen,
  kCarrierLost,
  kServersLost,
  kAddressDeleted,
  kCorosyncKilled,
  kNothing,  ///< What must not cost anything: a heal, a restart, a join, a refused wish.
};
inline constexpr int kRows = 13;
[[nodiscard]] const char* to_string(Row row);

struct RowStatistics {
  std::uint64_t measured = 0;
  At worst = 0;
  std::uint64_t total_us = 0;
};
using Statistics = std::array<RowStatistics, kRows>;

class Oracle {
 public:
  void begin(Site& site);

  // ---- what happens ----
  /// Something changed that may matter for the VIP.
  void look(int vip);
  void look_everywhere();
  void announced(int node, int vip);
  void acted(int node, int vip, HolderActionKind kind, Epoch epoch, Incarnation incarnation);
  void said_released(int node, int vip, Epoch epoch, Incarnation incarnation);

  // ---- what may be expected ----
  /// A fault in a calm cluster: from now on an outage of the VIP longer than `bound` is a violation, until the next disturb().
  void expect(Row row, int vip, At bound);
  void disturb();
  void expect_reset(int vip, int node) { reset_due_[i(vip)] = node; }
  /// Until disturb(), if it still has the VIP then.
  void expect_announcement(int vip, int node) { announcement_due_[i(vip)] = node; }
  /// The VIP is not to move by anybody's choice (R15, R16, R17) until disturb().
  void expect_holder(int vip, int node) { pinned_[i(vip)] = node; }
  /// The node has no address any more at that time.
  void expect_gone(int node, At by, const char* rule) { gone_.push_back({node, by, rule}); }
  /// Many faults at once: who slept with his clock may have nobody left to wake him but the end of his lease.
  void be_patient(At lease) { wake_clock_stops_ = lease; }
  /// Two nodes that reach everybody but each other are not promised anything (R11).
  void excuse_doubles(bool on) { excused_ = on; }
  void converged(At now);
  void violation(const std::string& what);

  [[nodiscard]] bool is_served(int vip) const { return unserved_since_[i(vip)] == kNever; }
  [[nodiscard]] At unserved_since(int vip) const { return unserved_since_[i(vip)]; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  void set_disabled(int vip, bool on) { disabled_[i(vip)] = on; }
  [[nodiscard]] bool is_disabled(int vip) const { return disabled_[i(vip)]; }
  [[nodiscard]] std::uint32_t adds() const { return adds_; }

 private:
  struct Expectation {
    Row row;
    int vip;
    At since;
    At bound;
    At worst;
    At waited_before;  ///< World::waited when it began,
    At waited;         ///< and how much until the worst outage ended.
  };
  struct Gone {
    int node;
    At by;
    const char* rule;
    bool done = false;
  };
  void check_gone();
  static std::size_t i(int vip) { return static_cast<std::size_t>(vip); }
  void outage(int vip, At from, At to);
  [[nodiscard]] bool serves(int node, int vip) const;
  [[nodiscard]] bool is_apart() const;
  [[nodiscard]] bool is_dispute(int vip) const;
  [[nodiscard]] bool is_patient() const { return wake_clock_stops_ > 250 * kMs; }
  void check_doubles(int vip);
  [[nodiscard]] At allowed_beside(int vip, int n, const std::vector<int>& answering) const;
  [[nodiscard]] At allowed_after_waking(int vip, const NodeModel& woken) const;
  [[nodiscard]] bool asks_in_vain(int node, int vip, int of) const;
  void asked(int node, int vip);
  void added(int node, int vip);
  void overlap(int vip, bool on);
  [[nodiscard]] bool is_excused(int node, int vip);

  Site* site_ = nullptr;
  std::array<int, kVipsMax> cache_{};  ///< Whom the client's neighbour entry names.
  std::array<At, kVipsMax> unserved_since_{};
  /// Two nodes that answer for one VIP. An overlap that comes again within a second is the same one.
  struct Overlap {
    At since = kNever;      ///< kNever: none at this moment.
    At ended = -kNever;     ///< The last time.
    At before = 0;          ///< What it took altogether, without what goes on.
    bool disputed = false;  ///< In a part of it nothing was promised: is_dispute().
  };
  std::array<Overlap, kVipsMax> overlaps_{};
  std::array<int, kVipsMax> reset_due_{};
  std::array<int, kVipsMax> announcement_due_{};
  std::array<int, kVipsMax> pinned_{};
  std::array<bool, kVipsMax> disabled_{};
  bool excused_ = false;
  std::array<std::array<std::array<At, kNodesMax>, kNodesMax>, kVipsMax> asked_in_vain_{};  ///< When last; by VIP, who, whom.
  std::array<bool, kVipsMax> unasked_{};                         ///< The newest taker asked in vain, or both were apart.
  std::array<std::array<bool, kVipsMax>, kNodesMax> unheard_{};  ///< A taker asked and could not hear this node, which nobody attends.
  At wake_clock_stops_ = 250 * kMs;                              ///< The table of bounds.
  std::vector<Gone> gone_;
  std::uint32_t adds_ = 0;
  std::vector<Expectation> expectations_;
  std::map<std::pair<int, int>, std::pair<Incarnation, Epoch>> released_;  ///< By node and VIP: the newest epoch given up.
  std::vector<std::string> violations_;
  Statistics statistics_{};
};

}  // namespace fairlead::vip::sim
