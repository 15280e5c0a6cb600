// Traces by hand; of simulated nodes: tests/sim/cluster/trace_replay_test.cc, of real ones: tests/netns/test_trace.py.
#include "daemon/takeover_trace.h"

#include <chrono>
#include <gtest/gtest.h>
#include <sstream>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

/// A node alone, whose VIP is taken: begin, a view, the kernel's answers.
std::string a_life() {
  vip::Settings settings;
  settings.self = NodeId{1};
  settings.nodes = {{NodeId{1}, "gate-1"}};
  vip::VipSettings& api = settings.vips.emplace_back();
  api.name = api.group = "api";
  api.address = *parse_ip_prefix("192.0.2.1/24");
  api.takeover_probe = false;
  settings.start_wait = 0s;
  settings.serve_stable = 0s;
  const Instant born{1h};
  vip::TakeoverCore core(settings, 7, {}, born);
  std::string out = trace_begin(settings, 7, {}, born);
  std::vector<ClusterMessage> sent;
  const auto tell = [&](const vip::TakeoverInput& input) {
    out += trace_input(input);
    vip::TakeoverActions actions;
    (void)vip::apply(core, input, actions);
    for (const vip::TakeoverAction& action : actions) {
      out += trace_action(action);
      if (const auto* message = std::get_if<vip::SendMessage>(&action)) sent.push_back(message->message);
    }
  };
  const ClusterProcess self{NodeId{1}, 100};
  tell(vip::TurnInput{born, born});
  tell(vip::LocalInput{"api", {.able = true, .serves = true, .gateway_ok = true, .reason = ""}});
  tell(vip::ViewInput{{.ring = {NodeId{1}, 1}, .nodes = {NodeId{1}}, .processes = {self}, .quorate = true}, self});
  for (int turn = 1; turn < 20; ++turn) {
    tell(vip::TurnInput{born + turn * 50ms, born + turn * 50ms});
    for (const ClusterMessage& message : std::exchange(sent, {})) tell(vip::DeliveredInput{self, message});
    tell(vip::TickInput{});
  }
  return out;
}

Result<TraceReplay> replay(const std::string& text) {
  std::istringstream trace(text);
  return replay_trace(trace);
}

TEST(TakeoverTraceTest, ALifeGivesTheSameAnswersAgain) {
  const std::string life = a_life();
  EXPECT_NE(life.find(R"("out":"add","vip":"api")"), std::string::npos) << "it takes the VIP";
  const auto twice = replay(life + life);
  ASSERT_TRUE(twice) << twice.error().message();
  EXPECT_EQ(twice->lives, 2U);
  EXPECT_GT(twice->actions, 10U);
}

TEST(TakeoverTraceTest, ALifeMayEndAnywhereAndTheNextOneReplays) {
  const std::string life = a_life();
  const auto whole = replay(life);
  ASSERT_TRUE(whole);
  for (std::size_t cut = 0; cut < life.size(); ++cut) {
    const auto both = replay(life.substr(0, cut) + life);
    ASSERT_TRUE(both) << "cut at " << cut << ": " << both.error().message();
    EXPECT_GE(both->actions, whole->actions);
  }
}

TEST(TakeoverTraceTest, ADamagedLineInALifeIsNamed) {
  std::string life = a_life();
  const std::size_t at = life.find("\n{\"in\"", life.size() / 2) + 1;
  const auto line = static_cast<std::size_t>(std::count(life.begin(), life.begin() + static_cast<std::ptrdiff_t>(at), '\n')) + 1;
  life.insert(at, "{\"in\":\n");
  const auto damaged = replay(life);
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().context.find("line " + std::to_string(line) + ":"), std::string::npos) << damaged.error().message();
}

TEST(TakeoverTraceTest, WhatIsNoTraceIsNoTrace) {
  for (const char* text : {"", "\n\n", "x\n", "[]\n", "{}\n", "{\"in\":\"tick\",\"with\":{}}\n", "{\"trace\":2}\n", "{\"trace\":1}\n"})
    EXPECT_FALSE(replay(text)) << text;
}

}  // namespace
}  // namespace fairlead::daemon
