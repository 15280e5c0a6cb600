// Whatever order of reloads, commands and reports comes: what is open, routed and numbered stays right.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/daemon/controller_fixture.h"

namespace fairlead::daemon {
namespace {

using namespace test;

config::Snapshot random_snapshot() {
  config::Snapshot out;
  out.node = "gw-1";
  const int pools = *rc::gen::inRange(1, 4);
  for (int p = 0; p < pools; ++p) {
    std::vector<config::Server> servers;
    for (const char* name : {"a", "b", "c"}) {
      const int variant = *rc::gen::inRange(0, 5);  // 0: not there; the others differ in address and weight.
      if (variant > 0)
        servers.push_back(
            server(name, "10.1." + std::to_string(p) + "." + std::to_string(1 + variant / 3) + ":6443", variant % 2 == 0 ? 100 : 50));
    }
    out.pools.push_back(pool("p" + std::to_string(p), std::move(servers)));
  }
  for (const char* name : {"x", "y"}) {
    if (!*rc::gen::arbitrary<bool>()) continue;
    std::vector<std::string> binds;  // x and y never share one: validation forbids it.
    for (int b = *name == 'x' ? 0 : 2, i = 0; i < 2; ++i) {
      if (*rc::gen::arbitrary<bool>()) binds.push_back("10.0.0.1:" + std::to_string(6000 + b + i));
    }
    out.listeners.push_back(listener(name, binds, "p" + std::to_string(*rc::gen::inRange(0, pools))));
  }
  if (out.listeners.size() == 2 && *rc::gen::arbitrary<bool>()) std::swap(out.listeners[0].bind, out.listeners[1].bind);
  return out;
}

std::string some_pool() { return "p" + std::to_string(*rc::gen::inRange(0, 3)); }
std::string some_server() { return *rc::gen::element<std::string>("a", "b", "c", "d"); }

struct Wishes {
  std::map<std::string, bool> enabled;  ///< By listener, of those there are.
};

void one_step(Shell& shell, Wishes& wishes) {
  shell.now += std::chrono::milliseconds(*rc::gen::inRange(0, 3000));
  switch (*rc::gen::inRange(0, 7)) {
    case 0: {
      const auto next = random_snapshot();
      shell.apply(next);
      std::map<std::string, bool> enabled;
      for (const auto& l : next.listeners) enabled[l.name] = !wishes.enabled.contains(l.name) || wishes.enabled.at(l.name);
      wishes.enabled = enabled;
      return;
    }
    case 1: {
      const std::string name = *rc::gen::element<std::string>("x", "y");
      const bool on = *rc::gen::arbitrary<bool>();
      RC_ASSERT(shell.command(admin::SetListenerEnabled{name, on}).has_value() == wishes.enabled.contains(name));
      if (wishes.enabled.contains(name)) wishes.enabled[name] = on;
      return;
    }
    case 2: (void)shell.command(admin::AddServer{.pool = some_pool(), .server = some_server(), .address = "10.5.0.1:6443"}); return;
    case 3: (void)shell.command(admin::RemoveServer{some_pool(), some_server()}); return;
    case 4:
      (void)shell.command(admin::SetServerState{
          some_pool(), some_server(), *rc::gen::element(admin::AdminState::kReady, admin::AdminState::kDrain, admin::AdminState::kMaint)});
      return;
    case 5: shell.carry(shell.node.tick(shell.now)); return;
    default: {
      if (shell.probes.empty()) return;
      auto probe = shell.probes.begin();
      std::advance(probe, *rc::gen::inRange<std::size_t>(0, shell.probes.size()));
      shell.checked(probe->first, *rc::gen::element(lb::ProbeOutcome::kOk, lb::ProbeOutcome::kRefused, lb::ProbeOutcome::kStatus));
    }
  }
}

void check(const Shell& shell, const Wishes& wishes) {
  for (const std::string& fault : shell.faults) RC_FAIL(fault);
  std::multiset<std::string> wanted;
  for (const auto& l : shell.node.active().listeners) {
    if (!wishes.enabled.at(l.name)) continue;
    for (const Endpoint& e : l.bind) wanted.insert(l.name + " " + e.to_string());
  }
  RC_ASSERT(shell.addresses() == wanted);
  if (shell.routes == nullptr) return;
  RC_ASSERT(shell.routes->pools.size() == shell.node.active().pools.size());
  const auto report = shell.report();
  for (std::size_t p = 0; p < shell.routes->pools.size(); ++p) {
    const auto& configured = shell.node.active().pools[p].servers;
    std::set<std::string> names;
    RC_ASSERT(shell.routes->pools[p]->servers.size() == report.pools[p].servers.size());
    for (std::size_t i = 0; i < shell.routes->pools[p]->servers.size(); ++i) {
      const lb::RouteServer& s = shell.routes->pools[p]->servers[i];
      RC_ASSERT(names.insert(s.name).second);
      const bool in_file = std::any_of(configured.begin(), configured.end(), [&](const config::Server& c) {
        return c.name == s.name && to_string(c.address) == s.endpoint.to_string();
      });
      RC_ASSERT(in_file || report.pools[p].servers[i].added_at_run_time);
      RC_ASSERT(s.usable == (report.pools[p].servers[i].state == admin::ServerState::kUp));
    }
  }
}

RC_GTEST_PROP(ControllerHistory, KeepsBindsTablesAndVersionsRight, ()) {
  Shell shell;
  Wishes wishes;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    one_step(shell, wishes);
    check(shell, wishes);
  }
}

}  // namespace
}  // namespace fairlead::daemon
