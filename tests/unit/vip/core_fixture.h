// One core, hand-made peers. What it multicasts comes back with echo().
#pragma once

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "vip/takeover_core.h"

namespace fairlead::vip {

using Kind = HolderActionKind;

inline constexpr NodeId n1{1};
inline constexpr NodeId n2{2};
inline constexpr NodeId n3{3};
inline ClusterProcess daemon_of(NodeId node) { return {node, to_number(node) * 10}; }

class TakeoverCoreTest : public testing::Test {
 protected:
  /// This node is 1 of `count`, alone with hand-made peers.
  void begin(std::uint32_t count, bool tie = false, NodeId self = n1) {
    me = self;
    settings.self = self;
    for (std::uint32_t n = 1; n <= count; ++n) settings.nodes.push_back({NodeId{n}, "gate-" + std::to_string(n)});
    VipSettings v;
    v.name = v.group = "api";
    v.config_hash = 7;
    settings.vips = {v};
    settings.has_tie_break = tie;
    if (tie) settings.tie_targets = {"10.0.0.1"};
    core = std::make_unique<TakeoverCore>(settings, 1, std::vector<Override>{}, now);
    turn();
    core->local("api", {.able = true, .serves = true, .gateway_ok = true, .reason = ""}, out);
  }
  void turn(Duration later = 0ms, Duration boot_more = 0ms) {
    now += later;
    ahead += boot_more;
    core->turn(now, now + ahead, out);
  }
  void tick(Duration later = 0ms) {
    turn(later);
    core->tick(out);
  }
  void view(std::vector<NodeId> nodes, bool quorate = true, std::vector<NodeId> without_daemon = {}) {
    current = {};
    current.ring = {nodes.front(), ++ring};
    current.nodes = nodes;
    for (const NodeId n : nodes) {
      if (std::find(without_daemon.begin(), without_daemon.end(), n) == without_daemon.end()) current.processes.push_back(daemon_of(n));
    }
    current.quorate = quorate;
    core->view(current, daemon_of(me), out);
  }
  NodeState state_of(NodeId) const {
    NodeState s;
    s.round = current.round();
    s.incarnation = 1;
    s.token_ms = 800;
    s.consensus_ms = 960;
    s.settled = true;
    s.up_ms = 60'000;
    VipState v;
    v.name = "api";
    v.config_hash = 7;
    v.able = v.serves = true;
    v.serves_for_ms = 60'000;
    s.vips = {v};
    return s;
  }
  template <class M>
  std::vector<M> take() {
    std::vector<M> found;
    for (auto at = out.begin(); at != out.end();) {
      auto* send = std::get_if<SendMessage>(&*at);
      if (send != nullptr && std::holds_alternative<M>(send->message)) {
        found.push_back(std::get<M>(send->message));
        at = out.erase(at);
      } else {
        ++at;
      }
    }
    return found;
  }
  std::vector<Kind> actions() {
    std::vector<Kind> kinds;
    for (const TakeoverAction& a : out) {
      if (const auto* vip = std::get_if<VipAction>(&a)) kinds.push_back(vip->kind);
    }
    std::erase_if(out, [](const TakeoverAction& a) { return std::holds_alternative<VipAction>(a); });
    return kinds;
  }
  bool has(Kind kind) {
    const auto all = actions();
    return std::find(all.begin(), all.end(), kind) != all.end();
  }
  /// What the core multicasts comes back to it.
  void echo() {
    for (int round = 0; round < 8; ++round) {
      std::vector<ClusterMessage> sent;
      for (auto& a : out) {
        if (auto* send = std::get_if<SendMessage>(&a)) sent.push_back(send->message);
      }
      std::erase_if(out, [](const TakeoverAction& a) { return std::holds_alternative<SendMessage>(a); });
      if (sent.empty()) return;
      for (const ClusterMessage& m : sent) {
        core->delivered(daemon_of(me), m, out);
        if (const auto* beat = std::get_if<Beat>(&m); beat != nullptr && !beat->held.empty() && acknowledging) {
          for (const NodeId n : current.nodes) {
            if (n != me) core->delivered(daemon_of(n), BeatAck{beat->ring, me, beat->incarnation, beat->sequence}, out);
          }
        }
      }
    }
  }
  void exchange() {
    for (const NodeId n : current.nodes) {
      if (n != me && current.has_process(daemon_of(n))) core->delivered(daemon_of(n), state_of(n), out);
    }
    echo();
  }
  /// Node 1 of the cluster holds the VIP.
  void hold() {
    std::vector<NodeId> all;
    for (const NodeName& n : settings.nodes) all.push_back(n.id);
    view(all);
    exchange();
    for (int i = 0; i < 4 && !core->holder("api")->may_be_present(); ++i) {
      tick(35ms);
      echo();
    }
    ASSERT_EQ(core->holder("api")->state(), HolderState::kAdding);
    core->kernel_done("api", Kind::kAdd, {}, out);
    echo();
    ASSERT_TRUE(core->holder("api")->is_held());
    out.clear();
  }
  void expect_taken_only_after(Instant promised) {
    while (now + 50ms < promised) {
      tick(50ms);
      echo();
      ASSERT_FALSE(core->holder("api")->may_be_present()) << to_ms(promised - now);
    }
    for (int i = 0; i < 8; ++i) {
      tick(20ms);
      echo();
    }
    EXPECT_TRUE(core->holder("api")->may_be_present());
  }
  Epoch epoch() const { return core->describe("api").epoch; }
  /// The VIP comes into this node's file.
  void begin_again_with_api() {
    VipSettings v;
    v.name = v.group = "api";
    v.config_hash = 7;
    settings.vips = {v};
    core->configure(settings, out);
    core->local("api", {.able = true, .serves = true, .gateway_ok = true, .reason = ""}, out);
    echo();
    tick(300ms);
    echo();
  }

  Settings settings;
  NodeId me = n1;
  std::unique_ptr<TakeoverCore> core;
  TakeoverActions out;
  ClusterView current;
  std::uint64_t ring = 4;
  Instant now{1h};
  Duration ahead{};
  bool acknowledging = true;
};

}  // namespace fairlead::vip
