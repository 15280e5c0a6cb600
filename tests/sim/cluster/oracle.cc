#include "tests/sim/cluster/oracle.h"

#include "tests/sim/cluster/cluster_site.h"

namespace fairlead::vip::sim {
namespace {

std::string ms(At at) { return std::to_string(at / kMs) + "." + std::to_string(at % kMs / 100'000) + " ms"; }

constexpr At kWakeClockRuns = 55 * kMs;  // The table of bounds: a machine frozen and woken; and the kernel's answer to the deletion.
// Two faults, not promised: an address that nobody but the kernel can delete comes back to a LAN that could not ask for it; and two nodes
// that are alone, one of which had no carrier when the other asked.
constexpr At kUnattended = 2400 * kMs;
constexpr At kAloneWithoutCarrier = 450 * kMs;
// Two nodes without a ring that both reach the router (R11 does not promise it): R8 ends it.
constexpr At kAloneDispute = 500 * kMs;
constexpr At kDisputesApart = kSecond;     ///< An overlap that comes again earlier goes on.
constexpr At kProbeRound = 100 * kMs;      ///< R5: three probes before an address is added.
constexpr At kHungAndPaused = 1100 * kMs;  ///< The guard does not count the time in which it did not run itself (R10).
constexpr At kGuardCleans = 50 * kMs;      ///< The table of bounds: daemon killed.
constexpr At kResolveAfter = 5 * kSecond;  ///< The client's neighbour entry is confirmed anew, at the latest.

}  // namespace

const char* to_string(Row row) {
  switch (row) {
    case Row::kPlannedMove: return "planned move";
    case Row::kDaemonKilled: return "daemon killed";
    case Row::kDaemonHung: return "daemon hung";
    case Row::kNodeDead: return "holder dead or cut off";
    case Row::kOneWay: return "one-way cut";
    case Row::kStandbyDies: return "standby dies";
    case Row::kBothKilled: return "daemon and guard killed";
    case Row::kFrozen: return "machine frozen";
    case Row::kCarrierLost: return "carrier lost";
    case Row::kServersLost: return "servers lost";
    case Row::kAddressDeleted: return "address deleted";
    case Row::kCorosyncKilled: return "corosync killed";
    case Row::kNothing: return "must cost nothing";
  }
  return "";
}

void Oracle::begin(Site& site) {
  site_ = &site;
  cache_.fill(-1);
  unserved_since_.fill(0);
  reset_due_.fill(-1);
  announcement_due_.fill(-1);
  pinned_.fill(-1);
  for (auto& by : asked_in_vain_) {
    for (auto& of : by) of.fill(-kNever);
  }
}

void Oracle::violation(const std::string& what) {
  const std::string line = "at " + ms(site_->world().now) + ": " + what;
  site_->log(-1, "VIOLATION " + line);
  if (violations_.size() < 20) violations_.push_back(line);
}

bool Oracle::serves(int node, int vip) const {
  const NodeModel& n = site_->node(node);
  return n.has_address(vip) && n.answers_arp() && n.proxy_runs() && n.serves() && n.carrier() && site_->world().wires.client_both(node);
}

void Oracle::look(int vip) {
  check_doubles(vip);
  const At now = site_->world().now;
  const bool served = cache_[i(vip)] >= 0 && serves(cache_[i(vip)], vip);
  At& since = unserved_since_[i(vip)];
  if (served && since != kNever) {
    outage(vip, since, now);
    since = kNever;
  } else if (!served && since == kNever) {
    since = now;
    site_->world().push(kResolveAfter, EventKind::kClient, 0, static_cast<std::uint32_t>(vip));
  }
}

void Oracle::check_gone() {
  const At now = site_->world().now;
  for (Gone& gone : gone_) {
    if (now < gone.by || gone.done) continue;
    gone.done = true;
    for (int vip = 0; vip < site_->vips(); ++vip) {
      if (site_->node(gone.node).has_address(vip) && site_->node(gone.node).proxy_runs())
        violation(std::string(gone.rule) + ": node " + std::to_string(gone.node + 1) + " still has VIP " + std::to_string(vip));
    }
  }
}

void Oracle::look_everywhere() {
  check_gone();
  for (int vip = 0; vip < site_->vips(); ++vip) look(vip);
}

/// How long a machine that stood still may answer beside another one.
At Oracle::allowed_after_waking(int vip, const NodeModel& woken) const {
  if (woken.slept() != Pause::kClockStops) return kWakeClockRuns + (is_patient() ? site_->vips() * 40 * kMs : 0);  // A slow kernel.
  for (int n = 0; n < site_->nodes(); ++n) {
    if (site_->node(n).has_address(vip) && site_->node(n).unattended()) return std::max(wake_clock_stops_, kUnattended);
  }
  return wake_clock_stops_;
}

/// The LAN between the two drops frames, so that the one cannot find out by asking that the other has the address.
bool Oracle::asks_in_vain(int node, int vip, int of) const {
  const auto& lan = site_->world().wires.lan;
  return of != node && site_->node(of).has_address(vip) && !(lan[i(node)][i(of)] && lan[i(of)][i(node)]);
}

void Oracle::asked(int node, int vip) {
  for (int n = 0; n < site_->nodes(); ++n) {
    if (asks_in_vain(node, vip, n)) asked_in_vain_[i(vip)][i(node)][i(n)] = site_->world().now;
  }
}

/// A LAN that drops ARP, when daemon and guard are both dead: not promised. Whoever could not hear the address took it in good faith, and
/// whatever follows (its Released is believed, too) lasts no longer than what the kernel keeps.
void Oracle::added(int node, int vip) {
  const At now = site_->world().now;
  unasked_[i(vip)] = is_apart();
  for (int n = 0; n < site_->nodes(); ++n) {
    const bool asked = asks_in_vain(node, vip, n) || asked_in_vain_[i(vip)][i(node)][i(n)] > now - kProbeRound;
    if (n == node || !asked || !site_->node(n).has_address(vip)) continue;
    if (site_->node(n).unattended()) unheard_[i(n)][i(vip)] = true;
    if (site_->options().qdevice ? !site_->corosync().is_whole() : site_->options().tie_break) unasked_[i(vip)] = true;
  }
}

bool Oracle::is_excused(int node, int vip) {
  bool& unheard = unheard_[i(node)][i(vip)];
  unheard = unheard && site_->node(node).has_address(vip) && site_->node(node).unattended();
  return unheard;
}

/// Two nodes hear a router each, and are not in one ring (R11). The LAN between them may be whole: who stands still for a moment does not
/// answer either, and two that ask in the same moment find nobody.
bool Oracle::is_apart() const {
  if (site_->nodes() != 2 || !site_->options().tie_break || site_->corosync().is_whole()) return false;
  return site_->world().wires.target[0][0] && site_->world().wires.target[1][0];
}

/// Many faults at once, and two nodes are apart, or were when the VIP was added; or a quorum device's vote wandered, and the node that got
/// it could not ask the other one (R12).
bool Oracle::is_dispute(int vip) const { return is_patient() && site_->nodes() == 2 && (is_apart() || unasked_[i(vip)]); }

void Oracle::overlap(int vip, bool on) {
  const At now = site_->world().now;
  Overlap& both = overlaps_[i(vip)];
  if (on && both.since == kNever) {
    if (now > both.ended + kDisputesApart) both = Overlap{};
    both.since = now;
  } else if (!on && both.since != kNever) {
    both.before += now - both.since;
    both.ended = now;
    both.since = kNever;
  }
  both.disputed = both.disputed || (on && is_dispute(vip));
}

/// Until when this one may answer beside the others that do.
At Oracle::allowed_beside(int vip, int n, const std::vector<int>& answering) const {
  const NodeModel& node = site_->node(n);
  At seen_again = -kNever;
  for (const int other : answering) {
    if (other != n) seen_again = std::max(seen_again, node.reappeared_at(other));
  }
  At until = node.hung_until_death() + kGuardCleans;
  if (node.unattended()) until = std::max(until, seen_again + kUnattended);
  if (node.daemon_alive() && node.daemon_hung()) until = std::max(until, seen_again + kHungAndPaused);
  if (site_->nodes() == 2) until = std::max(until, node.carrier_back_at() + kAloneWithoutCarrier);
  if (node.slept() != Pause::kNone) until = std::max(until, node.woken_at() + allowed_after_waking(vip, node) + node.late_when_woken());
  return until;
}

void Oracle::check_doubles(int vip) {
  std::vector<int> answering;
  for (int n = 0; n < site_->nodes(); ++n) {
    const NodeModel& node = site_->node(n);
    if (is_excused(n, vip)) continue;
    if (node.has_address(vip) && node.answers_arp() && node.carrier() && site_->world().wires.client_both(n)) answering.push_back(n);
  }
  overlap(vip, answering.size() >= 2);
  if (answering.size() < 2 || excused_) return;
  At allowed_until = -kNever;
  for (const int n : answering) allowed_until = std::max(allowed_until, allowed_beside(vip, n, answering));
  const Overlap& both = overlaps_[i(vip)];
  if (both.disputed) allowed_until = std::max(allowed_until, both.since + kAloneDispute - both.before);
  if (site_->world().now < allowed_until) return site_->world().queue.push(allowed_until, EventKind::kCheck);
  std::string who;
  for (int n = 0; n < site_->nodes(); ++n) {
    if (site_->node(n).has_address(vip)) who += " " + std::to_string(n + 1);
  }
  violation("VIP " + std::to_string(vip) + " is answered for by nodes" + who);
}

void Oracle::announced(int node, int vip) {
  if (!site_->world().wires.client_hears[i(node)] || !site_->node(node).carrier()) return;
  cache_[i(vip)] = node;
  look(vip);
}

void Oracle::acted(int node, int vip, HolderActionKind kind, Epoch epoch, Incarnation incarnation) {
  if (kind == HolderActionKind::kProbe) asked(node, vip);
  if (kind == HolderActionKind::kAdd) {
    ++adds_;
    added(node, vip);
    const auto said = released_.find({node, vip});
    if (said != released_.end() && said->second.first == incarnation && epoch <= said->second.second) {
      violation("node " + std::to_string(node + 1) + " adds VIP " + std::to_string(vip) + " by epoch " + std::to_string(epoch) +
                ", released");
    }
    if (disabled_[i(vip)]) violation("R16: VIP " + std::to_string(vip) + " is disabled and taken by node " + std::to_string(node + 1));
    if (pinned_[i(vip)] >= 0 && pinned_[i(vip)] != node) {
      violation("VIP " + std::to_string(vip) + " was to stay on node " + std::to_string(pinned_[i(vip)] + 1) + ", node " +
                std::to_string(node + 1) + " takes it");
    }
  }
  if (kind == HolderActionKind::kAnnounce && announcement_due_[i(vip)] == node) announcement_due_[i(vip)] = -1;
  if (kind == HolderActionKind::kReset && reset_due_[i(vip)] == node) reset_due_[i(vip)] = -1;
  if (kind == HolderActionKind::kRemove && reset_due_[i(vip)] == node) {
    violation("R18: a planned move deleted the address before the connections were reset");
    reset_due_[i(vip)] = -1;
  }
}

void Oracle::said_released(int node, int vip, Epoch epoch, Incarnation incarnation) {
  if (site_->node(node).has_address(vip)) violation("R5: Released said by node " + std::to_string(node + 1) + " that has the address");
  auto& said = released_[{node, vip}];
  if (said.first == incarnation && said.second == epoch) violation("I3: Released said twice for epoch " + std::to_string(epoch));
  said = {incarnation, epoch};
}

// ---- bounds ----

void Oracle::expect(Row row, int vip, At bound) {
  expectations_.push_back({row, vip, site_->world().now, bound, 0, site_->world().waited, 0});
}

void Oracle::outage(int vip, At from, At to) {
  for (Expectation& e : expectations_) {
    const At length = to - std::max(from, e.since);
    if (e.vip != vip || length <= e.worst) continue;
    e.worst = length;
    e.waited = site_->world().waited - e.waited_before;
  }
}

void Oracle::disturb() {
  const At now = site_->world().now;
  for (int vip = 0; vip < site_->vips(); ++vip) {
    if (unserved_since_[i(vip)] != kNever) outage(vip, unserved_since_[i(vip)], now);
  }
  for (int vip = 0; vip < site_->vips(); ++vip) {
    const int node = announcement_due_[i(vip)];
    if (node >= 0 && site_->node(node).has_address(vip)) violation("R19: not announced after an own pause");
  }
  for (const Expectation& e : expectations_) {
    RowStatistics& row = statistics_[static_cast<std::size_t>(e.row)];
    ++row.measured;
    row.worst = std::max(row.worst, e.worst);
    row.total_us += static_cast<std::uint64_t>(e.worst / kUs);
    // The 20 ms of a planned move have no room for a host that keeps somebody waiting as long.
    if (e.worst > e.bound + (e.row == Row::kPlannedMove ? e.waited : 0))
      violation(std::string(to_string(e.row)) + ": VIP " + std::to_string(e.vip) + " was out for " + ms(e.worst) + ", bound " +
                ms(e.bound) + ", fault at " + ms(e.since));
  }
  expectations_.clear();
  reset_due_.fill(-1);
  announcement_due_.fill(-1);
  pinned_.fill(-1);
}

/// The noise has stopped for long enough.
void Oracle::converged(At now) {
  for (int vip = 0; vip < site_->vips(); ++vip) {
    int holders = 0;
    for (int n = 0; n < site_->nodes(); ++n) holders += site_->node(n).has_address(vip) ? 1 : 0;
    if (disabled_[i(vip)]) {
      if (holders != 0) violation("R16: VIP " + std::to_string(vip) + " is disabled and held");
      continue;
    }
    if (holders != 1)
      violation("VIP " + std::to_string(vip) + " is held by " + std::to_string(holders) + " nodes when all is quiet");
    else if (!is_served(vip))
      violation("VIP " + std::to_string(vip) + " is held and not served when all is quiet");
    else if (now - site_->last_change(vip) < 2 * kSecond)
      violation("VIP " + std::to_string(vip) + " still moves when all is quiet");
  }
}

}  // namespace fairlead::vip::sim
