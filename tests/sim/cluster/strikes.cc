#include "tests/sim/cluster/strikes.h"

#include <algorithm>

namespace fairlead::vip::sim {

const char* to_string(Fault fault) {
  static constexpr std::array<const char*, kFaults> kNames = {"move",
                                                              "kill daemon",
                                                              "hang < 1 s",
                                                              "hang > 1 s",
                                                              "kill guard",
                                                              "kill both",
                                                              "power off",
                                                              "cut node",
                                                              "cut ring",
                                                              "cut one way",
                                                              "split",
                                                              "freeze procs",
                                                              "pause",
                                                              "pause, clock stops",
                                                              "pause, boot runs",
                                                              "kill corosync",
                                                              "stop corosync",
                                                              "hang corosync",
                                                              "carrier",
                                                              "servers",
                                                              "delete address",
                                                              "slow kernel",
                                                              "standby",
                                                              "disable",
                                                              "freeze cluster",
                                                              "leave",
                                                              "configure",
                                                              "deaf LAN",
                                                              "lose qnetd"};
  return kNames[static_cast<std::size_t>(fault)];
}

const char* struck_state(int index) {
  static constexpr std::array<const char*, kStruckStates> kNames = {"idle",      "waiting",  "adding",    "held",
                                                                    "resetting", "removing", "no daemon", "ring stands"};
  return kNames[static_cast<std::size_t>(index)];
}

Strikes::Strikes(Site& site, Coverage& coverage) : site_(site), coverage_(coverage) {}

void Strikes::cover(Fault fault, int node) {
  const NodeModel& n = site_.node(node);
  int state = 6;
  if (n.core() != nullptr) {
    const VipHolder* holder = n.core()->holder("v0");
    state = holder == nullptr ? 0 : static_cast<int>(holder->state());
    if (!site_.corosync().is_turning(node)) state = 7;
  }
  ++coverage_[static_cast<std::size_t>(fault)][static_cast<std::size_t>(state)];
  ++count_;
  site_.log(node, std::string("FAULT ") + to_string(fault));
}

void Strikes::separate(int node, bool apart, bool lan, bool client) {
  Wires& w = site_.world().wires;
  const auto n = static_cast<std::size_t>(node);
  for (std::size_t other = 0; other < kNodesMax; ++other) {
    if (other == n) continue;
    w.ring[n][other] = w.ring[other][n] = !apart;
    if (lan) w.lan[n][other] = w.lan[other][n] = !apart;
  }
  for (int other = 0; !apart && node < site_.nodes() && other < site_.nodes(); ++other) {
    site_.node(node).reappears_to(other);
    site_.node(other).reappears_to(node);
  }
  if (client) {
    w.client_hears[n] = w.hears_client[n] = w.qnetd[n] = !apart;
    w.target[n].fill(!apart);
  }
}

void Strikes::cut_one_way(int node, bool deaf, bool lan) {
  Wires& w = site_.world().wires;
  const auto n = static_cast<std::size_t>(node);
  for (std::size_t other = 0; other < kNodesMax; ++other) {
    if (other == n) continue;
    (deaf ? w.ring[other][n] : w.ring[n][other]) = false;
    if (lan) (deaf ? w.lan[other][n] : w.lan[n][other]) = false;
  }
  if (!lan) return;
  (deaf ? w.hears_client[n] : w.client_hears[n]) = false;
  w.target[n].fill(false);
  w.qnetd[n] = false;
}

void Strikes::split(std::uint32_t minority, bool apart, bool lan, bool client) {
  Wires& w = site_.world().wires;
  for (std::size_t a = 0; a < kNodesMax; ++a) {
    const bool a_in = (minority >> a & 1U) != 0;
    for (std::size_t b = 0; b < kNodesMax; ++b) {
      if (a_in == ((minority >> b & 1U) != 0)) continue;
      w.ring[a][b] = !apart;
      if (lan) w.lan[a][b] = !apart;
      if (!apart && static_cast<int>(std::max(a, b)) < site_.nodes()) site_.node(static_cast<int>(a)).reappears_to(static_cast<int>(b));
    }
    if (a_in && client) {
      w.client_hears[a] = w.hears_client[a] = w.qnetd[a] = !apart;
      w.target[a].fill(!apart);
    }
  }
}

bool Strikes::wish(int from, OverrideKind kind, const std::string& name, bool on) {
  return from >= 0 && site_.node(from).command(WishInput{kind, name, on, /*force=*/true}).has_value();
}

void Strikes::strike(Fault fault, int node, std::uint32_t detail) {
  if (node < 0) return;  // Nobody holds it.
  cover(fault, node);
  NodeModel& n = site_.node(node);
  World& w = site_.world();
  const int vip = static_cast<int>(detail % static_cast<std::uint32_t>(site_.vips()));
  const std::string vip_name = "v" + std::to_string(vip);
  switch (fault) {
    case Fault::kMove:
      (void)n.command(MoveInput{vip_name, detail % 3 == 0 ? kNoNode : NodeId{1 + detail / 3 % static_cast<std::uint32_t>(site_.nodes())}});
      return;
    case Fault::kKillDaemon: return n.kill_daemon();
    case Fault::kHangShort:
    case Fault::kHangLong: return n.hang_daemon(false);
    case Fault::kKillGuard: return n.kill_guard();
    case Fault::kKillBoth:
      n.hold_restart(true);
      n.kill_guard();
      n.kill_daemon();
      return;
    case Fault::kPowerOff: return n.power_off();
    case Fault::kCut: separate(node, true, true, true); return site_.wires_changed();
    case Fault::kCutRing: separate(node, true, false, false); return site_.wires_changed();
    case Fault::kOneWay: cut_one_way(node, detail % 2 != 0, is_lan_cut(detail)); return site_.wires_changed();
    case Fault::kSplit: split(minority_of(detail), true, true, true); return site_.wires_changed();
    case Fault::kFreezeProcesses:
      n.hang_daemon(true);
      site_.corosync().freeze(node);
      return;
    case Fault::kPauseClockRuns: return n.pause(Pause::kClockRuns);
    case Fault::kPauseClockStops: return n.pause(Pause::kClockStops);
    case Fault::kPauseBootRuns: return n.pause(Pause::kOnlyBootRuns);
    case Fault::kKillCorosync:
    case Fault::kStopCorosync: site_.corosync().kill(node, fault == Fault::kStopCorosync); return n.corosync_died();
    case Fault::kHangCorosync: return site_.corosync().freeze(node);
    case Fault::kCarrier: return n.set_carrier(false);
    case Fault::kServers: return n.set_serves(false);
    case Fault::kDeleteAddress: return n.delete_address(vip);
    case Fault::kSlowKernel: return n.slow_kernel(w.now + 3 * kSecond);
    case Fault::kStandby:
      (void)wish(node, OverrideKind::kNodeStandby, "n" + std::to_string(1 + detail % static_cast<std::uint32_t>(site_.nodes())), true);
      return;
    case Fault::kDisable: (void)wish(node, OverrideKind::kVipDisabled, vip_name, true); return;
    case Fault::kFreezeCluster: (void)wish(node, OverrideKind::kFrozen, "", true); return;
    case Fault::kLeave: (void)n.command(LeaveInput{}); return;
    case Fault::kConfigure: {
      Settings s = n.settings();
      s.vips[static_cast<std::size_t>(vip)].config_hash = detail % 2 == 0 ? 77 : 99;
      return n.set_settings(std::move(s));
    }
    case Fault::kDeafLan: {
      const auto a = static_cast<std::size_t>(node);
      const auto b = detail % static_cast<std::uint32_t>(site_.nodes());
      w.wires.lan[a][b] = false;
      if (detail & 64U) w.wires.lan[b][a] = false;
      return;
    }
    case Fault::kQnetd:  // Gone for all, or for this node.
      if (detail % 2 == 0) w.wires.qnetd.fill(false);
      w.wires.qnetd[static_cast<std::size_t>(node)] = false;
      return;
  }
}

std::uint32_t Strikes::minority_of(std::uint32_t detail) const {
  const auto n = static_cast<std::uint32_t>(site_.nodes());
  if (n < 4) return 1U << (detail % n);
  return 1U << (detail % n) | 1U << ((detail / 8) % n);
}

void Strikes::undo(Fault fault, int node, std::uint32_t detail) {
  NodeModel& n = site_.node(node);
  site_.log(node, std::string("UNDO ") + to_string(fault));
  switch (fault) {
    case Fault::kHangShort:
    case Fault::kHangLong: return n.wake_daemon();
    case Fault::kKillBoth: return n.hold_restart(false);
    case Fault::kPowerOff: return n.power_on();
    case Fault::kCut: separate(node, false, true, true); return site_.wires_changed();
    case Fault::kCutRing: separate(node, false, false, false); return site_.wires_changed();
    case Fault::kOneWay: separate(node, false, is_lan_cut(detail), is_lan_cut(detail)); return site_.wires_changed();
    case Fault::kSplit: split(minority_of(detail), false, true, true); return site_.wires_changed();
    case Fault::kFreezeProcesses:
      n.wake_daemon();
      if (n.is_powered() && n.paused() == Pause::kNone) site_.corosync().thaw(node);
      return;
    case Fault::kPauseClockRuns:
    case Fault::kPauseClockStops:
    case Fault::kPauseBootRuns: return n.resume();
    case Fault::kKillCorosync:
    case Fault::kStopCorosync:
      if (!n.is_powered()) return;
      site_.corosync().start(node);
      return n.corosync_started();
    case Fault::kHangCorosync:
      if (n.paused() == Pause::kNone) site_.corosync().thaw(node);
      return;
    case Fault::kCarrier: return n.set_carrier(true);
    case Fault::kServers: return n.set_serves(true);
    case Fault::kStandby: return clear_wishes(OverrideKind::kNodeStandby);
    case Fault::kDisable: return clear_wishes(OverrideKind::kVipDisabled);
    case Fault::kFreezeCluster: return clear_wishes(OverrideKind::kFrozen);
    case Fault::kLeave: return n.kill_daemon();  // It ends; systemd starts it again.
    case Fault::kConfigure: {
      Settings s = n.settings();
      for (VipSettings& v : s.vips) v.config_hash = 77;
      return n.set_settings(std::move(s));
    }
    case Fault::kDeafLan:
      for (auto& row : site_.world().wires.lan) row.fill(true);
      return;
    case Fault::kQnetd: site_.world().wires.qnetd.fill(true); return;
    default: return;
  }
}

void Strikes::clear_wishes(OverrideKind kind) {
  for (int n = 0; n < site_.nodes(); ++n) {
    const TakeoverCore* core = site_.node(n).core();
    if (core == nullptr) continue;
    std::vector<std::string> on;
    for (const auto& [key, wish] : core->overrides()) {
      if (wish.on && wish.kind == kind) on.push_back(wish.name);
    }
    for (const std::string& name : on) (void)wish(n, kind, name, false);
    return;
  }
}

void Strikes::repair_everything() {
  for (int n = 0; n < site_.nodes(); ++n) {
    NodeModel& node = site_.node(n);
    node.hold_restart(false);
    node.reappears();
    if (node.paused() != Pause::kNone) node.resume();
    node.power_on();
    node.wake_daemon();
    if (!node.carrier()) node.set_carrier(true);
    if (!node.serves()) node.set_serves(true);
    if (!site_.corosync().is_alive(n)) {
      site_.corosync().start(n);
      node.corosync_started();
    }
    site_.corosync().thaw(n);
    Settings s = node.settings();
    bool differs = false;
    for (VipSettings& v : s.vips)
      differs = differs || (v.config_hash != 77 && n != site_.options().odd_hash),
      v.config_hash = n == site_.options().odd_hash ? v.config_hash : 77;
    if (differs) node.set_settings(std::move(s));
    if (left_[static_cast<std::size_t>(n)]) node.kill_daemon();
    left_[static_cast<std::size_t>(n)] = false;
  }
  site_.world().wires = Wires();
  site_.wires_changed();
  site_.log(-1, "EVERYTHING IS REPAIRED");
}

}  // namespace fairlead::vip::sim
