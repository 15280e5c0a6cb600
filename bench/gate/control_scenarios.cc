// Slow paths that run while a node answers for others: reading a configuration, the difference of two, and the plan of who owns which VIP.
#include <map>
#include <string>

#include "bench/gate/scenario.h"
#include "config/diff.h"
#include "config/load.h"
#include "vip/owner_plan.h"

namespace {

using namespace fairlead;

constexpr int kPlans = 20;
constexpr std::uint32_t kNodes = 5;
constexpr int kVips = 40;

/// A gateway with one listener and `servers` servers.
std::string configuration(int servers, int first_octet) {
  std::string text =
      "apiVersion: fairlead/v1\nkind: Gateway\nnode: gate-1\nlisteners:\n  - name: api\n    bind: [\"0.0.0.0:6443\"]\n    pool: masters\n"
      "pools:\n  - name: masters\n    balance: least_connections\n    health: {type: tcp, interval: 1s}\n    servers:\n";
  for (int i = 0; i < servers; ++i) {
    text += "      - {name: mast-" + std::to_string(i) + ", address: \"10." + std::to_string(first_octet) + "." + std::to_string(i / 250) +
            "." + std::to_string(1 + i % 250) + ":6443\"}\n";
  }
  return text;
}

config::Environment no_environment() {
  config::Environment environment;
  environment.host_name = "gate-1";
  return environment;
}

}  // namespace

extern "C" {
std::uint64_t fl_gate_config_load(const std::string& text, const config::Environment& environment);
std::uint64_t fl_gate_config_diff(const config::Snapshot& from, const config::Snapshot& to);
std::uint64_t fl_gate_owner_plan(vip::PlanInput& input);

[[gnu::noinline]] std::uint64_t fl_gate_config_load(const std::string& text, const config::Environment& environment) {
  const auto loaded = config::load_text(text, "gate.yaml", environment);
  return loaded.snapshot ? loaded.snapshot->pools.front().servers.size() + loaded.problems.size() : 0;
}

[[gnu::noinline]] std::uint64_t fl_gate_config_diff(const config::Snapshot& from, const config::Snapshot& to) {
  return config::diff(from, to).size();
}

/// The owners of a settled cluster, then of one that loses a node each time round.
[[gnu::noinline]] std::uint64_t fl_gate_owner_plan(vip::PlanInput& input) {
  std::uint64_t sum = 0;
  const auto everybody = input.members;
  for (int i = 0; i < kPlans; ++i) {
    input.members = everybody;
    if (i % 2 == 1) input.members.erase(input.members.begin() + (i / 2) % static_cast<int>(kNodes));
    input.owners = vip::plan_owners(input);
    for (const auto& [name, owner] : input.owners) sum = sum * 31 + static_cast<std::uint64_t>(owner);
  }
  return sum;
}
}

namespace fairlead::bench {
namespace {

Outcome load() {
  const std::string text = configuration(200, 1);
  return {1, fl_gate_config_load(text, no_environment())};
}

Outcome difference() {
  const auto from = config::load_text(configuration(200, 1), "a.yaml", no_environment());
  const auto to = config::load_text(configuration(220, 2), "b.yaml", no_environment());
  if (!from.snapshot || !to.snapshot) return {};
  return {1, fl_gate_config_diff(*from.snapshot, *to.snapshot)};
}

Outcome plans() {
  vip::Settings settings;
  for (std::uint32_t n = 1; n <= kNodes; ++n) settings.nodes.push_back({NodeId{n}, "gate-" + std::to_string(n)});
  for (int i = 0; i < kVips; ++i) {
    vip::VipSettings v;
    v.name = "vip-" + std::to_string(i);
    v.group = i % 4 == 0 ? "group" : v.name;
    v.config_hash = 7;
    if (i % 3 == 0) v.prefer = {NodeId{1U + static_cast<std::uint32_t>(i) % kNodes}};
    settings.vips.push_back(v);
  }
  vip::PlanInput input{.settings = settings,
                       .elsewhere = {},
                       .members = {},
                       .owners = {},
                       .owner_hash = {},
                       .disabled = {},
                       .frozen = false,
                       .flapping = {},
                       .preempt = {},
                       .requests = {},
                       .serve_stable = std::chrono::seconds(3)};
  for (std::uint32_t n = 1; n <= kNodes; ++n) {
    vip::MemberFacts member{.node = NodeId{n}, .settled = true, .standby = false, .vips = {}};
    for (const vip::VipSettings& v : settings.vips) {
      VipState state;
      state.name = v.name;
      state.config_hash = 7;
      state.able = state.serves = true;
      state.serves_for_ms = 60'000;
      member.vips.push_back(state);
    }
    input.members.push_back(member);
  }
  return {kPlans, fl_gate_owner_plan(input)};
}

}  // namespace

std::vector<Scenario> control_scenarios() {
  return {{"config_load_200_servers", "load", load},
          {"config_diff_200_servers", "diff", difference},
          {"owner_plan_5_nodes_40_vips", "plan", plans}};
}

}  // namespace fairlead::bench
