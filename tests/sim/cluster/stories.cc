#include "tests/sim/cluster/stories.h"

#include <array>

namespace fairlead::vip::sim {
namespace {

constexpr At kReady = 8 * kSecond;

/// Runs on; afterwards nothing may be expected of what was before.
void pass(Site& site, At duration) {
  site.run_until(site.world().now + duration);
  site.oracle().disturb();
}

int other_than(const Site& site, int node) { return (node + 1) % site.nodes(); }

/// The node's settings with the first VIP or without it.
Settings with_first_vip(Site& site, int node, bool with) {
  Settings s = site.node(node).settings();
  const bool has = s.find("v0") != nullptr;
  if (has && !with) s.vips.erase(s.vips.begin());
  if (!has && with) s.vips.insert(s.vips.begin(), first_vip(site.options()));
  return s;
}

/// R11: the gateway is silent for a while, then a node is lost: the holder stays, the other never takes.
void silent_gateway(Site& site, Strikes& strikes) {
  pass(site, kReady);
  for (auto& row : site.world().wires.target) row.fill(false);
  pass(site, 12 * kSecond);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("R11: a silent gateway costs the VIP");
  const int lost = other_than(site, holder);
  site.oracle().expect(Row::kNothing, 0, 0);
  site.oracle().expect_holder(0, holder);
  strikes.strike(site.world().one_in(2) ? Fault::kCutRing : Fault::kPowerOff, lost, 0);
  pass(site, 5 * kSecond);
  strikes.repair_everything();
  pass(site, 8 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R11: likewise, and it is the holder that is lost.
void silent_gateway_and_lost_holder(Site& site, Strikes& strikes) {
  pass(site, kReady);
  for (auto& row : site.world().wires.target) row.fill(false);
  pass(site, 12 * kSecond);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("R11: a silent gateway costs the VIP");
  site.oracle().expect_holder(0, holder);
  strikes.strike(Fault::kPowerOff, holder, 0);
  pass(site, 6 * kSecond);
  strikes.repair_everything();
  pass(site, 10 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R11, R14: two nodes that reach the router and not each other. What is not promised may happen; after the merge one has to give up.
void two_holders_merge(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("nobody holds the VIP after the start");
  site.oracle().excuse_doubles(true);
  strikes.separate(other_than(site, holder), true, true, false);
  site.wires_changed();
  pass(site, 6 * kSecond);
  site.oracle().expect(Row::kNothing, 0, 100 * kMs);  // The client believes the one that announced last, until the winner does.
  strikes.separate(other_than(site, holder), false, false, false);
  site.wires_changed();
  pass(site, 2 * kSecond);
  strikes.separate(other_than(site, holder), false, true, false);
  site.oracle().excuse_doubles(false);
  site.oracle().look_everywhere();
  if (!site.node(holder).has_address(0)) site.oracle().violation("R14: who held since before the split gave up");
  pass(site, 8 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R11: a node loses the ring, the LAN and the routers, and clients still see both.
void cut_that_clients_do_not_see(Site& site, Strikes& strikes) {
  pass(site, kReady);
  for (int round = 0; round < 3; ++round) {
    const auto node = static_cast<int>(site.world().chance.below(2));
    strikes.separate(node, true, true, false);
    site.world().wires.target[static_cast<std::size_t>(node)].fill(false);
    site.wires_changed();
    pass(site, 5 * kSecond);
    if (site.holder(0) == node) site.oracle().violation("R11: held by the node that hears no router");
    strikes.repair_everything();
    pass(site, 5 * kSecond);
  }
  site.oracle().converged(site.world().now);
}

/// R15: one node's VIP is configured differently: it takes it when nobody else is left, never by choice.
void different_configuration(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int odd = site.options().odd_hash;
  const int holder = site.holder(0);
  if (holder < 0 || holder == odd) return site.oracle().violation("R15: the VIP began on the node that differs");
  site.oracle().expect_holder(0, holder);
  for (int n = 0; n < site.nodes(); ++n) {  // Everybody who could have it by choice is without servers.
    if (n != odd && n != holder) strikes.strike(Fault::kServers, n, 0);
  }
  site.run_until(site.world().now + kSecond);
  strikes.strike(Fault::kServers, holder, 0);
  (void)site.node(holder).command(MoveInput{"v0", NodeId{static_cast<std::uint32_t>(odd + 1)}});
  pass(site, 4 * kSecond);
  strikes.repair_everything();
  pass(site, 6 * kSecond);
  for (int n = 0; n < site.nodes(); ++n) {
    if (n != odd && n != site.holder(0) && site.nodes() > 2) strikes.strike(Fault::kStandby, site.holder(0), static_cast<std::uint32_t>(n));
  }
  pass(site, 3 * kSecond);
  strikes.strike(Fault::kPowerOff, site.holder(0), 0);
  pass(site, 5 * kSecond);
  const bool taken = site.holder(0) == odd;
  if (site.nodes() > 2 && taken == site.options().odd_address)
    site.oracle().violation(taken ? "R15: taken by a node with another address" : "R15: the VIP is lost and nobody took it");
}

/// R16: wishes.
void wishes(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("nobody holds the VIP after the start");
  // Frozen: no move by anybody's judgement.
  (void)strikes.wish(holder, OverrideKind::kFrozen, "", true);
  pass(site, 500 * kMs);
  site.oracle().expect_holder(0, holder);
  strikes.strike(Fault::kServers, holder, 0);
  pass(site, 3 * kSecond);
  site.oracle().expect_holder(0, holder);
  strikes.undo(Fault::kServers, holder, 0);
  pass(site, 3 * kSecond);
  (void)strikes.wish(holder, OverrideKind::kFrozen, "", false);
  pass(site, 4 * kSecond);
  // Standby: away, and not back.
  const std::string name = "n" + std::to_string(holder + 1);
  site.oracle().expect(Row::kPlannedMove, 0, 20 * kMs);
  (void)strikes.wish(other_than(site, holder), OverrideKind::kNodeStandby, name, true);
  pass(site, 2 * kSecond);
  if (site.holder(0) == holder) site.oracle().violation("R16: a node in standby keeps the VIP");
  // It restarts and does not forget.
  site.oracle().expect(Row::kNothing, 0, 0);
  strikes.strike(Fault::kKillDaemon, holder, 0);
  pass(site, 4 * kSecond);
  (void)strikes.wish(site.holder(0), OverrideKind::kNodeStandby, name, false);
  pass(site, 3 * kSecond);
  // Disabled: nowhere, also after a death.
  (void)strikes.wish(holder, OverrideKind::kVipDisabled, "v0", true);
  pass(site, 500 * kMs);
  site.oracle().set_disabled(0, true);
  if (site.holder(0) >= 0) site.oracle().violation("R16: a disabled VIP is held");
  strikes.strike(Fault::kKillDaemon, holder, 0);
  pass(site, 4 * kSecond);
  site.oracle().set_disabled(0, false);
  (void)strikes.wish(holder, OverrideKind::kVipDisabled, "v0", false);
  pass(site, 4 * kSecond);
  site.oracle().converged(site.world().now + kSecond);
  // One-shot.
  const int now_at = site.holder(0);
  site.oracle().expect(Row::kPlannedMove, 0, 20 * kMs);
  if (now_at >= 0) site.oracle().expect_reset(0, now_at);
  (void)site.node(other_than(site, holder)).command(MoveInput{"v0", kNoNode});
  pass(site, 2 * kSecond);
  if (site.holder(0) == now_at || site.holder(0) < 0) site.oracle().violation("R16: the VIP did not move");
}

/// R17: carrier comes and goes.
void flapping(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const std::uint32_t before = site.oracle().adds();
  for (int i = 0; i < 12; ++i) {
    const int holder = site.holder(0);
    if (holder < 0) break;
    strikes.strike(Fault::kServers, holder, 0);
    pass(site, 1200 * kMs);
    strikes.undo(Fault::kServers, holder, 0);
    pass(site, 3300 * kMs);
  }
  if (site.oracle().adds() - before > 5 * static_cast<std::uint32_t>(site.vips())) site.oracle().violation("R17: the VIP flaps");
  pass(site, 2500 * kMs);
  site.oracle().converged(site.world().now);
}

/// R20: something on the node deletes the address again and again.
void deleted_again_and_again(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("nobody holds the VIP after the start");
  for (int i = 0; i < 5; ++i) {
    site.oracle().expect(Row::kAddressDeleted, 0, 150 * kMs);
    strikes.strike(Fault::kDeleteAddress, holder, 0);
    pass(site, 3 * kSecond);
    if (site.holder(0) != holder) return site.oracle().violation("R20: an address that was deleted is not repaired");
  }
  strikes.strike(Fault::kDeleteAddress, holder, 0);
  pass(site, 4 * kSecond);
  if (site.holder(0) == holder || site.holder(0) < 0) site.oracle().violation("R20: deleted for the sixth time, and not yielded");
  site.oracle().converged(site.world().now);
  strikes.strike(Fault::kKillDaemon, holder, 0);  // For a minute it would not offer itself; the next daemon knows nothing of that.
  pass(site, 4 * kSecond);
}

/// R13: nodes start alone, or one after the other, around a cut.
void cold_start(Site& site, Strikes& strikes) {
  const bool cut = site.world().one_in(2);
  if (cut) strikes.strike(Fault::kCutRing, static_cast<int>(site.world().chance.below(static_cast<std::uint32_t>(site.nodes()))), 0);
  pass(site, 9 * kSecond);
  strikes.repair_everything();
  pass(site, 6 * kSecond);
  for (int round = 0; round < 4; ++round) {
    const auto n = static_cast<int>(site.world().chance.below(static_cast<std::uint32_t>(site.nodes())));
    strikes.strike(Fault::kPowerOff, n, 0);
    if (site.world().one_in(2)) strikes.strike(Fault::kPowerOff, other_than(site, n), 0);
    pass(site, site.world().between(100 * kMs, 3 * kSecond));
    strikes.undo(Fault::kPowerOff, n, 0);
    pass(site, site.world().between(500 * kMs, 8 * kSecond));
    strikes.repair_everything();
    pass(site, site.world().between(500 * kMs, 5 * kSecond));
  }
  pass(site, 12 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R15: one node's file does not have the VIP; that it is the one that plans must not matter. Then files change under way.
void unknown_to_the_proposer(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int odd = site.options().unknown_at;
  const int holder = site.holder(0);
  if (holder < 0 || holder == odd) return site.oracle().violation("R15: nobody, or the node that does not know it, took the VIP");
  site.oracle().expect(Row::kDaemonKilled, 0, 50 * kMs);
  strikes.strike(Fault::kKillDaemon, holder, 0);
  pass(site, 4 * kSecond);
  const int second = site.holder(0);
  if (second < 0 || second == odd || second == holder)
    return site.oracle().violation("R15: the other node that knows the VIP did not take it");
  site.oracle().expect(Row::kNothing, 0, 0);
  site.oracle().expect_holder(0, second);
  site.node(odd).set_settings(with_first_vip(site, odd, true));
  pass(site, 2 * kSecond);
  site.oracle().expect(Row::kServersLost, 0, 60 * kMs);  // Two plans, one after the other: it is nobody's before it is another's.
  site.oracle().expect_reset(0, second);
  site.node(second).set_settings(with_first_vip(site, second, false));
  pass(site, 2 * kSecond);
  const int third = site.holder(0);
  if (third < 0 || third == second) return site.oracle().violation("R15: taken out of its holder's file, and not taken by another node");
  site.oracle().expect(Row::kDaemonKilled, 0, 50 * kMs);
  strikes.strike(Fault::kKillDaemon, third, 0);
  pass(site, 4 * kSecond);
  if (site.holder(0) == second) site.oracle().violation("R15: held by a node whose file does not have it");
  for (int n = 0; n < site.nodes(); ++n) site.node(n).set_settings(with_first_vip(site, n, n == second));
  pass(site, 3 * kSecond);
  if (site.holder(0) != second) site.oracle().violation("R15: not held by the only node whose file has it");
  site.node(second).set_settings(with_first_vip(site, second, false));
  site.oracle().set_disabled(0, true);
  pass(site, 2 * kSecond);
  if (site.holder(0) >= 0) site.oracle().violation("R15: a VIP of nobody's file is held");
  site.oracle().set_disabled(0, false);
  site.node(second).set_settings(with_first_vip(site, second, true));
  pass(site, 4 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R10: a node that was cut off has planned alone, so that its return gives the holder a newer epoch while it holds. Killed soon after, the
/// holder's guard has to know that epoch: a Released of the older one clears nobody's way.
void killed_after_a_return(Site& site, Strikes& strikes) {
  pass(site, kReady);
  for (int round = 0; round < 4; ++round) {
    const int holder = site.holder(0);
    if (holder < 0) return site.oracle().violation("nobody holds the VIP when all is quiet");
    const int cut = other_than(site, holder);
    strikes.separate(cut, true, true, true);
    site.wires_changed();
    pass(site, 4 * kSecond);
    strikes.separate(cut, false, true, true);
    site.wires_changed();
    const auto agreed = [&](int node) {
      const TakeoverCore* core = site.node(node).core();
      return core != nullptr && core->exchange().members().size() == 2 &&
             core->describe("v0").owner == NodeId{static_cast<std::uint32_t>(holder + 1)};
    };
    for (const At until = site.world().now + 4 * kSecond; site.world().now < until && !(agreed(cut) && agreed(holder));)
      site.run_until(site.world().now + 5 * kMs);
    site.run_until(site.world().now + site.world().between(5 * kMs, 200 * kMs));
    site.oracle().disturb();
    if (site.holder(0) == holder && agreed(cut) && agreed(holder)) {
      site.oracle().expect(Row::kDaemonKilled, 0, 50 * kMs);
      strikes.strike(Fault::kKillDaemon, holder, 0);
    }
    pass(site, 5 * kSecond);
  }
  site.oracle().converged(site.world().now);
}

/// R16: taken by force without a majority. When the others are back the lease rules again: cut off now, it is given up in time.
void forced(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const auto node = static_cast<int>(site.world().chance.below(3));
  std::vector<NodeId> fenced;
  for (int n = 0; n < site.nodes(); ++n) {
    if (n == node) continue;
    strikes.strike(Fault::kPowerOff, n, 0);
    fenced.push_back(NodeId{static_cast<std::uint32_t>(n + 1)});
  }
  pass(site, 5 * kSecond);
  if (site.holder(0) >= 0) return site.oracle().violation("R4: held without a majority");
  const Status done = site.node(node).command(ForceInput{"v0", fenced}).value_or(Status{});
  if (!done) return site.oracle().violation("R16: refused: " + done.error().message());
  pass(site, 2 * kSecond);
  if (site.holder(0) != node) return site.oracle().violation("R16: forced, and not held");
  site.oracle().expect(Row::kNothing, 0, 0);
  site.oracle().expect_holder(0, node);
  strikes.repair_everything();
  pass(site, 8 * kSecond);
  site.oracle().converged(site.world().now);
  site.oracle().expect(Row::kNodeDead, 0, to_at(site.timing().token + site.timing().consensus) + 350 * kMs);
  strikes.strike(Fault::kCutRing, node, 0);
  pass(site, 4 * kSecond);
  if (site.holder(0) == node || site.holder(0) < 0) site.oracle().violation("R16: a word of long ago outlives the lease");
  strikes.repair_everything();
  pass(site, 8 * kSecond);
  site.oracle().converged(site.world().now);
}

/// R4: two nodes hear a third one and not each other, nor each other's ARP, so that its ring is now with the one, now with the other. What
/// it acknowledged to the one binds it in the ring with the other, also when its daemon has forgotten: it has just started.
void forgetful_bridge(Site& site, Strikes& strikes) {
  pass(site, kReady);
  Wires& wires = site.world().wires;
  for (int round = 0; round < 2; ++round) {
    const int holder = site.holder(0);
    if (holder < 0) return site.oracle().violation("nobody holds the VIP when all is quiet");
    const int bridge = other_than(site, holder);
    const auto h = static_cast<std::size_t>(holder);
    const auto o = static_cast<std::size_t>(other_than(site, bridge));
    wires.ring[h][o] = wires.ring[o][h] = wires.lan[h][o] = wires.lan[o][h] = false;
    site.wires_changed();
    pass(site, site.world().between(2500 * kMs, 4 * kSecond));  // What the other one promised itself is over.
    for (int i = 0; i < 8; ++i) {
      strikes.strike(Fault::kKillDaemon, bridge, 0);
      pass(site, site.world().between(150 * kMs, 900 * kMs));
    }
    strikes.repair_everything();
    pass(site, 9 * kSecond);
  }
  site.oracle().converged(site.world().now);
}

/// When the daemons of the two nodes, which have just got power, have started.
std::array<At, 2> await_starts(Site& site) {
  std::array<At, 2> started{};
  while (started[0] == 0 || started[1] == 0) {
    site.run_until(site.world().now + kMs);
    for (std::size_t n = 0; n < 2; ++n) {
      if (started[n] == 0 && site.node(static_cast<int>(n)).core() != nullptr) started[n] = site.world().now;
    }
  }
  return started;
}

/// R13: two nodes start apart, and the waits of both end within some ms. Both find the address free; one may take it.
void start_apart(Site& site, Strikes& strikes) {
  const Settings first = site.node(0).settings();
  for (int round = 0; round < 5; ++round) {
    for (int n = 0; n < 2; ++n) strikes.strike(Fault::kPowerOff, n, 0);
    strikes.strike(Fault::kCutRing, 0, 0);
    pass(site, 500 * kMs);
    for (int n = 0; n < 2; ++n) strikes.undo(Fault::kPowerOff, n, 0);
    const auto [one, two] = await_starts(site);
    Settings late = first;  // The second in rank waits a second longer.
    late.start_wait += 1s + Duration(two - one) + Duration(site.world().between(0, 20 * kMs)) - 10ms;
    site.node(0).set_settings(late);
    pass(site, 9 * kSecond);
    if (site.holder(0) < 0) return site.oracle().violation("R13: apart, and nobody takes it");
    strikes.repair_everything();
    pass(site, 2 * kSecond);
  }
  site.node(0).set_settings(first);
  pass(site, kReady);
  site.oracle().converged(site.world().now);
}

/// R12: alone with the device's vote a node sleeps for less than its lease, and the other one gets the vote meanwhile.
void sleeps_with_the_vote(Site& site, Strikes& strikes) {
  pass(site, kReady);
  for (int round = 0; round < 3; ++round) {
    strikes.strike(Fault::kCutRing, 0, 0);
    pass(site, 6 * kSecond);
    const int holder = site.holder(0);
    if (holder < 0) return site.oracle().violation("R12: cut apart, and nobody holds the VIP");
    strikes.strike(Fault::kPauseBootRuns, holder, 0);
    pass(site, site.world().between(850 * kMs, to_at(site.timing().lease())));
    strikes.undo(Fault::kPauseBootRuns, holder, 0);
    pass(site, 3 * kSecond);
    strikes.repair_everything();
    pass(site, 6 * kSecond);
  }
  site.oracle().converged(site.world().now);
}

/// R7, R11: who is alone and holds sleeps for a moment. A router's answer that is read when it wakes may be of before.
void sleeps_alone(Site& site, Strikes& strikes) {
  pass(site, kReady);
  const int holder = site.holder(0);
  if (holder < 0) return site.oracle().violation("nobody holds the VIP after the start");
  strikes.strike(Fault::kPowerOff, other_than(site, holder), 0);
  pass(site, 5 * kSecond);
  for (int round = 0; round < 10; ++round) {
    strikes.strike(Fault::kPauseBootRuns, holder, 0);
    pass(site, site.world().between(220 * kMs, 900 * kMs));
    strikes.undo(Fault::kPauseBootRuns, holder, 0);
    pass(site, 2 * kSecond + site.world().between(0, 100 * kMs));
    if (site.holder(0) != holder) site.oracle().violation("R11: alone with the router, and it does not hold");
  }
  strikes.repair_everything();
  pass(site, 8 * kSecond);
  site.oracle().converged(site.world().now);
}

}  // namespace

void mend(Site& site, Strikes& strikes) {
  site.oracle().disturb();
  strikes.repair_everything();
  site.mend_files();
  pass(site, 5 * kSecond);
  for (const auto kind : {OverrideKind::kNodeStandby, OverrideKind::kVipDisabled, OverrideKind::kFrozen}) strikes.clear_wishes(kind);
  pass(site, 8 * kSecond);
}

const char* story_name(std::uint32_t which) {
  static constexpr const char* kNames[kStories] = {"silent gateway",
                                                   "silent gateway, lost holder",
                                                   "two holders merge",
                                                   "different configuration",
                                                   "wishes",
                                                   "flapping",
                                                   "deleted again",
                                                   "cold start",
                                                   "unseen cut",
                                                   "unknown VIP",
                                                   "killed after a return",
                                                   "forced",
                                                   "forgetful bridge",
                                                   "start apart",
                                                   "sleeps with the vote",
                                                   "sleeps alone"};
  return kNames[which];
}

void adapt(std::uint32_t which, SiteOptions& o) {
  o.odd_hash = o.unknown_at = -1;
  if (which < 3 || which == 8 || which == 10 || which == 13 || which == 15) {
    o.nodes = 2;
    o.qdevice = false;
    o.tie_break = true;
  }
  if (which == 14) {
    o.nodes = 2;
    o.qdevice = true;
    o.tie_break = false;
  }
  if (which == 3) {
    o.nodes = 3;
    o.tie_break = o.qdevice = false;
    o.vips = 1;
    o.odd_hash = 2;
    o.odd_address = o.fast;
  }
  if (which == 9 || which == 11 || which == 12) {
    o.nodes = 3;
    o.tie_break = o.qdevice = o.group = o.preempt = false;
  }
  if (which == 9) o.unknown_at = 0;
  if (which >= 4 && which < 7) o.boot_staggered = false;
}

void tell(std::uint32_t which, Site& site, Strikes& strikes) {
  switch (which) {
    case 0: return silent_gateway(site, strikes);
    case 1: return silent_gateway_and_lost_holder(site, strikes);
    case 2: return two_holders_merge(site, strikes);
    case 3: return different_configuration(site, strikes);
    case 4: return wishes(site, strikes);
    case 5: return flapping(site, strikes);
    case 6: return deleted_again_and_again(site, strikes);
    case 7: return cold_start(site, strikes);
    case 8: return cut_that_clients_do_not_see(site, strikes);
    case 9: return unknown_to_the_proposer(site, strikes);
    case 10: return killed_after_a_return(site, strikes);
    case 11: return forced(site, strikes);
    case 12: return forgetful_bridge(site, strikes);
    case 13: return start_apart(site, strikes);
    case 14: return sleeps_with_the_vote(site, strikes);
    case 15: return sleeps_alone(site, strikes);
    default: return;
  }
}

}  // namespace fairlead::vip::sim
