#include "tests/sim/cluster/adversary.h"

#include <algorithm>

#include "tests/sim/cluster/stories.h"
#include "tests/sim/cluster/strikes.h"

namespace fairlead::vip::sim {
namespace {

constexpr At kCycle = 6500 * kMs;
constexpr At kCalmBegin = 7 * kSecond;

/// R17: it, or one of its group, has moved too often to move by choice.
bool flaps(const Site& site, int vip) {
  for (int v = 0; v < site.vips(); ++v) {
    if (v != vip && !site.options().group) continue;
    for (int n = 0; n < site.nodes(); ++n) {
      const TakeoverCore* core = site.node(n).core();
      if (core != nullptr && core->describe("v" + std::to_string(v)).flapping) return true;
    }
  }
  return false;
}

bool flaps_anywhere(const Site& site) {
  for (int vip = 0; vip < site.vips(); ++vip) {
    if (flaps(site, vip)) return true;
  }
  return false;
}

/// One fault at a time; what it costs is measured.
class CalmStory : public Scenario {
 public:
  CalmStory(Site& site, Strikes& strikes, At begin, int faults) : site_(site), strikes_(strikes), at_(begin), faults_(faults) {
    site_.set_scenario(this);
    schedule_cycle();
  }
  CalmStory(const CalmStory&) = delete;
  CalmStory& operator=(const CalmStory&) = delete;
  ~CalmStory() override { site_.set_scenario(nullptr); }

  void play() {
    while (site_.world().now < end_ && site_.oracle().violations().empty()) site_.run_until(std::min(end_, site_.world().now + kSecond));
    site_.oracle().disturb();
    if (flaps_anywhere(site_)) site_.run_until(site_.world().now + 4 * kSecond);  // What had to stay may have moved in this moment (R17).
    site_.oracle().converged(site_.world().now);
  }

  void fault(std::uint32_t index) override {
    if (index % 2 == 0) return strike();
    undo();
  }
  [[nodiscard]] int measured() const { return measured_; }

 private:
  void schedule_cycle() { site_.world().queue.push(at_, EventKind::kFault, 0, 0); }

  [[nodiscard]] bool is_calm() const {
    for (int n = 0; n < site_.nodes(); ++n) {
      const TakeoverCore* core = site_.node(n).core();
      if (core == nullptr || !site_.node(n).guard_alive() || !core->is_settled() || !core->is_quorate()) return false;
      if (core->exchange().members().size() != static_cast<std::size_t>(site_.nodes())) return false;
    }
    for (int vip = 0; vip < site_.vips(); ++vip) {
      if (!site_.oracle().is_served(vip)) return false;
    }
    return site_.corosync().is_whole();
  }

  void strike() {
    static constexpr Fault kKinds[] = {Fault::kMove,
                                       Fault::kKillDaemon,
                                       Fault::kHangShort,
                                       Fault::kHangLong,
                                       Fault::kKillGuard,
                                       Fault::kKillBoth,
                                       Fault::kPowerOff,
                                       Fault::kCut,
                                       Fault::kCutRing,
                                       Fault::kOneWay,
                                       Fault::kFreezeProcesses,
                                       Fault::kPauseClockRuns,
                                       Fault::kPauseClockStops,
                                       Fault::kPauseBootRuns,
                                       Fault::kKillCorosync,
                                       Fault::kStopCorosync,
                                       Fault::kHangCorosync,
                                       Fault::kCarrier,
                                       Fault::kServers,
                                       Fault::kDeleteAddress,
                                       Fault::kQnetd};
    constexpr std::uint32_t kKindsCount = sizeof kKinds / sizeof *kKinds;
    site_.oracle().disturb();
    if (!is_calm()) site_.oracle().violation("the cluster is not whole when it had the time");
    World& w = site_.world();
    kind_ = kKinds[w.chance.below(kKindsCount - (site_.options().qdevice ? 0 : 1))];
    detail_ = static_cast<std::uint32_t>(w.chance.next() >> 40);
    const int holder = site_.holder(0);
    node_ = holder >= 0 && w.chance.below(3) != 0 ? holder : static_cast<int>(w.chance.below(static_cast<std::uint32_t>(site_.nodes())));
    if (is_calm()) expect();
    ++done_;
    strikes_.strike(kind_, node_, detail_);
    w.push(undo_after_, EventKind::kFault, 0, 1);
  }

  void undo() {
    if (!same_breath_) {
      site_.oracle().disturb();
      for (int vip = 0; vip < site_.vips(); ++vip) {
        const bool slept = kind_ >= Fault::kFreezeProcesses && kind_ <= Fault::kPauseBootRuns && site_.node(node_).has_address(vip);  // R7
        if (site_.oracle().is_served(vip) && kind_ != Fault::kPauseClockStops && !slept) site_.oracle().expect(Row::kNothing, vip, 0);
      }
    }
    strikes_.undo(kind_, node_, detail_);
    expect_announcements();
    at_ = std::max(at_ + kCycle, site_.world().now + 4 * kSecond);
    if (done_ < faults_)
      schedule_cycle();
    else
      end_ = site_.world().now + 4 * kSecond;
  }

  /// R19: who stood still for long enough to notice it, and holds.
  void expect_announcements() {
    if (kind_ != Fault::kHangShort || undo_after_ < 210 * kMs) return;
    for (int vip = 0; vip < site_.vips(); ++vip) {
      if (site_.node(node_).has_address(vip)) site_.oracle().expect_announcement(vip, node_);
    }
  }

  void expect() {
    const At t = to_at(site_.timing().token);
    const At c = to_at(site_.timing().consensus);
    const At dead = site_.options().qdevice ? 5 * kSecond : t + c + 350 * kMs;  // R12's own bar.
    const bool pair = site_.nodes() == 2;
    const bool qdevice = site_.options().qdevice;
    const bool takes_over = !pair || site_.options().tie_break || qdevice;
    undo_after_ = site_.world().between(2800 * kMs, 3200 * kMs);
    if (kind_ == Fault::kHangShort) undo_after_ = site_.world().between(20 * kMs, 900 * kMs);
    same_breath_ = false;
    if (kind_ == Fault::kKillCorosync || kind_ == Fault::kStopCorosync) {
      site_.oracle().expect_gone(node_, site_.world().now + 21 * kMs, "R9");  // Seen within 15 ms here; two slow answers of the kernel.
      site_.world().push(22 * kMs, EventKind::kCheck);
    }
    for (int vip = 0; vip < site_.vips(); ++vip) {
      const bool held = site_.holder(vip) == node_;
      const bool loses_clients = Strikes::is_lan_cut(detail_);  // One-way.
      std::optional<std::pair<Row, At>> bound;
      switch (kind_) {
        case Fault::kMove: bound = {Row::kPlannedMove, 20 * kMs}; break;
        case Fault::kKillDaemon: bound = held ? std::pair{Row::kDaemonKilled, 50 * kMs} : std::pair{Row::kStandbyDies, At{0}}; break;
        case Fault::kHangShort:
          same_breath_ = true;
          bound = {Row::kDaemonHung, held ? undo_after_ + 10 * kMs : 0};
          break;
        case Fault::kHangLong: bound = {Row::kDaemonHung, held ? kSecond + 300 * kMs : 0}; break;
        case Fault::kKillGuard: bound = {Row::kNothing, 0}; break;
        case Fault::kKillBoth:
          undo_after_ = 4500 * kMs;
          bound = held ? std::pair{Row::kBothKilled, 2 * kSecond + t + c + 500 * kMs} : std::pair{Row::kStandbyDies, At{0}};
          break;
        case Fault::kPowerOff:
        case Fault::kCut: bound = held ? std::pair{Row::kNodeDead, dead} : std::pair{Row::kStandbyDies, At{0}}; break;
        case Fault::kCutRing:
          bound = qdevice ? std::pair{Row::kNodeDead, dead}  // qnetd chooses the lower id, whoever holds.
                  : pair  ? std::pair{Row::kNothing, At{0}}
                  : held  ? std::pair{Row::kNodeDead, dead}
                          : std::pair{Row::kStandbyDies, At{0}};
          break;
        case Fault::kOneWay:
          if (takes_over || !(held && loses_clients))
            bound = {Row::kOneWay, pair && !qdevice && !(held && loses_clients) ? 0 : 5 * kSecond};
          undo_after_ = 5200 * kMs;
          break;
        case Fault::kFreezeProcesses:
        case Fault::kPauseClockRuns:
        case Fault::kPauseClockStops:
        case Fault::kPauseBootRuns:
          // The addresses of frozen processes stay in a kernel that answers: silence is waited for.
          bound = {Row::kFrozen, !held ? 0 : kind_ == Fault::kFreezeProcesses ? 2 * kSecond + t + c + 500 * kMs : dead};
          if (kind_ == Fault::kFreezeProcesses) undo_after_ = 4500 * kMs;
          break;
        case Fault::kKillCorosync:
          undo_after_ = detail_ % 2 == 0 ? 100 * kMs : undo_after_;
          same_breath_ = detail_ % 2 == 0;
          bound = {Row::kCorosyncKilled, !held ? 0 : same_breath_ ? 5 * kSecond : dead};
          break;
        case Fault::kStopCorosync: bound = {Row::kCorosyncKilled, held ? dead : 0}; break;
        case Fault::kHangCorosync: bound = {Row::kCorosyncKilled, held ? dead + (pair ? kSecond : 0) : 0}; break;
        case Fault::kCarrier: bound = held ? std::pair{Row::kCarrierLost, 60 * kMs} : std::pair{Row::kNothing, At{0}}; break;
        case Fault::kServers: bound = held ? std::pair{Row::kServersLost, 60 * kMs} : std::pair{Row::kNothing, At{0}}; break;
        case Fault::kDeleteAddress:
          bound = {Row::kAddressDeleted,
                   static_cast<int>(detail_ % static_cast<std::uint32_t>(site_.vips())) == vip && held ? 150 * kMs : 0};
          break;
        case Fault::kQnetd: bound = {Row::kNothing, 0}; break;
        default: break;
      }
      const bool needs_other =
          kind_ == Fault::kPowerOff || kind_ == Fault::kCut || kind_ == Fault::kKillBoth || kind_ >= Fault::kFreezeProcesses;
      if (bound && held && needs_other && !takes_over && kind_ != Fault::kCarrier && kind_ != Fault::kServers &&
          kind_ != Fault::kDeleteAddress)
        bound.reset();
      const bool by_choice = kind_ == Fault::kCarrier || kind_ == Fault::kServers;
      if (by_choice && flaps(site_, vip)) bound.reset();  // R17
      if (bound) site_.oracle().expect(bound->first, vip, bound->second);
      if (bound) ++measured_;
    }
  }

  Site& site_;
  Strikes& strikes_;
  At at_;
  int faults_;
  At end_ = kNever;  ///< Before the last fault is undone.
  Fault kind_{};
  int node_ = 0;
  std::uint32_t detail_ = 0;
  At undo_after_ = 3 * kSecond;
  bool same_breath_ = false;
  int done_ = 0;
  int measured_ = 0;
};

/// Many at once.
class StormStory : public Scenario {
 public:
  static constexpr At kBegin = 5 * kSecond;
  static constexpr At kRepair = 19 * kSecond;
  static constexpr At kEnd = 32 * kSecond;

  StormStory(Site& site, Strikes& strikes, bool deaf) : site_(site), strikes_(strikes) {
    site_.set_scenario(this);
    World& w = site_.world();
    w.hiccup = 100 * kMs;
    site_.oracle().be_patient(to_at(site_.timing().lease()) + 150 * kMs);
    static constexpr Fault kDeaf[] = {Fault::kMove,     Fault::kKillDaemon,   Fault::kCutRing,       Fault::kCutRing,      Fault::kOneWay,
                                      Fault::kPowerOff, Fault::kKillCorosync, Fault::kStopCorosync,  Fault::kHangCorosync, Fault::kCarrier,
                                      Fault::kServers,  Fault::kStandby,      Fault::kFreezeCluster, Fault::kLeave,        Fault::kDeafLan,
                                      Fault::kDeafLan,  Fault::kKillDaemon,   Fault::kDeleteAddress};
    const std::uint32_t count = 6 + w.chance.below(11);
    for (std::uint32_t i = 0; i < count; ++i) {
      Planned p;
      p.kind = deaf ? kDeaf[w.chance.below(sizeof kDeaf / sizeof *kDeaf)] : static_cast<Fault>(w.chance.below(kFaults - 2));
      if (site_.options().qdevice && i % 4 == 0) p.kind = Fault::kQnetd;
      p.node = static_cast<int>(w.chance.below(static_cast<std::uint32_t>(site_.nodes())));
      p.detail = static_cast<std::uint32_t>(w.chance.next() >> 40);
      p.at_holder = w.one_in(2);
      const At at = w.between(kBegin, kRepair - 200 * kMs);
      static constexpr At kLasting[] = {30 * kMs, 300 * kMs, kSecond, 2200 * kMs, 4 * kSecond, 9 * kSecond};
      const At most = kLasting[w.chance.below(6)];
      const auto index = static_cast<std::uint32_t>(planned_.size());
      planned_.push_back(p);
      w.queue.push(at, EventKind::kFault, 0, index * 2);
      if (at + most < kRepair) w.queue.push(at + w.between(most / 4, most), EventKind::kFault, 0, index * 2 + 1);
    }
    if (deaf) {
      for (std::size_t a = 0; a < kNodesMax; ++a) {
        for (std::size_t b = 0; b < kNodesMax; ++b) {
          if (w.one_in(2)) w.wires.lan[a][b] = false;
        }
      }
    }
    for (At at = kRepair; at < kEnd - 5 * kSecond; at += 1500 * kMs) w.queue.push(at, EventKind::kFault, 0, at == kRepair ? 900U : 901U);
  }

  void fault(std::uint32_t index) override {
    if (index == 900U) return strikes_.repair_everything();
    if (index == 901U) {
      for (const auto kind : {OverrideKind::kNodeStandby, OverrideKind::kVipDisabled, OverrideKind::kFrozen}) strikes_.clear_wishes(kind);
      return;
    }
    Planned& p = planned_[index / 2];
    if (index % 2 != 0) {
      if (p.struck) strikes_.undo(p.kind, p.node, p.detail);
      return;
    }
    if (p.at_holder && site_.holder(0) >= 0) p.node = site_.holder(0);
    p.struck = true;
    if (p.kind == Fault::kLeave) strikes_.left(p.node);
    strikes_.strike(p.kind, p.node, p.detail);
  }

 private:
  struct Planned {
    Fault kind{};
    int node = 0;
    std::uint32_t detail = 0;
    bool at_holder = false;
    bool struck = false;
  };
  Site& site_;
  Strikes& strikes_;
  std::vector<Planned> planned_;
};

int calm_faults(Site& site, Strikes& strikes, At begin, int faults) {
  CalmStory calm(site, strikes, begin, faults);
  calm.play();
  return calm.measured();
}

/// A story that is told has had few faults, or little time.
int go_on_calmly(Site& site, Strikes& strikes) {
  const At left = kSimulatedPerSchedule - site.world().now;
  const int faults = std::max(kFaultsPerSchedule - strikes.count(), left <= 0 ? 0 : 1 + static_cast<int>(left / kCycle));
  if (faults <= 0 || !site.oracle().violations().empty()) return 0;
  mend(site, strikes);
  return calm_faults(site, strikes, site.world().now + kSecond, faults);
}

SiteOptions choose(Prng& chance) {
  SiteOptions o;
  const std::uint32_t size = chance.below(20);
  o.nodes = size < 9 ? 2 : size < 17 ? 3 : 5;
  o.vips = o.nodes == 5 ? 1 : 1 + static_cast<int>(chance.below(4) / 2);
  o.fast = chance.below(2) == 0;
  const std::uint32_t third = o.nodes == 2 ? chance.below(5) : 0;
  o.tie_break = o.nodes == 2 && third > 1;
  o.qdevice = o.nodes == 2 && third == 1;
  o.group = chance.below(4) == 0;
  o.boot_staggered = chance.below(3) == 0;
  return o;
}

}  // namespace

Outcome play(std::uint64_t seed, PlayOptions options) {
  Prng chance(mix64(seed));
  SiteOptions site_options = choose(chance);
  site_options.trace = options.trace;
  site_options.recorder = options.recorder;
  Outcome out;
  const auto pick = options.style >= 0 ? static_cast<std::uint32_t>(options.style) : chance.below(100);
  const bool deaf = pick >= 75 && pick < 85;
  if (deaf && site_options.nodes == 2) site_options.nodes = 3, site_options.tie_break = site_options.qdevice = false;
  const bool story = pick >= 85;
  Prng versions(mix64(~seed));  // Of its own: the other choices stay what they were.
  const auto which = chance.below(kStories);
  if (story) adapt(which, site_options);
  if (versions.below(4) == 0) site_options.newer = static_cast<int>(versions.below(static_cast<std::uint32_t>(site_options.nodes)));
  if (pick >= 40 && !story) site_options.preempt = versions.below(4) == 0;
  Site site(seed, site_options);
  Strikes strikes(site, out.coverage);
  out.what = std::string(pick < 40 ? "calm"
                         : story   ? story_name(which)
                         : deaf    ? "storm, deaf LAN"
                                   : "storm") +
             ", " + std::to_string(site_options.nodes) + " nodes, " + std::to_string(site_options.vips) + " VIPs, " +
             (site_options.fast ? "fast" : "vm") +
             (site_options.tie_break ? ", tie_break"
              : site_options.qdevice ? ", qdevice"
                                     : "") +
             (site_options.preempt ? ", preempt" : "") + (site_options.newer < 0 ? "" : ", mixed versions");
  if (pick < 40) {
    out.measured = calm_faults(site, strikes, kCalmBegin, kFaultsPerSchedule);
  } else if (story) {
    tell(which, site, strikes);
    out.measured = go_on_calmly(site, strikes);
  } else {
    StormStory storm(site, strikes, deaf);
    site.run_until(StormStory::kEnd + (site_options.preempt ? 8 * kSecond : 0));
    site.oracle().converged(site.world().now);
    if (site_options.preempt && !flaps(site, 0) && site.holder(0) > 0 &&
        site.node(site.holder(0)).core()->describe("v0").ineligible[NodeId{1}].empty())
      site.oracle().violation("R3: all is quiet, and the preferred node has not got VIP 0 back");
  }
  out.violations = site.oracle().violations();
  out.statistics = site.oracle().statistics();
  out.faults = strikes.count();
  out.simulated = site.world().now;
  return out;
}

}  // namespace fairlead::vip::sim
